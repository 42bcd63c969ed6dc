"""The service's limit: one request of an account at work, a few waiting, the others refused."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field

from woodpecker_async.sandbox.pausing import REAL_TIME, Address, Parked, ServerClock


class RefusedError(Exception):
    """No place in the queue, or none in time."""


@define(kw_only=True)
class AccountQueue:
    """First come, first served, one at a time.

    Attributes:
        places: how many may wait.
        patience: how many seconds each of them may wait.
        clock: the time it goes by.
        working: whether a request is at work.
        peak: the most that were ever at work and waiting at once.
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
        """How many are at work or waiting."""
        return self.working + len(self._waiting)

    @asynccontextmanager
    async def turn(self, client: Address = None) -> AsyncIterator[None]:
        """Wait for one's turn, and keep it inside the ``with``.

        Args:
            client: the address that the request came from.

        Raises:
            RefusedError: too many wait already, or the turn did not come in time.
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
        """Do the work of the turn.

        An event loop wakes up to a millisecond late, and later when it is busy. Whoever waited has that taken off
        his own work, so that a queue that never runs empty gets through one request every so many seconds.
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
        # A call that comes in the same instant as the end of the patience is a call, and no turn is lost.
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
