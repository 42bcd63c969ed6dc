"""The time limit of a procedure that consists of several requests, with pauses between them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from woodpecker_async.engine.clock import Clock, timeout

T = TypeVar("T")

# Requests observe the deadline themselves, and their own error says more than ours. This many seconds later they are
# cancelled, in case they hang in something without a deadline, such as a key function.
_GRACE: Final = 1.0


class TimeLimit:
    """Ends a procedure at a deadline, which starts to run when this is created.

    Args:
        clock: the clock.
        seconds: for the whole procedure.
        error: creates the exception to raise once it has passed.

    Attributes:
        deadline: the clock's time at which it passes.
    """

    def __init__(self, clock: Clock, seconds: float, error: Callable[[], Exception]) -> None:
        self.deadline = clock.now() + seconds
        self._clock = clock
        self._error = error

    @property
    def passed(self) -> bool:
        """Whether the deadline has passed."""
        return self._clock.now() >= self.deadline

    async def run(self, call: Awaitable[T]) -> T:
        """Await a call; raise the error if the deadline has already passed, or if the call overruns it."""
        left = self.deadline - self._clock.now()
        if left <= 0:
            if asyncio.iscoroutine(call):
                call.close()
            raise self._error()
        try:
            async with timeout(self._clock, left + _GRACE) as timer:
                return await call
        except TimeoutError:
            if not timer.expired():
                raise
        raise self._error()

    async def pause(self, seconds: float, until: float | None = None) -> None:
        """Sleep, but not beyond the deadline, nor beyond `until` if that is in the future."""
        now = self._clock.now()
        wait = seconds if until is None or until <= now else min(seconds, until - now)
        await self._clock.sleep(max(0.0, min(wait, self.deadline - now)))
