"""Time and chance, handed to whoever needs them, so that a test can bring its own."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Protocol, Self, runtime_checkable


class Clock(Protocol):
    """What the engine knows of time and chance."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def utcnow(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; cancellable."""
        ...

    def random(self) -> float:
        """Evenly spread over [0, 1)."""
        ...


class Timer(Protocol):
    """Something that is to happen later."""

    def cancel(self) -> None:
        """Let it not happen."""
        ...


@runtime_checkable
class TimerClock(Protocol):
    """A clock that the waits of the event loop can go by as well: those for an answer, for a turn, for a deadline.

    With any other clock they go by the event loop's.
    """

    def now(self) -> float:
        """Monotonic seconds, the same on all event loops."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call it on the running event loop when so many seconds have passed."""
        ...

    def attempt(
        self, seconds: float, expire: Callable[[], object], address: Callable[[], object]
    ) -> AbstractContextManager[None]:
        """An attempt, which waits for an answer inside the ``with``.

        Args:
            seconds: how long it may.
            expire: ends it; called on the running event loop.
            address: the local address of its connection; `None` as long as it has none.
        """
        ...


class SystemClock:
    """The machine's own."""

    now = staticmethod(time.monotonic)
    random = staticmethod(random.random)

    def utcnow(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait; cancellable."""
        await asyncio.sleep(seconds)


# What sessions go by that were not told otherwise.
default: Clock = SystemClock()


def timers_of(clock: Clock) -> TimerClock | None:
    """The clock, if the waits of the event loop can go by it."""
    return clock if isinstance(clock, TimerClock) else None


def later(clock: TimerClock | None, seconds: float, callback: Callable[[], object]) -> Timer:
    """Call it on the running event loop when so many seconds have passed, by the clock or else by the loop."""
    if clock is None:
        return asyncio.get_running_loop().call_later(seconds, callback)
    return clock.call_later(seconds, callback)


def timeout(clock: Clock, seconds: float) -> "asyncio.Timeout | Timeout":
    """What `asyncio.timeout` does, by the clock."""
    timers = None if type(clock) is SystemClock else timers_of(clock)
    return asyncio.timeout(seconds) if timers is None else Timeout(timers, seconds)


class Timeout:
    """A block that is cancelled when its time has passed by a clock, and then raises `TimeoutError`."""

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
