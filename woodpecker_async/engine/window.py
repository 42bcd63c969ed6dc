"""How many requests may be in flight: pure controllers, told what happens, asked for `size`.

`AdaptiveWindow` looks for the point where the server is always busy and hardly anybody waits. That point is
one request more than fit into a round trip, and neither the service time nor the round trip is known. But
both show in the latency: with nobody waiting it is the best ever seen, and each request that waits at the
server adds to it. With a window of `size` requests, about

    waiting = size × (1 − best latency ever ÷ best latency of the round)

of them wait. Once a round (as many answers as the window had places) the window grows while fewer than one and a
half do, doubling at first and then by one, and shrinks by one when more than two and a half do. In between it
rests. So one or two wait, and the server goes on also when one request was done sooner than expected; with one
at most, a server whose service times are very uneven (exponential) would have idled for up to 9 % of the time,
so it is 5 %, and with more an interactive call would wait for more than three others. The best latency is kept
for each operation apart, for a long list takes longer than a short one.

Two things bound it. The longest wait must stay clear of `queue_wait`, after which the server drops a request:
the window never grows to where the latency seen now, scaled up, would come near it. And a refusal halves the
window, at most once in two of the best latencies, because all that were in flight are refused together.

Where processes share the server, the latency is that of the load of all, and the best latency of each is a
matter of luck: who never met an idle server believes that less is waiting, and takes more. There the window
does not go below half of the places because somebody waits, and goes back to that when places are scarce: two
such windows fill the server, and who is next is decided where the places are given out (see `shared`), evenly.

With a ceiling above seven (`lanes="discover"`) the same window finds out whether the server has room for
more than the documented one-plus-six, in larger steps: four times as many while it doubles, half as many more
afterwards. Above seven it takes a longer queue to stop it, for a burst of its own requests slows this very
process down, and looks like one. The first refusal is the answer: no, and the ceiling is seven for good.
Requests that were refused were not processed, so the trial costs nothing but their repeats.
"""

import math
from typing import Final

DOCUMENTED: Final = 7  # one at work, six queued

_GROW_BELOW: Final = 1.5
_SHRINK_ABOVE: Final = 2.5
# Of `queue_wait`, what the latency may come to.
_CLEAR: Final = 0.6
# With more in flight than the documented limit, small disturbances of the latency look like several that wait.
_NOISE: Final = 1 / 4
# The first size: a small agency's whole job is over in the time that doubling from one takes, and more than three
# of the seven places are seldom taken by others.
_FIRST: Final = 4
# The factor of growth where it is the question whether there is room for more than seven.
_BOLD: Final = 4
# Seconds after which the best latency ever is forgotten, if it has not been met again: routes change.
_MEMORY: Final = 600.0


class _Best:
    """The best latency of this stretch of time and of the one before."""

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
        limit: the most that may be in flight, as far as the user says.
        queue_wait: seconds the server keeps a queued request.
        size: how many may be in flight now.
        floor: fewer than this may only be in flight because of a refusal or of `queue_wait`.
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
        """The most that may be in flight, as far as is known."""
        return min(self.limit, DOCUMENTED) if self._was_refused else self.limit

    def answered(self, operation: str, latency: float, now: float, *, full: bool, crowded: bool = False) -> None:
        """A success came after `latency` seconds.

        Args:
            operation: what was asked for: latencies are compared within one operation.
            latency: seconds from sending to the last byte.
            now: monotonic seconds.
            full: whether the window was full: otherwise the latency says nothing about its size.
            crowded: whether there was room in the window for more than got a place among other processes.
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
        """The server's queue was full."""
        self._was_refused = True
        if now >= self._deaf_until:
            self._deaf_until = now + 2 * self._base
            self.size = max(1, min(self.size, self.ceiling) // 2)
            self.floor = max(1, self.floor // 2)
            self._slow_start = False
            self._round.clear()
        self.size = min(self.size, self.ceiling)

    def bound(self, limit: int) -> None:
        """The limit is another now."""
        self.limit = limit
        self.size = min(self.size, self.ceiling)

    def shared(self, shared: bool) -> None:
        """Other processes have windows like this one, and the same places."""
        self.floor = (self.limit + 1) // 2 if shared else 1

    def _decide(self) -> None:
        # While the window doubles, the early answers of a round are those of a smaller window.
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
    """A window that is wide open until the server refuses: half at a refusal, one more after each good round.

    It bounds all companies' lanes together where each company is said to have a limit of its own.

    Attributes:
        ceiling: the most that may be in flight.
        size: how many may be in flight now.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = self.size = ceiling
        self._good = 0
        self._deaf_until = -math.inf
        self._typical = 0.1

    def answered(self, latency: float) -> None:
        """A success came after so many seconds: after as many as there are places, there is one place more."""
        self._typical += (latency - self._typical) / 8
        self._good += 1
        if self._good >= self.size:
            self._good = 0
            self.size = min(self.size + 1, self.ceiling)

    def refused(self, now: float) -> None:
        """The server's queue was full."""
        self._good = 0
        if now >= self._deaf_until:
            self._deaf_until = now + 2 * self._typical
            self.size = max(1, self.size // 2)

    def bound(self, ceiling: int) -> None:
        """The most that may be in flight is another now."""
        self.size = ceiling if self.size == self.ceiling else min(self.size, ceiling)
        self.ceiling = ceiling
