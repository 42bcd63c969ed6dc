"""Servers in separate processes, so that client and server share neither an interpreter nor a core."""

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import attrs

from benchmarks.measure import SERVER_CORE, pin
from benchmarks.raw import Connection as RawConnection
from woodpecker_async.sandbox import Sandbox
from woodpecker_async.sandbox.prospect_data import TEXTS, Prospect, Prospects


@attrs.frozen
class Target:
    """What a client needs to know about a server.

    Attributes:
        base_url: the base URL of the API.
        key: an HQ key.
        company_ids: the ids of all companies.
    """

    base_url: str
    key: str = attrs.field(repr=False)
    company_ids: tuple[int, ...]


@attrs.frozen
class Served:
    """A server in another process.

    Attributes:
        target: how to reach it.
    """

    target: Target
    _pipe: Connection

    def refused(self) -> int:
        """The number of requests it has refused since the last call of this method."""
        return int(self._ask("refused"))

    def cpu(self) -> float:
        """The CPU seconds its process has used so far."""
        return float(self._ask("cpu"))

    def connections(self) -> int:
        """The peak number of connections since the last call of this method; only for servers from `answering`."""
        return int(self._ask("connections"))

    def _ask(self, question: str) -> Any:
        self._pipe.send(question)
        return self._pipe.recv()


@contextmanager
def serving(**options: Any) -> Iterator[Served]:
    """Run `Sandbox(**options)` in a child process."""
    with child_server(_sandbox, options) as served:
        yield served


@contextmanager
def answering(*, keys: int = 50, certificate: str | None = None) -> Iterator[Served]:
    """Run a server without a limit that answers as fast as possible, so that the client is what is measured.

    It repeats responses recorded from the sandbox: a page of 50 companies, pages of API keys, and a page of 1,000
    prospects that have all fields.

    Args:
        keys: number of keys per company, 50 on a page.
        certificate: path of a certificate for 127.0.0.1 and its key; the URL is then https.
    """
    with child_server(_canned, {"keys": keys, "certificate": certificate}) as served:
        yield served


@contextmanager
def child_server(serve: Callable[[Connection, dict[str, Any]], None], options: dict[str, Any]) -> Iterator[Served]:
    """Run a server in a child process.

    Args:
        serve: sends its `Target` through the pipe, and serves until it receives a word that it has no answer to.
        options: further arguments for `serve`.
    """
    context = get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=serve, args=(there, options), daemon=True)
    child.start()
    there.close()  # so that `recv` raises EOFError if the child dies, instead of waiting forever
    try:
        yield Served(here.recv(), here)
    finally:
        with suppress(OSError):
            here.send("end")
        child.join(10)
        if child.is_alive():
            child.kill()
            child.join()
        child.close()
        here.close()


def _sandbox(pipe: Connection, options: dict[str, Any]) -> None:
    async def main() -> None:
        async with Sandbox(**options) as box:
            pipe.send(Target(box.base_url, box.hq_key, box.company_ids))
            told = 0

            def refused() -> int:
                nonlocal told
                before, told = told, box.stats.refused
                return told - before

            await _tell(pipe, {"refused": refused, "cpu": time.process_time})

    pin(SERVER_CORE)
    asyncio.run(main())


async def _tell(pipe: Connection, answers: Mapping[str, Callable[[], Any]]) -> None:
    with suppress(EOFError):  # the parent has gone
        while (question := await asyncio.to_thread(pipe.recv)) in answers:
            pipe.send(answers[question]())


@attrs.define
class _Connections:
    """The current and the peak number of connections."""

    now: int = 0
    most: int = 0

    def come(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)

    def go(self) -> None:
        self.now -= 1

    def tell(self) -> int:
        most, self.most = self.most, self.now
        return most


class _Canned(asyncio.Protocol):
    """Sends the recorded response for the requested page."""

    _PAGE = re.compile(rb"[?&]page=(\d+)")

    def __init__(self, companies: bytes, keys: list[bytes], prospects: bytes, connections: _Connections) -> None:
        self._companies = companies
        self._prospects = prospects
        self._keys = keys
        self._connections = connections
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.come()

    def connection_lost(self, _error: Exception | None) -> None:
        self._connections.go()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:  # only GETs come here, and they have no body
            line = self._received[: self._received.index(b"\r\n")]
            self._received = self._received[end + 4 :]
            page = self._PAGE.search(line)
            number = int(page[1]) if page else 1
            if b"/prospects" in line:
                self._transport.write(self._prospects)
            else:
                self._transport.write(self._keys[number - 1] if b"/api_keys" in line else self._companies)


def _prospect(number: int) -> Prospect:
    moment = f"2026-0{1 + number % 9}-{1 + number % 28:02}T{number % 24:02}:{number % 60:02}:57+0200"
    return Prospect(
        id=1_234_567_890 - number,
        email=f"person{number}@example.com",
        organization_id=70_000 + number % 100,
        texts={name: f"{name} of number {number % 50}" for name in TEXTS},
        updated=moment,
        last_contacted=moment,
        last_replied=moment,
    )


def _canned(pipe: Connection, options: dict[str, Any]) -> None:
    async def main() -> None:
        pages = max(1, -(-options["keys"] // 50))
        async with Sandbox(companies=50, keys_per_company=options["keys"], service_time=0, queue=False) as box:
            key, company_ids = box.hq_key, box.company_ids
            box.state.hq.of_family(Prospects, box.state.seed).all = list(map(_prospect, range(1000)))
            connection = await RawConnection.open(box.base_url, key)
            path = f"/v2/agency/companies/{company_ids[0]}/api_keys?page="
            keys = [await connection.get(f"{path}{page}") for page in range(1, pages + 1)]
            companies = await connection.get("/v2/agency/companies")
            prospects = await connection.get("/v1/prospects?per_page=1000")
            connection.close()
        context, connections = None, _Connections()
        if options["certificate"] is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options["certificate"])
        server = await asyncio.get_running_loop().create_server(
            lambda: _Canned(companies, keys, prospects, connections), "127.0.0.1", 0, ssl=context, backlog=2000
        )
        async with server:
            address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}/rest"
            pipe.send(Target(f"http{'' if context is None else 's'}://{address}", key, company_ids))
            await _tell(pipe, {"cpu": time.process_time, "connections": connections.tell})

    pin(SERVER_CORE)
    asyncio.run(main())
