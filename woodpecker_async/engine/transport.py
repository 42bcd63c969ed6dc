"""One attempt over HTTP: the only module that uses aiohttp, apart from `connections`, which guards its connections.

`send` returns a response, or a `TransportFailure`. It never raises for network errors, so that no exception of aiohttp
(whose `repr` contains the request headers, key included) is ever a cause or context of ours.

The session is a light one over a connector, without cookies, middlewares or default headers. From a session passed in
by the user, only the connector is used.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from ssl import SSLContext
from typing import Final

import aiohttp
from aiohttp import hdrs
from yarl import URL

from woodpecker_async.engine.clock import TimerClock
from woodpecker_async.engine.connections import (
    Exchange,
    GuardedRequest,
    KeptResponse,
    LateConnection,
    UnfitConnectionError,
    current,
)
from woodpecker_async.engine.content_coding import BodyDamagedError, BodyTooLargeError, codings, decode, not_decodable
from woodpecker_async.engine.deadlines import Deadlines
from woodpecker_async.engine.hidden import without_frames
from woodpecker_async.engine.protocol import RawResponse, Request, TransportFailure
from woodpecker_async.engine.proxies import environment_proxy
from woodpecker_async.errors import SetupError

# Connections inherited through a fork belong to the parent. Closing them here could disturb it, and garbage collection
# would close them, so they are kept until the process ends.
_INHERITED: Final[list[object]] = []

# Headers grow on their way through proxies and content delivery networks; aiohttp's own limit is 8 KiB per line.
_LONGEST_HEADER: Final = 64 * 1024
_MOST_HEADERS: Final = 256

_UNWATCHED: Final = nullcontext()


def _nobody_asks(kept: LateConnection | None) -> None:
    if kept is not None:
        kept.close()


class Transport:
    """The connections of one session on one event loop.

    Args:
        origin: the scheme, host and port that every request goes to.
        borrowed: the user's session, whose connector is used and left open.
        proxy: the URL of a proxy.
        trust_env: take the proxy from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
        ssl_context: used instead of the default verification.
        connect_timeout: seconds to establish a connection. With a borrowed connector, this excludes the wait for a free
            connection.
        max_body: the maximum size of a body in bytes, both as received and decoded.
        timers: the clock for attempts, if it is not the event loop's.

    Raises:
        SetupError: the environment's proxy cannot be used, or the borrowed session is closed.
    """

    def __init__(
        self,
        *,
        origin: str,
        borrowed: aiohttp.ClientSession | None,
        proxy: str | None,
        trust_env: bool,
        ssl_context: SSLContext | None,
        connect_timeout: float,
        max_body: int,
        timers: TimerClock | None = None,
    ) -> None:
        self._borrowed = borrowed
        self._max_body = max_body
        self._timers = timers
        self._now = time.monotonic if timers is None else timers.now
        self._ssl: SSLContext | bool = ssl_context if ssl_context is not None else True
        self._proxy = proxy or (environment_proxy(origin) if trust_env else None)
        # Built from parts, because parsing a URL takes twice as long.
        parts = URL(origin)
        self._url = partial(URL.build, scheme=parts.scheme, authority=parts.raw_authority)
        if borrowed is None:
            # The lane limits the requests in flight: the pool must never be a second, hidden queue.
            self._connector: aiohttp.BaseConnector = aiohttp.TCPConnector(limit=0)
        else:
            if borrowed.closed or borrowed.connector is None:
                raise SetupError("the http_session passed in is closed: pass an open one, or none")
            self._connector = borrowed.connector
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=GuardedRequest,
            response_class=KeptResponse,
            auto_decompress=False,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
            max_headers=_MOST_HEADERS,
            # The attempt as a whole has its own timeout, see `send`. With a borrowed connector, `connect` would include
            # the wait for a free connection.
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=connect_timeout if borrowed is None else None,
                sock_connect=connect_timeout,
                ceil_threshold=math.inf,
            ),
        )
        switch_off_hidden_resend(self._session)
        self._deadlines = Deadlines()
        self._life = self._live()

    @property
    def lost(self) -> bool:
        """Whether the user has closed the borrowed session."""
        return self._borrowed is not None and self._connector.closed

    async def open(self) -> None:
        """Tie the connections to the running loop."""
        await anext(self._life)

    async def _live(self) -> AsyncGenerator[None, None]:
        # Before an event loop closes, it ends the async generators that were started on it, so these connections never
        # outlive their loop, even if nobody calls `aclose`.
        try:
            yield
        finally:
            self._deadlines.close()
            await self._session.close()
            if self._borrowed is None:
                await self._connector.close()

    async def send(
        self, request: Request, timeout: float, unanswered: Callable[[LateConnection | None], None] = _nobody_asks
    ) -> RawResponse | TransportFailure:
        """Send one request and read its whole response.

        Args:
            request: the request.
            timeout: seconds by which the last byte must have arrived, whatever the server does.
            unanswered: called at the end if the request may have been sent without a complete response, with the
                connection that listens for one, if it could be kept. The callee has to close it.
        """
        try:
            return await self._exchange(request, timeout, unanswered)
        except BaseException as error:  # a cancellation, Ctrl-C, a discarded coroutine, out of memory
            # Continue without the frames below, which hold the headers and the body.
            leaving = without_frames(error)
            del self
        try:
            raise leaving
        finally:
            del leaving

    async def _exchange(
        self, request: Request, timeout: float, unanswered: Callable[[LateConnection | None], None]
    ) -> RawResponse | TransportFailure:
        exchange = Exchange(on_wire=request.on_wire)
        current.set(exchange)  # never reset: a coroutine may be discarded in a different context than it started in
        started = self._now()
        whole = False
        try:
            with self._deadlines.after(timeout) as deadline, self._watch(deadline.expire, timeout, exchange):
                response = await self._response(request)
                exchange.answered = True
                try:
                    body, unreadable = await self._read(response)
                except _BROKEN as error:
                    if response.status < 300:
                        raise
                    body, unreadable = b"", _reason(error)  # an error is an error even if its body was cut off
            whole = True
            return RawResponse(
                status=response.status,
                headers=response.headers,
                body=body,
                unreadable=unreadable,
                elapsed=self._now() - started,
            )
        except Exception as error:  # as promised above, no exception of aiohttp gets out
            return _no_answer(error, exchange, timeout=timeout, elapsed=self._now() - started)
        finally:
            if exchange.sent and not whole:
                unanswered(exchange.kept)

    def _watch(self, expire: Callable[[], object], seconds: float, exchange: Exchange) -> AbstractContextManager[None]:
        """Let the clock, if there is one, time the attempt."""
        if self._timers is None:
            return _UNWATCHED
        return self._timers.attempt(seconds, expire, lambda: exchange.address)

    async def _response(self, request: Request) -> aiohttp.ClientResponse:
        exchange = current.get()
        while True:
            try:
                return await self._session.request(
                    request.method,
                    self._url(path=request.path, query_string=request.query, encoded=True),
                    headers=request.signed_headers(),
                    data=None if request.body is None else request.body(),
                    allow_redirects=False,
                    proxy=self._proxy,
                    ssl=self._ssl,
                )
            except UnfitConnectionError:
                if not exchange.reused:
                    raise
                # An idle connection that had received something, or was closed by the server. Nothing was sent, and
                # the connection is closed: try the next one, and finally a new one.

    async def _read(self, response: aiohttp.ClientResponse) -> tuple[bytes, str]:
        """Return the decoded body, and why it cannot be read, if it cannot."""
        too_large = f"larger than Limits.max_body ({self._max_body} bytes)"
        pieces: list[bytes] = []
        size = 0
        try:
            content = response.content
            while not content.at_eof() and (piece := await content.readany()):
                pieces.append(piece)
                size += len(piece)
                if size > self._max_body:
                    return b"", too_large
        finally:
            if response.connection is not None:  # not read to the end, so it must not be reused
                response.close()
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        coded = response.headers.getall(hdrs.CONTENT_ENCODING, None)
        if coded is None or not body or not (names := codings(coded)):
            return body, ""
        if (name := not_decodable(names)) is not None:
            return b"", f"encoded as {name}, which was not requested"
        steps = decode(body, names, self._max_body)
        try:
            while True:
                next(steps)
                await asyncio.sleep(0)
        except StopIteration as done:
            return done.value, ""
        except BodyTooLargeError:
            return b"", too_large

    async def aclose(self) -> None:
        """Close what this transport owns."""
        await self._life.aclose()

    def leave_to_parent(self) -> None:
        """After a fork, leave the connections to the parent."""
        _INHERITED.append(self)


def switch_off_hidden_resend(session: aiohttp.ClientSession) -> None:
    """Stop aiohttp from resending a GET, PUT or DELETE by itself when a connection drops.

    There is no public switch. All retries have to be ours, so that attempts can be counted.
    """
    session._retry_connection = False


# Errors of a body that is cut off or corrupt.
_BROKEN: Final = (aiohttp.ClientPayloadError, BodyDamagedError)


def _no_answer(error: Exception, exchange: Exchange, *, timeout: float, elapsed: float) -> TransportFailure:
    if isinstance(error, TimeoutError):
        if exchange.sent:
            return TransportFailure(kind="timeout", reason=f"no complete answer within {timeout:g} s", elapsed=elapsed)
        return TransportFailure(
            kind="not_sent", reason=f"no connection to the server within {elapsed:.3g} s", elapsed=elapsed
        )
    return TransportFailure(
        kind="lost" if exchange.sent else "not_sent",
        reason=_reason(error),
        stale=exchange.reused and not exchange.answered,
        permanent=not exchange.sent and _is_permanent(error),
        elapsed=elapsed,
    )


def _is_permanent(error: Exception) -> bool:
    """Whether another attempt would fail in the same way."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return True
        case aiohttp.ClientHttpProxyError():
            return 400 <= error.status < 500 and error.status not in (408, 425, 429)
        case _:
            return False


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return (
                "the server's certificate is not trusted here; "
                "for a private authority pass ssl_context=ssl.create_default_context(cafile=...)"
            )
        case aiohttp.ClientSSLError():
            return "TLS failed: perhaps the server does not speak TLS there, or not a version that is accepted here"
        case UnfitConnectionError():
            return "the server sent data, or closed the connection, before the request was sent"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused with {error.status}"
        case aiohttp.ClientConnectorDNSError():
            return f"the name {error.host} could not be looked up"
        case aiohttp.ClientConnectorError():
            why = error.os_error.strerror or type(error.os_error).__name__
            return f"no connection to {error.host}:{error.port}: {why}"
        case aiohttp.InvalidURL():
            return "the URL cannot be sent"
        case BodyDamagedError():
            return str(error)
        case aiohttp.ClientPayloadError():
            return "the connection broke in the middle of the answer"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection without an answer"
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP"
        case _:
            return f"the connection failed ({type(error).__name__})"
