"""One attempt over HTTP: the only module that knows aiohttp.

`send` returns an answer or the lack of one. It never raises for what the network does, so that no exception
of aiohttp (whose `repr` holds the request headers, key included) is ever a cause or a context of ours.

The sessions are light ones over one connector: their own, without cookies, middlewares or default headers.
A session that the user passed in lends its connector and nothing else.
"""

import asyncio
import time
import urllib.request
from collections.abc import AsyncGenerator, Callable
from functools import partial
from ssl import SSLContext
from typing import Any, Final
from weakref import WeakSet

import aiohttp
from yarl import URL

from woodpecker_async.engine.protocol import Answer, NoAnswer, Request
from woodpecker_async.errors import ConfigError

# Connections inherited over a fork belong to the parent. Closing them here could disturb it, and collecting
# them would close them, so they are kept until the process ends.
_INHERITED: Final[list[object]] = []

_SHORTEST: Final = 0.001


class _Response(aiohttp.ClientResponse):
    """A response that notes on its failure whether the connection had served before."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        try:
            response = await super().start(connection)
        except aiohttp.ClientError as error:
            error.add_note(_STALE if protocol in _USED else _FRESH)
            raise
        _USED.add(protocol)
        return response


_USED: Final[WeakSet[object]] = WeakSet()
_STALE: Final = "stale connection"
_FRESH: Final = "fresh connection"


class Transport:
    """The connections of one session on one event loop.

    Args:
        origin: scheme, host and port that every request goes to.
        borrowed: a session of the user's whose connector is used, and left open.
        proxy: URL of a proxy.
        trust_env: take the proxy from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
        ssl_context: instead of the default verification.
        connect_timeout: seconds to reach the server.
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
    ) -> None:
        self._borrowed = borrowed
        self._connect_timeout = connect_timeout
        self._ssl: SSLContext | bool = ssl_context if ssl_context is not None else True
        self._proxy = proxy or (_environment_proxy(origin) if trust_env else None)
        # Built from its parts, for taking a URL to pieces costs twice as much.
        parts = URL(origin)
        self._url = partial(URL.build, scheme=parts.scheme, authority=parts.raw_authority)
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}
        if borrowed is None:
            # The lane bounds what is under way: the pool must never be a second, hidden queue.
            self._connector: aiohttp.BaseConnector = aiohttp.TCPConnector(limit=0)
        else:
            if borrowed.closed or borrowed.connector is None:
                raise ConfigError("the http_session passed in is closed: pass an open one, or none")
            self._connector = borrowed.connector
        self._reads = self._light_session([])
        # Only writes need to know whether anything was sent, and tracing costs a read a sixth.
        self._writes = self._light_session([_sent_flag()])
        self._life = self._live()

    @property
    def lost(self) -> bool:
        """Whether the user closed the session that was borrowed."""
        return self._borrowed is not None and self._connector.closed

    async def open(self) -> None:
        """Tie the connections to the running loop."""
        await anext(self._life)

    async def _live(self) -> AsyncGenerator[None, None]:
        # An event loop ends the async generators that were begun on it before it closes, so these
        # connections never outlive their loop, whether or not anybody thought of `aclose`.
        try:
            yield
        finally:
            await self._reads.close()
            await self._writes.close()
            if self._borrowed is None:
                await self._connector.close()

    def _light_session(self, traces: list[aiohttp.TraceConfig]) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=self._connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=traces,
            response_class=_Response,
        )
        switch_off_hidden_resend(session)
        return session

    async def send(self, request: Request, timeout: float) -> Answer | NoAnswer:
        """Send one request and read its whole answer.

        Args:
            request: what to send.
            timeout: seconds until the last byte must be there.
        """
        flag = _SentFlag(request.on_wire) if request.is_write else None
        session = self._writes if request.is_write else self._reads
        started = time.monotonic()
        try:
            response = await session.request(
                request.method,
                self._url(path=request.path, query_string=request.query, encoded=True),
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                proxy=self._proxy,
                ssl=self._ssl,
                timeout=self._timeout(timeout),
                trace_request_ctx=flag,
            )
            try:
                body = await response.read()  # to its end, which gives the connection back; or else closes it
            except aiohttp.ClientPayloadError:
                if response.status < 300:
                    raise
                body = b""  # an error is an error also when its body was cut
            return Answer(
                status=response.status,
                headers=response.headers,
                body=body,
                elapsed=time.monotonic() - started,
            )
        except asyncio.CancelledError as cancelled:
            # The frames below hold the headers: a cancellation goes on from here, without them.
            cancelled.__context__ = None
            raise cancelled.with_traceback(None) from None
        except Exception as error:  # the promise above: nothing of aiohttp's gets out
            failure = _no_answer(error, timeout=timeout, started=started)
        if flag is None or flag.sent == (failure.kind != "not_sent"):
            return failure
        return NoAnswer(kind="lost" if flag.sent else "not_sent", reason=failure.reason, elapsed=failure.elapsed)

    def _timeout(self, seconds: float) -> aiohttp.ClientTimeout:
        seconds = max(seconds, _SHORTEST)  # aiohttp takes zero and less for no timeout at all
        timeout = self._timeouts.get(seconds)
        if timeout is None:
            timeout = aiohttp.ClientTimeout(
                total=seconds, connect=min(self._connect_timeout, seconds), ceil_threshold=seconds + 1
            )
            if len(self._timeouts) < 16:  # the usual ones; what is left of a deadline differs each time
                self._timeouts[seconds] = timeout
        return timeout

    async def aclose(self) -> None:
        """Close what is ours."""
        await self._life.aclose()

    def leave_to_parent(self) -> None:
        """After a fork: these connections are the parent's."""
        _INHERITED.append(self)


def switch_off_hidden_resend(session: aiohttp.ClientSession) -> None:
    """Stop aiohttp from sending a GET, PUT or DELETE a second time by itself when a connection drops.

    There is no public switch. Ours is the only place that repeats, so that attempts can be counted.
    """
    session._retry_connection = False


class _SentFlag:
    """Whether a request has been sent."""

    def __init__(self, on_wire: Callable[[bool], None] | None) -> None:
        self.sent = False
        self._on_wire = on_wire

    def set(self) -> None:
        self.sent = True
        if self._on_wire is not None:
            self._on_wire(True)

    def __deepcopy__(self, memo: object) -> "_SentFlag":
        return self  # stand-ins for aiohttp copy what they record


def _sent_flag() -> aiohttp.TraceConfig:
    async def on_headers_sent(_session: Any, context: Any, _params: Any) -> None:
        context.trace_request_ctx.set()

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(on_headers_sent)
    return trace


def _environment_proxy(origin: str) -> str | None:
    """The proxy that the environment names for this origin.

    aiohttp's own `trust_env` would also read `~/.netrc` and may add an Authorization header from it.
    """
    parts = URL(origin)
    if urllib.request.proxy_bypass(f"{parts.host}:{parts.port}"):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _no_answer(error: Exception, *, timeout: float, started: float) -> NoAnswer:
    elapsed = time.monotonic() - started
    match error:
        case aiohttp.ConnectionTimeoutError():
            return NoAnswer(kind="not_sent", reason="the server could not be reached in time", elapsed=elapsed)
        case TimeoutError():
            return NoAnswer(kind="timeout", reason=f"no whole answer within {timeout:g} s", elapsed=elapsed)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return NoAnswer(
                kind="not_sent",
                reason="TLS failed: the server's certificate is not trusted here, or TLS is not spoken there; "
                "for a private authority pass ssl_context=ssl.create_default_context(cafile=...)",
                elapsed=elapsed,
            )
        case aiohttp.ClientHttpProxyError():
            return NoAnswer(kind="not_sent", reason=f"the proxy refused with {error.status}", elapsed=elapsed)
        case aiohttp.ClientConnectorDNSError():
            return NoAnswer(kind="not_sent", reason=f"the name {error.host} could not be looked up", elapsed=elapsed)
        case aiohttp.ClientConnectorError():
            why = error.os_error.strerror or type(error.os_error).__name__
            reason = f"no connection to {error.host}:{error.port}: {why}"
            return NoAnswer(kind="not_sent", reason=reason, elapsed=elapsed)
        case aiohttp.InvalidURL():
            return NoAnswer(kind="not_sent", reason="the URL cannot be sent", elapsed=elapsed)
        case aiohttp.ClientPayloadError():
            reason = "the connection broke in the middle of the answer"
        case aiohttp.ServerDisconnectedError():
            reason = "the server closed the connection without an answer"
        case aiohttp.ClientResponseError():
            reason = "the answer is not HTTP"
        case _:
            reason = f"the connection failed ({type(error).__name__})"
    return NoAnswer(kind="lost", reason=reason, elapsed=elapsed, stale=_STALE in getattr(error, "__notes__", ()))
