"""`Clock`: time that skips ahead while everything is waiting, and passes normally while anything is in progress."""

import asyncio
import heapq
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

# Seconds without any activity after which everything is assumed to be waiting.
_QUIET: Final = 0.001


class Clock:
    """Virtual time, for sessions (`clock=`) and for a sandbox (`clock=`).

    It runs at the machine's speed. As soon as nothing is in flight, it jumps to the next event: the end of a retry
    backoff, of `settle`, of a wait for a turn in the lane, or of a deadline. A request that a sandbox with this clock
    delays (`Fault.wait`, its queue) does not count as in flight, so that an attempt's timeout passes at once too. Time
    never jumps while a request is being sent, processed or answered, so no response is late because the machine is
    slow. A delay at any other server takes its real time.

    Everything else uses the machine's time, including `asyncio.sleep` and `asyncio.timeout` in your own code.

    Args:
        seed: the seed for randomness: the jitter of backoffs is the same in each run.

    Attributes:
        skipped: how many seconds were skipped.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.skipped = 0.0
        self._began = datetime.now(UTC), time.monotonic()
        self._random = random.Random(seed)  # noqa: S311 - jitter
        self._lock = threading.RLock()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._numbers = itertools.count()
        # Attempts of clients, keyed by the function that returns the local address of their connection.
        self._attempts: dict[Callable[[], object], asyncio.AbstractEventLoop] = {}
        # Requests at servers, by the address they came from: all of them, and those that are parked.
        self._serving: Counter[object] = Counter()
        self._parked: Counter[object] = Counter()
        self._news = 0
        self._loop: asyncio.AbstractEventLoop | None = None  # of the client
        self._look: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Clock {self.utcnow():%Y-%m-%d %H:%M:%S}, {self.skipped:.1f} s skipped>"

    # For tests ----------------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass, even if something is in flight. What is due then happens when its event loop runs next.

        Raises:
            ValueError: the number of seconds is negative.
        """
        if not seconds >= 0:
            raise ValueError(f"seconds must be a number >= 0, not {seconds!r}")
        with self._lock:
            until = self.now() + seconds
            while self._timers and self._timers[0][0] <= until:
                self._skip_to(self._timers[0][2])
            self._skip(until - self.now())

    # Used by sessions ---------------------------------------------------------------------------------------

    def now(self) -> float:
        """Monotonic seconds, ahead of the machine's clock by what was skipped."""
        return time.monotonic() + self.skipped

    def utcnow(self) -> datetime:
        """The wall clock as an aware datetime in UTC, ahead of the machine's as well."""
        wall, monotonic = self._began
        return wall + timedelta(seconds=self.now() - monotonic)

    def random(self) -> float:
        """A random number, uniform over [0, 1)."""
        return self._random.random()

    async def sleep(self, seconds: float) -> None:
        """Wait for some seconds on this clock. Can be cancelled. Yields to the event loop, even for 0 s."""
        over = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, partial(_wake, over))
        try:
            await over
        finally:
            timer.cancel()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> "_Timer":
        """Call a function on the running event loop after some seconds."""
        timer = self._timer(seconds, callback)
        self._tell(timer.loop)
        return timer

    @contextmanager
    def attempt(self, seconds: float, expire: Callable[[], object], address: Callable[[], object]) -> Iterator[None]:
        """An attempt of a client, which waits for a response inside the ``with`` block.

        Args:
            seconds: its timeout.
            expire: ends the attempt; called on the running event loop.
            address: returns the local address of its connection, or `None` while there is none.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            self._attempts[address] = loop
            timer = self._timer(seconds, expire)
        self._tell(loop)
        try:
            yield
        finally:
            with self._lock:
                timer.cancel()
                self._attempts.pop(address, None)
            self._tell(loop)

    # Used by a sandbox --------------------------------------------------------------------------------------

    @contextmanager
    def serving(self, client: object) -> Iterator[None]:
        """A request from this address is being processed inside the ``with`` block, except while it is parked."""
        self._count(self._serving, client, 1)
        try:
            yield
        finally:
            self._count(self._serving, client, -1)
            self._tell()

    def park(self, seconds: float, client: object) -> "_Parked":
        """Start a wait at the server."""
        return _Parked(self, seconds, client)

    def _count(self, what: Counter[object], client: object, more: int) -> None:
        with self._lock:
            what[client] += more
            if not what[client]:
                del what[client]

    # How time passes ----------------------------------------------------------------------------------------

    def _timer(
        self, seconds: float, callback: Callable[[], object], before: Callable[[], object] | None = None
    ) -> "_Timer":
        def called() -> None:
            self._tell()  # what it wakes is about to run
            callback()

        timer = _Timer(self.now() + seconds, called, before, asyncio.get_running_loop(), seconds)
        with self._lock:
            heapq.heappush(self._timers, (timer.when, next(self._numbers), timer))
        return timer

    def _tell(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Report activity: once it has been quiet, check on the client's loop whether everything is waiting."""
        with self._lock:
            self._news += 1
            if loop is not None and loop is not self._loop:
                self._loop, self._look = loop, None
            loop = self._loop
        if loop is None or loop.is_closed():
            return
        if asyncio._get_running_loop() is loop:
            self._look_soon()
        else:
            with suppress(RuntimeError):  # it has just been closed
                loop.call_soon_threadsafe(self._look_soon)

    def _look_soon(self) -> None:
        if self._look is None and self._loop is not None and not self._loop.is_closed():
            self._look = self._loop.call_later(_QUIET, self._look_around, self._news)

    def _look_around(self, news: int) -> None:
        self._look = None
        with self._lock:
            if news == self._news and not self._busy():
                self._drop_ended()
                if not self._timers:
                    return
                self._skip_to(self._timers[0][2])
            elif news == self._news:
                return  # the end of what is in progress will be reported
        self._look_soon()

    def _busy(self) -> bool:
        """Whether anything is in flight: being processed at a server, or on its way there or back."""
        if any(number > self._parked[client] for client, number in self._serving.items()):
            return True
        return any(not loop.is_closed() and not self._parked[address()] for address, loop in self._attempts.items())

    def _drop_ended(self) -> None:
        while self._timers and self._timers[0][2].ended:
            heapq.heappop(self._timers)

    def _skip_to(self, timer: "_Timer") -> None:
        heapq.heappop(self._timers)
        if not timer.ended:
            self._skip(timer.when - self.now())
            timer.ring()

    def _skip(self, seconds: float) -> None:
        self.skipped += max(seconds, 0.0)


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


class _Timer:
    """Calls a function once, when its time has come on the machine's clock or has been skipped to.

    `before` is called immediately, by the thread that notices that the time has come, while the timer does not count
    as ended yet. It may be called twice.
    """

    def __init__(
        self,
        when: float,
        callback: Callable[[], object],
        before: Callable[[], object] | None,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
    ) -> None:
        self.when = when
        self.loop = loop
        self._before = before
        self._callback: Callable[[], object] | None = callback
        self._handle = loop.call_later(max(seconds, 0.0), self._call)

    @property
    def ended(self) -> bool:
        """Whether it was called or cancelled, or can no longer be called."""
        return self._callback is None or self.loop.is_closed()

    def ring(self) -> None:
        """Its time has come. Called on any thread."""
        if self._before is not None:
            self._before()
        with suppress(RuntimeError):  # its event loop was just closed
            self.loop.call_soon_threadsafe(self._call)

    def cancel(self) -> None:
        """Cancel it."""
        self._callback = None
        self._handle.cancel()

    def _call(self) -> None:
        callback = self._callback
        if callback is None:
            return
        if self._before is not None:
            self._before()
        self.cancel()
        callback()


class _Parked:
    """A wait at a server."""

    def __init__(self, clock: Clock, seconds: float, client: object) -> None:
        self._clock = clock
        self._client = client
        self._over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        # Other threads see the wait and its timer together: without the timer, time could skip past its end.
        with clock._lock:
            self._timer = clock._timer(seconds, lambda: self._end(False), before=self._unpark)
            self._parked = True
            clock._count(clock._parked, client, 1)
        clock._tell()

    def wake(self) -> None:
        """End it now."""
        self._end(True)

    def _unpark(self) -> None:
        """From now on the request counts as in flight again. Called on any thread."""
        with self._clock._lock:
            if self._parked:
                self._parked = False
                self._clock._count(self._clock._parked, self._client, -1)

    def _end(self, woken: bool) -> None:
        self._unpark()
        if not self._over.done():
            self._over.set_result(woken)

    def __await__(self) -> Generator[object, None, bool]:
        try:
            return (yield from self._over)
        finally:
            self._unpark()
            self._timer.cancel()
            self._clock._tell()
