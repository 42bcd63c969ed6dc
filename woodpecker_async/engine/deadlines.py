"""`Deadlines`: like `asyncio.timeout`, for blocks that nearly always end long before their deadline.

Each `asyncio.timeout` sets and cancels a timer of the event loop. Here one timer serves all blocks: it is set for the
first of them, and rarely moved.
"""

import asyncio
from types import TracebackType
from typing import Self


class Deadlines:
    """The running blocks of one event loop, and the timer that ends those whose deadline has passed."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._running: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None

    def after(self, seconds: float) -> "Deadline":
        """Return a context manager that cancels its block after this many seconds, and raises `TimeoutError`."""
        return Deadline(self, self.loop.time() + seconds)

    def close(self) -> None:
        """Cancel the timer; no further block will begin."""
        if self._timer is not None and not self._running:
            self._timer.cancel()

    def begin(self, deadline: "Deadline") -> None:
        """Start watching a block."""
        if self._timer is None or deadline.at < self._timer.when():
            self._set_timer(deadline.at)
        self._running.add(deadline)

    def end(self, deadline: "Deadline") -> None:
        """Stop watching a block."""
        self._running.discard(deadline)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(at, self._time_passed)

    def _time_passed(self) -> None:
        self._timer = None
        now = self.loop.time()
        waiting = [deadline for deadline in self._running if not deadline.expired]
        for deadline in waiting:
            if deadline.at <= now:
                deadline.expire()
        if later := [deadline.at for deadline in waiting if not deadline.expired]:
            self._set_timer(min(later))


class Deadline:
    """One block, run by the current task.

    Attributes:
        at: the event loop's time at which it has to end.
        expired: whether that time came first, and the task was cancelled.
    """

    __slots__ = ("_cancelled_before", "_deadlines", "_task", "at", "expired")

    def __init__(self, deadlines: Deadlines, at: float) -> None:
        self._deadlines = deadlines
        self.at = at
        self.expired = False

    def expire(self) -> None:
        """Cancel the block: its deadline has passed."""
        if not self.expired:
            self.expired = True
            self._task.cancel()

    def __enter__(self) -> Self:
        task = asyncio.current_task(self._deadlines.loop)
        assert task is not None
        self._task, self._cancelled_before = task, task.cancelling()
        self._deadlines.begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._deadlines.end(self)
        # If someone else cancelled the task too, that cancellation wins.
        if self.expired and self._task.uncancel() <= self._cancelled_before and kind is asyncio.CancelledError:
            raise TimeoutError from error
