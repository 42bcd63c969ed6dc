"""Time and chance, handed to whoever needs them, so that a test can bring its own."""

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import Protocol


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
