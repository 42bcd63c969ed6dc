"""Guards for the connections that aiohttp keeps open, so that no request gets another request's response.

In HTTP/1.1 nothing ties a response to its request except their order on the connection. So a connection that has
received anything while no request was in flight must not be used again: those bytes (a second response, half of one, a
408, a blank line) would be read as, or in front of, the next response.

There are three checks:

* bytes that arrive after the end of a response, or later while the connection is idle, reach the connection's `_Guard`,
  which then closes the connection. The guard is put in front of aiohttp's parser for one response, and aiohttp itself
  replaces it the next time the connection is used, whoever uses it;
* bytes that a busy event loop has not read yet are detected by polling the socket before sending;
* what another user of a borrowed connector may have left on a connection cannot be detected, so a connection that
  someone else used last is closed instead of used.

aiohttp has a public hook for these checks, `ClientRequest.send`: an exception raised there comes before any byte is
written, and closes the connection. A connection's parser and latest payload are private; they are accessed only in this
module, and a test fails if they move.

An attempt that is given up before its response began leaves its connection to a `LateConnection`, which listens for
that response to tell the lane that the server is past the request (see `backlog`). aiohttp is told that the connection
was lost, and has nothing to do with it any more.
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
# Bytes to read from the socket at a time. asyncio reads 256 KiB: that much memory does not come from the heap, but is
# mapped, cleared and unmapped again for each response, however short, which costs more than parsing it.
_READ_AT_ONCE: Final = 64 * 1024


@attrs.define(eq=False, repr=False)
class Exchange:
    """The state of one attempt.

    Attributes:
        reused: whether the connection had been used before.
        sent: whether the request may have been sent.
        answered: whether the head of a response was received.
        address: the local address of the connection, once there is one.
        on_wire: called with `True` when the request may be sent.
        kept: listens for the response, if it had not begun when the attempt was given up.
    """

    on_wire: Callable[[bool], None] | None = None
    reused: bool = False
    sent: bool = False
    answered: bool = False
    address: Any = None
    kept: "LateConnection | None" = None


current: Final[ContextVar[Exchange]] = ContextVar("exchange")


class UnfitConnectionError(aiohttp.ClientConnectionError):
    """The connection cannot be trusted. Nothing was written to it, and it has been closed."""


class UnaskedError(Exception):
    """Bytes were received that belong to no request."""


class GuardedRequest(aiohttp.ClientRequest):
    """A request that checks its connection before it is sent, and accepts the codings that are decoded here."""

    DEFAULT_HEADERS = {hdrs.ACCEPT: "*/*", hdrs.ACCEPT_ENCODING: ACCEPT_ENCODING}  # noqa: RUF012 - as in aiohttp

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        """Send the request, unless the connection has already received something.

        Raises:
            UnfitConnectionError: it has. Nothing was written.
        """
        exchange = current.get()
        protocol = conn.protocol
        exchange.reused = protocol._payload is not None
        if _POLL is None:
            # Let the loop deliver what it has already read: the wake-up comes before the reader's callback.
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
    """A response that keeps its connection open if it is given up before it has begun."""

    def close(self) -> None:
        """Close the response."""
        if self.connection is not None:
            _keep(self.connection.protocol)
        super().close()


def _keep(protocol: Any) -> None:
    transport = protocol.transport
    if protocol._woodpecker_guard.payload is not None or transport is None or transport.is_closing():
        return
    try:
        current.get().kept = LateConnection(transport)
    except (AttributeError, NotImplementedError):  # a custom, incomplete transport
        return
    protocol.connection_lost(None)  # so aiohttp releases the connection as lost


class LateConnection(asyncio.Protocol):
    """Listens for the response to a request that nobody waits for any more, and reads its status."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._tell: Callable[[int | None], None] | None = None
        self._head = b""
        self._status: int | None = None
        self._over = False
        transport.set_protocol(self)

    def listen(self, tell: Callable[[int | None], None]) -> None:
        """Call `tell` once: with the status of the response, or with `None` if the connection is lost."""
        self._tell = tell
        if self._over:
            self._end()

    def close(self) -> None:
        """Close it, without calling `tell`. Safe to call from another thread."""
        self._tell = None
        if asyncio._get_running_loop() is self._loop:
            self._end()
        else:
            with suppress(RuntimeError):  # its event loop has ended
                self._loop.call_soon_threadsafe(self._end)

    def data_received(self, data: bytes) -> None:
        """Receive the beginning of the response."""
        self._head += data[: _STATUS_ENDS - len(self._head)]
        if len(self._head) == _STATUS_ENDS and not self._over:
            status = self._head[-3:]
            self._status = int(status) if status.isdigit() else None
            self._end()

    def connection_lost(self, _error: Exception | None) -> None:
        """Handle the end of the connection, by either side."""
        self._end()

    def _end(self) -> None:
        self._over = True
        if not self._loop.is_closed():  # else the connection ended with its loop
            self._transport.abort()
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(self._status)


class _Guard:
    """Watches one connection: checks it before a request, and what it receives afterwards.

    It parses a response with aiohttp's parser, and closes the connection at the first byte after the response. A parser
    does not say how many bytes of a segment belonged to the response, so it is fed only as much at a time as certainly
    does: up to the end of the head, as much of the body as its `Content-Length` leaves, and if that is not known, the
    last byte of a segment separately. If a response is complete before all bytes are fed, something follows it.

    Attributes:
        payload: the body of the latest response to a request of ours, from the end of its head.
    """

    payload: Any = None
    _length: int | None = None

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._parser: Any = None
        transport = protocol.transport
        # A new TLS connection is often readable: servers send session tickets after the handshake.
        self._greets = transport.get_extra_info("ssl_object") is not None
        self._poll = _poll_of(transport.get_extra_info("socket"))
        reads = getattr(transport, "_ssl_protocol", transport)
        if hasattr(reads, "max_size"):  # only in asyncio's own event loops
            reads.max_size = _READ_AT_ONCE
            if hasattr(reads, "_ssl_buffer_view"):  # TLS allocates its 256 KiB for the lifetime of the connection
                reads._ssl_buffer = bytearray(_READ_AT_ONCE)
                reads._ssl_buffer_view = memoryview(reads._ssl_buffer)
        protocol._woodpecker_guard = self

    def has_spoken(self, *, reused: bool) -> bool:
        """Whether there is, or may be, anything on the connection that could be mixed up with the next response."""
        if reused and self.payload is not self._protocol._payload:
            return True  # someone else used it last
        if self._poll is None or (self._greets and not reused):
            return False
        return bool(self._poll(0))

    def expect_answer(self) -> None:
        """Prepare for the response to a request that is about to be sent."""
        self.payload = self._length = None
        self._parser = self._protocol._parser
        self._protocol._parser = self

    def feed_data(self, data: bytes) -> tuple[Any, bool, bytes]:
        """Receive part of a response, or what follows it."""
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
            if message.code >= 200 or message.code == 101:  # other 1xx responses are interim
                self.payload = payload
                length = message.headers.get(hdrs.CONTENT_LENGTH, "")
                self._length = int(length) if length.isdecimal() and not message.chunked else None
                messages = messages[:number]
                break
        return messages, upgraded, tail

    def feed_eof(self) -> Any:
        """Handle the server closing the connection."""
        return None if self.payload is not None and self.payload.is_eof() else self._parser.feed_eof()

    def pause_reading(self) -> None:
        """Do nothing: the transport pauses, but the parser must not keep back bytes of the end of a response."""


def _poll_of(sock: Any) -> Callable[[int], object] | None:
    """Return a function that polls a socket for data or its end; `None` if that is not possible."""
    if _POLL is None or sock is None:
        return None
    poll = _POLL()  # not select(), which cannot handle descriptors above 1023
    poll.register(sock.fileno(), select.POLLIN)
    return poll.poll  # type: ignore[no-any-return]
