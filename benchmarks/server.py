"""The sandbox in a process of its own, so that client and server do not share an interpreter."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import attrs

from woodpecker_async.sandbox import Sandbox


@attrs.frozen
class Served:
    """A sandbox elsewhere.

    Attributes:
        base_url: its base URL.
        key: its HQ key.
        company_ids: the companies.
    """

    base_url: str
    key: str = attrs.field(repr=False)
    company_ids: tuple[int, ...]
    _pipe: Connection

    def refused(self) -> int:
        """How many requests it has refused since this was last asked."""
        self._pipe.send("refused")
        return int(self._pipe.recv())


def _serve(pipe: Connection, options: dict[str, Any]) -> None:
    async def main() -> None:
        async with Sandbox(**options) as box:
            pipe.send((box.base_url, box.hq_key, box.company_ids))
            told = 0
            while await asyncio.to_thread(pipe.recv) == "refused":
                pipe.send(box.stats.refused - told)
                told = box.stats.refused

    asyncio.run(main())


@contextmanager
def serving(**options: Any) -> Iterator[Served]:
    """Run `Sandbox(**options)` in a child process."""
    context = get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_serve, args=(there, options), daemon=True)
    child.start()
    there.close()  # so that a child that dies is an end of file here, and not a wait for ever
    try:
        base_url, key, company_ids = here.recv()
        yield Served(base_url, key, company_ids, here)
    finally:
        with suppress(OSError):
            here.send("end")
        child.join(10)
        if child.is_alive():
            child.kill()
            child.join()
