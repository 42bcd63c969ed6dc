"""How requests wait at the server, and on which clock."""

import asyncio
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Address = object


class Parked(Protocol):
    """A wait that ends after some seconds, or earlier if it is woken. Must be awaited, once."""

    def wake(self) -> None:
        """End it now."""
        ...

    def __await__(self) -> Generator[object, None, bool]:
        """Whether it was woken."""
        ...


class ServerClock(Protocol):
    """The clock of a sandbox; in tests it can run faster than real time."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def serving(self, client: Address) -> AbstractContextManager[object]:
        """A request is being processed inside the ``with`` block, except while it is parked.

        Args:
            client: the address that it came from.
        """
        ...

    def park(self, seconds: float, client: Address) -> Parked:
        """Start a wait on the running event loop."""
        ...


class Pause:
    """A wait on the event loop's clock."""

    def __init__(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[bool] = loop.create_future()
        self._timer = loop.call_later(seconds, self._end, False)

    def wake(self) -> None:
        """End it now."""
        self._end(True)

    def _end(self, woken: bool) -> None:
        if not self._woken.done():
            self._woken.set_result(woken)

    def __await__(self) -> Generator[object, None, bool]:
        """Whether it was woken."""
        try:
            return (yield from self._woken)
        finally:
            self._timer.cancel()


class RealTime:
    """The machine's clock."""

    def now(self) -> float:
        """Monotonic seconds."""
        return asyncio.get_running_loop().time()

    def serving(self, client: Address) -> AbstractContextManager[object]:  # noqa: ARG002 - part of the protocol
        """Does nothing."""
        return nullcontext()

    def park(self, seconds: float, client: Address) -> Parked:  # noqa: ARG002 - part of the protocol
        """Start a wait on the running event loop."""
        return Pause(seconds)


REAL_TIME = RealTime()
