"""Callers that give up while the server stalls do not overrun its queue, and are served again when it recovers.

The lanes are the real ones, the server is a model of the documented queue, and time is virtual: an event loop that
jumps to the next timer. The server also processes requests that nobody waits for. Callers arrive at any pace,
with any patience, are cancelled or time out, alone or with sessions of their own, and event loops end under them.
"""

import asyncio
import itertools
import random
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from woodpecker_async.engine.account_lanes import AccountLanes
from woodpecker_async.options import Limits

ACCOUNTS = itertools.count()
PLACES = 7


class World:
    """Time, and the server: one in progress, six queued for `queue_wait` at most, the others refused."""

    def __init__(self, service: float, queue_wait: float = 15.0) -> None:
        self.now = 1000.0
        self.service = service
        self.queue_wait = queue_wait
        self.queue: deque[tuple[float, Callable[[bool], None]]] = deque()
        self.working: Callable[[bool], None] | None = None
        self.done_at = 0.0
        self.stall = 0.0
        self.stalls_end = 0.0
        self.refused = 0
        self.most = 0

    def receive(self, answer: Callable[[bool], None]) -> None:
        """A request arrives; `answer` is called with whether it was served."""
        self.pass_time()
        if self.working is None:
            self.begin(answer, self.now)
        elif len(self.queue) < PLACES - 1:
            self.queue.append((self.now, answer))
        else:
            self.refused += 1
            answer(False)
        self.most = max(self.most, len(self.queue) + 1)

    def begin(self, answer: Callable[[bool], None], now: float) -> None:
        self.working = answer
        self.done_at = now + self.service
        if self.stall:
            self.done_at += self.stall
            self.stall, self.stalls_end = 0.0, self.done_at

    @property
    def next_event(self) -> float | None:
        if self.working is None:
            return None
        return min([self.done_at] + [since + self.queue_wait for since, _ in self.queue])

    def pass_time(self) -> None:
        while (moment := self.next_event) is not None and moment <= self.now:
            if self.queue and self.queue[0][0] + self.queue_wait < self.done_at:
                self.queue.popleft()[1](False)  # dropped
                continue
            done, self.working = self.working, None
            if self.queue:
                self.begin(self.queue.popleft()[1], self.done_at)
            done(True)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Jumps to the next timer, or to the server's next event."""

    def __init__(self, world: World) -> None:
        super().__init__(selectors.SelectSelector())
        self.world = world
        select = self._selector.select

        def jump(timeout: float | None = None) -> Any:
            soonest = None if timeout is None else world.now + timeout
            events = [moment for moment in (soonest, world.next_event) if moment is not None]
            assert events, "nothing will ever happen"
            world.now = max(world.now, min(events))
            world.pass_time()
            return select(0)

        self._selector.select = jump

    def time(self) -> float:
        return self.world.now

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Like `asyncio.run`."""
        asyncio.set_event_loop(self)
        try:
            return self.run_until_complete(main)
        finally:
            for task in asyncio.all_tasks(self):
                task.cancel()
            self.run_until_complete(asyncio.sleep(0))
            self.run_until_complete(self.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            self.close()


class Connection:
    """A connection that is kept open for a late response."""

    def __init__(self) -> None:
        self.tell: Callable[[int | None], None] | None = None
        self.closed = False

    def listen(self, tell: Callable[[int | None], None]) -> None:
        self.tell = tell

    def close(self) -> None:
        self.closed, self.tell = True, None


class Session:
    """A session, as far as the lanes are concerned."""


@attrs.define
class Client:
    """The account on one event loop."""

    world: World
    loop: asyncio.AbstractEventLoop
    name: str
    limits: Limits = attrs.field(factory=Limits)
    keeps: Callable[[], bool] = lambda: True
    round_trip: float = 0.0
    lanes: AccountLanes = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.lanes = AccountLanes(self.name, now=self.loop.time)

    async def call(self, patience: float, company: int | None = None, *, own_session: bool = False) -> str:
        """One call: "served", "refused", or "gave up"."""
        session = Session()
        if own_session:
            self.lanes.join(session, self.limits)
        try:
            async with asyncio.timeout(patience):
                return await self.attempt(company)
        except TimeoutError:
            return "gave up"
        finally:
            if own_session:
                self.lanes.leave(session)
                await self.lanes.aclose()

    async def attempt(self, company: int | None) -> str:
        with self.lanes.permit(company, self.limits) as permit:
            if not permit.acquire_now():
                await permit.acquire("interactive")
            permit.sent = self.loop.time()
            answer: asyncio.Future[bool] = self.loop.create_future()
            connection: Connection | None = None

            def answered(served: bool) -> None:
                if self.loop.is_closed():
                    return
                if not answer.done():
                    answer.set_result(served)
                else:
                    self.loop.call_later(self.round_trip / 2, late, served)

            def late(served: bool) -> None:
                if connection is not None and connection.tell is not None:
                    connection.tell(200 if served else 429)

            self.loop.call_later(self.round_trip / 2, self.world.receive, answered)
            try:
                served = await answer
                await asyncio.sleep(self.round_trip / 2)
            except asyncio.CancelledError:
                connection = Connection() if self.keeps() else None
                permit.abandon(connection)
                if answer.done() and not answer.cancelled():  # it is in flight
                    self.loop.call_later(self.round_trip / 2, late, answer.result())
                raise
            permit.outcome = "success" if served else "refused"
            permit.operation, permit.latency = "list", self.loop.time() - permit.sent
            return "served" if served else "refused"


def name() -> str:
    return f"stalls {next(ACCOUNTS)}"


async def callers(client: Client, number: int, every: float, patience: Callable[[], float], **how: Any) -> list[str]:
    """A number of calls, one each `every` seconds."""
    calls = []
    for _ in range(number):
        calls.append(asyncio.create_task(client.call(patience(), **how)))
        await asyncio.sleep(every)
    return await asyncio.gather(*calls)


@given(
    service=st.floats(0.005, 0.2),
    round_trip=st.sampled_from([0.0, 0.02, 0.2]),
    stall=st.floats(0.0, 12.0),
    every=st.floats(0.01, 0.3),
    patience=st.floats(0.1, 3.0),
    spread=st.floats(0.0, 1.0),
    own_session=st.booleans(),
    most=st.integers(1, 7),
    seed=st.integers(0, 1000),
)
@example(service=0.02, round_trip=0.0, stall=4, every=0.03, patience=0.5, spread=0, own_session=False, most=7, seed=0)
@example(service=0.02, round_trip=0.2, stall=10, every=0.05, patience=1.0, spread=0, own_session=True, most=7, seed=0)
def test_callers_that_give_up(
    service: float,
    round_trip: float,
    stall: float,
    every: float,
    patience: float,
    spread: float,
    own_session: bool,
    most: int,
    seed: int,
) -> None:
    world, chance = World(service), random.Random(seed)
    loop = VirtualLoop(world)
    # The queue and the round trip must fit into a caller's patience, or it gives up without any stall.
    patience = max(patience, 2 * (PLACES * service + round_trip))
    every = max(every, 1.5 * service, (service + round_trip) / most * 1.5)

    async def main() -> None:
        limits = Limits(max_in_flight=most)
        client = Client(world, loop, name(), limits, round_trip=round_trip)
        keeper = Session()
        if not own_session:
            client.lanes.join(keeper, limits)
        how = {"own_session": own_session, "patience": lambda: patience * (1 + spread * chance.random())}
        await callers(client, 40, every, own_session=own_session, patience=lambda: 100.0)  # let it find its pace
        world.stall = stall
        began = world.now
        number = int((stall + 1) / every) + 100
        during = await callers(client, number, every, **how)
        assert world.refused <= max(number // 100, 1)
        assert world.most <= PLACES
        # Three seconds after the stall ended, all is as before.
        late = int((max(world.stalls_end, began) + 3 - began) / every)
        assert set(during[late:]) <= {"served"}
        after = await callers(client, 40, every, **how)
        assert set(after) == {"served"}

    loop.run(main())


@given(
    service=st.floats(0.01, 0.1),
    stalls=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 20)), max_size=4),
    pace=st.floats(0.01, 0.5),
    longest=st.floats(0.05, 4.0),
    hang_up=st.floats(0.0, 1.0),
    seed=st.integers(0, 10_000),
)
def test_whatever_happens_no_place_is_lost_and_hardly_any_call_refused(
    service: float, stalls: list[tuple[float, float]], pace: float, longest: float, hang_up: float, seed: int
) -> None:
    """Any patience, connections that cannot be kept, sessions that come and go."""
    world, chance = World(service), random.Random(seed)
    loop = VirtualLoop(world)

    async def main() -> None:
        client = Client(world, loop, name(), keeps=lambda: chance.random() >= hang_up)
        number = 0
        for before, stall in [*stalls, (1.0, 0.0)]:
            end = world.now + before
            world.stall = stall
            calls = []
            while world.now < max(end, world.stalls_end):
                patience = 0.02 + chance.random() * longest
                own = chance.random() < 0.5
                calls.append(asyncio.create_task(client.call(patience, own_session=own)))
                number += 1
                await asyncio.sleep(chance.random() * 2 * max(pace, 1.5 * service))
            await asyncio.gather(*calls)
        # At each stall a few may be refused until the lane notices, if no connection reveals it.
        stalled = sum(stall for _, stall in stalls)
        assert world.refused <= number / 100 + stalled / 2 + 2 * len(stalls)
        await asyncio.sleep(max(stalled, 40))
        assert await callers(client, 20, 7 * service, lambda: 10 * service) == ["served"] * 20

    loop.run(main())


@pytest.mark.parametrize("stall", [2.0, 4.0, 8.0])
@pytest.mark.parametrize("patience", [0.3, 0.5, 1.0])
def test_an_event_loop_for_each_caller(stall: float, patience: float) -> None:
    """One caller after another, each in its own `asyncio.run`: nothing is left that could listen."""
    world, account = World(0.02), name()

    def call() -> str:
        loop = VirtualLoop(world)

        async def main() -> str:
            return await Client(world, loop, account).call(patience, own_session=True)

        return loop.run(main())

    assert {call() for _ in range(10)} == {"served"}
    world.stall = stall
    outcomes: list[tuple[float, str]] = []
    while len(outcomes) < 100 or world.now < world.stalls_end + 4:
        began = world.now
        outcomes.append((began, call()))
        world.now += 0.01
    assert world.refused <= 1
    assert {outcome for began, outcome in outcomes if began > world.stalls_end + 3} == {"served"}


def test_companies_that_have_a_lane_each_do_not_wait_for_one_that_stalls() -> None:
    worlds = {company: World(0.02) for company in (1, 2)}
    loop = VirtualLoop(worlds[1])

    async def main() -> None:
        stalling = Client(worlds[1], loop, account := name(), Limits(lanes="company"))
        session = Session()
        stalling.lanes.join(session, stalling.limits)
        worlds[1].stall = 5
        calls = [asyncio.create_task(stalling.call(0.5, 1)) for _ in range(20)]
        await asyncio.gather(*calls)
        assert len(stalling.lanes.lane(1).backlog or ()) > 0
        with stalling.lanes.permit(2, stalling.limits) as permit:
            assert permit.acquire_now()
        assert worlds[1].refused == 0
        await asyncio.sleep(5)
        assert await stalling.call(0.5, 1) == "served"
        assert account

    loop.run(main())


def test_a_wide_window_counts_what_it_left_behind_too() -> None:
    """`lanes="discover"`: abandoned requests count against the documented seven, until more have been proved."""
    world = World(0.02)
    loop = VirtualLoop(world)

    async def main() -> None:
        client = Client(world, loop, name(), Limits(lanes="discover"))
        client.lanes.join(session := Session(), client.limits)
        world.stall = 6
        await callers(client, 100, 0.05, lambda: 0.4)
        assert world.refused <= 1
        await asyncio.sleep(3)
        assert set(await callers(client, 20, 0.1, lambda: 1.0)) == {"served"}
        client.lanes.leave(session)

    loop.run(main())
