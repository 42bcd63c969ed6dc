"""The one way a call runs.

Options are merged, a turn in the lane is taken, hooks are told, one attempt is sent, the answer is judged, a
failure is repeated if that can help, and the body becomes a model. Each step is in the module of its name;
the order of the steps is here and nowhere else.
"""

import asyncio
import itertools
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import attrs

from woodpecker_async.counting import request_sent
from woodpecker_async.engine import codec, protocol
from woodpecker_async.engine.account import account_name
from woodpecker_async.engine.credentials import asked
from woodpecker_async.engine.hidden import look_at
from woodpecker_async.engine.home import Home, Homes
from woodpecker_async.engine.lanes import Lanes, Outcome, Permit
from woodpecker_async.engine.observe import Event, Observer
from woodpecker_async.engine.operation import Operation, Reply
from woodpecker_async.engine.protocol import Verdict
from woodpecker_async.engine.retry import Repeats, may_repeat
from woodpecker_async.engine.settings import Settings
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
)
from woodpecker_async.options import CallOptions, Priority, RetryPolicy, call_options
from woodpecker_async.secret import Secret

T = TypeVar("T")

_call_numbers = itertools.count(1)

# Failures after which a write may have happened, and what `OutcomeUnknownError.kind` says of each.
_UNKNOWN_KINDS: Final[Mapping[str, str]] = {
    "lost": "connection_lost",
    "timeout": "timeout",
    "server": "server_error",
}


@attrs.frozen(eq=False, repr=False)
class _Terms:
    """What the options of a call, of its scope and of the session come to."""

    options: CallOptions
    retry: RetryPolicy
    attempt_timeout: float
    priority: Priority


@attrs.define(eq=False, repr=False)
class _Call:
    """One logical call on its way."""

    operation: Operation[Any]
    terms: _Terms
    home: Home
    task: asyncio.Task[Any]
    cancelled_before: int
    number: int = attrs.field(factory=_call_numbers.__next__)
    body: bytes | None = None
    deadline: float | None = None
    attempts: list[Attempt] = attrs.field(factory=list)
    sending: bool = False
    cut_off: bool = False
    note: str = ""

    @property
    def id(self) -> str:
        return f"{self.home.process:x}-{self.number:x}"

    @property
    def repeatable(self) -> bool:
        return self.operation.repeatable or self.terms.options.idempotent is True

    @property
    def company_id(self) -> int | None:
        operation = self.operation
        return operation.as_company if operation.as_company is not None else operation.company_id

    @property
    def lost(self) -> str | None:
        """How the outcome of an attempt that may have been acted on got lost, if one did."""
        if not self.attempts:
            return None
        return next((a.failure for a in reversed(self.attempts) if a.failure in _UNKNOWN_KINDS), None)


def _raw(body: bytes) -> Secret | None:
    return Secret(body.decode("utf-8", "replace")) if body else None


class Engine:
    """Runs operations for one session."""

    def __init__(self, settings: Settings, observer: Observer) -> None:
        self.settings = settings
        self._observer = observer
        self._homes = Homes(settings)
        self._under_way: set[_Call] = set()
        self._options = call_options(None)
        self._terms = self._come_to(self._options)
        self._prefix = urlsplit(settings.base_url).path
        self._common: tuple[Mapping[str, str], Mapping[str, str]] | None = None
        self._account: str | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `aclose` has been called."""
        return self._closed

    @property
    def in_use(self) -> bool:
        """Whether there are connections to close."""
        return self._homes.in_use

    async def run(self, operation: Operation[T], options: CallOptions) -> Reply[T]:
        """Run one operation.

        Raises:
            CallError: it failed; see `woodpecker_async.errors` for the kinds.
            SessionClosedError: the session has been closed.
        """
        home = self._at_home() or await self._homes.move_in()
        call = self._prepare(operation, options, home)
        self._under_way.add(call)
        try:
            verdict = await self._attempt(call)
            if not verdict.ok and self._may_repeat(call, verdict):
                verdict = await self._repeat(call, verdict)
        except asyncio.CancelledError:
            if call.cut_off and call.task.uncancel() <= call.cancelled_before:
                raise self._cut_off(call) from None  # by `aclose`, and by nobody else
            raise
        finally:
            self._under_way.discard(call)
        if not verdict.ok:
            raise self._failure(call, verdict)
        return self._reply(call, verdict)

    def policy(self, options: CallOptions) -> RetryPolicy:
        """The retry policy that these options and the session's come to."""
        merged = options.over(self.settings.options)
        retry = merged.retry or self.settings.retry
        return retry if merged.deadline is None else attrs.evolve(retry, deadline=merged.deadline)

    def _prepare(self, operation: Operation[Any], options: CallOptions, home: Home) -> _Call:
        task = asyncio.current_task()
        assert task is not None
        body = None if operation.body is None else codec.encode(operation.body)
        terms = self._terms_of(options)
        return _Call(operation, terms, home, task, task.cancelling(), body=body, deadline=operation.deadline)

    def _terms_of(self, options: CallOptions) -> _Terms:
        if options is not self._options:  # most calls come with the same ones as the call before
            self._options, self._terms = options, self._come_to(options)
        return self._terms

    def _come_to(self, options: CallOptions) -> _Terms:
        merged = options.over(self.settings.options)
        return _Terms(
            options=merged,
            retry=self.policy(options),
            attempt_timeout=merged.attempt_timeout or self.settings.timeouts.attempt,
            priority=merged.priority or "interactive",
        )

    # One attempt ------------------------------------------------------------------------------------------

    async def _attempt(self, call: _Call, waited: float = 0.0) -> Verdict:
        listening = self._observer.listening
        key = await self._key()
        with call.home.lanes_of(key).permit(call.company_id, self.settings.limits) as permit:
            if not permit.acquire_now():
                await self._take_turn(call, permit)
            permit.sent = self._begin(call)
            number = len(call.attempts) + 1
            if listening:
                self._tell(call, "start", number, wait=waited)
            verdict = await self._send(call, permit, key)
            permit.outcome, permit.latency = _outcome(verdict), verdict.elapsed
        failure = "" if verdict.ok else verdict.kind
        call.attempts.append(Attempt(number, verdict.status, failure, waited, verdict.elapsed))
        if listening or verdict.kind == "refused":
            self._tell(call, "end", number, verdict=verdict)
        return verdict

    async def _take_turn(self, call: _Call, permit: Permit) -> None:
        """Wait for a place in the lane, as long as the deadline and `Timeouts.lane` allow."""
        clock, longest = self.settings.clock, self.settings.timeouts.lane
        again = bool(call.attempts)
        if call.deadline is not None:
            left = max(call.deadline - clock.now(), 0.0)
            longest = left if longest is None else min(longest, left)
        try:
            if longest is None:
                await permit.acquire(call.terms.priority, again=again)
            else:
                async with asyncio.timeout(longest):
                    await permit.acquire(call.terms.priority, again=again)
        except TimeoutError:
            raise self._no_turn(call, longest, permit.trouble) from None
        except SlotsUnavailableError as error:
            raise SharedLaneError(str(error), **self._context(call)) from None

    def _begin(self, call: _Call) -> float:
        """The turn has come, and the moment is returned; with the first one the deadline begins."""
        now = self.settings.clock.now()
        if call.deadline is None:
            call.deadline = now + call.terms.retry.deadline
        if self._closed or now >= call.deadline:
            raise self._closed_error() if self._closed else self._no_turn(call, 0.0)
        if call.operation.before_send is not None:
            call.operation.before_send()
        return now

    def _no_turn(self, call: _Call, longest: float | None, trouble: str | None = None) -> LaneTimeoutError:
        reason = trouble or "other calls of this key are in flight, or were given up and are still at the server"
        return LaneTimeoutError(f"no turn in the lane within {longest:g} s: {reason}", **self._context(call))

    async def _send(self, call: _Call, permit: Permit, key: Secret) -> Verdict:
        """Send one request and judge the outcome."""
        clock = self.settings.clock
        assert call.deadline is not None
        request = self._request(call, key)
        timeout = min(call.terms.attempt_timeout, call.deadline - clock.now())
        call.sending = True
        permit.operation = call.operation.template
        request_sent()
        outcome = await call.home.transport.send(request, timeout, permit.abandon)
        call.sending = False
        verdict = protocol.judge(
            call.operation,
            outcome,
            key=key,
            now=clock.utcnow,
            maybe_done_before=call.lost is not None,
        )
        if (tell := call.operation.on_wire) and not (verdict.ok or verdict.kind in _UNKNOWN_KINDS or call.lost):
            tell(False)
        return verdict

    def _request(self, call: _Call, key: Secret) -> protocol.Request:
        extra = call.terms.options.headers
        if self._common is None or self._common[0] is not extra:
            self._common = (extra, protocol.common_headers(self.settings.user_agent, extra))
        return protocol.build_request(
            call.operation,
            prefix=self._prefix,
            common=self._common[1],
            dialect=self.settings.dialect,
            key=key,
            body=call.body,
        )

    async def _key(self) -> Secret:
        source = self.settings.key
        return source if isinstance(source, Secret) else await asked(source)

    async def lanes(self) -> Lanes:
        """What all sessions with this key share on the running loop."""
        home = self._at_home() or await self._homes.move_in()
        return home.lanes_of(await self._key())

    async def account(self) -> str:
        """The name of the account, the same for all sessions with this key.

        Found once: a key that is rotated later still belongs to the same account.
        """
        if self._closed:
            raise self._closed_error()
        if self._account is None:
            self._account = account_name(self.settings.base_url, (await self._key()).fingerprint)
        return self._account

    # Repeating --------------------------------------------------------------------------------------------

    def _may_repeat(self, call: _Call, verdict: Verdict) -> bool:
        return not self._closed and may_repeat(
            verdict, repeatable=call.repeatable, transient=self.settings.dialect.transient
        )

    async def _repeat(self, call: _Call, first: Verdict) -> Verdict:
        assert call.deadline is not None
        repeats = Repeats(
            policy=call.terms.retry,
            clock=self.settings.clock,
            deadline=call.deadline,
            repeatable=call.repeatable,
            transient=self.settings.dialect.transient,
        )
        last = first

        async def again(waited: float) -> Verdict:
            nonlocal last
            last = await self._attempt(call, waited)
            return last

        def before_wait(verdict: Verdict, wait: float) -> None:
            self._tell(call, "retry", len(call.attempts), verdict=verdict, wait=wait)

        try:
            verdict = await repeats.after(first, again, before_wait)
        except LaneTimeoutError:
            call.note = "the deadline passed while waiting for another turn"
            return last
        except SharedLaneError as error:
            call.note = str(error.args[0])
            return last
        call.note = repeats.note
        return verdict

    # The end ----------------------------------------------------------------------------------------------

    def _cut_off(self, call: _Call) -> Exception:
        """What a call that `aclose` interrupted ends in."""
        if call.operation.is_write and (call.sending or call.lost):
            return OutcomeUnknownError(
                "it is not known whether this happened: the session was closed while it was under way",
                kind="closed",
                **self._context(call),
            )
        return self._closed_error()

    def _failure(self, call: _Call, verdict: Verdict) -> Exception:
        """What a call that failed for good ends in."""
        answered = verdict.kind in ("client", "redirect")  # then the server has spoken, whatever came before
        cut = verdict.kind == "timeout" and call.deadline is not None and self.settings.clock.now() >= call.deadline
        if call.operation.is_write and call.lost and not answered:
            kind = "closed" if self._closed else "deadline" if cut else _UNKNOWN_KINDS[call.lost]
            return self._error(call, verdict, write_kind=kind)
        if self._closed and verdict.status is None:
            return self._closed_error()
        if cut:
            return DeadlineExceededError(
                f"no answer within the deadline of {call.terms.retry.deadline:g} s", **self._context(call, verdict)
            )
        return self._error(call, verdict)

    def _error(self, call: _Call, verdict: Verdict, write_kind: str | None = None) -> CallError:
        context, hints = self._context(call, verdict), self.settings.dialect.hints
        return protocol.error_for(verdict, context, hints=hints, note=call.note, write_kind=write_kind)

    def _reply(self, call: _Call, verdict: Verdict) -> Reply[Any]:
        operation, options = call.operation, call.terms.options
        value = None
        if operation.answer is not None and verdict.unreadable:
            value = codec.Undecodable((f"$: {verdict.unreadable}",))
        elif operation.answer is not None:
            decode: Any = codec.decode
            if options.strict or options.skip_bad_items:
                decode = partial(decode, strict=options.strict is True, skip_bad_items=options.skip_bad_items is True)
            value = look_at(verdict.body, decode, operation.answer)
        if isinstance(value, codec.Undecodable):
            shown = ", ".join(value.paths[:5]) + (", ..." if len(value.paths) > 5 else "")
            raise ResponseDecodeError(
                f"the server said {verdict.status}, but its body is not what the API's documents promise: {shown}",
                paths=value.paths,
                status=verdict.status,
                **self._context(call, verdict),
            )
        return Reply(
            value=value,
            raw=look_at(verdict.body, _raw) if options.keep_raw else None,
            attempts=len(call.attempts),
            request_id=verdict.request_id,
            headers=verdict.headers,
        )

    def _context(self, call: _Call, verdict: Verdict | None = None) -> dict[str, Any]:
        return {
            "method": call.operation.method,
            "path": call.operation.path,
            "company_id": call.company_id,
            "call_id": call.id,
            "request_id": verdict.request_id if verdict else None,
            "attempts": call.attempts,
        }

    def _tell(
        self,
        call: _Call,
        kind: Any,
        number: int,
        *,
        verdict: Verdict | None = None,
        wait: float | None = None,
    ) -> None:
        self._observer.tell(
            Event(
                kind=kind,
                call_id=call.id,
                method=call.operation.method,
                path=call.operation.template,
                company_id=call.company_id,
                attempt=number,
                status=verdict.status if verdict else None,
                failure=verdict.kind if verdict and not verdict.ok else None,
                milliseconds=verdict.elapsed * 1000 if verdict and kind == "end" else None,
                wait=wait,
                request_id=verdict.request_id if verdict else None,
            )
        )

    # Closing ----------------------------------------------------------------------------------------------

    def _at_home(self) -> Home | None:
        if self._closed:
            raise self._closed_error()
        return self._homes.here()

    async def aclose(self) -> None:
        """Close: calls under way end with an error, later ones are refused. May be called again."""
        self._closed = True
        for call in tuple(self._under_way):
            if not call.cut_off:
                call.cut_off = call.task.cancel()
        await self._homes.aclose()

    @staticmethod
    def _closed_error() -> SessionClosedError:
        return SessionClosedError("the session has been closed: make a new one")


def _outcome(verdict: Verdict) -> Outcome:
    """What became of a request, as far as the server's queue is concerned."""
    if verdict.ok:
        return "success"
    match verdict.kind:
        case "refused":
            return "refused"
        case "timeout":
            return "abandoned"
        case "lost" if not verdict.stale:
            return "cut"
        case _ if verdict.status == 504:  # a gateway has given up; the server behind it may not have
            return "cut"
        case _ if verdict.settled or 400 <= (verdict.status or 0) < 500:
            return "answered"
    return "unsent"
