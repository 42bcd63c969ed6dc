"""The time limit of a procedure that consists of several requests, with pauses between them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from woodpecker_async.engine.clock import Clock, timeout

T = TypeVar("T")

# Requests keep to the deadline themselves, and know better than we do what they came to. This much later they
# are cut off, in case they hang in something that knows of no deadline, such as a function that gives the key.
_GRACE: Final = 1.0


class TimeLimit:
    """Ends a procedure at a moment; it begins to run when it is made.

    Args:
        clock: time.
        seconds: for the whole procedure.
        error: makes the exception for what is too late.

    Attributes:
        deadline: the moment at which it ends, by the clock.
    """

    def __init__(self, clock: Clock, seconds: float, error: Callable[[], Exception]) -> None:
        self.deadline = clock.now() + seconds
        self._clock = clock
        self._error = error

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return self._clock.now() >= self.deadline

    async def run(self, call: Awaitable[T]) -> T:
        """Await a call; raise the error if it is too late to begin, or if the call does not keep to the deadline."""
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
        """Wait, but not beyond the deadline, nor beyond `until` if that is yet to come."""
        now = self._clock.now()
        wait = seconds if until is None or until <= now else min(seconds, until - now)
        await self._clock.sleep(max(0.0, min(wait, self.deadline - now)))
