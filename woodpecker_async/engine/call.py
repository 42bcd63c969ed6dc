"""The one way a call runs.

Options are merged, a turn in the lane is taken, hooks are told, one attempt is sent, the answer is judged, a
failure is repeated if that can help, and the body becomes a model. Each step is in the module of its name;
the order of the steps is here and nowhere else.
"""

import asyncio
import itertools
import os
from collections.abc import Mapping
from ssl import SSLContext
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import attrs

from woodpecker_async.engine import codec, protocol
from woodpecker_async.engine.clock import Clock
from woodpecker_async.engine.credentials import KeySource, asked
from woodpecker_async.engine.lanes import Lane, Lanes, shared_lanes
from woodpecker_async.engine.observe import Event, Observer
from woodpecker_async.engine.operation import Operation, Reply
from woodpecker_async.engine.protocol import Dialect, Verdict
from woodpecker_async.engine.retry import Repeats, may_repeat
from woodpecker_async.engine.shared import SlotsUnavailableError
from woodpecker_async.engine.transport import Transport
from woodpecker_async.errors import (
    Attempt,
    CallError,
    ConfigError,
    DeadlineExceededError,
    LaneTimeoutError,
    OutcomeUnknownError,
    ResponseDecodeError,
    SessionClosedError,
    SharedLaneError,
    WrongLoopError,
)
from woodpecker_async.options import CallOptions, Limits, RetryPolicy, Timeouts, call_options
from woodpecker_async.secret import Secret

T = TypeVar("T")

_call_numbers = itertools.count(1)

# Failures after which a write may have happened, and what `OutcomeUnknownError.kind` says of each.
_UNKNOWN_KINDS: Final[Mapping[str, str]] = {
    "lost": "connection_lost",
    "timeout": "timeout",
    "server": "server_error",
}


@attrs.frozen(kw_only=True)
class Settings:
    """What a session was made with."""

    dialect: Dialect
    base_url: str
    key: KeySource
    user_agent: str
    options: CallOptions
    retry: RetryPolicy
    timeouts: Timeouts
    limits: Limits
    http_session: Any
    proxy: str | None = attrs.field(repr=False)
    trust_env: bool
    ssl_context: SSLContext | None
    clock: Clock


@attrs.define
class _Home:
    """What belongs to one event loop in one process."""

    loop: asyncio.AbstractEventLoop
    process: int
    transport: Transport
    lanes: Lanes | None = None


@attrs.define
class _Call:
    """One logical call on its way."""

    operation: Operation[Any]
    options: CallOptions
    home: _Home
    call_id: str
    body: bytes | None = attrs.field(repr=False)
    retry: RetryPolicy
    attempt_timeout: float
    deadline: float | None = None
    attempts: list[Attempt] = attrs.field(factory=list)
    sending: bool = False
    note: str = ""

    @property
    def repeatable(self) -> bool:
        return self.operation.repeatable or self.options.idempotent is True

    @property
    def company_id(self) -> int | None:
        operation = self.operation
        return operation.as_company if operation.as_company is not None else operation.company_id

    @property
    def lost(self) -> str | None:
        """How the outcome of an attempt that may have been acted on got lost, if one did."""
        return next((a.failure for a in reversed(self.attempts) if a.failure in _UNKNOWN_KINDS), None)


class Engine:
    """Runs operations for one session."""

    def __init__(self, settings: Settings, observer: Observer) -> None:
        self.settings = settings
        self._observer = observer
        self._home: _Home | None = None
        self._under_way: set[asyncio.Timeout] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `aclose` has been called."""
        return self._closed

    @property
    def in_use(self) -> bool:
        """Whether there are connections to close."""
        return self._home is not None and not self._home.loop.is_closed()

    async def run(self, operation: Operation[T], options: CallOptions | None = None) -> Reply[T]:
        """Run one operation.

        Raises:
            CallError: it failed; see `woodpecker_async.errors` for the kinds.
            SessionClosedError: the session has been closed.
        """
        call = self._prepare(operation, call_options(options), await self._at_home())
        alive = asyncio.timeout(None)
        try:
            async with alive:  # until `aclose` says otherwise
                self._under_way.add(alive)
                verdict = await self._until_final(call)
        except TimeoutError:
            if not alive.expired():
                raise
            raise self._cut_off(call) from None
        finally:
            self._under_way.discard(alive)
        if not verdict.ok:
            raise self._failure(call, verdict)
        return self._reply(call, verdict)

    async def _until_final(self, call: _Call) -> Verdict:
        verdict = await self._attempt(call)
        if not verdict.ok and self._may_repeat(call, verdict):
            verdict = await self._repeat(call, verdict)
        return verdict

    def policy(self, options: CallOptions) -> RetryPolicy:
        """The retry policy that these options and the session's come to."""
        merged = options.over(self.settings.options)
        retry = merged.retry or self.settings.retry
        return retry if merged.deadline is None else attrs.evolve(retry, deadline=merged.deadline)

    def _prepare(self, operation: Operation[Any], options: CallOptions, home: _Home) -> _Call:
        settings = self.settings
        merged = options.over(settings.options)
        return _Call(
            operation=operation,
            options=merged,
            home=home,
            call_id=f"{os.getpid():x}-{next(_call_numbers):x}",
            body=codec.encode(operation.body),
            retry=self.policy(options),
            attempt_timeout=merged.attempt_timeout or settings.timeouts.attempt,
        )

    # One attempt ------------------------------------------------------------------------------------------

    async def _attempt(self, call: _Call, waited: float = 0.0) -> Verdict:
        key = await self._key()
        with self._lanes(call.home, key).lane(call.company_id) as lane:
            await self._take_turn(call, lane)
            number = len(call.attempts) + 1
            self._tell(call, "start", number, wait=waited)
            verdict = await self._send(call, lane, key)
        failure = "" if verdict.ok else verdict.kind
        call.attempts.append(Attempt(number, verdict.status, failure, waited, verdict.elapsed))
        self._tell(call, "end", number, verdict=verdict)
        return verdict

    async def _take_turn(self, call: _Call, lane: Lane) -> None:
        """Wait for a place in the lane; the deadline begins with the first one."""
        clock, longest = self.settings.clock, self.settings.timeouts.lane
        if call.deadline is not None:
            left = max(call.deadline - clock.now(), 0.0)
            longest = left if longest is None else min(longest, left)
        priority, again = call.options.priority or "interactive", bool(call.attempts)
        try:
            if longest is None:
                await lane.enter(priority, again=again)
            else:
                async with asyncio.timeout(longest):
                    await lane.enter(priority, again=again)
        except TimeoutError:
            raise self._no_turn(call, longest) from None
        except SlotsUnavailableError as error:
            raise SharedLaneError(str(error), **self._context(call)) from None
        if self._closed:
            lane.left()
            raise self._closed_error()
        if call.deadline is None:
            call.deadline = clock.now() + call.retry.deadline
        elif clock.now() >= call.deadline:
            lane.left()
            raise self._no_turn(call, longest)

    def _no_turn(self, call: _Call, longest: float | None) -> LaneTimeoutError:
        return LaneTimeoutError(
            f"no turn in the lane within {longest:g} s: other calls of this key are under way",
            **self._context(call),
        )

    async def _send(self, call: _Call, lane: Lane, key: Secret) -> Verdict:
        """Send one request, judge the outcome, and give the place in the lane back whatever happens."""
        settings, clock = self.settings, self.settings.clock
        assert call.deadline is not None
        verdict: Verdict | None = None
        try:
            request = protocol.build_request(
                call.operation,
                dialect=settings.dialect,
                base_url=settings.base_url,
                key=key,
                body=call.body,
                user_agent=settings.user_agent,
                extra_headers=call.options.headers,
            )
            timeout = min(call.attempt_timeout, call.deadline - clock.now())
            call.sending = True
            outcome = await call.home.transport.send(request, timeout)
            call.sending = False
            verdict = protocol.judge(
                call.operation, outcome, key=key, now=clock.utcnow(), maybe_done_before=call.lost is not None
            )
        finally:
            if verdict is None or verdict.kind == "timeout":
                lane.abandoned(settings.limits.queue_wait)
            elif verdict.kind == "refused":
                lane.refused(clock.now())
            elif verdict.ok:
                lane.succeeded(call.operation.template, verdict.elapsed, clock.now())
            else:
                lane.left()
        return verdict

    async def _key(self) -> Secret:
        source = self.settings.key
        return source if isinstance(source, Secret) else await asked(source)

    def _lanes(self, home: _Home, key: Secret) -> Lanes:
        # Found once: a key that is rotated later still belongs to the same account.
        if home.lanes is None:
            home.lanes = shared_lanes(home.loop, self.settings.base_url, key.fingerprint)
            home.lanes.join(self, self.settings.limits)
        return home.lanes

    async def lanes(self) -> Lanes:
        """What all sessions with this key share on the running loop."""
        return self._lanes(await self._at_home(), await self._key())

    # Repeating --------------------------------------------------------------------------------------------

    def _may_repeat(self, call: _Call, verdict: Verdict) -> bool:
        return not self._closed and may_repeat(
            verdict, repeatable=call.repeatable, transient=self.settings.dialect.transient
        )

    async def _repeat(self, call: _Call, first: Verdict) -> Verdict:
        assert call.deadline is not None
        repeats = Repeats(
            policy=call.retry,
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
                f"no answer within the deadline of {call.retry.deadline:g} s", **self._context(call, verdict)
            )
        return self._error(call, verdict)

    def _error(self, call: _Call, verdict: Verdict, write_kind: str | None = None) -> CallError:
        return protocol.error_for(verdict, self._context(call, verdict), note=call.note, write_kind=write_kind)

    def _reply(self, call: _Call, verdict: Verdict) -> Reply[Any]:
        operation = call.operation
        value = None
        if operation.answer is not None:
            strict, skip = call.options.strict is True, call.options.skip_bad_items is True
            value = codec.decode(verdict.body, operation.answer, strict=strict, skip_bad_items=skip)
        if isinstance(value, codec.Undecodable):
            shown = ", ".join(value.paths[:5]) + (", ..." if len(value.paths) > 5 else "")
            raise ResponseDecodeError(
                f"the server said {verdict.status}, but its body is not what the API's documents promise: {shown}",
                paths=value.paths,
                status=verdict.status,
                **self._context(call, verdict),
            )
        raw = Secret(verdict.body.decode("utf-8", "replace")) if call.options.keep_raw and verdict.body else None
        return Reply(value=value, raw=raw, attempts=len(call.attempts), request_id=verdict.request_id)

    def _context(self, call: _Call, verdict: Verdict | None = None) -> dict[str, Any]:
        return {
            "method": call.operation.method,
            "path": call.operation.path,
            "company_id": call.company_id,
            "call_id": call.call_id,
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
        if not self._observer.listening:
            return
        self._observer.tell(
            Event(
                kind=kind,
                call_id=call.call_id,
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

    # Event loops and closing ------------------------------------------------------------------------------

    async def _at_home(self) -> _Home:
        """The connections and lanes of the running loop, made on the first call there."""
        if self._closed:
            raise self._closed_error()
        loop = asyncio.get_running_loop()
        home = self._home
        if home is not None and home.loop is loop and home.process == os.getpid():
            if home.transport.lost:
                raise ConfigError("the http_session passed in has been closed: it must outlive this session")
            return home
        if home is not None:
            self._move_out(home)
        self._home = home = _Home(loop=loop, process=os.getpid(), transport=self._make_transport())
        await home.transport.open()
        return home

    def _move_out(self, home: _Home) -> None:
        if home.process != os.getpid():
            home.transport.leave_to_parent()
        elif not home.loop.is_closed():
            raise WrongLoopError(
                "this session is open on another event loop that is still alive: make one session for each "
                "loop, or `await session.aclose()` there first"
            )

    def _make_transport(self) -> Transport:
        settings = self.settings
        parts = urlsplit(settings.base_url)
        return Transport(
            origin=f"{parts.scheme}://{parts.netloc}",
            borrowed=settings.http_session,
            proxy=settings.proxy,
            trust_env=settings.trust_env,
            ssl_context=settings.ssl_context,
            connect_timeout=settings.timeouts.connect,
        )

    async def aclose(self) -> None:
        """Close: calls under way end with an error, later ones are refused. May be called again."""
        self._closed = True
        for alive in tuple(self._under_way):
            alive.reschedule(0)  # in the past: at the next turn of the loop
        home, self._home = self._home, None
        if home is None:
            return
        if home.process != os.getpid():
            home.transport.leave_to_parent()
        elif home.loop is asyncio.get_running_loop():
            if home.lanes is not None:
                home.lanes.leave(self)
            await asyncio.sleep(0)  # what is under way ends as cut off, before its connection goes
            await home.transport.aclose()
            if home.lanes is not None:
                await home.lanes.aclose()
        # Else that loop is closed, and its connections with it; or it lives on, and closes them when it ends.

    @staticmethod
    def _closed_error() -> SessionClosedError:
        return SessionClosedError("the session has been closed: make a new one")
