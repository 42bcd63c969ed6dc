"""The lanes of one account on one event loop, and the limits that its sessions agree on.

All sessions of one event loop that use the same key at the same base URL share one `AccountLanes`, because the
server's limit applies to the account and not to the session; if their limits differ, the smaller one applies. All
lanes together share another semaphore, `total`. If other processes use the account too, each request also takes one of
the slots that the processes share (see `shared`).
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from weakref import WeakKeyDictionary, WeakValueDictionary

from woodpecker_async.engine.clock import TimerClock
from woodpecker_async.engine.lanes import Lane, Permit
from woodpecker_async.engine.semaphore import PrioritySemaphore
from woodpecker_async.engine.shared import Backend, SharedBy, Slots, backend
from woodpecker_async.engine.window import AdaptiveWindow, RefusalWindow
from woodpecker_async.errors import ConfigError
from woodpecker_async.options import Limits, SharedOutage


class AccountLanes:
    """All lanes of one key at one base URL on one event loop.

    Args:
        account: the account's name, the same in all processes.
        now: returns monotonic seconds, the same on all event loops.
        timers: the clock for timers, if it is not the event loop's.

    Attributes:
        limits: the effective limits of all sessions.
        refusals: limits the number of requests in flight in all lanes together.
        total: the semaphore that enforces that limit.
    """

    def __init__(
        self, account: str = "", now: Callable[[], float] = time.monotonic, timers: TimerClock | None = None
    ) -> None:
        self.limits = Limits()
        self.account = account
        self.now = now
        self.timers = timers
        self.token = object()  # stands for this event loop, without a reference to it
        self._life: AsyncGenerator[None, None] | None = None
        self._backend: Backend | None = None
        self._shared: tuple[SharedBy, SharedOutage] | None = None  # the settings of the backend
        self._members: WeakKeyDictionary[object, Limits] = WeakKeyDictionary()
        self._by_company: dict[int | None, Lane] = {}
        self.refusals = RefusalWindow(self.limits.total)
        self.total = PrioritySemaphore(self.refusals.size)

    def join(self, member: object, limits: Limits) -> None:
        """Add a session with its limits.

        Raises:
            ConfigError: its settings for sharing with other processes differ from those of the present sessions.
        """
        self._share(limits)
        self._members[member] = limits
        self._agree()

    def leave(self, member: object) -> None:
        """Remove a session."""
        self._members.pop(member, None)
        self._agree()

    async def aclose(self) -> None:
        """Stop what no session needs any more: sharing, and listening for late responses."""
        if not self._members:
            # The response to the last request says that the server is past all requests before it.
            self._silence(but_last=True)
        if not any(limits.shared is not None for limits in self._members.values()):
            await self._stop_sharing()

    async def part_with(self, slots: Slots) -> None:
        """Stop sharing, because its backend rejects us permanently, until a session asks again."""
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
        """Prepare for connections that no session closes, so that none outlives the event loop."""
        if self._life is None:
            self._life = self._live()
            with suppress(StopIteration):
                self._life.asend(None).send(None)  # run up to the yield, without awaiting anything

    async def _live(self) -> AsyncGenerator[None, None]:
        # Before an event loop closes, it ends the async generators that were started on it.
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
                "Limits.shared_outage must be the same in all sessions with one key, or left out"
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
        """Return a permit, not acquired yet, for a request about this company.

        Args:
            company_id: whose lane to use, if each company has one.
            limits: the limits of the session that sends the request.

        Raises:
            ConfigError: its settings for sharing with other processes differ from those of the present sessions.
        """
        shares = limits.shared is not None
        if shares and (limits.shared, limits.shared_outage) != self._shared:
            self._share(limits)  # the backend rejected us before; it may have been fixed since
            self._agree()
        return Permit(self.lane(company_id), shares)

    def lane(self, company_id: int | None) -> Lane:
        """Return the lane for a request about this company; a company's own lane is dropped when it is unused."""
        key = company_id if self.limits.lanes == "company" else None
        lane = self._by_company.get(key)
        if lane is None:
            window = AdaptiveWindow(self._ceiling, self.limits.queue_wait)
            lane = self._by_company[key] = Lane(self, key, window)
            if self._backend is not None:
                lane.share(self._backend.slots(str(key or "all")))
        return lane

    def forget(self, company_id: int, lane: Lane) -> None:
        """Drop a company's lane."""
        # A request that was cancelled while waiting may leave after others have ended its lane and started a new one.
        if self._by_company.get(company_id) is lane:
            del self._by_company[company_id]


_SHARED: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[str, AccountLanes]] = WeakKeyDictionary()


def shared_lanes(loop: asyncio.AbstractEventLoop, account: str, timers: TimerClock | None = None) -> AccountLanes:
    """Return the lanes shared by all sessions on this loop that use this account."""
    here = _SHARED.setdefault(loop, WeakValueDictionary())
    lanes = here.get(account)
    if lanes is None:
        now = time.monotonic if timers is None else timers.now
        lanes = here[account] = AccountLanes(account, now, timers)
    return lanes
