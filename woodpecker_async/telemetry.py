"""OpenTelemetry for a session: a span for each call, a child for each attempt, and metrics of the lane.

Needs the extra `otel`, which installs only `opentelemetry-api`. A session that is not instrumented has no overhead.

Spans contain only what is listed in `docs/observability.md`: no headers, queries or bodies, and of what the server
sends only its request id. While a call runs, its span is the current one in the task that awaits it. Between the pages
of a list, and between the outcomes of a run, your own span is current.
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import attrs

try:
    from opentelemetry import context, metrics, trace
except ImportError as error:
    raise ModuleNotFoundError(
        "OpenTelemetry support needs an extra: pip install 'woodpecker-async[otel]'", name="opentelemetry"
    ) from error

from woodpecker_async import __version__
from woodpecker_async._redact import without_keys
from woodpecker_async.engine.operation import Operation
from woodpecker_async.engine.protocol import AttemptResult
from woodpecker_async.errors import ConfigError
from woodpecker_async.session import Session

__all__ = ["instrument"]

S = TypeVar("S", bound=Session)
T = TypeVar("T")

# The version of the semantic conventions used here.
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.37.0"

# In seconds. In a run over thousands of companies, a call can wait in the lane for minutes.
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

_PORTS: Final = {"http": 80, "https": 443}


def instrument(
    session: S,
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
) -> S:
    """Record spans and metrics for everything that a session does from now on.

    Calling it again replaces the providers.

    Args:
        session: a `WoodpeckerSession` or a `FelderaSession`.
        tracer_provider: default: the global one, which may be set later.
        meter_provider: default: the global one, which may be set later.

    Returns:
        The session.

    Raises:
        ConfigError: `session` is not a session.

    Example:
        ::

            async with telemetry.instrument(WoodpeckerSession()) as woodpecker:
                ...
    """
    if not isinstance(session, Session):
        raise ConfigError(f"session must be a WoodpeckerSession or a FelderaSession, not {type(session).__name__}")
    engine = session._engine
    engine.tracer = _Telemetry(
        trace.get_tracer("woodpecker_async", __version__, tracer_provider, _SCHEMA),
        metrics.get_meter("woodpecker_async", __version__, meter_provider, _SCHEMA),
        engine.settings.base_url,
        engine.settings.clock.now,
    )
    return session


@cache
def _names() -> Mapping[tuple[str, str], str]:
    """The SDK method, by HTTP method and path template."""
    lines = files("woodpecker_async").joinpath("operations.txt").read_text(encoding="utf-8").splitlines()
    return {(method, template): name for method, template, name in map(str.split, lines)}


@attrs.define(eq=False)
class _Call:
    """A call in progress.

    Attributes:
        operation: the operation.
        url: its URL, without the query.
        attempts: how many attempts have been started.
        lane_wait: seconds spent waiting in the lane so far.
        turn_wait: seconds spent waiting in the lane before the next attempt.
        failure: how the latest attempt failed.
    """

    operation: Operation[Any]
    url: str
    attempts: int = 0
    lane_wait: float = 0.0
    turn_wait: float | None = None
    failure: str = ""


_CALL: Final = context.create_key("woodpecker_async call")


class _Telemetry:
    """The tracer that the engine calls; see `engine.observe.Tracer`."""

    def __init__(self, tracer: trace.Tracer, meter: metrics.Meter, base_url: str, now: Callable[[], float]) -> None:
        self._tracer = tracer
        self._base_url = base_url
        self._now = now
        self._names = _names()
        parts = urlsplit(base_url)
        self._server: Mapping[str, str | int] = {
            "server.address": parts.hostname or "",
            "server.port": parts.port or _PORTS[parts.scheme],
        }
        self._lane_wait = meter.create_histogram(
            "woodpecker.lane.wait_time",
            unit="s",
            description="Time that requests waited for their turn in the lane.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._in_flight = meter.create_up_down_counter(
            "http.client.active_requests", unit="{request}", description="Requests in flight."
        )
        self._refused = meter.create_counter(
            "woodpecker.requests.refused", unit="{request}", description="Requests that the server refused with 429."
        )
        self._retried = meter.create_counter(
            "woodpecker.requests.retried", unit="{request}", description="Attempts after the first of a call."
        )

    async def procedure(self, name: str, company_id: int | None, running: Coroutine[Any, Any, T]) -> T:
        """Several calls that make up one SDK method."""
        with self._span(name, trace.SpanKind.INTERNAL, _company(company_id)):
            return await running

    async def call(self, operation: Operation[Any], running: Coroutine[Any, Any, T]) -> T:
        """One logical call."""
        call = _Call(operation, self._base_url + without_keys(operation.path))
        with self._span(self._name(operation), trace.SpanKind.INTERNAL, _attributes(operation), call) as span:
            try:
                return await running
            finally:
                span.set_attribute("woodpecker.lane.wait_time", call.lane_wait)
                span.set_attribute("woodpecker.retries", max(call.attempts - 1, 0))

    async def wait(self, waiting: Coroutine[Any, Any, None]) -> None:
        """The wait for a turn in the lane."""
        call = context.get_value(_CALL)
        if not isinstance(call, _Call):  # it started before the session was instrumented
            return await waiting
        began = self._now()
        try:
            await waiting
        finally:
            call.turn_wait = self._now() - began
            call.lane_wait += call.turn_wait
            self._lane_wait.record(call.turn_wait, self._dimensions(call.operation))

    async def attempt(self, sending: Coroutine[Any, Any, AttemptResult], waited: float) -> AttemptResult:
        """One attempt."""
        call = context.get_value(_CALL)
        if not isinstance(call, _Call):
            return await sending
        dimensions = self._dimensions(call.operation)
        attributes = {**_attributes(call.operation), **self._server, "url.full": call.url}
        if call.turn_wait is None:
            self._lane_wait.record(0.0, dimensions)
        attributes["woodpecker.lane.wait_time"], call.turn_wait = call.turn_wait or 0.0, None
        if call.attempts:
            attributes |= {"http.request.resend_count": call.attempts, "woodpecker.retry.wait_time": waited}
            self._retried.add(1, {**dimensions, "error.type": call.failure})
        call.attempts += 1
        self._in_flight.add(1, dimensions)
        try:
            with self._span(_http_name(call.operation), trace.SpanKind.CLIENT, attributes) as span:
                result = await sending
                call.failure = "" if result.ok else str(result.status or result.failure)
                _describe(span, result, call.failure)
        finally:
            self._in_flight.add(-1, dimensions)
        if result.kind == "refused":
            self._refused.add(1, dimensions)
        return result

    def _name(self, operation: Operation[Any]) -> str:
        name = operation.name or self._names.get((operation.method, operation.template))
        if name is None:
            return f"{operation.method} {operation.template}"
        if operation.company_header is not None and name.startswith("account."):
            return f"company{name.removeprefix('account')}"
        return name

    def _dimensions(self, operation: Operation[Any]) -> dict[str, str | int]:
        """The attributes of metrics: few distinct values, so neither companies nor the paths of raw requests."""
        return {**self._server, **_endpoint(operation)}

    @contextmanager
    def _span(
        self, name: str, kind: trace.SpanKind, attributes: Mapping[str, str | int | float], call: _Call | None = None
    ) -> Iterator[trace.Span]:
        """A span that is the current one, and is always ended."""
        span = self._tracer.start_span(name, kind=kind, attributes=attributes)
        mine = trace.set_span_in_context(span)
        if call is not None:
            mine = context.set_value(_CALL, call, mine)
        token, thrown_away = context.attach(mine), False
        try:
            yield span
        except BaseException as error:  # including cancellation; it is re-raised
            _fail(span, _type_of(error))
            thrown_away = isinstance(error, GeneratorExit)
            raise
        finally:
            span.end()
            # A discarded coroutine may be closed in another context than it started in, which must not be changed.
            if not thrown_away or trace.get_current_span() is span:
                context.detach(token)


def _endpoint(operation: Operation[Any]) -> dict[str, str]:
    endpoint = {"http.request.method": operation.method}
    if not operation.name:  # the path of a raw request is not a template
        endpoint["url.template"] = operation.template
    return endpoint


def _http_name(operation: Operation[Any]) -> str:
    return " ".join(_endpoint(operation).values())


def _attributes(operation: Operation[Any]) -> dict[str, str | int | float]:
    company = operation.company_id if operation.company_header is None else operation.company_header
    return {**_endpoint(operation), **_company(company)}


def _company(company_id: int | None) -> dict[str, str | int | float]:
    return {} if company_id is None else {"woodpecker.company_id": company_id}


def _describe(span: trace.Span, result: AttemptResult, failure: str) -> None:
    if result.status is not None:
        span.set_attribute("http.response.status_code", result.status)
    if result.request_id is not None:
        span.set_attribute("woodpecker.request_id", result.request_id)
    if failure:
        _fail(span, failure)


def _fail(span: trace.Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(trace.StatusCode.ERROR)


def _type_of(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
