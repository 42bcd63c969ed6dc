"""One key creation at a time per company, and what earlier creations left behind.

All of this state belongs to the account (the key and the normalized base URL) and the process, not to a session, an
event loop or a thread. You can close a session and open another one, call `asyncio.run` again, or create keys for the
same company from loops in several threads: they all use the same `CreationLock`. A forked child is a separate process:
it keeps what was known at the fork, and from then on the two know nothing of each other.

Memory is bounded: a lock lives while it is in use or has something to remember, and the process remembers the latest
10,000 keys that it handed out.
"""

import asyncio
import os
import threading
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from woodpecker_async.engine.clock import Clock, timeout
from woodpecker_async.errors import DeadlineExceededError

# A waiter is woken when its turn comes. It also checks by itself at this interval in seconds, in case the holder's loop
# was closed in the middle of a creation.
_POLL: Final = 1.0
_REMEMBERED: Final = 10_000


class HandedOut(NamedTuple):
    """A key that this process returned to a caller as the result of a creation.

    Attributes:
        label: the requested label, whatever the server stored.
        creation_id: the creation it came from.
        missing_since: the clock's time when a list of the company's keys first lacked it; `None` while it is listed.
    """

    label: str
    creation_id: str
    missing_since: float | None = None


class _Turn:
    """One caller, waiting for the lock or holding it."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.woken = asyncio.Event()


class CreationLock:
    """Allows one creation at a time for a company, in order of arrival, across event loops and threads.

    Get one from `creation_lock`.

    Attributes:
        company_id: the company.
        in_flight_until: the clock's time until which the server may still be working on a creation that nobody waits
            for any more.
    """

    __slots__ = ("__weakref__", "_account", "_handed_out", "_holder", "_queue", "company_id", "in_flight_until")

    def __init__(self, account: str, company_id: int) -> None:
        self.company_id = company_id
        self._account = account
        self.in_flight_until = 0.0
        self._holder: _Turn | None = None
        # Who holds it or waits for it, in order of arrival.
        self._queue: tuple[_Turn, ...] = ()
        self._handed_out: dict[str, HandedOut] = {}

    @asynccontextmanager
    async def acquire(self, clock: Clock, deadline: float, *, wait_until_finished: bool = True) -> AsyncIterator[None]:
        """Hold the lock, after waiting until the server is done with what earlier creations left in flight.

        Args:
            clock: the clock of `deadline`.
            deadline: the time at which to give up.
            wait_until_finished: `False` for a caller that only lists keys.

        Raises:
            DeadlineExceededError: the deadline passed first.
        """
        turn = _Turn()
        try:
            await self._wait_for(turn, clock, deadline)
            while wait_until_finished and (left := self.in_flight_until - clock.now()) > 0:
                if (time_left := deadline - clock.now()) <= 0:
                    raise self._too_late("the server may still be working on an earlier creation")
                await clock.sleep(min(left, time_left))
            yield
        finally:
            self._leave(turn)

    async def _wait_for(self, turn: _Turn, clock: Clock, deadline: float) -> None:
        with _guard:
            self._queue += (turn,)
        with suppress(TimeoutError):
            async with timeout(clock, max(deadline - clock.now(), 0.0)):
                while True:
                    turn.woken.clear()
                    if self._take(turn):
                        return
                    alarm = turn.loop.call_later(_POLL, turn.woken.set)
                    try:
                        await turn.woken.wait()
                    finally:
                        alarm.cancel()
        raise self._too_late("another creation is in progress")

    def _too_late(self, why: str) -> DeadlineExceededError:
        return DeadlineExceededError(
            f"the deadline passed before an API key could be requested: {why} for this company; nothing was sent",
            company_id=self.company_id,
        )

    def _take(self, turn: _Turn) -> bool:
        """Take the lock, if it is free and no earlier waiter is alive."""
        with _guard:
            if self._holder is not None and not self._holder.loop.is_closed():
                return False
            if turn is not next(waiting for waiting in self._queue if waiting.loop.is_running()):
                return False
            self._holder = turn
            return True

    def _leave(self, turn: _Turn) -> None:
        """Release the lock, or stop waiting for it, and wake the next waiter."""
        with _guard:
            self._queue = tuple(w for w in self._queue if w is not turn and not w.loop.is_closed())
            if self._holder is turn:
                self._holder = None
            if self._holder is not None:
                return
            for waiting in self._queue:
                if waiting.loop.is_running():
                    try:
                        waiting.loop.call_soon_threadsafe(waiting.woken.set)
                    except RuntimeError:  # the loop has just been closed
                        continue
                    return

    def mark_in_flight(self, until: float, now: float) -> None:
        """Record that the server may be working on a creation until this time."""
        with _guard:
            self.in_flight_until = until
            _in_flight[self] = None
            _in_flight.move_to_end(self)
            while (oldest := next(iter(_in_flight))).in_flight_until <= now and oldest is not self:
                del _in_flight[oldest]

    def mark_finished(self) -> None:
        """Record that the server is done."""
        with _guard:
            self.in_flight_until = 0.0
            _in_flight.pop(self, None)

    def hand_out(self, fingerprint: str, label: str, creation_id: str) -> None:
        """Remember that this key was returned to a caller."""
        with _guard:
            if fingerprint not in self._handed_out:
                _remembered.append((self, fingerprint))
                _companies[self._account, fingerprint] = self.company_id
            self._handed_out[fingerprint] = HandedOut(label, creation_id)
            while len(_remembered) > _REMEMBERED:
                lock, oldest = _remembered.popleft()
                lock._handed_out.pop(oldest, None)
                _companies.pop((lock._account, oldest), None)

    def elsewhere(self, fingerprints: Iterable[str]) -> tuple[str, ...]:
        """Return those of these keys that were handed out for another company of the account."""
        with _guard:
            companies = ((fp, _companies.get((self._account, fp), self.company_id)) for fp in fingerprints)
            return tuple(fp for fp, company in companies if company != self.company_id)

    def handed_out(self) -> Mapping[str, HandedOut]:
        """Return the keys that were handed out, by fingerprint."""
        with _guard:
            return dict(self._handed_out)

    def compare(self, listed: Collection[str], at: float, settle: float) -> tuple[frozenset[str], frozenset[str]]:
        """Compare a list with the keys that were handed out.

        Args:
            listed: the fingerprints in the list.
            at: when the list was requested.
            settle: a key that has been missing for this many seconds counts as deleted, and is forgotten.

        Returns:
            The keys that are missing, because the list lags or because they have just been deleted; and those that were
            forgotten now.
        """
        missing: set[str] = set()
        deleted: set[str] = set()
        with _guard:
            for fingerprint, key in tuple(self._handed_out.items()):
                since = None if fingerprint in listed else at if key.missing_since is None else key.missing_since
                self._handed_out[fingerprint] = key._replace(missing_since=since)
                if since is not None and key.missing_since is not None and at - since >= settle:
                    del self._handed_out[fingerprint]
                    deleted.add(fingerprint)
                elif since is not None:
                    missing.add(fingerprint)
        return frozenset(missing), frozenset(deleted)


# Reentrant: at any moment the garbage collector may end a creation, which then leaves its lock.
_guard = threading.RLock()
_locks: WeakValueDictionary[tuple[str, int], CreationLock] = WeakValueDictionary()
# These keep an unused lock alive: a creation in flight (oldest first), or a key that was handed out.
_in_flight: OrderedDict[CreationLock, None] = OrderedDict()
_remembered: deque[tuple[CreationLock, str]] = deque()
# The company of each remembered key, by account and fingerprint.
_companies: dict[tuple[str, str], int] = {}


def creation_lock(account: str, company_id: int) -> CreationLock:
    """Return the lock of a company.

    Args:
        account: the account's name, the same for every session that uses it.
        company_id: the company.
    """
    with _guard:
        lock = _locks.get((account, company_id))
        if lock is None:
            lock = _locks[account, company_id] = CreationLock(account, company_id)
        return lock


def forget() -> None:
    """Forget all creations of this process.

    For tests whose fake server returns the same keys again in the next test.
    """
    with _guard:
        _locks.clear()
        _in_flight.clear()
        _remembered.clear()
        _companies.clear()


def _in_child() -> None:
    """Reset the locks after a fork: creations in progress, and the thread that held `_guard`, stayed in the parent."""
    global _guard  # noqa: PLW0603 - the inherited one may be locked for ever
    _guard = threading.RLock()
    for lock in list(_locks.values()):
        lock._holder, lock._queue = None, ()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
