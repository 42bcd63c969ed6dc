"""Admission: every request passes a lane, so that the server's queue is never overrun.

The server works on one request at a time per account, queues six and answers 429 to the rest. All sessions
of one event loop that use the same key at the same base URL share one `Lanes`, because the limit counts for
the account and not for the session; where their limits differ, the smaller holds.

A lane is a `PrioritySemaphore` (who goes next) whose limit is a window (how many may go; see `window`, where
the limit is found). All lanes together pass a second one, `total`. A place is held from sending to the end of
the answer, and never while user code runs or a repeat is waited for. It is held by a `Permit`, the one door of
a lane: a context manager that is told the outcome. A request that was given up after it was sent still takes one of the
server's places, see `backlog`. Where other processes use the account too, a third turn is taken, for one of the
places that all of them share (see `shared`).

Permit, lane and lanes stand in one module, for each takes its decisions from the counts of the other two.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from functools import partial
from typing import Final, Literal, Self
from weakref import WeakKeyDictionary, WeakValueDictionary

from woodpecker_async.engine.backlog import AbandonedRequest, Backlog, LateAnswer, held_for
from woodpecker_async.engine.semaphore import PrioritySemaphore
from woodpecker_async.engine.shared import Backend, SharedBy, Slots, SlotsUnavailableError, backend
from woodpecker_async.engine.window import AdaptiveWindow, RefusalWindow
from woodpecker_async.errors import ConfigError
from woodpecker_async.options import Limits, Priority, SharedOutage

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
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, lanes: "Lanes", key: int | None, window: AdaptiveWindow) -> None:
        self.key = key
        self.window = window
        self.gate = PrioritySemaphore(window.size)
        self.total = lanes.total
        self.slots: Slots | None = None
        self._lanes = lanes
        self._name = f"{lanes.account} {key}"
        if _LEFT_BEHIND:
            self._sweep()
            self._adjust(0)

    # Who may go -------------------------------------------------------------------------------------------

    def _adjust(self, inside: int) -> None:
        """The window is another now, or what is left behind is.

        Args:
            inside: how many are in flight from now on.
        """
        self.total.limit = self._lanes.refusals.size
        size = self.window.size
        if not _LEFT_BEHIND or (backlog := _LEFT_BEHIND.get(self._name)) is None:
            self.gate.limit = size
            self.gate.newest_first = False
            return
        # What nobody waits for any more takes nothing from the window, which is about what we know of the
        # server, but from what the server has room for.
        now = self._lanes.now()
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
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nobody waits here
            return
        at = loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._time_passed)

    def _time_passed(self) -> None:
        self._timer = None
        self._changed()
        self.forget_if_idle()

    def _changed(self) -> None:
        self._adjust(self.gate.in_use)
        self.gate.wake_waiters()

    def _sweep(self) -> None:
        """Forget what event loops that have ended left behind too long ago."""
        now = self._lanes.now()
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
            self._lanes.forget(self.key, self)

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
            await self._lanes.part_with(slots)
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
            now = self._lanes.now()
            self.window.refused(now)
            self._lanes.refusals.refused(now)
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
        self._lanes.refusals.answered(latency)

    def _leave_behind(self, permit: Permit) -> None:
        now = self._lanes.now()
        seconds = held_for(now - permit.sent, self._lanes.limits.queue_wait, cut=permit.outcome == "cut")
        request = AbandonedRequest(
            sent=permit.sent,
            given_up=now,
            until=now + seconds,
            owner=self._lanes.token,
            connection=permit.connection,
        )
        if (slots := permit.slots) is not None:
            self._count_down(slots)
            request.give_back = _in_this_loop(slots.hold(seconds))
        if request.connection is not None:
            self._lanes.outlive()
            request.connection.listen(partial(self._heard, request))
        _LEFT_BEHIND.setdefault(self._name, Backlog()).add(request)

    def _heard(self, request: AbandonedRequest, status: int | None) -> None:
        if (backlog := self.backlog) is not None:
            backlog.heard(request, status, self._lanes.now())
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


class Lanes:
    """All lanes of one key at one base URL on one event loop.

    Args:
        account: names the key and the base URL, the same in all processes.
        now: monotonic seconds, the same on all event loops.

    Attributes:
        limits: what the sessions' limits come to.
        refusals: bounds what is in flight in all lanes together.
        total: the gate that does so.
    """

    def __init__(self, account: str = "", now: Callable[[], float] = time.monotonic) -> None:
        self.limits = Limits()
        self.account = account
        self.now = now
        self.token = object()  # stands for this event loop, and does not keep it
        self._life: AsyncGenerator[None, None] | None = None
        self._backend: Backend | None = None
        self._shared: tuple[SharedBy, SharedOutage] | None = None  # what the backend was made of
        self._members: WeakKeyDictionary[object, Limits] = WeakKeyDictionary()
        self._by_company: dict[int | None, Lane] = {}
        self.refusals = RefusalWindow(self.limits.total)
        self.total = PrioritySemaphore(self.refusals.size)

    def join(self, member: object, limits: Limits) -> None:
        """A session comes, and with it its limits.

        Raises:
            ConfigError: it wants to share with other processes in another way than those that are here.
        """
        self._share(limits)
        self._members[member] = limits
        self._agree()

    def leave(self, member: object) -> None:
        """A session goes."""
        self._members.pop(member, None)
        self._agree()

    async def aclose(self) -> None:
        """End what no session is left for: sharing, and listening for answers that nobody waits for."""
        if not self._members:
            # The last answer tells of all requests before it.
            self._silence(but_last=True)
        if not any(limits.shared is not None for limits in self._members.values()):
            await self._stop_sharing()

    async def part_with(self, slots: Slots) -> None:
        """What keeps these places refuses us, and will do so again: go on without, until somebody asks anew."""
        if any(lane.slots is slots for lane in self._by_company.values()):
            await self._stop_sharing()

    async def _stop_sharing(self) -> None:
        ending, self._backend, self._shared = self._backend, None, None
        for lane in self._by_company.values():
            lane.share(None)
        self._agree()
        if ending is not None:
            await ending.aclose()

    def _silence(self, *, but_last: bool) -> None:
        for lane in self._by_company.values():
            if lane.backlog is not None:
                lane.backlog.silence(self.token, but_last=but_last)

    def outlive(self) -> None:
        """From now on connections are kept that no session closes; none may outlive the event loop."""
        if self._life is None:
            self._life = self._live()
            with suppress(StopIteration):
                self._life.asend(None).send(None)  # up to the yield, without waiting for anything

    async def _live(self) -> AsyncGenerator[None, None]:
        # An event loop ends the async generators that were begun on it before it closes.
        try:
            yield
        finally:
            self._silence(but_last=False)

    def _share(self, limits: Limits) -> None:
        if limits.shared is None:
            return
        wanted = (limits.shared, limits.shared_outage)
        if self._shared is not None and wanted != self._shared:
            raise ConfigError(
                "another session with this key shares its lane in another way: Limits.shared and "
                "Limits.shared_outage are the same for all sessions of a key, or not said"
            )
        if self._backend is None:
            self._backend = backend(*wanted, self.account, lambda: self.limits.max_in_flight)
            self._shared = wanted
            for company_id, lane in self._by_company.items():
                lane.share(self._backend.slots(str(company_id or "all")))

    def _agree(self) -> None:
        everybody = list(self._members.values())
        if not everybody:
            return
        by, outage = self._shared or (None, "local")
        lanes = min((limits.lanes for limits in everybody), key=("account", "discover", "company").index)
        self.limits = Limits(
            max_in_flight=min(limits.max_in_flight for limits in everybody),
            lanes="account" if lanes == "discover" and by is not None else lanes,
            total=min(limits.total for limits in everybody),
            queue_wait=min(limits.queue_wait for limits in everybody),
            shared=by,
            shared_outage=outage,
        )
        self.refusals.bound(self.limits.total)
        self.total.limit = self.refusals.size
        self.total.wake_waiters()
        for lane in self._by_company.values():
            lane.bound(self._ceiling)

    @property
    def _ceiling(self) -> int:
        return self.limits.total if self.limits.lanes == "discover" else self.limits.max_in_flight

    def permit(self, company_id: int | None, limits: Limits) -> Permit:
        """A place for a request about this company, yet to be taken.

        Args:
            company_id: whose lane it is, if each company has one.
            limits: those of the session that asks.

        Raises:
            ConfigError: it wants to share with other processes in another way than the sessions that are here.
        """
        shares = limits.shared is not None
        if shares and (limits.shared, limits.shared_outage) != self._shared:
            self._share(limits)  # it was refused before; perhaps somebody has mended it
            self._agree()
        return Permit(self.lane(company_id), shares)

    def lane(self, company_id: int | None) -> Lane:
        """The lane for a request about this company; a company's own is forgotten when nobody uses it."""
        key = company_id if self.limits.lanes == "company" else None
        lane = self._by_company.get(key)
        if lane is None:
            window = AdaptiveWindow(self._ceiling, self.limits.queue_wait)
            lane = self._by_company[key] = Lane(self, key, window)
            if self._backend is not None:
                lane.share(self._backend.slots(str(key or "all")))
        return lane

    def forget(self, company_id: int, lane: Lane) -> None:
        """A company's lane has ended."""
        # Who was cancelled while it waited may leave when others have ended the lane and begun the next.
        if self._by_company.get(company_id) is lane:
            del self._by_company[company_id]


_SHARED: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[str, Lanes]] = WeakKeyDictionary()


def shared_lanes(loop: asyncio.AbstractEventLoop, account: str) -> Lanes:
    """The lanes that all sessions of this loop share, which use this account."""
    here = _SHARED.setdefault(loop, WeakValueDictionary())
    lanes = here.get(account)
    if lanes is None:
        lanes = here[account] = Lanes(account)
    return lanes


# Connections inherited over a fork belong to the parent. Closing them would disturb it, so they are kept.
_INHERITED: Final[list[AbandonedRequest]] = []


def _leave_to_parent() -> None:
    for lane_backlog in _LEFT_BEHIND.values():
        _INHERITED.extend(lane_backlog.disowned())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
