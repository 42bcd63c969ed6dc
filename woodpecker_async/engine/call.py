"""How a call runs.

Options are merged, the call waits for its turn in the lane, hooks are called, one attempt is sent, the response is
classified, a failure is retried if that can help, and the body becomes a model. Each step is implemented in its own
module; their order is defined here and nowhere else, which is why this module is long.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import attrs

from woodpecker_async.counting import request_sent
from woodpecker_async.engine import codec, protocol
from woodpecker_async.engine.account import account_name
from woodpecker_async.engine.clock import timeout
from woodpecker_async.engine.credentials import fetch_key
from woodpecker_async.engine.failures import error_for
from woodpecker_async.engine.hidden import hidden, look_at
from woodpecker_async.engine.lanes import Outcome, Permit
from woodpecker_async.engine.loop_resources import LoopBinding, LoopResources
from woodpecker_async.engine.observe import Event, Observer, Tracer
from woodpecker_async.engine.operation import Operation, Result
from woodpecker_async.engine.protocol import AttemptResult
from woodpecker_async.engine.retry import RetryState, should_retry
from woodpecker_async.engine.settings import Settings, Terms
from woodpecker_async.engine.shared import SlotsUnavailableError
from woodpecker_async.errors import (
    Attempt,
    CallError,
    DeadlineExceededError,
    LaneTimeoutError,
    OutcomeUnknownError,
    ResponseDecodeError,
    SessionClosedError,
    SharedLaneError,
    UnknownKind,
)
from woodpecker_async.models.paging import no_content
from woodpecker_async.secret import Secret

T = TypeVar("T")

_call_numbers = itertools.count(1)

# Failures after which a write may have happened, and `OutcomeUnknownError.kind` for each.
_UNKNOWN_KINDS: Final[Mapping[str, UnknownKind]] = {
    "lost": "connection_lost",
    "timeout": "timeout",
    "server": "server_error",
}


@attrs.define(eq=False, repr=False)
class _Call:
    """One logical call in flight."""

    operation: Operation[Any]
    terms: Terms
    resources: LoopResources
    task: asyncio.Task[Any]
    cancelled_before: int
    number: int = attrs.field(factory=_call_numbers.__next__)
    body: Callable[[], bytes] | None = None
    deadline: float | None = None
    attempts: list[Attempt] = attrs.field(factory=list)
    sending: bool = False
    interrupted: bool = False
    stop_reason: str = ""

    @property
    def id(self) -> str:
        return f"{self.resources.process:x}-{self.number:x}"

    @property
    def idempotent(self) -> bool:
        return self.operation.idempotent or self.terms.options.idempotent is True

    @property
    def company_id(self) -> int | None:
        operation = self.operation
        return operation.company_header if operation.company_header is not None else operation.company_id

    @property
    def unknown_failure(self) -> str | None:
        """The latest failure of an attempt that the server may have acted on, if any."""
        if not self.attempts:
            return None
        return next((a.failure for a in reversed(self.attempts) if a.failure in _UNKNOWN_KINDS), None)


def _encoded(body: Any, secrets: tuple[Secret, ...]) -> Callable[[], bytes]:
    return hidden(codec.encode(body, secrets))


def _is_html(body: bytes) -> bool:
    return body.lstrip()[:1] == b"<"


def _raw(body: bytes) -> Secret | None:
    return Secret(body.decode("utf-8", "replace")) if body else None


class Engine:
    """Runs operations for one session."""

    def __init__(self, settings: Settings, observer: Observer) -> None:
        self.settings = settings
        self.tracer: Tracer | None = None
        self._observer = observer
        self._binding = LoopBinding(settings)
        self._under_way: set[_Call] = set()
        self._prefix = urlsplit(settings.base_url).path
        self._account: str | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `aclose` has been called."""
        return self._closed

    @property
    def in_use(self) -> bool:
        """Whether there are connections to close."""
        return self._binding.in_use

    async def run(self, operation: Operation[T], terms: Terms) -> Result[T]:
        """Run one operation.

        Raises:
            CallError: it failed; see `woodpecker_async.errors` for the kinds.
            SessionClosedError: the session has been closed.
        """
        resources = self._current_resources() or await self._binding.bind()
        call = self._prepare(operation, terms, resources)
        self._under_way.add(call)
        try:
            result = await self._attempt(call)
            if not result.ok and self._should_retry(call, result):
                result = await self._repeat(call, result)
        except asyncio.CancelledError:
            if call.interrupted and call.task.uncancel() <= call.cancelled_before:
                raise self._interrupted(call) from None  # by `aclose` and nothing else
            raise
        finally:
            self._under_way.discard(call)
        if not result.ok:
            raise self._failure(call, result)
        return self._reply(call, result)

    def _prepare(self, operation: Operation[Any], terms: Terms, resources: LoopResources) -> _Call:
        task = asyncio.current_task(resources.loop)
        assert task is not None
        body = None if operation.body is None else look_at(hidden(operation.body), _encoded, operation.secrets)
        return _Call(operation, terms, resources, task, task.cancelling(), body=body, deadline=operation.deadline)

    # One attempt ------------------------------------------------------------------------------------------

    async def _attempt(self, call: _Call, waited: float = 0.0) -> AttemptResult:
        listening, tracer = self._observer.listening, self.tracer
        key = await self._key()
        with call.resources.lanes_of(key).permit(call.company_id, self.settings.limits) as permit:
            if not permit.acquire_now():
                waiting = self._take_turn(call, permit)
                await (waiting if tracer is None else tracer.wait(waiting))
            permit.sent = self._begin(call)
            number = len(call.attempts) + 1
            if listening:
                self._tell(call, "start", number, wait=waited)
            sending = self._send(call, permit, key)
            result = await (sending if tracer is None else tracer.attempt(sending, waited))
            permit.outcome, permit.latency = _outcome(result), result.elapsed
        call.attempts.append(Attempt(number, result.status, result.failure or "", waited, result.elapsed))
        if listening or result.kind == "refused":
            self._tell(call, "end", number, result=result)
        return result

    async def _take_turn(self, call: _Call, permit: Permit) -> None:
        """Wait for a turn in the lane, for as long as the deadline and `Timeouts.lane` allow."""
        clock, longest = self.settings.clock, self.settings.timeouts.lane
        again = bool(call.attempts)
        if call.deadline is not None:
            left = max(call.deadline - clock.now(), 0.0)
            longest = left if longest is None else min(longest, left)
        try:
            if longest is None:
                await permit.acquire(call.terms.priority, again=again)
            else:
                async with timeout(clock, longest):
                    await permit.acquire(call.terms.priority, again=again)
        except TimeoutError:
            raise self._no_turn(call, longest, permit.trouble) from None
        except SlotsUnavailableError as error:
            raise SharedLaneError(str(error), **self._context(call)) from None

    def _begin(self, call: _Call) -> float:
        """Begin an attempt and return the time; the deadline starts with the first attempt."""
        now = self.settings.clock.now()
        if call.deadline is None:
            call.deadline = now + call.terms.retry.deadline
        if self._closed or now >= call.deadline:
            raise self._closed_error() if self._closed else self._no_turn(call, 0.0)
        if call.operation.before_send is not None:
            call.operation.before_send()
        return now

    def _no_turn(self, call: _Call, longest: float | None, trouble: str | None = None) -> LaneTimeoutError:
        reason = trouble or "other calls with this key are in flight, or were given up but are still at the server"
        return LaneTimeoutError(f"no turn in the lane within {longest:g} s: {reason}", **self._context(call))

    async def _send(self, call: _Call, permit: Permit, key: Secret) -> AttemptResult:
        """Send one request and classify the outcome."""
        clock = self.settings.clock
        assert call.deadline is not None
        request = self._request(call, key)
        seconds = min(call.terms.attempt_timeout, call.deadline - clock.now())
        call.sending = True
        permit.operation = call.operation.template
        request_sent()
        outcome = await call.resources.transport.send(request, seconds, permit.abandon)
        call.sending = False
        result = protocol.classify(
            call.operation,
            outcome,
            key=key,
            now=clock.utcnow,
            maybe_done_before=call.unknown_failure is not None,
        )
        if (keep := call.operation.on_outcome) is not None:
            keep(outcome, result, call.attempts)
        if (tell := call.operation.on_wire) and not (
            result.ok or result.kind in _UNKNOWN_KINDS or call.unknown_failure
        ):
            tell(False)
        return result

    def _request(self, call: _Call, key: Secret) -> protocol.Request:
        return protocol.build_request(
            call.operation,
            prefix=self._prefix,
            common=call.terms.headers,
            dialect=self.settings.dialect,
            key=key,
            body=call.body,
        )

    async def _key(self) -> Secret:
        source = self.settings.key
        return source if isinstance(source, Secret) else await fetch_key(source)

    async def account(self) -> str:
        """Return the name of the account, the same for all sessions with this key.

        Determined once: a key that is rotated later still belongs to the same account.
        """
        if self._closed:
            raise self._closed_error()
        if self._account is None:
            self._account = account_name(self.settings.base_url, (await self._key()).fingerprint)
        return self._account

    # Repeating --------------------------------------------------------------------------------------------

    def _should_retry(self, call: _Call, result: AttemptResult) -> bool:
        return not self._closed and should_retry(
            result, idempotent=call.idempotent, transient=self.settings.dialect.transient
        )

    async def _repeat(self, call: _Call, first: AttemptResult) -> AttemptResult:
        assert call.deadline is not None
        repeats = RetryState(
            policy=call.terms.retry,
            clock=self.settings.clock,
            deadline=call.deadline,
            idempotent=call.idempotent,
            transient=self.settings.dialect.transient,
        )
        last = first

        async def again(waited: float) -> AttemptResult:
            nonlocal last
            last = await self._attempt(call, waited)
            return last

        def before_wait(result: AttemptResult, wait: float) -> None:
            self._tell(call, "retry", len(call.attempts), result=result, wait=wait)

        try:
            result = await repeats.after(first, again, before_wait)
        except LaneTimeoutError:
            call.stop_reason = "the deadline passed while waiting for another turn"
            return last
        except SharedLaneError as error:
            call.stop_reason = str(error.args[0])
            return last
        call.stop_reason = repeats.stop_reason
        if result.ok and result.status == 404:  # already deleted, so the lost response was a success
            self._observer.made_good(self._event(call, "end", len(call.attempts), result=result))
        return result

    # The end ----------------------------------------------------------------------------------------------

    def _interrupted(self, call: _Call) -> Exception:
        """Return the error of a call that `aclose` interrupted."""
        if call.operation.is_write and (call.sending or call.unknown_failure):
            return OutcomeUnknownError(
                "it is not known whether this happened: the session was closed while it was in flight",
                kind="closed",
                **self._context(call),
            )
        return self._closed_error()

    def _failure(self, call: _Call, result: AttemptResult) -> Exception:
        """Return the error of a call that failed permanently."""
        answered = result.kind in ("client", "redirect")  # a definite response, whatever happened before
        deadline_hit = (
            result.kind == "timeout" and call.deadline is not None and self.settings.clock.now() >= call.deadline
        )
        if call.operation.is_write and call.unknown_failure and not answered:
            kind = "closed" if self._closed else "deadline" if deadline_hit else _UNKNOWN_KINDS[call.unknown_failure]
            return self._error(call, result, write_kind=kind)
        if self._closed and result.status is None:
            return self._closed_error()
        if deadline_hit:
            return DeadlineExceededError(
                f"no answer within the deadline of {call.terms.retry.deadline:g} s", **self._context(call, result)
            )
        return self._error(call, result)

    def _error(self, call: _Call, result: AttemptResult, write_kind: UnknownKind | None = None) -> CallError:
        context, hints = self._context(call, result), self.settings.dialect.hints
        return error_for(
            result, context, hints=hints, note=call.stop_reason, write_kind=write_kind, find_out=call.operation.find_out
        )

    def _reply(self, call: _Call, result: AttemptResult) -> Result[Any]:
        operation, options = call.operation, call.terms.options
        value: Any = None
        if operation.response_type is not None and result.unreadable:
            value = codec.Undecodable((f"$: {result.unreadable}",))
        elif not operation.all_headers and look_at(result.body, _is_html):
            # A proxy's page, even if no body is expected and none would be decoded. Raw responses may be HTML.
            value = codec.Undecodable(("$: expected JSON, got HTML",))
        elif result.status == 204 and (nothing := no_content(operation.response_type)) is not None:
            value = nothing
        elif operation.response_type is not None:
            decode: Any = codec.decode
            if options.strict or options.skip_bad_items:
                decode = partial(decode, strict=options.strict is True, skip_bad_items=options.skip_bad_items is True)
            value = look_at(result.body, decode, operation.response_type)
        if isinstance(value, codec.Undecodable):
            shown = ", ".join(value.paths[:5]) + (", ..." if len(value.paths) > 5 else "")
            raise ResponseDecodeError(
                f"the server sent {result.status}, but its body is not what the API's documents promise: {shown}",
                paths=value.paths,
                status=result.status,
                **self._context(call, result),
            )
        return Result(
            value=value,
            raw=look_at(result.body, _raw) if options.keep_raw else None,
            attempts=len(call.attempts),
            request_id=result.request_id,
            headers=result.headers,
        )

    def _context(self, call: _Call, result: AttemptResult | None = None) -> dict[str, Any]:
        return {
            "method": call.operation.method,
            "path": call.operation.path,
            "company_id": call.company_id,
            "call_id": call.id,
            "request_id": result.request_id if result else None,
            "attempts": call.attempts,
        }

    def _tell(
        self,
        call: _Call,
        kind: Any,
        number: int,
        *,
        result: AttemptResult | None = None,
        wait: float | None = None,
    ) -> None:
        self._observer.tell(self._event(call, kind, number, result=result, wait=wait))

    @staticmethod
    def _event(
        call: _Call, kind: Any, number: int, *, result: AttemptResult | None = None, wait: float | None = None
    ) -> Event:
        return Event(
            kind=kind,
            call_id=call.id,
            method=call.operation.method,
            path=call.operation.template,
            company_id=call.company_id,
            attempt=number,
            status=result.status if result else None,
            failure=result.failure if result else None,
            milliseconds=result.elapsed * 1000 if result and kind == "end" else None,
            wait=wait,
            request_id=result.request_id if result else None,
        )

    # Closing ----------------------------------------------------------------------------------------------

    def _current_resources(self) -> LoopResources | None:
        if self._closed:
            raise self._closed_error()
        return self._binding.current()

    async def aclose(self) -> None:
        """Close: calls in flight end with an error, later ones are rejected. Closing twice does no harm."""
        self._closed = True
        for call in tuple(self._under_way):
            if not call.interrupted:
                call.interrupted = call.task.cancel()
        await self._binding.aclose()

    @staticmethod
    def _closed_error() -> SessionClosedError:
        return SessionClosedError("the session has been closed: make a new one")


def _outcome(result: AttemptResult) -> Outcome:
    """Return the outcome of a request from the perspective of the server's queue."""
    match result.kind:
        case "ok":
            return "success"
        case "refused":
            return "refused"
        case "timeout":
            return "abandoned"
        case "lost" if not result.stale:
            return "cut"
        case _ if result.status == 504:  # a gateway gave up, but the server behind it may not have
            return "cut"
        case _ if result.settled or 400 <= (result.status or 0) < 500:
            return "answered"
    return "unsent"
