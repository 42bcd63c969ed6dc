"""Raw servers for what no web framework would do, and a time-limited way to run them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs

Sent = bytes | AsyncIterator[bytes] | None


@attrs.define
class RawServer:
    """A listening socket with a custom handler.

    Attributes:
        port: where it listens.
        requests: the heads of the requests it read.
        connections: how many connections were made.
        writers: one for each connection.
    """

    port: int = 0
    requests: list[str] = attrs.field(factory=list)
    connections: int = 0
    writers: list[asyncio.StreamWriter] = attrs.field(factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/rest"


async def read_request(reader: asyncio.StreamReader) -> str | None:
    """The head of one request, with its body read and discarded; `None` at the end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    for line in head.splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            await reader.readexactly(int(value))
    return head


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """A complete HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def _at_once(sent: bytes) -> AsyncIterator[bytes]:
    yield sent


@asynccontextmanager
async def raw_server(
    handle: Callable[[RawServer, int, str], Awaitable[Sent]], ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serve: `handle(server, number_on_this_connection, head)` returns bytes to send, all at once or piece by piece.

    `None` hangs up.
    """
    state = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1
        state.writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            number = 0
            while (head := await read_request(reader)) is not None:
                number += 1
                state.requests.append(head)
                sent = await handle(state, number, head)
                if sent is None:
                    break
                if isinstance(sent, bytes):
                    sent = _at_once(sent)
                async for piece in sent:
                    writer.write(piece)
                    await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ssl_context)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for _ in range(3):  # what was accepted at the last moment starts, and can be ended
            await asyncio.sleep(0)
        for task in tuple(tasks):
            task.cancel()
        await asyncio.sleep(0)
        for writer in state.writers:  # including those whose client does not read the rest
            writer.transport.abort()
        await asyncio.sleep(0)
        await server.wait_closed()
