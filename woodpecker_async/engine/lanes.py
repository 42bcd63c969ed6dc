"""Admission: every request goes through a lane, so that the server's queue never overflows.

The server processes one request at a time per account, queues six more and answers 429 to the rest.

A lane is a `PrioritySemaphore` (who goes next) whose limit is set by a window (how many may go; see `window`). A
`Permit` is held from sending to the end of the response, and never while user code runs or during a backoff. It is the
only way into a lane: a context manager that is told the outcome. A request that was given up after it was sent still
occupies a place at the server; see `backlog`.

`account_lanes` has the lanes of an account and what they share. Permit and lane are in one module because each
depends on the other's counts.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, Literal, Protocol, Self

from woodpecker_async.engine.backlog import AbandonedRequest, Backlog, LateAnswer, held_for
from woodpecker_async.engine.clock import Timer, TimerClock, later
from woodpecker_async.engine.semaphore import PrioritySemaphore
from woodpecker_async.engine.shared import Slots, SlotsUnavailableError
from woodpecker_async.engine.window import AdaptiveWindow, RefusalWindow
from woodpecker_async.errors import ConfigError
from woodpecker_async.options import Limits, Priority

# The outcome of a request, from the perspective of the server's queue:
# "unsent": it never got there, or nothing is known about it and nothing is left of it.
# "success": a success after `Permit.latency` seconds, which says how long the queue is.
# "answered": the server sent some other response, and is past it.
# "refused": the queue was full.
# "abandoned": nobody waits for the response any more.
# "cut": the connection was cut, or a gateway responded instead of the server.
Outcome = Literal["unsent", "success", "answered", "refused", "abandoned", "cut"]

# Seconds for which a shared slot stays taken after the server has refused its request.
_REST: Final = 1.0
# Seconds between two checks whether another event loop of the process has learned something.
_LOOK_AGAIN: Final = 1.0


class Permit:
    """One request's permit in a lane: enter it with `with`, acquire it, and set the outcome.

    Attributes:
        sent: when the request was sent.
        outcome: the outcome of the request.
        operation: the operation, because latencies are compared only within one operation.
        latency: seconds from sending to the last byte, for a success.
        connection: listens for the response to an abandoned request.
        slots: the slots that processes share, if one of them is held.
    """

    outcome: Outcome = "unsent"
    sent = 0.0
    operation = ""
    latency = 0.0
    connection: LateAnswer | None = None
    slots: Slots | None = None
    _held = False

    def __init__(self, lane: "Lane", shares: bool) -> None:
        self._lane = lane
        self._shares = shares

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        lane = self._lane
        if self._held:
            lane.end(self)
        if lane.key is not None:
            lane.forget_if_idle()

    def acquire_now(self) -> bool:
        """Acquire the permit, if that is possible without waiting."""
        lane = self._lane
        if (lane.slots is not None and lane.asks(self._shares)) or not lane.gate.try_acquire():
            return False
        if lane.total.try_acquire():
            self._held = True
            return True
        lane.gate.release()
        return False

    async def acquire(self, priority: Priority, *, again: bool = False) -> None:
        """Wait for the permit and acquire it.

        Raises:
            SlotsUnavailableError: the slots that processes share are not available.
            ConfigError: their backend rejects us.
        """
        lane = self._lane
        await lane.gate.acquire(priority, front=again)
        try:
            await lane.total.acquire(priority, front=again)
            try:
                if lane.asks(self._shares):
                    self.slots = await lane.take_slot(self._shares)
            except BaseException:
                lane.total.release()
                raise
        except BaseException:
            lane.gate.release()
            raise
        self._held = True

    def abandon(self, connection: LateAnswer | None) -> None:
        """Record that nobody waits for the response any more, although the server may still be working on it."""
        self.outcome, self.connection = "abandoned", connection

    @property
    def trouble(self) -> str | None:
        """Why no permit is available, if the reason is not that others hold them."""
        slots = self._lane.slots
        return None if slots is None or not self._shares else slots.trouble


class Account(Protocol):
    """What the lanes of one account share.

    Attributes:
        account: the account's name, the same in all processes.
        limits: the effective limits of all sessions.
        refusals: limits the number of requests in flight in all lanes together.
        total: the semaphore that enforces that limit.
        token: stands for the event loop.
    """

    account: str
    limits: Limits
    refusals: RefusalWindow
    total: PrioritySemaphore
    token: object

    @property
    def now(self) -> Callable[[], float]:
        """Returns monotonic seconds, the same on all event loops."""
        ...

    @property
    def timers(self) -> TimerClock | None:
        """The clock for its timers, if it is not the event loop's."""
        ...

    async def part_with(self, slots: Slots) -> None:
        """Stop sharing, because the backend of these slots rejects us permanently."""
        ...

    def outlive(self) -> None:
        """Prepare for connections that no session closes."""
        ...

    def forget(self, company_id: int, lane: "Lane") -> None:
        """Drop a company's lane."""
        ...


class Lane:
    """The queue in front of one account of the server.

    Attributes:
        key: the company, if each company has a lane.
        window: finds out how many requests may be in flight.
        gate: the semaphore that lets in that many.
        total: the semaphore that all lanes of the account share.
        slots: the slots that processes share, if they do.
    """

    _taken = 0  # shared slots held by requests in flight
    _timer: Timer | None = None
    _looks_at = 0.0

    def __init__(self, account: Account, key: int | None, window: AdaptiveWindow) -> None:
        self.key = key
        self.window = window
        self.gate = PrioritySemaphore(window.size)
        self.total = account.total
        self.slots: Slots | None = None
        self._account = account
        self._name = f"{account.account} {key}"
        if _LEFT_BEHIND:
            self._sweep()
            self._adjust(0)

    # Who may go -------------------------------------------------------------------------------------------

    def _adjust(self, inside: int) -> None:
        """Adjust the limit to a change of the window or the backlog.

        Args:
            inside: how many requests are in flight from now on.
        """
        self.total.limit = self._account.refusals.size
        size = self.window.size
        if not _LEFT_BEHIND or (backlog := _LEFT_BEHIND.get(self._name)) is None:
            self.gate.limit = size
            self.gate.newest_first = False
            return
        # Abandoned requests do not reduce the window, which is about what is known of the server, but the room that the
        # server has left.
        now = self._account.now()
        ceiling = self.window.ceiling
        limit = backlog.limit(size, ceiling, inside, now)
        if not limit and not inside and backlog.try_one(now):
            limit = backlog.limit(size, ceiling, inside, now)
        self.gate.limit = limit
        self.gate.newest_first = backlog.missed
        if backlog.expire(now):
            _LEFT_BEHIND.pop(self._name, None)
        else:
            self._look_again(min(backlog.until(now) - now, _LOOK_AGAIN))

    def _look_again(self, seconds: float) -> None:
        at = self._account.now() + seconds
        if self._timer is not None and self._looks_at <= at:
            return
        try:
            timer = later(self._account.timers, seconds, self._time_passed)
        except RuntimeError:  # no event loop is running, so nobody is waiting
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._looks_at = timer, at

    def _time_passed(self) -> None:
        self._timer = None
        self._changed()
        self.forget_if_idle()

    def _changed(self) -> None:
        self._adjust(self.gate.in_use)
        self.gate.wake_waiters()

    def _sweep(self) -> None:
        """Drop old backlogs left by event loops that have ended."""
        now = self._account.now()
        for name, backlog in tuple(_LEFT_BEHIND.items()):
            if backlog.expire(now):
                _LEFT_BEHIND.pop(name, None)

    @property
    def backlog(self) -> Backlog | None:
        """The lane's backlog, if there is one."""
        return _LEFT_BEHIND.get(self._name)

    @property
    def idle(self) -> bool:
        """Whether no request is in flight or waiting, and no timer is set."""
        return self.gate.idle and self._timer is None

    def forget_if_idle(self) -> None:
        """Drop a company's lane after its last user; its backlog is kept under its name."""
        if self.key is not None and self.idle:
            self._account.forget(self.key, self)

    def bound(self, ceiling: int) -> None:
        """Set the ceiling, after a session of the account was added or removed."""
        self.window.bound(ceiling)
        self._changed()

    # Slots that processes share ---------------------------------------------------------------------------

    def share(self, slots: Slots | None) -> None:
        """From now on, also take one of these slots for each request."""
        self.slots = slots
        self._taken = 0  # requests in flight hold none of these
        self.window.shared(slots is not None)

    def asks(self, shares: bool) -> bool:
        """Whether a request needs a shared slot. If its session did not ask to share, it takes one if available."""
        return self.slots is not None and (shares or self.slots.ready)

    async def take_slot(self, shares: bool) -> Slots | None:
        """Wait for a shared slot.

        Raises:
            SlotsUnavailableError: it is not known whether one is free.
            ConfigError: their backend rejects us.
        """
        slots = self.slots
        assert slots is not None
        try:
            await slots.take(optional=not shares)
        except SlotsUnavailableError:
            if shares:
                raise
            return None  # the outage does not concern this session
        except ConfigError:
            await self._account.part_with(slots)
            if shares:
                raise
            return None
        if slots is self.slots:
            self._taken += 1
        return slots

    def _count_down(self, slots: Slots) -> None:
        if slots is self.slots and self._taken:
            self._taken -= 1

    # The end of a request ---------------------------------------------------------------------------------

    def end(self, permit: Permit) -> None:
        """Handle the end of a request: learn from it, and let the next one in."""
        slots, outcome = permit.slots, permit.outcome
        rest = 0.0
        if outcome == "success":
            self._learn(permit)
        elif outcome == "refused":
            now = self._account.now()
            self.window.refused(now)
            self._account.refusals.refused(now)
            _LEFT_BEHIND.setdefault(self._name, Backlog()).refused(permit.sent, now)
            rest = _REST
        elif outcome in ("abandoned", "cut"):
            self._leave_behind(permit)
            slots = None
        elif permit.connection is not None:
            permit.connection.close()
        if _LEFT_BEHIND and outcome in ("success", "answered") and (backlog := self.backlog) is not None:
            backlog.answered(permit.sent)
        self._adjust(self.gate.in_use - 1)
        self.total.release()
        self.gate.release()
        if slots is not None:
            self._count_down(slots)
            slots.give_back(rest)

    def _learn(self, permit: Permit) -> None:
        inside, latency = self.gate.in_use, permit.latency
        now = permit.sent + latency
        if self.key is not None and inside == 1 and not self.gate.waiting and self.backlog is None:
            pass  # the lane ends here, so there is nothing to learn for
        elif permit.slots is None:
            self.window.answered(permit.operation, latency, now, full=inside >= self.gate.limit)
        else:  # requests that wait for a shared slot are not in flight yet
            taken = self._taken
            full, crowded = taken >= self.gate.limit, inside > taken
            self.window.answered(permit.operation, latency, now, full=full, crowded=crowded)
        self._account.refusals.answered(latency)

    def _leave_behind(self, permit: Permit) -> None:
        now = self._account.now()
        seconds = held_for(now - permit.sent, self._account.limits.queue_wait, cut=permit.outcome == "cut")
        request = AbandonedRequest(
            sent=permit.sent,
            given_up=now,
            until=now + seconds,
            owner=self._account.token,
            connection=permit.connection,
        )
        if (slots := permit.slots) is not None:
            self._count_down(slots)
            request.give_back = _in_this_loop(slots.hold(seconds))
        if request.connection is not None:
            self._account.outlive()
            request.connection.listen(partial(self._heard, request))
        _LEFT_BEHIND.setdefault(self._name, Backlog()).add(request)

    def _heard(self, request: AbandonedRequest, status: int | None) -> None:
        if (backlog := self.backlog) is not None:
            backlog.heard(request, status, self._account.now())
        self._changed()
        self.forget_if_idle()


def _in_this_loop(call: Callable[[], None]) -> Callable[[], None]:
    """Wrap a function so that it may be called from another event loop or thread, or after this loop has ended."""
    loop = asyncio.get_running_loop()

    def elsewhere() -> None:
        if asyncio._get_running_loop() is loop:
            call()
        else:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(call)

    return elsewhere


# The backlogs of all lanes of this process, on whatever event loop, by the name of the lane.
_LEFT_BEHIND: Final[dict[str, Backlog]] = {}


# Connections inherited through a fork belong to the parent. Closing them would disturb it, so they are kept.
_INHERITED: Final[list[AbandonedRequest]] = []


def _leave_to_parent() -> None:
    for lane_backlog in _LEFT_BEHIND.values():
        _INHERITED.extend(lane_backlog.disowned())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
