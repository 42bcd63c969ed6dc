"""Admission: every request passes a lane, so that the server's queue is never overrun.

The server works on one request at a time per account, queues six and answers 429 to the rest.

A lane is a `PrioritySemaphore` (who goes next) whose limit is a window (how many may go; see `window`, where
the limit is found). A place is held from sending to the end of the answer, and never while user code runs or a
repeat is waited for. It is held by a `Permit`, the one door of a lane: a context manager that is told the outcome.
A request that was given up after it was sent still takes one of the server's places, see `backlog`.

Which lanes an account has, and what they have in common, is in `account_lanes`. Permit and lane stand in one
module, for each takes its decisions from the counts of the other.
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

# What became of a request, as far as the server's queue is concerned:
# "unsent": it was never there, or nothing is known of it and nothing is left of it.
# "success": answered after `Permit.latency` seconds, which tells how long the queue is.
# "answered": the server answered something else, and is past it.
# "refused": the queue was full.
# "abandoned": nobody waits for the answer any more.
# "cut": the connection was cut, or a gateway answered in place of the server.
Outcome = Literal["unsent", "success", "answered", "refused", "abandoned", "cut"]

# Seconds for which a shared place is not given to the next when the server has just refused whoever had it.
_REST: Final = 1.0
# Seconds after which a lane looks again whether another event loop of the process has learned something.
_LOOK_AGAIN: Final = 1.0


class Permit:
    """One request's place in a lane: `with` it, take it, set the outcome.

    Attributes:
        sent: the moment the request was sent at.
        outcome: what became of it.
        operation: what was asked for: latencies are compared within one operation.
        latency: seconds from sending to the last byte, of a success.
        connection: listens for the answer to an abandoned request.
        slots: those that processes share, if one of them is held.
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
        """Take the place, if that needs no waiting."""
        lane = self._lane
        if (lane.slots is not None and lane.asks(self._shares)) or not lane.gate.try_acquire():
            return False
        if lane.total.try_acquire():
            self._held = True
            return True
        lane.gate.release()
        return False

    async def acquire(self, priority: Priority, *, again: bool = False) -> None:
        """Wait for the place and take it.

        Raises:
            SlotsUnavailableError: the places that processes share cannot be had.
            ConfigError: what they are kept in refuses us.
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
        """Nobody waits for the answer any more, but the server may still work on the request."""
        self.outcome, self.connection = "abandoned", connection

    @property
    def trouble(self) -> str | None:
        """Why no place is to be had, if that is not because others have them."""
        slots = self._lane.slots
        return None if slots is None or not self._shares else slots.trouble


class Account(Protocol):
    """What the lanes of one account have in common.

    Attributes:
        account: names the key and the base URL, the same in all processes.
        limits: what the sessions' limits come to.
        refusals: bounds what is in flight in all lanes together.
        total: the semaphore that does so.
        token: stands for the event loop.
    """

    account: str
    limits: Limits
    refusals: RefusalWindow
    total: PrioritySemaphore
    token: object

    @property
    def now(self) -> Callable[[], float]:
        """Monotonic seconds, the same on all event loops."""
        ...

    @property
    def timers(self) -> TimerClock | None:
        """The clock that its timers go by, if that is not the event loop's."""
        ...

    async def part_with(self, slots: Slots) -> None:
        """What keeps these places refuses us, and will do so again."""
        ...

    def outlive(self) -> None:
        """From now on connections are kept that no session closes."""
        ...

    def forget(self, company_id: int, lane: "Lane") -> None:
        """A company's lane has ended."""
        ...


class Lane:
    """The way to one account of the server.

    Attributes:
        key: the company, if each has a lane.
        window: finds out how many may be in flight.
        gate: lets in as many.
        total: the gate that all lanes of the account pass as well.
        slots: the places that processes share, if they do.
    """

    _taken = 0  # shared places that requests in flight have
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
        """The window is another now, or what is left behind is.

        Args:
            inside: how many are in flight from now on.
        """
        self.total.limit = self._account.refusals.size
        size = self.window.size
        if not _LEFT_BEHIND or (backlog := _LEFT_BEHIND.get(self._name)) is None:
            self.gate.limit = size
            self.gate.newest_first = False
            return
        # What nobody waits for any more takes nothing from the window, which is about what we know of the
        # server, but from what the server has room for.
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
        except RuntimeError:  # no event loop runs: nobody waits here
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
        """Forget what event loops that have ended left behind too long ago."""
        now = self._account.now()
        for name, backlog in tuple(_LEFT_BEHIND.items()):
            if backlog.expire(now):
                _LEFT_BEHIND.pop(name, None)

    @property
    def backlog(self) -> Backlog | None:
        """What has been left behind, if anything has."""
        return _LEFT_BEHIND.get(self._name)

    @property
    def idle(self) -> bool:
        """Nobody inside, nobody waiting, and nothing to wake up for."""
        return self.gate.idle and self._timer is None

    def forget_if_idle(self) -> None:
        """A company's lane ends with its last user; what it left behind is remembered by its name."""
        if self.key is not None and self.idle:
            self._account.forget(self.key, self)

    def bound(self, ceiling: int) -> None:
        """Another session of the account asks for less, or one that asked for less has gone."""
        self.window.bound(ceiling)
        self._changed()

    # Places that processes share --------------------------------------------------------------------------

    def share(self, slots: Slots | None) -> None:
        """From now on, take a place of these as well."""
        self.slots = slots
        self._taken = 0  # what is in flight had none of these
        self.window.shared(slots is not None)

    def asks(self, shares: bool) -> bool:
        """Whether a request needs a shared place: one whose session did not ask for it takes part if it can."""
        return self.slots is not None and (shares or self.slots.ready)

    async def take_slot(self, shares: bool) -> Slots | None:
        """Wait for a shared place.

        Raises:
            SlotsUnavailableError: there is no knowing whether one is free.
            ConfigError: what they are kept in refuses us.
        """
        slots = self.slots
        assert slots is not None
        try:
            await slots.take(optional=not shares)
        except SlotsUnavailableError:
            if shares:
                raise
            return None  # it is not this session's outage
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
        """A request is over, in one way or another: learn from it, and let the next in."""
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
            pass  # the lane ends here, and what it would learn with it
        elif permit.slots is None:
            self.window.answered(permit.operation, latency, now, full=inside >= self.gate.limit)
        else:  # who waits for a place that processes share is not in flight yet
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
    """Something that may be called from another event loop, in another thread, or when this one has ended."""
    loop = asyncio.get_running_loop()

    def elsewhere() -> None:
        if asyncio._get_running_loop() is loop:
            call()
        else:
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(call)

    return elsewhere


# What the lanes of this process have left behind, on whatever event loop: by the names of the lanes.
_LEFT_BEHIND: Final[dict[str, Backlog]] = {}


# Connections inherited over a fork belong to the parent. Closing them would disturb it, so they are kept.
_INHERITED: Final[list[AbandonedRequest]] = []


def _leave_to_parent() -> None:
    for lane_backlog in _LEFT_BEHIND.values():
        _INHERITED.extend(lane_backlog.disowned())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
