"""A lane's backlog: requests that nobody waits for any more, but that may still be in the server's queue.

When a caller gives up, by a timeout or a cancellation, its request stays in the server's queue, because the server does
not know that nobody is listening. During a stall, callers that give up and new callers would together overfill the
queue many times over. So an abandoned request keeps its place until one of these shows that the server is past it:

* its own response arrives late: the connection is kept open for it (see `connections`);
* a response arrives to a request that was sent later, because the server processes requests in order;
* time passes: `queue_wait`, after which the server drops a queued request, plus the time the request was in flight.

If the connection could not be kept (its session or event loop has ended, or the server hung up), nothing tells when a
stall is over. Then the lane probes with one request at a time, with pauses that grow with each one that gets no
response. Consecutive refusals cause pauses as well: they mean that the queue is full, and an immediate request would be
refused too.

Pure: the time is passed in. A backlog belongs to the account and the process, because event loops come and go, and
several may run at once in threads.
"""

import math
from collections.abc import Callable
from typing import Final, Protocol

import attrs

from woodpecker_async.engine.window import DOCUMENTED

_REFUSED: Final = 429  # the queue was full, or the request had waited too long in it
_GATEWAY: Final = (502, 503, 504)  # sent by a gateway in front of the server
# Seconds to pause after 1, 2, 3 ... consecutive failed requests, if no connection listens for a late response.
_PAUSES: Final = (0.0, 0.25, 0.5, 1.0, 2.0, 2.5)
# The same after consecutive refusals with an empty backlog: others fill the queue, but not without gaps.
_GAPS: Final = (0.0, 0.05, 0.1, 0.25)
# Seconds to pause while a connection listens for the end of a stall, and all permits are taken.
_LISTENING: Final = 5.0
# If a connection is cut after t seconds, the request may be at the server for this many times t.
_AS_LONG: Final = 10.0


class LateAnswer(Protocol):
    """A connection kept open for a response that nobody waits for."""

    def listen(self, tell: Callable[[int | None], None]) -> None:
        """Call `tell` once: with the status of the response, or with `None` if the connection is lost."""
        ...

    def close(self) -> None:
        """Close it, without calling `tell`."""
        ...


@attrs.define(eq=False, kw_only=True)
class AbandonedRequest:
    """A request that nobody waits for any more.

    Attributes:
        sent: when it was sent.
        given_up: when it was given up.
        until: when the server is certain to have dropped it.
        owner: stands for the event loop that the connection and the slot belong to.
        connection: listens for the response.
        give_back: releases its slot, if processes share slots.
        presumed_past: another request is sent in its place, to find out whether the server is past it.
    """

    sent: float
    given_up: float
    until: float
    owner: object = None
    connection: LateAnswer | None = None
    give_back: Callable[[], None] | None = None
    presumed_past: bool = False

    def make_room(self) -> None:
        """Release its slot."""
        give_back, self.give_back = self.give_back, None
        if give_back is not None:
            give_back()

    def silence(self) -> None:
        """Stop listening for the response."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


def held_for(in_flight: float, queue_wait: float, *, cut: bool) -> float:
    """Return the seconds for which an unanswered request is assumed to be at the server.

    Args:
        in_flight: seconds since it was sent.
        queue_wait: seconds the server keeps a queued request.
        cut: whether the connection was cut, or a gateway responded instead of the server. Then nobody gave up, and if
            it happened quickly, there may be no server at all.
    """
    longest = queue_wait + in_flight
    return min(longest, _AS_LONG * in_flight) if cut else longest


class Backlog:
    """The abandoned requests of one lane, and how its latest requests ended."""

    def __init__(self) -> None:
        self._requests: list[AbandonedRequest] = []  # in the order in which they were given up
        self._misses = 0  # consecutive requests that were refused or got no response
        self._missed_at = -math.inf
        self._missed_until = -math.inf  # from then on, the latest miss means nothing any more
        self._refused = False  # the latest miss was a refusal

    def __len__(self) -> int:
        return sum(not request.presumed_past for request in self._requests)

    @property
    def missed(self) -> bool:
        """Whether the latest request was refused or got no response."""
        return self._misses > 0

    @property
    def _listening(self) -> bool:
        return any(request.connection is not None for request in self._requests)

    def add(self, request: AbandonedRequest) -> None:
        """Add a request that was given up, or whose connection was cut."""
        self._requests.append(request)
        self._miss(request.given_up, request.until, refused=False)

    def refused(self, sent: float, now: float) -> None:
        """Record a refusal. Requests that were in flight together are refused together, and count once."""
        if sent > self._missed_at or not self._refused:
            self._miss(now, math.inf, refused=True)
        for request in self._requests:
            request.presumed_past = False

    def _miss(self, now: float, until: float, *, refused: bool) -> None:
        self._misses += 1
        self._missed_at, self._missed_until, self._refused = now, until, refused

    def answered(self, sent: float) -> None:
        """Record that the server responded to a request sent at this time."""
        self._misses = 0
        for request in tuple(self._requests):
            # Two requests sent at about the same time may arrive in a different order, because one may have to connect
            # first. So a request whose connection listens waits for its own response, unless the other request was
            # sent after it was given up.
            if (request.given_up if request.connection is not None else request.sent) <= sent:
                self._drop(request)

    def heard(self, request: AbandonedRequest, status: int | None, now: float) -> None:
        """Record the late response to an abandoned request, or that its connection was lost (`None`)."""
        request.silence()
        if status is None or status in _GATEWAY:
            return  # this says nothing about the server
        if status == _REFUSED:
            self.refused(request.sent, now)
        else:
            self.answered(request.sent)
        self._drop(request)

    def expire(self, now: float) -> bool:
        """Drop what the server is certain to have dropped; return whether nothing relevant is left."""
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
        """Close the listening connections of an event loop: all, or all but the one of the latest request."""
        listening = [request for request in self._requests if request.owner is owner and request.connection is not None]
        last = max(listening, key=lambda request: request.sent, default=None) if but_last else None
        for request in listening:
            if request is not last:
                request.silence()

    def disowned(self) -> list[AbandonedRequest]:
        """After a fork, leave the connections and slots to the parent, but remember that the server is busy."""
        before = self._requests
        self._requests = [attrs.evolve(request, connection=None, give_back=None) for request in before]
        return before

    @property
    def _resumes(self) -> float:
        """The time from which a request may be sent although the latest ones failed."""
        if not self._misses:
            return -math.inf
        pauses = _PAUSES if self._requests else _GAPS
        pause = _LISTENING if self._listening else pauses[min(self._misses, len(pauses)) - 1]
        return min(self._missed_at + pause, self._missed_until)

    def limit(self, size: int, ceiling: int, inside: int, now: float) -> int:
        """Return how many requests may be in flight now.

        Args:
            size: how many the window allows.
            ceiling: the maximum number in flight, as far as is known.
            inside: how many are in flight.
            now: monotonic seconds.
        """
        self.expire(now)
        # The room that a wide window has found the server to have, or else what is documented.
        room = max(size, min(ceiling, DOCUMENTED)) - len(self)
        if self._misses and (self._refused or not (inside or self._listening)):
            if now < self._resumes:
                return 0
            if self._misses > 1:
                room = min(room, 1)
        return max(min(size, room), 0)

    def try_one(self, now: float) -> bool:
        """Presume that the server is past one abandoned request, if sending another is the only way to find out.

        Call it when nothing else is in flight and the backlog takes all permits.
        """
        candidates = [request for request in self._requests if not request.presumed_past]
        if not candidates or now < self._resumes:
            return False
        candidates[0].presumed_past = True
        candidates[0].make_room()
        return True

    def until(self, now: float) -> float:
        """Return the next time at which something changes by itself; infinity if the backlog is empty."""
        times = [request.until for request in self._requests]
        if self._misses:
            times += [moment for moment in (self._resumes, self._missed_at + _LISTENING) if moment > now]
        return min(times, default=math.inf)
