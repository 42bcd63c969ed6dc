"""`PrioritySemaphore`: so many at once, first come first served, interactive before bulk."""

import asyncio
from collections import deque

from woodpecker_async.options import Priority

_BULK_TURN = 8


class PrioritySemaphore:
    """Lets as many in at once as `limit` says.

    Within a priority they enter in the order they came; interactive ones go before bulk ones, but of eight
    that enter while both kinds wait, one is bulk. A place is given away at the moment it becomes free, to
    the first in the queue, so that nobody who comes later can slip in between.

    Attributes:
        limit: how many may be inside; may be set at any time, see `wake_waiters`.
        in_use: how many are.
        newest_first: within a priority, who came last enters first: while those in front give up, because they
            have waited long, who came last is the one that still waits when the answer comes.
    """

    in_use = 0
    newest_first = False
    _since_bulk = 0
    _arriving = 0  # have been given a place, and their tasks have yet to wake

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._interactive: deque[asyncio.Future[None]] = deque()
        self._bulk: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait to enter."""
        if not self._interactive and not self._bulk:
            return 0
        return sum(not turn.done() for queue in (self._interactive, self._bulk) for turn in queue)

    @property
    def idle(self) -> bool:
        """Nobody inside, nobody waiting."""
        return not self.in_use and not self.waiting

    def try_acquire(self) -> bool:
        """Take a place, if there is one and nobody waits for it."""
        if self.in_use >= self.limit or self._interactive or self._bulk or self._arriving:
            return False
        self.in_use += 1
        return True

    async def acquire(self, priority: Priority, *, front: bool = False) -> None:
        """Wait for a place and take it.

        Args:
            priority: which of the two queues.
            front: go to the head of the queue: who has been inside before came first.
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
            # Others have been given their turn and have yet to wake: they go first, also to what comes next.
            loop.call_soon(self.wake_waiters)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._arriving -= 1
                self.release()  # the place had been given just before
            raise  # else the turn stays in its queue, cancelled, and is passed over
        self._arriving -= 1

    def release(self) -> None:
        """Give the place back."""
        self.in_use -= 1
        if self._interactive or self._bulk:
            self.wake_waiters()

    def wake_waiters(self) -> None:
        """Let in as many as there is room for now."""
        while self.in_use < self.limit and (turn := self._next()) is not None:
            self.in_use += 1
            self._arriving += 1
            turn.set_result(None)

    def _next(self) -> asyncio.Future[None] | None:
        at = -1 if self.newest_first else 0
        for queue in (self._interactive, self._bulk):
            while queue and queue[at].done():  # cancelled while it waited
                del queue[at]
        if not self._interactive and not self._bulk:
            return None
        bulk_turn = self._bulk and (not self._interactive or self._since_bulk >= _BULK_TURN - 1)
        self._since_bulk = 0 if bulk_turn else self._since_bulk + 1
        queue = self._bulk if bulk_turn else self._interactive
        return queue.pop() if self.newest_first else queue.popleft()
