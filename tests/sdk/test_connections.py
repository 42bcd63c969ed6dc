"""A response belongs to its request, and nothing a server sends makes a call exceed its timeouts."""

import asyncio
import gzip
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aiohttp
import pytest
import trustme
from aiohttp.client_proto import ResponseHandler

from tests.raw import answer, raw_server, read_request
from woodpecker_async import CallOptions, RetryPolicy, Timeouts, WoodpeckerSession, errors

ONCE = RetryPolicy(attempts=1)


def keys_of(company_id: int) -> bytes:
    """A page with one key, which identifies its owner."""
    page = {"total_elements": 1, "total_pages": 1, "current_page_number": 1, "page_size": 50}
    return answer(json.dumps({"content": [{"api_key": f"{company_id}.key"}], "pagination_data": page}).encode())


def company_in(head: str) -> int:
    found = re.search(r"companies/(\d+)/", head)
    assert found is not None
    return int(found[1])


async def key_of(woodpecker: WoodpeckerSession, company_id: int) -> str:
    (key,) = await woodpecker.agency.api_keys.list(company_id).collect()
    return key.api_key.reveal()


@asynccontextmanager
async def session(url: str, lent: bool, **settings) -> AsyncIterator[WoodpeckerSession]:
    if not lent:
        async with WoodpeckerSession("1.key", base_url=url, **settings) as woodpecker:
            yield woodpecker
        return
    async with (
        aiohttp.ClientSession() as theirs,
        WoodpeckerSession("1.key", base_url=url, http_session=theirs, **settings) as woodpecker,
    ):
        yield woodpecker


FOREIGN = keys_of(666)

# What a server may send unasked, and what would turn it into the next response.
UNASKED = {
    "a second answer": (FOREIGN, b""),
    "a 408": (answer(b"", "408 Request Timeout", Connection="close"), b""),
    "a blank line": (b"\r\n", FOREIGN),
    "a bare line feed": (b"\n", FOREIGN),
    "a carriage return": (b"\r", FOREIGN),
    "a byte of a status line": (FOREIGN[:1], FOREIGN[1:]),
    "half a status line": (FOREIGN[:9], FOREIGN[9:]),
    "half a head": (FOREIGN[:40], FOREIGN[40:]),
    "a head without its body": (FOREIGN[:-30], FOREIGN[-30:]),
    "all but the last byte": (FOREIGN[:-1], FOREIGN[-1:]),
    "an announcement": (b"HTTP/1.1 103 Early Hints\r\n\r\n", FOREIGN),
    "a 204": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "a switch of protocols": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        FOREIGN,
    ),
    "junk": (b"\x00\xff garbage", FOREIGN),
    "a chunk": (b"5\r\nabcde\r\n0\r\n\r\n", FOREIGN),
}


@pytest.mark.parametrize("lent", [False, True], ids=["own", "lent"])
@pytest.mark.parametrize("later", [False, True], ids=["in one segment", "later"])
@pytest.mark.parametrize("unasked", UNASKED)
async def test_what_nobody_asked_for_is_no_answer(unasked: str, later: bool, lent: bool) -> None:
    """The server sends extra bytes after its first response; whoever reuses that connection would read them.

    The response itself is complete, whatever follows it in the same segment: nothing is requested again.
    """
    too_much, rest = UNASKED[unasked]

    async def handle(server, number: int, head: str):
        own = keys_of(company_in(head)) if "GET" in head else answer(b'{"companies": [{"id": 9, "name": "Aviato"}]}')
        if number > 1 or server.connections > 1:
            return (rest if server.connections == 1 else b"") + own

        async def both():
            yield own if later else own + too_much
            if later:
                await asyncio.sleep(0.03)
                yield too_much

        return both()

    once_more = RetryPolicy(attempts=2, initial_backoff=0.01)
    async with raw_server(handle) as server, session(server.url, lent, retry=once_more) as woodpecker:
        assert await key_of(woodpecker, 5) == "5.key"
        await asyncio.sleep(0.08 if later else 0)
        (made,) = await woodpecker.agency.companies.create(["Aviato"])
        assert made.id == 9
        assert await key_of(woodpecker, 7) == "7.key"
        assert server.connections == 2
        assert sum("POST" in head for head in server.requests) == 1
        assert len(server.requests) == 3


@pytest.mark.parametrize("lent", [False, True], ids=["own", "lent"])
@pytest.mark.parametrize("shape", ["plain", "chunked", "gzip", "empty", "byte by byte", "announced"])
async def test_twelve_calls_use_one_connection(shape: str, lent: bool) -> None:
    async def pieces(whole: bytes):
        for byte in whole:
            yield bytes([byte])

    async def handle(server, number: int, head: str):
        whole = keys_of(company_in(head))
        first, _, body = whole.partition(b"\r\n\r\n")
        if shape == "chunked":
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:]))
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-Trailer: 1\r\n\r\n"
        if shape == "gzip":
            packed = gzip.compress(body)
            return answer(packed, Content_Encoding="gzip")
        if shape == "empty":
            return answer(b"", "404 Not Found")
        if shape == "byte by byte":
            return pieces(whole)
        if shape == "announced":
            return b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + whole
        return first + b"\r\n\r\n" + body

    async with raw_server(handle) as server, session(server.url, lent) as woodpecker:
        for number in range(1, 13):
            if shape == "empty":
                with pytest.raises(errors.NotFoundError):
                    await key_of(woodpecker, number)
            else:
                assert await key_of(woodpecker, number) == f"{number}.key"
        assert server.connections == 1


class ThreadedServer:
    """A server on its own thread, so that it continues while the client's event loop is busy."""

    def __init__(self, behind_first: bytes | None) -> None:
        self.behind_first = behind_first
        self.heads: list[str] = []
        self.connections = 0
        self.said = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/rest"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(connection)
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection, self.connections))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, connection.makefile("rb") as stream:
            while (head := self._head(stream)) is not None:
                self.heads.append(head)
                is_write = head.startswith("POST")
                body = (
                    answer(b'{"companies": [{"id": 9, "name": "Aviato"}]}') if is_write else keys_of(company_in(head))
                )
                connection.sendall(body)
                if number == 1 and not self.said.is_set():
                    time.sleep(0.05)
                    if self.behind_first is None:
                        self.said.set()
                        return
                    connection.sendall(self.behind_first)
                    self.said.set()

    @staticmethod
    def _head(stream) -> str | None:
        lines = []
        try:
            while line := stream.readline():
                lines.append(line)
                if line == b"\r\n":
                    head = b"".join(lines).decode()
                    length = re.search(r"(?i)content-length: (\d+)", head)
                    stream.read(int(length[1]) if length else 0)
                    return head
        except OSError:
            pass
        return None

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


@contextmanager
def threaded_server(behind_first: bytes | None) -> Iterator[ThreadedServer]:
    server = ThreadedServer(behind_first)
    try:
        yield server
    finally:
        server.close()


@pytest.mark.parametrize("lent", [False, True], ids=["own", "lent"])
@pytest.mark.parametrize("write", [False, True], ids=["a read", "a write"])
@pytest.mark.parametrize("behind", [FOREIGN, FOREIGN[:9], b"\r\n", None], ids=["answer", "half", "blank", "hang-up"])
@pytest.mark.filterwarnings("ignore:Executing")
async def test_what_waits_in_the_socket_while_the_loop_is_busy_is_seen(
    behind: bytes | None, write: bool, lent: bool
) -> None:
    with threaded_server(behind) as server:
        async with session(server.url, lent, retry=ONCE) as woodpecker:
            assert await key_of(woodpecker, 5) == "5.key"
            server.said.wait(10)  # this blocks the loop, on purpose
            time.sleep(0.02)
            if write:
                (made,) = await woodpecker.agency.companies.create(["Aviato"])
                assert made.id == 9
            assert await key_of(woodpecker, 7) == "7.key"
        assert server.connections == 2
        assert len(server.heads) == 2 + write


async def test_many_stale_connections_cost_no_attempt() -> None:
    """All idle connections were closed while the loop was busy; a single attempt must suffice, even for a write."""

    async def handle(server, number: int, head: str) -> bytes:
        await asyncio.sleep(0.05)
        return keys_of(company_in(head)) if "GET" in head else answer(b'{"companies": [{"id": 9, "name": "Aviato"}]}')

    async with raw_server(handle) as server, session(server.url, lent=False, retry=ONCE) as woodpecker:
        await asyncio.gather(*(key_of(woodpecker, number) for number in range(1, 5)))
        before = server.connections
        assert before > 1
        for writer in server.writers:  # the client's loop cannot see it before it sends
            writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        created = woodpecker.agency.companies.create(["Aviato"])
        (made,) = await created
        assert made.id == 9
        assert server.connections == before + 1
        assert sum("POST" in head for head in server.requests) == 1


def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    return server_side, client_side


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_connections_are_reused_and_guarded(version: ssl.TLSVersion) -> None:
    server_side, client_side = tls()
    server_side.minimum_version = server_side.maximum_version = version

    async def handle(server, number: int, head: str):
        own = keys_of(company_in(head))
        return own + FOREIGN if company_in(head) == 12 else own

    async with raw_server(handle, server_side) as server:
        url = server.url.replace("http:", "https:")
        async with WoodpeckerSession("1.key", base_url=url, ssl_context=client_side, retry=ONCE) as woodpecker:
            for number in range(1, 15):
                assert await key_of(woodpecker, number) == f"{number}.key"
        assert server.connections == 2


async def test_a_lent_connector_serves_its_owner_as_before() -> None:
    """Ours and theirs take turns; nobody gets the other's response, and theirs work on our connections."""

    async def handle(server, number: int, head: str):
        if "/theirs" in head:
            # one of their responses is followed by half of another, which their parser swallows
            return answer(b"theirs") + (FOREIGN[:30] if "half" in head else b"")
        return FOREIGN[30:] + keys_of(company_in(head)) if number > 1 else keys_of(company_in(head))

    async with raw_server(handle) as server, aiohttp.ClientSession() as theirs:
        async with WoodpeckerSession("1.key", base_url=server.url, http_session=theirs, retry=ONCE) as woodpecker:
            for path in ("/theirs", "/theirs?half"):
                async with theirs.get(server.url + path) as response:
                    assert await response.text() == "theirs"
                assert await key_of(woodpecker, 5) == "5.key"
            before = server.connections
            for _ in range(3):
                async with theirs.get(server.url + "/theirs") as response:
                    assert await response.text() == "theirs"
            assert server.connections == before  # on what was our connection
        async with theirs.get(server.url + "/theirs") as response:
            assert await response.text() == "theirs"


async def test_a_server_that_speaks_first_is_not_answered() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"", "503 Busy"))
        head = await read_request(reader)
        heads.append(head)
        writer.close()

    heads: list[str | None] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/rest"
    policy = RetryPolicy(attempts=2, initial_backoff=0.01)
    async with WoodpeckerSession("1.key", base_url=url, retry=policy) as woodpecker:
        # Whether the greeting comes before or after the request is random; it is never silent.
        for _ in range(5):
            with pytest.raises((errors.NotSentError, errors.OutcomeUnknownError)) as caught:
                await woodpecker.agency.companies.create(["Aviato"])
            sent = [head for head in heads if head is not None]
            assert len(sent) <= 5
            if isinstance(caught.value, errors.NotSentError):
                assert "before it was asked" in str(caught.value)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_connection_asks_for_no_more_than_comes_from_the_heap(
    secure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """128 KiB is where malloc starts to map memory for each read."""
    server_side, client_side = tls()
    asked: list[int] = []
    if secure:
        read = ssl.SSLObject.read
        monkeypatch.setattr(ssl.SSLObject, "read", lambda self, size: asked.append(size) or read(self, size))
    else:
        recv = socket.socket.recv
        monkeypatch.setattr(socket.socket, "recv", lambda self, size: asked.append(size) or recv(self, size))

    async def handle(server, number: int, head: str) -> bytes:
        asked.clear()  # what the server itself read
        return keys_of(company_in(head))

    async with raw_server(handle, server_side if secure else None) as server:
        url = server.url.replace("http:", "https:") if secure else server.url
        async with WoodpeckerSession("1.key", base_url=url, ssl_context=client_side) as woodpecker:
            for number in (1, 2):
                assert await key_of(woodpecker, number) == f"{number}.key"
                assert asked
                assert max(asked) < 128 * 1024


async def test_the_private_places_are_still_there() -> None:
    """The parser and the latest payload of a connection, as `engine.connections` finds them."""
    protocol = ResponseHandler(asyncio.get_running_loop())
    assert protocol._payload is None
    protocol.set_response_params(auto_decompress=False)
    first = protocol._parser
    assert first is not None
    protocol.data_received(answer(b"body"))
    message, payload = await protocol.read()
    assert message.code == 200
    assert protocol._payload is payload
    assert payload.is_eof()
    protocol.set_response_params(auto_decompress=False)
    assert protocol._parser not in (first, None)
    assert aiohttp.ClientRequest.DEFAULT_HEADERS["Accept-Encoding"]


# Timeouts -------------------------------------------------------------------------------------------------


async def _forever(first: bytes, again: bytes, pause: float = 0.0) -> AsyncIterator[bytes]:
    yield first
    while True:
        await asyncio.sleep(pause)
        yield again


HEAD = b"HTTP/1.1 200 OK\r\n"
ENDLESS = {
    "nothing": lambda: _forever(b"", b"", 0.01),
    "a status line, slowly": lambda: _forever(b"HTTP/1.1 200 ", b"O", 0.01),
    "a head without its body": lambda: _forever(HEAD + b"Content-Length: 100\r\n\r\n{", b"", 0.01),
    "headers, slowly": lambda: _forever(HEAD, b"X: y\r\n", 0.01),
    "headers": lambda: _forever(HEAD, b"X: y\r\n" * 100),
    "one header": lambda: _forever(HEAD + b"X: ", b"y" * 10_000),
    "announcements, slowly": lambda: _forever(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.01),
    "announcements": lambda: _forever(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
    "continue": lambda: _forever(b"HTTP/1.1 100 Continue\r\n\r\n", b"", 0.01),
    "blank lines": lambda: _forever(b"", b"\r\n" * 1000),
    "a body, slowly": lambda: _forever(HEAD + b"Content-Length: 100000\r\n\r\n[", b" ", 0.01),
    "chunks, slowly": lambda: _forever(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0.01),
    "chunks": lambda: _forever(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 100),
    "an extension of a chunk": lambda: _forever(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 10_000),
    "trailers, slowly": lambda: _forever(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n", 0.01),
    "a body without a length": lambda: _forever(HEAD + b"\r\n[", b" " * 1000),
    "a gzip header": lambda: _forever(
        HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"3e8\r\n" + b"x" * 1000 + b"\r\n",
    ),
    "another protocol": lambda: _forever(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", b"x" * 100, 0.01
    ),
}


@pytest.mark.parametrize(("write", "reused"), [(False, True), (True, False)], ids=["reused, a read", "a write"])
@pytest.mark.parametrize("shape", ENDLESS)
async def test_nothing_a_server_sends_makes_a_call_outlast_its_timeout(shape: str, reused: bool, write: bool) -> None:
    async def handle(server, number: int, head: str):
        return answer(b'{"id": 1}') if "/v1/me" in head else ENDLESS[shape]()

    timeouts = Timeouts(attempt=0.2)
    async with raw_server(handle) as server, session(server.url, False, retry=ONCE, timeouts=timeouts) as woodpecker:
        if reused:
            await woodpecker.account.me()
        async with asyncio.timeout(20):  # far above the attempt's timeout, far below forever
            with pytest.raises(errors.CallError) as caught:
                await woodpecker.request("POST" if write else "GET", "/v2/x", company_id=None)
        assert caught.value.attempts[0].elapsed < 10
        assert await woodpecker.account.me()  # and the next call is served
        assert server.connections == 2


async def test_a_head_whose_body_never_comes_does_not_hang_the_next_call() -> None:
    """It arrived while nothing was in flight; the next call would never end, whatever its timeouts."""

    async def handle(server, number: int, head: str):
        async def both():
            yield keys_of(company_in(head))
            await asyncio.sleep(0.02)
            yield FOREIGN[:-30]

        return both()

    async with raw_server(handle) as server, session(server.url, False, retry=ONCE) as woodpecker:
        for number in (1, 2, 3):
            async with asyncio.timeout(10):
                assert await key_of(woodpecker, number) == f"{number}.key"
            await asyncio.sleep(0.06)
        assert server.connections == 3


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_server_that_answers_before_it_has_read_does_not_hold_a_write() -> None:
    """The body of the request is larger than all buffers; the response comes when the head has been read."""
    conn_lost = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(b'{"id": 1}'))
        await conn_lost.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/rest"
    async with WoodpeckerSession("1.key", base_url=url, timeouts=Timeouts(attempt=5)) as woodpecker:
        for _ in range(2):  # the connection that was left mid-body is not reused
            said = await woodpecker.request(
                "POST", "/v2/x", company_id=None, json="x" * 30_000_000, options=CallOptions(deadline=20)
            )
            assert said == {"id": 1}
    conn_lost.set()
    server.close()
    await server.wait_closed()
