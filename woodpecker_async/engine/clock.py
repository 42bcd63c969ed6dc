"""Time and randomness, passed in wherever they are needed so that tests can replace them."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Protocol, Self, runtime_checkable


class Clock(Protocol):
    """The engine's source of time and randomness."""

    def now(self) -> float:
        """Return monotonic seconds."""
        ...

    def utcnow(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep; cancellable."""
        ...

    def random(self) -> float:
        """Return a random number, uniformly distributed over [0, 1)."""
        ...


class Timer(Protocol):
    """A scheduled callback."""

    def cancel(self) -> None:
        """Cancel the callback."""
        ...


@runtime_checkable
class TimerClock(Protocol):
    """A clock that also drives the timers: those of attempts, of the lane and of deadlines.

    With any other clock, these use the event loop's time.
    """

    def now(self) -> float:
        """Return monotonic seconds, the same on all event loops."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call the function on the running event loop after this many seconds."""
        ...

    def attempt(
        self, seconds: float, expire: Callable[[], object], address: Callable[[], object]
    ) -> AbstractContextManager[None]:
        """Return a context manager for an attempt, which waits for a response inside the ``with``.

        Args:
            seconds: how long it may wait.
            expire: ends the attempt; called on the running event loop.
            address: returns the local address of its connection; `None` as long as it has none.
        """
        ...


class SystemClock:
    """The system's own clock."""

    now = staticmethod(time.monotonic)
    random = staticmethod(random.random)

    def utcnow(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Sleep; cancellable."""
        await asyncio.sleep(seconds)


# The clock of sessions created without one.
default: Clock = SystemClock()


def timers_of(clock: Clock) -> TimerClock | None:
    """Return the clock if it drives timers, else `None`."""
    return clock if isinstance(clock, TimerClock) else None


def later(clock: TimerClock | None, seconds: float, callback: Callable[[], object]) -> Timer:
    """Call a function on the running event loop after this many seconds, by the clock or else by the loop's time."""
    if clock is None:
        return asyncio.get_running_loop().call_later(seconds, callback)
    return clock.call_later(seconds, callback)


def timeout(clock: Clock, seconds: float) -> "asyncio.Timeout | Timeout":
    """Like `asyncio.timeout`, but by the clock."""
    timers = None if type(clock) is SystemClock else timers_of(clock)
    return asyncio.timeout(seconds) if timers is None else Timeout(timers, seconds)


class Timeout:
    """Cancels a block when its time has passed by a clock, and then raises `TimeoutError`."""

    def __init__(self, clock: TimerClock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._timeout: Final = asyncio.timeout(None)
        self._timer: Timer | None = None

    def expired(self) -> bool:
        """Whether its time has passed."""
        return self._timeout.expired()

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        loop = asyncio.get_running_loop()
        self._timer = self._clock.call_later(max(self._seconds, 0.0), lambda: self._timeout.reschedule(loop.time()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)
