"""Admission: every request passes a lane, so that the server's queue is never overrun.

The server works on one request at a time per account, queues six and answers 429 to the rest. All sessions
of one event loop that use the same key at the same base URL share one `Lanes`, because the limit counts for
the account and not for the session; where their limits differ, the smaller holds.

A lane is a `Gate` (who goes next) whose limit is a window (how many may go; see `window`, where the limit is
found). All lanes together pass a second gate, `total`. A place is held from sending to the end of the answer,
and never while user code runs or a repeat is waited for. A request that was cancelled or timed out after it
was sent still takes one of the server's places for a while: the server does not know that nobody listens,
and works on it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary, WeakValueDictionary

from woodpecker_async.engine.gate import Gate
from woodpecker_async.engine.window import AdaptiveWindow, RefusalWindow
from woodpecker_async.options import Limits, Priority

_FIRST_GUESS = 0.5  # seconds a request takes, before any was seen


class Lane:
    """The way to one account of the server."""

    def __init__(self, window: AdaptiveWindow, total: Gate, refusals: RefusalWindow) -> None:
        self.window = window
        self._gate = Gate(self._places)
        self._abandoned = 0
        self._total = total
        self._refusals = refusals
        self._typical = _FIRST_GUESS

    def _places(self) -> int:
        # What nobody waits for any more takes nothing from the window, which is about what we know of the
        # server, but from what the server has room for.
        return min(self.window.size, self.window.ceiling - self._abandoned)

    @property
    def idle(self) -> bool:
        """Nobody inside, nobody waiting, nothing abandoned."""
        return self._gate.idle and not self._abandoned

    def lower(self, ceiling: int) -> None:
        """Another session of the account asks for less, or one that asked for less has gone."""
        self.window.lower(ceiling)
        self._gate.widened()

    async def enter(self, priority: Priority, *, again: bool = False) -> None:
        """Wait for a turn and take it. Follow with exactly one of the calls below."""
        await self._gate.enter(priority, again=again)
        try:
            await self._total.enter(priority, again=again)
        except asyncio.CancelledError:
            self._gate.leave()
            raise

    def succeeded(self, operation: str, latency: float, now: float) -> None:
        """A success is here: learn from it, and let the next in."""
        self._typical += (latency - self._typical) / 8
        full = self._gate.inside >= self._places()
        self.window.answered(operation, latency, now, full=full)
        self._refusals.answered(latency)
        self.left()

    def refused(self, now: float) -> None:
        """The server refused the request: its queue was full."""
        self.window.refused(now)
        self._refusals.refused(now)
        self.left()

    def abandoned(self, longest: float) -> None:
        """Nobody waits for the answer any more, but the server may still work on the request.

        Args:
            longest: seconds after which it surely no longer does.
        """
        # `_typical` includes the wait behind those that were under way at the same time.
        quarantine = min(2 * self._typical, longest)
        self._abandoned += 1
        self.left()
        asyncio.get_running_loop().call_later(quarantine, self._forget_abandoned)

    def _forget_abandoned(self) -> None:
        self._abandoned -= 1
        self._gate.widened()

    def left(self) -> None:
        """The request is over: with an error that says nothing of the queue, or without an answer."""
        self._total.leave()
        self._gate.leave()


class Lanes:
    """All lanes of one key at one base URL on one event loop."""

    def __init__(self) -> None:
        self.limits = Limits()
        self._members: WeakKeyDictionary[object, Limits] = WeakKeyDictionary()
        self._by_company: dict[int | None, Lane] = {}
        self._refusals = RefusalWindow(self.limits.total)
        self._total = Gate(lambda: self._refusals.size)
        self._writers: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def join(self, member: object, limits: Limits) -> None:
        """A session comes, and with it its limits."""
        self._members[member] = limits
        self._agree()

    def leave(self, member: object) -> None:
        """A session goes."""
        self._members.pop(member, None)
        self._agree()

    def _agree(self) -> None:
        everybody = list(self._members.values())
        if not everybody:
            return
        self.limits = Limits(
            max_in_flight=min(limits.max_in_flight for limits in everybody),
            lanes=min((limits.lanes for limits in everybody), key=("account", "discover", "company").index),
            total=min(limits.total for limits in everybody),
            queue_wait=min(limits.queue_wait for limits in everybody),
        )
        self._refusals.lower(self.limits.total)
        for lane in self._by_company.values():
            lane.lower(min(lane.window.ceiling, self._ceiling))

    @property
    def _ceiling(self) -> int:
        return self.limits.total if self.limits.lanes == "discover" else self.limits.max_in_flight

    @contextmanager
    def lane(self, company_id: int | None) -> Iterator[Lane]:
        """The lane for a request about this company; a company's own is forgotten when nobody uses it."""
        key = company_id if self.limits.lanes == "company" else None
        lane = self._by_company.get(key)
        if lane is None:
            window = AdaptiveWindow(self._ceiling, self.limits.queue_wait)
            lane = self._by_company[key] = Lane(window, self._total, self._refusals)
        try:
            yield lane
        finally:
            if key is not None and lane.idle:
                self._by_company.pop(key, None)

    def writer(self, company_id: int) -> asyncio.Lock:
        """The lock that lets one key creation at a time at a company."""
        lock = self._writers.get(company_id)
        if lock is None:
            lock = self._writers[company_id] = asyncio.Lock()
        return lock


_SHARED: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[tuple[str, str], Lanes]] = WeakKeyDictionary()


def shared_lanes(loop: asyncio.AbstractEventLoop, base_url: str, fingerprint: str) -> Lanes:
    """The lanes that all sessions of this loop with this key at this base URL share."""
    here = _SHARED.setdefault(loop, WeakValueDictionary())
    lanes = here.get((base_url, fingerprint))
    if lanes is None:
        lanes = here[base_url, fingerprint] = Lanes()
    return lanes
