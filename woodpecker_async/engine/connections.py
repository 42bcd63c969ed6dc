"""An answer belongs to its request: what guards the connections that aiohttp keeps open.

HTTP/1.1 has no number that ties an answer to its request, only their order on the connection. So a connection
that has said anything while no request was in flight on it must not be used again: what it said (a second
answer, half of one, a 408, a blank line) would be read as, or in front of, the next answer.

There are three places to look:

* what arrives behind the end of an answer, or later while the connection is idle, meets the connection's `_Guard`,
  which then closes the connection. It is put in front of aiohttp's parser for one answer, and aiohttp itself
  replaces it when the connection is used the next time, whoever uses it;
* what the event loop has not read yet, because it was busy, is seen by polling the socket before sending;
* what another user of a lent connector may have left behind cannot be seen, so a connection that somebody
  else used last is closed rather than used.

aiohttp has a public place from which to look, `ClientRequest.send`: an exception there comes before any byte
is written, and closes the connection. The parser and the latest payload of a connection it keeps private;
they are touched in this module only, and a test says if they move.

An attempt that is given up before its answer began leaves its connection to `LateConnection`, which listens for
that answer: it tells the lane that the server has got past the request (see `backlog`). aiohttp is told that the
connection was lost, and has no part in it any more.
"""

import asyncio
import select
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Final

import aiohttp
import attrs
from aiohttp import hdrs

from woodpecker_async.engine.content_coding import ACCEPT_ENCODING

_POLL: Final = getattr(select, "poll", None)
_NOTHING: Final = ((), False, b"")
_STATUS_ENDS: Final = len(b"HTTP/1.1 200")
_HEAD_ENDS: Final = b"\r\n\r\n"
# Bytes to ask the socket for at a time. asyncio asks for 256 KiB: so much memory does not come from the heap, but
# is mapped, cleared and unmapped again for each answer, however short, which costs more than to parse it.
_READ_AT_ONCE: Final = 64 * 1024


@attrs.define(eq=False, repr=False)
class Exchange:
    """How far one attempt has got.

    Attributes:
        reused: the connection had served before.
        sent: the request may have left.
        answered: the head of an answer came.
        address: the local address of the connection, once there is one.
        on_wire: told `True` when the request may leave.
        kept: listens for the answer, which did not begin before the attempt was given up.
    """

    on_wire: Callable[[bool], None] | None = None
    reused: bool = False
    sent: bool = False
    answered: bool = False
    address: Any = None
    kept: "LateConnection | None" = None


current: Final[ContextVar[Exchange]] = ContextVar("exchange")


class UnfitConnectionError(aiohttp.ClientConnectionError):
    """This connection cannot be trusted with a request. Nothing was written on it, and it has been closed."""


class UnaskedError(Exception):
    """Bytes came that no request had asked for."""


class GuardedRequest(aiohttp.ClientRequest):
    """A request that looks at its connection before it is sent, and says what is decoded here."""

    DEFAULT_HEADERS = {hdrs.ACCEPT: "*/*", hdrs.ACCEPT_ENCODING: ACCEPT_ENCODING}  # noqa: RUF012 - as in aiohttp

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        """Send it, unless the connection has something on it already.

        Raises:
            UnfitConnectionError: it has. Nothing was written.
        """
        exchange = current.get()
        protocol = conn.protocol
        exchange.reused = protocol._payload is not None
        if _POLL is None:
            # What was read on our behalf but not handed over yet: the wake-up comes before the reader's callback.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        if protocol.should_close or not protocol.is_connected():
            raise UnfitConnectionError
        guard = getattr(protocol, "_woodpecker_guard", None) or _Guard(protocol)
        if guard.has_spoken(reused=exchange.reused):
            raise UnfitConnectionError
        guard.expect_answer()
        exchange.address = protocol.transport.get_extra_info("sockname")
        exchange.sent = True
        if exchange.on_wire is not None:
            exchange.on_wire(True)
        return await super().send(conn)


class KeptResponse(aiohttp.ClientResponse):
    """A response that keeps its connection open, if it is given up before it has begun."""

    def close(self) -> None:
        """Close it."""
        if self.connection is not None:
            _keep(self.connection.protocol)
        super().close()


def _keep(protocol: Any) -> None:
    transport = protocol.transport
    if protocol._woodpecker_guard.payload is not None or transport is None or transport.is_closing():
        return
    try:
        current.get().kept = LateConnection(transport)
    except (AttributeError, NotImplementedError):  # a transport of somebody's own, and not a whole one
        return
    protocol.connection_lost(None)  # aiohttp gives back what is not there any more


class LateConnection(asyncio.Protocol):
    """Listens for the answer to a request that nobody waits for any more, and reads its status."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._tell: Callable[[int | None], None] | None = None
        self._head = b""
        self._status: int | None = None
        self._over = False
        transport.set_protocol(self)

    def listen(self, tell: Callable[[int | None], None]) -> None:
        """Have it tell once: the status of the answer, or nothing if the connection has gone."""
        self._tell = tell
        if self._over:
            self._end()

    def close(self) -> None:
        """Close it, and tell nothing. May be called from another thread."""
        self._tell = None
        if asyncio._get_running_loop() is self._loop:
            self._end()
        else:
            with suppress(RuntimeError):  # that event loop has ended
                self._loop.call_soon_threadsafe(self._end)

    def data_received(self, data: bytes) -> None:
        """The answer begins."""
        self._head += data[: _STATUS_ENDS - len(self._head)]
        if len(self._head) == _STATUS_ENDS and not self._over:
            status = self._head[-3:]
            self._status = int(status) if status.isdigit() else None
            self._end()

    def connection_lost(self, _error: Exception | None) -> None:
        """The server has closed it, or this side has."""
        self._end()

    def _end(self) -> None:
        self._over = True
        if not self._loop.is_closed():  # else the connection has gone with its loop
            self._transport.abort()
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(self._status)


class _Guard:
    """Watches one connection: looks at it before a request, and at what comes back.

    It reads an answer through aiohttp's parser, and closes the connection at the first byte behind it. A parser does
    not tell how many bytes of a segment belonged to the answer. So it is given no more at a time than surely does: up
    to the end of a head, as much of a body as its `Content-Length` has room for, and where that is not known the last
    byte of a segment by itself. An answer that is complete before all is read is followed by something.

    Attributes:
        payload: the body of the latest answer to a request of ours, from the end of its head on.
    """

    payload: Any = None
    _length: int | None = None

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._parser: Any = None
        transport = protocol.transport
        # A new TLS connection may well be readable: servers send session tickets behind the handshake.
        self._greets = transport.get_extra_info("ssl_object") is not None
        self._poll = _poll_of(transport.get_extra_info("socket"))
        reads = getattr(transport, "_ssl_protocol", transport)
        if hasattr(reads, "max_size"):  # not in other event loops than asyncio's own
            reads.max_size = _READ_AT_ONCE
            if hasattr(reads, "_ssl_buffer_view"):  # TLS has its 256 KiB as long as the connection lives
                reads._ssl_buffer = bytearray(_READ_AT_ONCE)
                reads._ssl_buffer_view = memoryview(reads._ssl_buffer)
        protocol._woodpecker_guard = self

    def has_spoken(self, *, reused: bool) -> bool:
        """Whether there is, or may be, anything on the connection that the next answer could be mixed up with."""
        if reused and self.payload is not self._protocol._payload:
            return True  # somebody else used it last
        if self._poll is None or (self._greets and not reused):
            return False
        return bool(self._poll(0))

    def expect_answer(self) -> None:
        """A request is about to be sent."""
        self.payload = self._length = None
        self._parser = self._protocol._parser
        self._protocol._parser = self

    def feed_data(self, data: bytes) -> tuple[Any, bool, bytes]:
        """Part of an answer, or what comes behind it."""
        if self.payload is not None and self.payload.is_eof():
            if data:
                raise UnaskedError  # aiohttp closes the connection
            return _NOTHING
        if not data:
            return self._feed(data)
        messages: list[Any] = []
        while data:
            size = self._surely_ours(data)
            more, upgraded, tail = self._feed(data[:size])
            messages += more
            data = data[size:]
            if upgraded:
                return messages, True, tail + data
            if data and self.payload is not None and self.payload.is_eof():
                self._protocol.close()
                break
        return messages, False, b""

    def _surely_ours(self, data: bytes) -> int:
        if self.payload is None:
            head = data.find(_HEAD_ENDS)
            if head >= 0:
                return head + len(_HEAD_ENDS)
        elif self._length is not None:
            room: int = self._length - self.payload.total_bytes
            return max(room, 1)
        return len(data) - 1 or 1

    def _feed(self, data: bytes) -> tuple[Any, bool, bytes]:
        messages, upgraded, tail = fed = self._parser.feed_data(data)
        if not messages:
            return fed  # type: ignore[no-any-return]
        for number, (message, payload) in enumerate(messages, 1):
            if message.code >= 200 or message.code == 101:  # the others announce an answer
                self.payload = payload
                length = message.headers.get(hdrs.CONTENT_LENGTH, "")
                self._length = int(length) if length.isdecimal() and not message.chunked else None
                messages = messages[:number]
                break
        return messages, upgraded, tail

    def feed_eof(self) -> Any:
        """The server has hung up."""
        return None if self.payload is not None and self.payload.is_eof() else self._parser.feed_eof()

    def pause_reading(self) -> None:
        """Let the parser go on: the transport pauses, and nothing may wait inside the parser at the end."""


def _poll_of(sock: Any) -> Callable[[int], object] | None:
    """What tells whether there is anything to read from a socket, or it has been closed; `None` if nothing does."""
    if _POLL is None or sock is None:
        return None
    poll = _POLL()  # not select(), which cannot look at descriptors above 1023
    poll.register(sock.fileno(), select.POLLIN)
    return poll.poll  # type: ignore[no-any-return]
