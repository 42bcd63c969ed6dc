"""The service's limit: each account has one request in progress and a few waiting; any more are refused."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field

from woodpecker_async.sandbox.pausing import REAL_TIME, Address, Parked, ServerClock


class RefusedError(Exception):
    """The queue is full, or the request's turn did not come in time."""


@define(kw_only=True)
class AccountQueue:
    """First come, first served, one at a time.

    Attributes:
        places: how many requests may wait.
        patience: how many seconds each of them may wait.
        clock: the clock it uses.
        working: whether a request is in progress.
        peak: the most that were ever in progress or waiting at once.
    """

    places: int
    patience: float
    clock: ServerClock = REAL_TIME
    working: bool = False
    peak: int = 0
    _waiting: deque[Parked] = field(init=False, factory=deque)
    _late: float = field(init=False, default=0.0)
    _handed_over: float | None = field(init=False, default=None)

    @property
    def length(self) -> int:
        """How many are in progress or waiting."""
        return self.working + len(self._waiting)

    @asynccontextmanager
    async def turn(self, client: Address = None) -> AsyncIterator[None]:
        """Wait for the request's turn, which lasts for the ``with`` block.

        Args:
            client: the address that the request came from.

        Raises:
            RefusedError: too many are already waiting, or the turn did not come in time.
        """
        if not self.working:
            self.working = True
        elif len(self._waiting) >= self.places:
            raise RefusedError
        else:
            await self._wait(client)
        self.peak = max(self.peak, self.length)
        try:
            yield
        finally:
            self._next()

    async def work(self, seconds: float, client: Address = None) -> None:
        """Spend the time that a request takes.

        An event loop wakes up to a millisecond late, and later when it is busy. That delay is subtracted from the next
        request's time, so that a queue that is never empty processes exactly one request per interval.
        """
        now = self.clock.now
        ends = (now() if self._handed_over is None else self._handed_over) + seconds
        await self.clock.park(max(ends - now(), 0.0), client)
        self._late = now() - ends

    async def _wait(self, client: Address) -> None:
        call = self.clock.park(self.patience, client)
        self._waiting.append(call)
        self.peak = max(self.peak, self.length)
        try:
            await call
        except BaseException:
            if call in self._waiting:
                self._waiting.remove(call)
            else:
                self._next()
            raise
        # If it is woken at the same instant as its patience ends, it counts as woken, so that no turn is lost.
        if call in self._waiting:
            self._waiting.remove(call)
            raise RefusedError

    def _next(self) -> None:
        late, self._late = self._late, 0.0
        if self._waiting:
            self._handed_over = self.clock.now() - late
            self._waiting.popleft().wake()
        else:
            self._handed_over = None
            self.working = False
