"""The server's limit as a model in virtual time: one at work, so many queued, each for so long.

No sockets, no clock: events on a heap. It answers in milliseconds what a fixed window and ours would reach at
any service time and round trip.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

import attrs


class Window(Protocol):
    """What the model asks of a window."""

    @property
    def size(self) -> int: ...

    def answered(self, operation: str, latency: float, now: float, *, full: bool) -> None: ...

    def refused(self, now: float) -> None: ...


@attrs.define
class Fixed:
    """Always the same size."""

    size: int

    def answered(self, operation: str, latency: float, now: float, *, full: bool) -> None: ...

    def refused(self, now: float) -> None: ...


@attrs.frozen
class Result:
    """What came of a run.

    Attributes:
        seconds: virtual time until the last answer.
        refused: requests that got 429.
        used: share of the time in which the server worked.
        longest_wait: seconds the longest wait in the server's queue took.
        interactive_wait: seconds from arrival to answer of the interactive call, less a round trip.
    """

    seconds: float
    refused: int
    used: float
    longest_wait: float
    interactive_wait: float | None


@attrs.define
class Server:
    """One account: one at work, `queued` wait, each for `queue_wait` seconds at most."""

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
    seed: int = 0,
    interactive_at: int | None = None,
) -> Result:
    """Send `requests` requests as fast as the window lets them.

    Args:
        window: the controller.
        requests: how many requests, all ready at the start.
        service: seconds of work for each.
        round_trip: seconds on the way, there and back.
        accounts: over how many servers of the same kind they are spread, one after another.
        queue_wait: seconds a request may be queued.
        jitter: share by which each service time is off, evenly up and down.
        seed: of the jitter.
        interactive_at: after so many answers one more request comes and goes first.
    """
    chance = random.Random(seed)
    servers = [
        Server(lambda: service * (1 + jitter * (2 * chance.random() - 1)), queue_wait=queue_wait)
        for _ in range(accounts)
    ]
    events: list[tuple[float, int, Callable[[float], None]]] = []
    order = itertools.count()
    ready = deque(range(requests))
    sent: dict[int, float] = {}
    under_way = answered = refused = 0
    interactive: tuple[float, float] | None = None
    end = 0.0

    def at(moment: float, what: Callable[[float], None]) -> None:
        heapq.heappush(events, (moment, next(order), what))

    def send(now: float) -> None:
        nonlocal under_way
        while ready and under_way < window.size:
            number = ready.popleft()
            under_way += 1
            sent[number] = now
            at(now + round_trip / 2, lambda moment, number=number: arrive(number, moment))  # type: ignore[misc]

    def arrive(number: int, now: float) -> None:
        server = servers[number % accounts]
        if not server.working:
            work(server, number, now)
        elif len(server.waiting) < server.queued:
            server.waiting.append((number, now))
            at(now + server.queue_wait, lambda moment: drop(server, number, moment))
        else:
            at(now + round_trip / 2, lambda moment: refuse(number, moment))

    def work(server: Server, number: int, now: float) -> None:
        server.working = True
        takes = server.service()
        server.worked += takes
        at(now + takes, lambda moment: finish(server, number, moment))

    def drop(server: Server, number: int, now: float) -> None:
        entry = next((entry for entry in server.waiting if entry[0] == number), None)
        if entry is not None:
            server.waiting.remove(entry)
            at(now + round_trip / 2, lambda moment: refuse(number, moment))

    def finish(server: Server, number: int, now: float) -> None:
        server.working = False
        at(now + round_trip / 2, lambda moment: answer(number, moment))
        if server.waiting:
            next_one, since = server.waiting.popleft()
            server.longest_wait = max(server.longest_wait, now - since)
            work(server, next_one, now)

    def answer(number: int, now: float) -> None:
        nonlocal under_way, answered, end, interactive
        full = under_way >= window.size
        window.answered("list", now - sent[number], now, full=full)
        under_way -= 1
        answered += 1
        end = now
        if number == requests and interactive is not None:
            interactive = (interactive[0], now)
        if interactive_at is not None and answered == interactive_at:
            interactive = (now, now)
            ready.appendleft(requests)
        send(now)

    def refuse(number: int, now: float) -> None:
        nonlocal under_way, refused
        refused += 1
        window.refused(now)
        under_way -= 1
        pause = chance.random() * 0.5
        at(now + pause, lambda moment: again(number, moment))
        send(now)

    def again(number: int, now: float) -> None:
        ready.appendleft(number)
        send(now)

    send(0.0)
    while events:
        moment, _, what = heapq.heappop(events)
        what(moment)
    assert answered == requests + (interactive is not None), "a request was lost"
    return Result(
        seconds=end,
        refused=refused,
        used=sum(server.worked for server in servers) / (end * accounts),
        longest_wait=max(server.longest_wait for server in servers),
        interactive_wait=None if interactive is None else interactive[1] - interactive[0] - round_trip,
    )
