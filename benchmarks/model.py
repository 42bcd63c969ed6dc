"""A model of the server's limit in virtual time: one request in progress, a bounded queue, a maximum wait.

There are no sockets and no clock, only events on a heap. In milliseconds, it shows what a fixed window and ours would
achieve at any service time and round trip.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

import attrs


class Window(Protocol):
    """What the model needs from a window."""

    @property
    def size(self) -> int: ...

    def answered(self, operation: str, latency: float, now: float, *, full: bool) -> None: ...

    def refused(self, now: float) -> None: ...


@attrs.define
class Fixed:
    """A window that always has the same size."""

    size: int

    def answered(self, operation: str, latency: float, now: float, *, full: bool) -> None: ...

    def refused(self, now: float) -> None: ...


@attrs.frozen
class Result:
    """The result of a run.

    Attributes:
        seconds: virtual time until the last response.
        refused: requests that got a 429.
        used: share of the time in which the server was working.
        longest_wait: longest wait in the server's queue, in seconds.
        interactive_wait: seconds the interactive call waited: from the moment it was made until its response, minus
            one round trip and the mean service time.
    """

    seconds: float
    refused: int
    used: float
    longest_wait: float
    interactive_wait: float | None


@attrs.define
class Server:
    """One account: one request in progress, at most `queued` waiting, each for at most `queue_wait` seconds."""

    service: Callable[[], float]
    queued: int = 6
    queue_wait: float = 15.0
    working: bool = False
    waiting: deque[tuple[int, float]] = attrs.field(factory=deque)
    worked: float = 0.0
    longest_wait: float = 0.0


def run(
    window: Window,
    *,
    requests: int,
    service: float,
    round_trip: float,
    accounts: int = 1,
    queue_wait: float = 15.0,
    jitter: float = 0.0,
    uneven: bool = False,
    seed: int = 0,
    interactive_at: int | None = None,
) -> Result:
    """Send `requests` requests as fast as the window allows.

    Args:
        window: the controller.
        requests: number of requests, all ready at the start.
        service: seconds of work per request.
        round_trip: seconds of network travel, both ways together.
        accounts: number of identical servers; the requests go to them in turn.
        queue_wait: seconds a request may be queued.
        jitter: service times are spread evenly from `1 - jitter` to `1 + jitter` times `service`.
        uneven: service times are exponential instead: mostly short, and occasionally very long.
        seed: of the random numbers.
        interactive_at: after this many responses, one more request is made, and goes first.
    """
    chance = random.Random(seed)

    def work() -> float:
        if uneven:
            return chance.expovariate(1 / service)
        return service * (1 + jitter * (2 * chance.random() - 1))

    model = _Run(
        window=window,
        servers=[Server(work, queue_wait=queue_wait) for _ in range(accounts)],
        round_trip=round_trip,
        chance=chance,
        ready=deque(range(requests)),
        interactive_at=interactive_at,
        interactive=requests,
    )
    model.play()
    expected = requests + (interactive_at is not None)
    assert model.answered == expected, f"{expected - model.answered} requests were lost"
    waited = model.interactive_answered - model.interactive_came - round_trip - service
    return Result(
        seconds=model.end,
        refused=model.refused,
        used=sum(server.worked for server in model.servers) / (model.end * accounts),
        longest_wait=max(server.longest_wait for server in model.servers),
        interactive_wait=waited if interactive_at is not None else None,
    )


@attrs.define(kw_only=True)
class _Run:
    window: Window
    servers: list[Server]
    round_trip: float
    chance: random.Random
    ready: deque[int]
    interactive: int
    interactive_at: int | None
    events: list[tuple[float, int, Callable[[float], None]]] = attrs.field(factory=list)
    order: "itertools.count[int]" = attrs.field(factory=itertools.count)
    sent: dict[int, float] = attrs.field(factory=dict)
    under_way: int = 0
    answered: int = 0
    refused: int = 0
    interactive_came: float = 0.0
    interactive_answered: float = 0.0
    end: float = 0.0

    def play(self) -> None:
        self._send(0.0)
        while self.events:
            moment, _, what = heapq.heappop(self.events)
            what(moment)

    def _at(self, moment: float, what: Callable[[int, float], None], number: int) -> None:
        heapq.heappush(self.events, (moment, next(self.order), lambda now: what(number, now)))

    def _server(self, number: int) -> Server:
        return self.servers[number % len(self.servers)]

    def _send(self, now: float) -> None:
        while self.ready and self.under_way < self.window.size:
            number = self.ready.popleft()
            self.under_way += 1
            self.sent[number] = now
            self._at(now + self.round_trip / 2, self._arrive, number)

    def _arrive(self, number: int, now: float) -> None:
        server = self._server(number)
        if not server.working:
            self._work(number, now)
        elif len(server.waiting) < server.queued:
            server.waiting.append((number, now))
            self._at(now + server.queue_wait, self._drop, number)
        else:
            self._at(now + self.round_trip / 2, self._refuse, number)

    def _work(self, number: int, now: float) -> None:
        server = self._server(number)
        server.working = True
        takes = server.service()
        server.worked += takes
        self._at(now + takes, self._finish, number)

    def _drop(self, number: int, now: float) -> None:
        server = self._server(number)
        entry = next((entry for entry in server.waiting if entry[0] == number), None)
        if entry is not None:
            server.waiting.remove(entry)
            self._at(now + self.round_trip / 2, self._refuse, number)

    def _finish(self, number: int, now: float) -> None:
        server = self._server(number)
        server.working = False
        self._at(now + self.round_trip / 2, self._answer, number)
        if server.waiting:
            next_one, since = server.waiting.popleft()
            server.longest_wait = max(server.longest_wait, now - since)
            self._work(next_one, now)

    def _answer(self, number: int, now: float) -> None:
        full = self.under_way >= self.window.size
        self.window.answered("list", now - self.sent[number], now, full=full)
        self.under_way -= 1
        self.answered += 1
        self.end = now
        if number == self.interactive:
            self.interactive_answered = now
        if self.answered == self.interactive_at:
            self.interactive_came = now
            self.ready.appendleft(self.interactive)
        self._send(now)

    def _refuse(self, number: int, now: float) -> None:
        self.refused += 1
        self.window.refused(now)
        self.under_way -= 1
        self._at(now + self.chance.random() * 0.5, self._again, number)
        self._send(now)

    def _again(self, number: int, now: float) -> None:
        self.ready.appendleft(number)
        self._send(now)
