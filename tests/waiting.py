"""Waiting for events elsewhere: on another thread, in another process, at the other end of a socket."""

import asyncio
import time
from collections.abc import Callable, Iterator

# Only for what never happens: no machine is so loaded that an event takes this long.
SECONDS = 60


def until(condition: Callable[[], object]) -> None:
    """Block until the condition holds; the condition may raise if that has become impossible."""
    for _ in _looks(condition):
        time.sleep(0.01)


async def until_async(condition: Callable[[], object]) -> None:
    """Let the event loop run until the condition holds; the condition may raise if that has become impossible."""
    for _ in _looks(condition):
        await asyncio.sleep(0.01)


def _looks(condition: Callable[[], object]) -> Iterator[None]:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"it has not come to pass in {SECONDS} s"
        yield
