"""Admission: every request passes a lane, so that the server's queue is never overrun.

The server works on one request at a time per account, queues six and answers 429 to the rest. All sessions
of one event loop that use the same key at the same base URL share one `Lanes`, because the limit counts for
the account and not for the session; where their limits differ, the smaller holds.

A lane is a `Gate` whose limit is a `Window`. A request that was cancelled or timed out after it was sent
leaves its place only after a quarantine: the server does not know that nobody listens, and still works on it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary

import attrs

from woodpecker_async.engine.gate import Gate
from woodpecker_async.options import Limits, Priority

_FIRST_GUESS = 0.5  # seconds a request takes, before any was seen


class Window(Protocol):
    """How many requests a lane may have under way. Pure: it is told what happens, and answers `size`."""

    @property
    def size(self) -> int:
        """Requests that may be under way now, at least 1."""
        ...

    def answered(self, operation: str, latency: float, now: float) -> None:
        """An answer came after `latency` seconds."""
        ...

    def refused(self, now: float) -> None:
        """The server refused a request: its queue was full."""
        ...


@attrs.define
class FixedWindow:
    """Always the same size."""

    size: int

    def answered(self, operation: str, latency: float, now: float) -> None:
        """Nothing to learn."""

    def refused(self, now: float) -> None:
        """Nothing to change."""


class Lane:
    """The way to one account of the server."""

    def __init__(self, window: Window, total: Gate) -> None:
        self.window = window
        self._gate = Gate(lambda: window.size)
        self._total = total
        self._typical = _FIRST_GUESS

    @property
    def idle(self) -> bool:
        """Nobody inside, nobody waiting."""
        return self._gate.idle

    def widened(self) -> None:
        """The window has grown: let in who may."""
        self._gate.widened()

    async def enter(self, priority: Priority, *, again: bool = False) -> None:
        """Wait for a turn and take it. Follow with exactly one `answered`, `failed` or `abandoned`."""
        await self._gate.enter(priority, again=again)
        try:
            await self._total.enter(priority, again=again)
        except asyncio.CancelledError:
            self._gate.leave()
            raise

    def answered(self, operation: str, latency: float, now: float) -> None:
        """The answer is here: learn from it, and let the next in."""
        self._typical += (latency - self._typical) / 8
        self.window.answered(operation, latency, now)
        self._leave()

    def refused(self, now: float) -> None:
        """The server refused the request."""
        self.window.refused(now)
        self._leave()

    def failed(self) -> None:
        """The request never got there, or the connection broke: the server holds no place for it."""
        self._leave()

    def abandoned(self, longest: float) -> None:
        """Nobody waits for the answer any more, but the server may still work on the request.

        Args:
            longest: seconds after which it surely no longer does.
        """
        # `_typical` includes the wait behind those that were under way at the same time.
        quarantine = min(2 * self._typical, longest)
        asyncio.get_running_loop().call_later(quarantine, self._leave)

    def _leave(self) -> None:
        self._total.leave()
        self._gate.leave()


class Lanes:
    """All lanes of one key at one base URL on one event loop."""

    def __init__(self) -> None:
        self._members: WeakKeyDictionary[object, Limits] = WeakKeyDictionary()
        self._by_company: dict[int | None, Lane] = {}
        self._total = Gate(lambda: self.limits.total)
        self._writers: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self.limits = Limits()

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
        for lane in self._by_company.values():
            assert isinstance(lane.window, FixedWindow)
            lane.window.size = self.limits.max_in_flight
            lane.widened()

    @contextmanager
    def lane(self, company_id: int | None) -> Iterator[Lane]:
        """The lane for a request about this company; forgotten again when nobody uses it."""
        key = company_id if self.limits.lanes == "company" else None
        lane = self._by_company.get(key)
        if lane is None:
            lane = self._by_company[key] = Lane(FixedWindow(self.limits.max_in_flight), self._total)
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
