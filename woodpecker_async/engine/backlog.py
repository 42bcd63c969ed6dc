"""What a lane has left behind at the server: requests that nobody waits for any more.

A caller that gives up, by a timeout or a cancellation, takes nothing off the server's queue: the server does not
know that nobody listens. While it stalls, callers that give up and callers that come anew would fill the queue
many times over. So a request that was given up keeps its place until one of these shows that the server has got
past it:

* its own answer, late: the connection is kept open for it (see `connections`);
* an answer to a request that was sent later, for the server takes them in order;
* time: `queue_wait`, after which it drops what is still queued, on top of the time the request was in flight.

Where the connection could not be kept (its session or its event loop has ended, or the server hung up) nothing
will tell when a stall is over. Then the lane finds out by sending one request at a time, with pauses that grow
with each one that is not answered. Refusals in a row make pauses too: they say that the queue is full, and
whoever comes next at once is refused as well.

Pure, and told the time. A backlog belongs to the account and the process: event loops come and go, and several
may run at once, in threads.
"""

import math
from collections.abc import Callable
from typing import Final, Protocol

import attrs

from woodpecker_async.engine.window import DOCUMENTED

_REFUSED: Final = 429  # the queue was full, or the request had waited too long in it
_GATEWAY: Final = (502, 503, 504)  # said by what is in front of the server
# Seconds without sending after so many requests in a row that came to nothing, and nothing listens.
_PAUSES: Final = (0.0, 0.25, 0.5, 1.0, 2.0, 2.5)
# The same after so many refusals in a row where nothing is left behind: others fill the queue, not without gaps.
_GAPS: Final = (0.0, 0.05, 0.1, 0.25)
# Seconds without sending while a connection listens for the end of a stall, and all places are taken.
_LISTENING: Final = 5.0
# A connection that was cut after so long says that the request may be at the server for so many times as long.
_AS_LONG: Final = 10.0


class LateAnswer(Protocol):
    """A connection that is kept open for an answer that nobody waits for."""

    def listen(self, tell: Callable[[int | None], None]) -> None:
        """Have it tell once: the status of the answer, or nothing if the connection has gone."""
        ...

    def close(self) -> None:
        """Close it, and tell nothing."""
        ...


@attrs.define(eq=False, kw_only=True)
class AbandonedRequest:
    """One of them.

    Attributes:
        sent: the moment it was sent at.
        given_up: the moment since which nobody waits for it.
        until: the moment at which the server has surely dropped it.
        owner: whose event loop the connection and the place belong to.
        connection: listens for the answer.
        give_back: gives back its place among those that processes share.
        presumed_past: another is sent in its place, to find out whether the server has got past it.
    """

    sent: float
    given_up: float
    until: float
    owner: object = None
    connection: LateAnswer | None = None
    give_back: Callable[[], None] | None = None
    presumed_past: bool = False

    def make_room(self) -> None:
        """It takes no place that processes share any more."""
        give_back, self.give_back = self.give_back, None
        if give_back is not None:
            give_back()

    def silence(self) -> None:
        """Nothing listens for the answer any more."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


def held_for(in_flight: float, queue_wait: float, *, cut: bool) -> float:
    """Seconds for which an unanswered request is taken to be at the server.

    Args:
        in_flight: seconds since it was sent.
        queue_wait: seconds the server keeps a queued request.
        cut: the connection was cut, or a gateway answered for the server: nobody gave up, and where that happens
            quickly there may be no server at all.
    """
    longest = queue_wait + in_flight
    return min(longest, _AS_LONG * in_flight) if cut else longest


class Backlog:
    """What one lane has left behind, and what became of its latest requests."""

    def __init__(self) -> None:
        self._requests: list[AbandonedRequest] = []  # in the order in which they were given up
        self._misses = 0  # requests in a row that were refused or not answered
        self._missed_at = -math.inf
        self._missed_until = -math.inf  # from then on, the latest miss says nothing any more
        self._refused = False  # the latest miss was a refusal

    def __len__(self) -> int:
        return sum(not request.presumed_past for request in self._requests)

    @property
    def missed(self) -> bool:
        """Whether the latest request came to nothing."""
        return self._misses > 0

    @property
    def _listening(self) -> bool:
        return any(request.connection is not None for request in self._requests)

    def add(self, request: AbandonedRequest) -> None:
        """A request was given up, or its connection was cut."""
        self._requests.append(request)
        self._miss(request.given_up, request.until, refused=False)

    def refused(self, sent: float, now: float) -> None:
        """A request was refused. Those that were in flight together are refused together, and count once."""
        if sent > self._missed_at or not self._refused:
            self._miss(now, math.inf, refused=True)
        for request in self._requests:
            request.presumed_past = False

    def _miss(self, now: float, until: float, *, refused: bool) -> None:
        self._misses += 1
        self._missed_at, self._missed_until, self._refused = now, until, refused

    def answered(self, sent: float) -> None:
        """The server answered a request that was sent at this moment."""
        self._misses = 0
        for request in tuple(self._requests):
            # Two that are sent at about the same time may arrive in another order, for one may have to connect
            # first. So one that listens waits for its own answer, unless the other was sent when it was given up.
            if (request.given_up if request.connection is not None else request.sent) <= sent:
                self._drop(request)

    def heard(self, request: AbandonedRequest, status: int | None, now: float) -> None:
        """There is an answer to one that had been given up, or its connection has gone."""
        request.silence()
        if status is None or status in _GATEWAY:
            return  # nothing is known of the server
        if status == _REFUSED:
            self.refused(request.sent, now)
        else:
            self.answered(request.sent)
        self._drop(request)

    def expire(self, now: float) -> bool:
        """Drop what the server has surely dropped, and say whether nothing is left that could matter."""
        for request in tuple(self._requests):
            if request.until <= now:
                self._drop(request)
        if not self._requests and now - self._missed_at >= _LISTENING:
            self._misses = 0
        return not self._requests and not self._misses

    def _drop(self, request: AbandonedRequest) -> None:
        if request in self._requests:  # else another thread was here first
            self._requests.remove(request)
            request.silence()
            request.make_room()

    def silence(self, owner: object, *, but_last: bool) -> None:
        """Close connections of an event loop that listen: all, or all but the one whose answer tells the most."""
        listening = [request for request in self._requests if request.owner is owner and request.connection is not None]
        last = max(listening, key=lambda request: request.sent, default=None) if but_last else None
        for request in listening:
            if request is not last:
                request.silence()

    def disowned(self) -> list[AbandonedRequest]:
        """After a fork: the connections and shared places are the parent's; that the server is busy is not."""
        before = self._requests
        self._requests = [attrs.evolve(request, connection=None, give_back=None) for request in before]
        return before

    @property
    def _resumes(self) -> float:
        """The moment from which on a request may be sent though the latest ones came to nothing."""
        if not self._misses:
            return -math.inf
        pauses = _PAUSES if self._requests else _GAPS
        pause = _LISTENING if self._listening else pauses[min(self._misses, len(pauses)) - 1]
        return min(self._missed_at + pause, self._missed_until)

    def limit(self, size: int, ceiling: int, inside: int, now: float) -> int:
        """How many may be in flight now.

        Args:
            size: how many the window allows.
            ceiling: the most that may be in flight, as far as is known.
            inside: how many are.
            now: monotonic seconds.
        """
        self.expire(now)
        # What a wide window has shown the server to have room for, or else what is documented.
        room = max(size, min(ceiling, DOCUMENTED)) - len(self)
        if self._misses and (self._refused or not (inside or self._listening)):
            if now < self._resumes:
                return 0
            if self._misses > 1:
                room = min(room, 1)
        return max(min(size, room), 0)

    def try_one(self, now: float) -> bool:
        """Presume that one of them is past, if sending another is the only way to find out.

        To be called when nothing else is in flight and all places are taken.
        """
        candidates = [request for request in self._requests if not request.presumed_past]
        if not candidates or now < self._resumes:
            return False
        candidates[0].presumed_past = True
        candidates[0].make_room()
        return True

    def until(self, now: float) -> float:
        """The next moment at which time alone changes something; infinity, if nothing is left behind."""
        times = [request.until for request in self._requests]
        if self._misses:
            times += [moment for moment in (self._resumes, self._missed_at + _LISTENING) if moment > now]
        return min(times, default=math.inf)
