"""How many requests may be in flight: pure controllers that are told what happens and provide `size`.

`AdaptiveWindow` looks for the point at which the server is always busy and hardly any request waits. That point is one
request more than fits into a round trip, but neither the service time nor the round trip is known. Both show in the
latency, though: with no request waiting, it is the best ever seen, and each request that waits at the server adds to
it. With a window of `size` requests, about

    waiting = size × (1 − best latency ever ÷ best latency of the round)

of them wait. Once per round (as many responses as the window's size), the window grows if fewer than 1.5 requests wait,
doubling at first and then by one, and shrinks by one if more than 2.5 wait. In between it stays as it is. So one or two
requests wait, and the server stays busy even if a request takes less time than expected. If at most one were waiting, a
server with very uneven (exponential) service times would idle for up to 9 % of the time; this way it is 5 %. If more
were waiting, an interactive call would wait for more than three others. The best latency is kept per operation, because
a long list takes longer than a short one.

Two things limit the window. The longest wait must stay well below `queue_wait`, after which the server drops a request:
the window never grows to a size at which the current latency, scaled up, would come near it. And a refusal halves the
window, at most once in twice the best latency, because all requests in flight are refused together.

If processes share the server, the latency reflects the load of all of them, and the best latency of each is a matter of
luck: a process that never saw an idle server underestimates how many requests wait, and takes more. Therefore a window
does not shrink below half of the slots because requests wait, and returns to that size when slots are scarce: two such
windows fill the server, and the slots are handed out evenly (see `shared`).

With a ceiling above seven (`lanes="discover"`), the same window finds out whether the server has room for more than the
documented one plus six, in larger steps: it grows fourfold at first, and by half afterwards. Above seven it takes a
longer queue to stop it, because a burst of its own requests slows down this process, which looks like a queue. The
first refusal settles the question: the ceiling is seven from then on. Refused requests were not processed, so probing
costs nothing except their retries.
"""

import math
from typing import Final

DOCUMENTED: Final = 7  # one being processed, six queued

_GROW_BELOW: Final = 1.5
_SHRINK_ABOVE: Final = 2.5
# The share of `queue_wait` that the latency may reach.
_CLEAR: Final = 0.6
# With more requests in flight than documented, small variations of the latency look like several waiting requests.
_NOISE: Final = 1 / 4
# The initial size: a small agency's whole job would be done in the time that doubling from one takes, and others rarely
# use more than three of the seven places.
_FIRST: Final = 4
# The factor of growth while probing for room for more than seven.
_BOLD: Final = 4
# Seconds after which the best latency is forgotten if it has not been reached again: routes change.
_MEMORY: Final = 600.0


class _Best:
    """The best latency of the current period and of the one before."""

    def __init__(self, since: float, now: float) -> None:
        self.since = since
        self.now = now
        self.before = math.inf

    def meet(self, latency: float, now: float) -> float:
        if now - self.since > _MEMORY:
            self.since, self.before, self.now = now, self.now, latency
        self.now = min(self.now, latency)
        return min(self.now, self.before)


class AdaptiveWindow:
    """A window that finds the server's limit by itself.

    Attributes:
        limit: the user's limit for requests in flight.
        queue_wait: seconds the server keeps a queued request.
        size: how many requests may be in flight now.
        floor: the size goes below this only because of a refusal or of `queue_wait`.
    """

    floor = 1
    _slow_start = True
    _base = 0.1
    _latest = 0.0
    _was_full = False
    _was_crowded = False
    _deaf_until = -math.inf
    _was_refused = False

    def __init__(self, limit: int, queue_wait: float) -> None:
        self.limit = limit
        self.queue_wait = queue_wait
        self.size = min(_FIRST, limit)
        self._best: dict[str, _Best] = {}
        self._round: list[float] = []

    @property
    def ceiling(self) -> int:
        """The maximum number of requests in flight, as far as is known."""
        return min(self.limit, DOCUMENTED) if self._was_refused else self.limit

    def answered(self, operation: str, latency: float, now: float, *, full: bool, crowded: bool = False) -> None:
        """Record a success after `latency` seconds.

        Args:
            operation: the operation, because latencies are compared only within one operation.
            latency: seconds from sending to the last byte.
            now: monotonic seconds.
            full: whether the window was full: otherwise the latency says nothing about its size.
            crowded: whether the window had room for more requests than got a slot shared with other processes.
        """
        latency = max(latency, 1e-6)
        best = self._best.get(operation)
        if best is None:
            best = self._best[operation] = _Best(now, latency)
        self._base = best.meet(latency, now)
        self._round.append(latency / self._base)
        self._latest = latency
        self._was_full |= full
        self._was_crowded |= crowded
        if len(self._round) >= self.size:
            self._decide()
            self._round.clear()
            self._was_full = self._was_crowded = False

    def refused(self, now: float) -> None:
        """Record that the server's queue was full."""
        self._was_refused = True
        if now >= self._deaf_until:
            self._deaf_until = now + 2 * self._base
            self.size = max(1, min(self.size, self.ceiling) // 2)
            self.floor = max(1, self.floor // 2)
            self._slow_start = False
            self._round.clear()
        self.size = min(self.size, self.ceiling)

    def bound(self, limit: int) -> None:
        """Change the limit."""
        self.limit = limit
        self.size = min(self.size, self.ceiling)

    def shared(self, shared: bool) -> None:
        """Set whether other processes have windows like this one, and share its slots."""
        self.floor = (self.limit + 1) // 2 if shared else 1

    def _decide(self) -> None:
        # While the window doubles, the early responses of a round belong to a smaller window.
        telling = self._round[len(self._round) // 2 :] if self._slow_start else self._round
        waiting = self.size * (1 - 1 / min(telling))
        noise = _NOISE * self.size if self.size > DOCUMENTED else 0.0
        clear = _CLEAR * self.queue_wait
        too_many = self._was_crowded or waiting > max(_SHRINK_ABOVE, 2 * noise)
        if self._latest > clear or (too_many and self.size > self.floor):
            self._slow_start = False
            self.size = max(1, self.size - 1)
        elif self.size >= self.floor and waiting >= max(_GROW_BELOW, noise):
            self._slow_start = False
        elif self._was_full or self.size < self.floor:
            self._grow(clear)

    def _grow(self, clear: float) -> None:
        bold = self.ceiling > DOCUMENTED
        factor, more = (_BOLD, max(1, self.size // 2)) if bold else (2, 1)
        for wanted in (factor * self.size, self.size + more) if self._slow_start else (self.size + more,):
            wanted = min(wanted, self.ceiling)
            if self._latest * wanted / self.size <= clear:
                self.size = wanted
                return
            self._slow_start = False


class RefusalWindow:
    """A window that is wide open until the server refuses: halved at a refusal, one more after each good round.

    It limits the lanes of all companies together, if each company is configured to have a limit of its own.

    Attributes:
        ceiling: the maximum number of requests in flight.
        size: how many requests may be in flight now.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = self.size = ceiling
        self._good = 0
        self._deaf_until = -math.inf
        self._typical = 0.1

    def answered(self, latency: float) -> None:
        """Record a success after this many seconds; after `size` successes, the size grows by one."""
        self._typical += (latency - self._typical) / 8
        self._good += 1
        if self._good >= self.size:
            self._good = 0
            self.size = min(self.size + 1, self.ceiling)

    def refused(self, now: float) -> None:
        """Record that the server's queue was full."""
        self._good = 0
        if now >= self._deaf_until:
            self._deaf_until = now + 2 * self._typical
            self.size = max(1, self.size // 2)

    def bound(self, ceiling: int) -> None:
        """Change the ceiling."""
        self.size = ceiling if self.size == self.ceiling else min(self.size, ceiling)
        self.ceiling = ceiling
