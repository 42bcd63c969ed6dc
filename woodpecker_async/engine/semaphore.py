"""`PrioritySemaphore`: a limited number at once, first come first served, interactive before bulk."""

import asyncio
from collections import deque

from woodpecker_async.options import Priority

_BULK_TURN = 8


class PrioritySemaphore:
    """Grants at most `limit` permits at once.

    Within a priority, permits are granted in order of arrival. Interactive waiters go before bulk ones, but while both
    kinds wait, one permit in eight goes to bulk. A permit that becomes free is granted immediately to the first waiter,
    so that nobody who arrives later can get in between.

    Attributes:
        limit: the maximum number of permits; may be set at any time, see `wake_waiters`.
        in_use: how many permits are held.
        newest_first: whether, within a priority, the latest waiter goes first. When waiters give up after a long wait,
            the latest one is the most likely to be still waiting when the response arrives.
    """

    in_use = 0
    newest_first = False
    _since_bulk = 0
    _arriving = 0  # waiters that have been granted a permit, but whose tasks have yet to wake

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._interactive: deque[asyncio.Future[None]] = deque()
        self._bulk: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many tasks are waiting for a permit."""
        if not self._interactive and not self._bulk:
            return 0
        return sum(not turn.done() for queue in (self._interactive, self._bulk) for turn in queue)

    @property
    def idle(self) -> bool:
        """Whether no permit is held and nobody is waiting."""
        return not self.in_use and not self.waiting

    def try_acquire(self) -> bool:
        """Take a permit, if one is free and nobody is waiting for it."""
        if self.in_use >= self.limit or self._interactive or self._bulk or self._arriving:
            return False
        self.in_use += 1
        return True

    async def acquire(self, priority: Priority, *, front: bool = False) -> None:
        """Wait for a permit and take it.

        Args:
            priority: which of the two queues to wait in.
            front: go to the head of the queue, for a call that has already had a permit.
        """
        if self.try_acquire():
            return
        queue = self._interactive if priority == "interactive" else self._bulk
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        if front:
            queue.appendleft(turn)
        else:
            queue.append(turn)
        if self.in_use < self.limit:
            # Others have been granted permits but have yet to wake: they go first, whatever lock comes next.
            loop.call_soon(self.wake_waiters)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._arriving -= 1
                self.release()  # the permit had been granted just before
            raise  # otherwise the cancelled turn stays in its queue, and is skipped
        self._arriving -= 1

    def release(self) -> None:
        """Return the permit."""
        self.in_use -= 1
        if self._interactive or self._bulk:
            self.wake_waiters()

    def wake_waiters(self) -> None:
        """Grant as many permits as are free now."""
        while self.in_use < self.limit and (turn := self._next()) is not None:
            self.in_use += 1
            self._arriving += 1
            turn.set_result(None)

    def _next(self) -> asyncio.Future[None] | None:
        at = -1 if self.newest_first else 0
        for queue in (self._interactive, self._bulk):
            while queue and queue[at].done():  # cancelled while waiting
                del queue[at]
        if not self._interactive and not self._bulk:
            return None
        bulk_turn = self._bulk and (not self._interactive or self._since_bulk >= _BULK_TURN - 1)
        self._since_bulk = 0 if bulk_turn else self._since_bulk + 1
        queue = self._bulk if bulk_turn else self._interactive
        return queue.pop() if self.newest_first else queue.popleft()
