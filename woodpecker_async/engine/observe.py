"""Observing calls: hooks for the user, one quiet logger, and a tracer that wraps the parts of a call.

Hooks and logs work by allow-list: an `Event` has no field that could hold a header, a query or a body.
"""

import inspect
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Literal, Protocol, TypeVar

import attrs

from woodpecker_async._log import logger, show_if_wanted
from woodpecker_async.engine.operation import Operation
from woodpecker_async.engine.protocol import AttemptResult
from woodpecker_async.errors import ConfigError, FailureKind

T = TypeVar("T")

show_if_wanted()


@attrs.frozen(kw_only=True)
class Event:
    """An event in the course of an attempt.

    Attributes:
        kind: `"start"` before sending, `"end"` after a response or without one, `"retry"` when another attempt will
            follow after `wait` seconds.
        call_id: identifies the call; the same for all its attempts.
        method: the HTTP method.
        path: the template of the path, such as `/v2/agency/companies/{company_id}/api_keys`.
        company_id: the company the call is for, if any.
        attempt: the number of the attempt, counted from 1.
        status: the HTTP status (`end`, `retry`), if there was a response.
        failure: what went wrong; `None` for a success.
        milliseconds: how long the attempt took (`end`).
        wait: seconds waited before this attempt (`start`), or until the next one (`retry`).
        request_id: the server's id of the response, if it sends one.
    """

    kind: Literal["start", "end", "retry"]
    call_id: str
    method: str
    path: str
    company_id: int | None = None
    attempt: int = 1
    status: int | None = None
    failure: FailureKind | None = None
    milliseconds: float | None = None
    wait: float | None = None
    request_id: str | None = None


Hook = Callable[[Event], object]


class Tracer(Protocol):
    """Wraps the parts of calls; see `woodpecker_async.telemetry`.

    Each method awaits its coroutine immediately, once and in the same task, and passes on its result or exception.
    """

    async def procedure(self, name: str, company_id: int | None, running: Coroutine[Any, Any, T]) -> T:
        """Wrap a method of the SDK that makes several calls."""
        ...

    async def call(self, operation: Operation[Any], running: Coroutine[Any, Any, T]) -> T:
        """Wrap one logical call, with its attempts and all waiting."""
        ...

    async def wait(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wrap the wait for a turn in the lane; not called if there is no wait."""
        ...

    async def attempt(self, sending: Coroutine[Any, Any, AttemptResult], waited: float) -> AttemptResult:
        """Wrap one attempt, after this many seconds of backoff."""
        ...


class Observer:
    """Notifies the hooks and the logger; costs nothing if there are no listeners."""

    def __init__(self, hooks: Iterable[Hook]) -> None:
        self._hooks = tuple(hooks)
        for hook in self._hooks:
            if not callable(hook) or inspect.iscoroutinefunction(hook):
                raise ConfigError(f"a hook must be a plain function that takes an Event, not {hook!r}")

    @property
    def listening(self) -> bool:
        """Whether anyone listens to all events; those of a retry and of a refusal are always sent."""
        return bool(self._hooks) or logger.isEnabledFor(logging.DEBUG)

    def tell(self, event: Event) -> None:
        """Pass the event to the hooks, then to the log. A hook that raises does not fail the call."""
        for hook in self._hooks:
            try:
                hook(event)
            except Exception:
                logger.exception("a hook of the session failed on the %s of an attempt", event.kind)
        level = _level(event)
        _log(level, "refused" if level == logging.INFO and event.kind == "end" else event.kind, event)

    def made_good(self, event: Event) -> None:
        """Log that the response to an earlier attempt was lost, and that this one shows that it was a success."""
        _log(logging.WARNING, "the attempt whose response was lost had succeeded:", event)


def _log(level: int, moment: str, event: Event) -> None:
    if logger.isEnabledFor(level):
        logger.log(level, "%s %s %s %s", moment, event.method, event.path, _told(event), extra=_fields(event))


def _level(event: Event) -> int:
    refused = event.kind == "end" and event.failure == "refused"
    return logging.INFO if refused or event.kind == "retry" else logging.DEBUG


def _fields(event: Event) -> dict[str, Any]:
    return {f"woodpecker_{name}": value for name, value in attrs.asdict(event).items()}


def _told(event: Event) -> str:
    told = {
        "company": event.company_id,
        "attempt": event.attempt,
        "status": event.status,
        "failure": event.failure,
        "ms": None if event.milliseconds is None else round(event.milliseconds, 1),
        "wait": round(event.wait, 2) if event.wait else None,
        "request_id": event.request_id,
        "call": event.call_id,
    }
    return " ".join(f"{name}={value}" for name, value in told.items() if value is not None)
