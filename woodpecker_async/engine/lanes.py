"""Admission: every request passes a lane, so that the server's queue is never overrun.

The server works on one request at a time per account, queues six and answers 429 to the rest. All sessions
of one event loop that use the same key at the same base URL share one `Lanes`, because the limit counts for
the account and not for the session; where their limits differ, the smaller holds.

A lane is a `Gate` (who goes next) whose limit is a window (how many may go; see `window`, where the limit is
found). All lanes together pass a second gate, `total`. A place is held from sending to the end of the answer,
and never while user code runs or a repeat is waited for. A request that was cancelled or timed out after it
was sent still takes one of the server's places for a while: the server does not know that nobody listens,
and works on it. Where other processes use the account too, a third turn is taken, for one of the places that
all of them share (see `shared`).
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Self
from weakref import WeakKeyDictionary, WeakValueDictionary

from woodpecker_async.engine.gate import Gate
from woodpecker_async.engine.shared import Backend, SharedBy, Slots, backend
from woodpecker_async.engine.window import AdaptiveWindow, RefusalWindow
from woodpecker_async.errors import ConfigError
from woodpecker_async.options import Limits, Priority, SharedOutage

_FIRST_GUESS = 0.5  # seconds a request takes, before any was seen


class Lane:
    """The way to one account of the server. Be `with` it from before you enter until after you left."""

    _abandoned = 0
    _typical = _FIRST_GUESS
    _slots: Slots | None = None
    _slots_taken = 0

    def __init__(
        self, window: AdaptiveWindow, total: Gate, refusals: RefusalWindow, forget: Callable[["Lane"], None] | None
    ) -> None:
        self.window = window
        self._gate = Gate(window.size)
        self._forget = forget
        self._total = total
        self._refusals = refusals

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._forget is not None and self.idle:
            self._forget(self)

    def _adjust(self) -> None:
        """The window is another now, or what is left behind is."""
        # What nobody waits for any more takes nothing from the window, which is about what we know of the
        # server, but from what the server has room for.
        self._gate.limit = min(self.window.size, self.window.ceiling - self._abandoned)
        self._total.limit = self._refusals.size

    @property
    def idle(self) -> bool:
        """Nobody inside, nobody waiting, nothing abandoned."""
        return self._gate.idle and not self._abandoned

    def bound(self, ceiling: int) -> None:
        """Another session of the account asks for less, or one that asked for less has gone."""
        self.window.bound(ceiling)
        self._adjust()
        self._gate.widened()

    def share(self, slots: Slots | None) -> None:
        """From now on, take a place of these as well."""
        self._slots = slots
        self._slots_taken = 0  # what is under way had none of these
        self.window.shared(slots is not None)

    def enter_now(self) -> bool:
        """Take a turn, if that needs no waiting. Follow with exactly one of the calls below."""
        if self._slots is not None or not self._gate.enter_now():
            return False
        if self._total.enter_now():
            return True
        self._gate.leave()
        return False

    async def enter(self, priority: Priority, *, again: bool = False) -> None:
        """Wait for a turn and take it. Follow with exactly one of the calls below.

        Raises:
            SlotsUnavailableError: the places that processes share cannot be had.
        """
        await self._gate.enter(priority, again=again)
        try:
            await self._total.enter(priority, again=again)
        except asyncio.CancelledError:
            self._gate.leave()
            raise
        if self._slots is not None:
            await self._take_slot(self._slots)

    async def _take_slot(self, slots: Slots) -> None:
        try:
            await slots.take()
        except BaseException:
            self._total.leave()
            self._gate.leave()
            raise
        self._slots_taken += 1

    def succeeded(self, operation: str, latency: float, now: float) -> None:
        """A success is here: learn from it, and let the next in."""
        self._typical += (latency - self._typical) / 8
        inside = self._gate.inside
        if self._forget is not None and inside == 1 and not self._abandoned and not self._gate.waiting:
            pass  # the lane ends here, and what it would learn with it
        elif self._slots is None:
            self.window.answered(operation, latency, now, full=inside >= self._gate.limit)
        else:  # who waits for a place that processes share is not under way yet
            taken = self._slots_taken
            self.window.answered(operation, latency, now, full=taken >= self._gate.limit, crowded=inside > taken)
        self._refusals.answered(latency)
        self._adjust()
        self.left()

    def refused(self, now: float) -> None:
        """The server refused the request: its queue was full."""
        self.window.refused(now)
        self._refusals.refused(now)
        self._adjust()
        self.left()

    def abandoned(self, longest: float) -> None:
        """Nobody waits for the answer any more, but the server may still work on the request.

        Args:
            longest: seconds after which it surely no longer does.
        """
        # `_typical` includes the wait behind those that were under way at the same time.
        quarantine = min(2 * self._typical, longest)
        self._abandoned += 1
        self._adjust()
        if self._slots is not None:
            self._give_back(self._slots, quarantine)
        self._total.leave()
        self._gate.leave()
        asyncio.get_running_loop().call_later(quarantine, self._forget_abandoned)

    def _forget_abandoned(self) -> None:
        self._abandoned -= 1
        self._adjust()
        self._gate.widened()
        self.__exit__()

    def left(self) -> None:
        """The request is over: with an error that says nothing of the queue, or without an answer."""
        self._total.leave()
        self._gate.leave()
        if self._slots is not None:
            self._give_back(self._slots, 0.0)

    def _give_back(self, slots: Slots, after: float) -> None:
        if self._slots_taken:
            self._slots_taken -= 1
            slots.give_back(after)


class Lanes:
    """All lanes of one key at one base URL on one event loop.

    Args:
        account: names the key and the base URL, the same in all processes.
    """

    def __init__(self, account: str = "") -> None:
        self.limits = Limits()
        self._account = account
        self._backend: Backend | None = None
        self._shared: tuple[SharedBy, SharedOutage] | None = None  # what the backend was made of
        self._members: WeakKeyDictionary[object, Limits] = WeakKeyDictionary()
        self._by_company: dict[int | None, Lane] = {}
        self._refusals = RefusalWindow(self.limits.total)
        self._total = Gate(self._refusals.size)

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
        """If no session is left, end what is shared with other processes."""
        if self._members or self._backend is None:
            return
        ending, self._backend, self._shared = self._backend, None, None
        for lane in self._by_company.values():
            lane.share(None)
        await ending.aclose()

    def _share(self, limits: Limits) -> None:
        # What one of them shares all do, until all are closed: the server counts them together.
        if limits.shared is None:
            return
        wanted = (limits.shared, limits.shared_outage)
        if self._shared is not None and wanted != self._shared:
            raise ConfigError(
                "another session with this key shares its lane in another way: Limits.shared and "
                "Limits.shared_outage are the same for all sessions of a key, or not said"
            )
        if self._backend is None:
            self._backend = backend(*wanted, self._account, lambda: self.limits.max_in_flight)
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
        self._refusals.bound(self.limits.total)
        self._total.limit = self._refusals.size
        self._total.widened()
        for lane in self._by_company.values():
            lane.bound(self._ceiling)

    @property
    def _ceiling(self) -> int:
        return self.limits.total if self.limits.lanes == "discover" else self.limits.max_in_flight

    def lane(self, company_id: int | None) -> Lane:
        """The lane for a request about this company; a company's own is forgotten when nobody uses it."""
        key = company_id if self.limits.lanes == "company" else None
        lane = self._by_company.get(key)
        if lane is None:
            window = AdaptiveWindow(self._ceiling, self.limits.queue_wait)
            forget = None if key is None else partial(self._forget, key)
            lane = self._by_company[key] = Lane(window, self._total, self._refusals, forget)
            if self._backend is not None:
                lane.share(self._backend.slots(str(key or "all")))
        return lane

    def _forget(self, company_id: int, lane: Lane) -> None:
        # Who was cancelled while it waited may leave when others have ended the lane and begun the next.
        if self._by_company.get(company_id) is lane:
            del self._by_company[company_id]


_SHARED: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[tuple[str, str], Lanes]] = WeakKeyDictionary()


def shared_lanes(loop: asyncio.AbstractEventLoop, base_url: str, fingerprint: str) -> Lanes:
    """The lanes that all sessions of this loop with this key at this base URL share."""
    here = _SHARED.setdefault(loop, WeakValueDictionary())
    lanes = here.get((base_url, fingerprint))
    if lanes is None:
        lanes = here[base_url, fingerprint] = Lanes(f"{base_url} {fingerprint}")
    return lanes
