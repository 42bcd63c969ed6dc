"""The lanes, driven as a state machine, with controlled time.

Visitors come, are served, refused, given up, fail and are cancelled wherever they wait; sessions come and go
with other limits, which also switches between one lane for all and a lane for each company. Watched after
each step: the bounds, the order, that nobody waits where there is room; and at the end, that no place is lost.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from woodpecker_async.engine.account_lanes import AccountLanes
from woodpecker_async.engine.lanes import _LEFT_BEHIND, Lane
from woodpecker_async.engine.semaphore import PrioritySemaphore
from woodpecker_async.options import Limits, Priority

MACHINES = itertools.count()

PRIORITIES: tuple[Priority, ...] = ("interactive", "bulk")


class HandLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is moved by hand. It never waits: there is always something ready."""

    now = 1000.0

    def time(self) -> float:
        return self.now


class Member:
    """A session, as far as the lanes are concerned."""


class Late:
    """A connection on which the response may still arrive."""

    tell: Callable[[int | None], None] | None = None

    def listen(self, tell: Callable[[int | None], None]) -> None:
        self.tell = tell

    def close(self) -> None:
        self.tell = None


@attrs.define(eq=False)
class Visitor:
    number: int
    priority: Priority
    again: bool
    company: int
    order: asyncio.Future[str]
    lane: Lane | None = None
    inside: bool = False
    came: float = 0.0
    entered: float = 0.0
    task: "asyncio.Task[None] | None" = None
    passed_by: int = 0
    late: Late | None = None
    overtaken: bool = False  # waited while requests were abandoned: then the newest goes first


class LaneMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = HandLoop()
        self.lanes = AccountLanes(f"machine {next(MACHINES)}", now=self.loop.time)
        self.members: list[Member] = []
        self.visitors: list[Visitor] = []
        self.numbers = itertools.count()
        self.problems: list[str] = []
        self.watch_the_total()

    def watch_the_total(self) -> None:
        """Record who has a permit in a lane and must wait for one in the total."""
        self.waited_at_total: set[asyncio.Task[Any] | None] = set()
        total = self.lanes.total
        acquire = total.acquire

        async def noted(priority: Priority, *, front: bool = False) -> None:
            if total.in_use >= self.lanes.refusals.size or total.waiting:
                self.waited_at_total.add(asyncio.current_task())
            await acquire(priority, front=front)

        total.acquire = noted

    # What a request does --------------------------------------------------------------------------------

    async def visit(self, visitor: Visitor) -> None:
        try:
            await self._visit(visitor)
        finally:
            self._note_overtaking()

    async def _visit(self, visitor: Visitor) -> None:
        """As `Engine._attempt` does it."""
        with self.lanes.permit(visitor.company, self.lanes.limits) as permit:
            visitor.lane = lane = permit._lane
            visitor.came = self.loop.now
            if not permit.acquire_now():
                await permit.acquire(visitor.priority, again=visitor.again)
            self._note_overtaking()  # a timer may have let it in, in the loop iteration in which it arrived
            visitor.inside, visitor.entered, permit.sent = True, self.loop.now, self.loop.now
            self.judge_entry(visitor, lane)
            visitor.late = Late() if visitor.number % 3 else None
            permit.abandon(visitor.late)
            try:
                permit.outcome = await visitor.order
            finally:
                visitor.inside = False
            permit.operation, permit.latency = "GET /x", self.loop.now - visitor.entered
            permit.connection = None if permit.outcome in ("success", "answered", "refused", "unsent") else visitor.late

    # What must hold when somebody enters ------------------------------------------------------------------

    def judge_entry(self, visitor: Visitor, lane: Lane) -> None:
        inside = [other for other in self.visitors if other.inside]
        here = [other for other in inside if other.lane is lane]
        # A lane may be lowered, or its window shrink, while one that has a place in it waits for the total.
        if visitor.task not in self.waited_at_total:
            behind = len(lane.backlog or ())
            room = max(lane.window.size, min(lane.window.ceiling, 7))
            self.expect(len(here) + behind <= room, "above what the server has room for")
            self.expect(len(here) <= lane.window.size, "above the window")
        self.expect(lane.window.ceiling <= self.lanes._ceiling, "a ceiling above the limits")
        self.expect(len(inside) <= self.lanes.limits.total, "above the total")
        waiting = [other for other in self.visitors if other.lane is lane and not other.inside and self.alive(other)]
        same = [other for other in waiting if other.priority == visitor.priority]
        if not visitor.again:
            in_order = [other for other in (visitor, *same) if not other.overtaken]
            self.expect(
                visitor.overtaken or in_order[0].number == min(o.number for o in in_order), "somebody waited longer"
            )
        if lane.backlog is not None or any(other.overtaken for other in waiting):
            for other in waiting:
                other.passed_by = 0
        elif visitor.priority == "interactive":
            for other in waiting:
                if other.priority == "bulk":
                    other.passed_by += 1
            # Only the one at the head of the bulk queue is entitled to the turn.
            if bulk := [other for other in waiting if other.priority == "bulk"]:
                head = min(bulk, key=lambda other: other.number)
                # With two gates in a row, the lane's and the total one, there may be seven before each.
                gates = 1 if self.lanes.limits.total > lane.window.ceiling and self.single_lane else 2
                allowed = 7 * gates
                self.expect(head.passed_by <= allowed, f"bulk starves: passed by {head.passed_by}")
        else:  # of whichever lane: the bulk turns of the total go round among all that wait there
            for other in self.visitors:
                other.passed_by = 0

    @property
    def single_lane(self) -> bool:
        return self.lanes.limits.lanes != "company" and set(self.lanes._by_company) <= {None}

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.problems.append(what)

    @staticmethod
    def alive(visitor: Visitor) -> bool:
        return visitor.task is not None and not visitor.task.done() and not visitor.task.cancelling()

    # Steps ----------------------------------------------------------------------------------------------

    def step(self, turns: int = 6) -> None:
        for _ in range(turns):
            self._note_overtaking()
            self.loop.run_until_complete(asyncio.sleep(0))
        self._note_overtaking()
        for visitor in [visitor for visitor in self.visitors if visitor.task.done()]:
            self.visitors.remove(visitor)
            if not visitor.task.cancelled():
                visitor.task.result()
        assert not self.problems, self.problems

    def _note_overtaking(self) -> None:
        for visitor in self.visitors:
            if visitor.lane is not None and not visitor.inside and visitor.lane.backlog is not None:
                visitor.overtaken = True

    def come(self, priority: Priority, company: int, again: bool) -> None:
        visitor = Visitor(next(self.numbers), priority, again, company, self.loop.create_future())
        visitor.task = self.loop.create_task(self.visit(visitor))
        self.visitors.append(visitor)

    def inside(self) -> list[Visitor]:
        return [visitor for visitor in self.visitors if visitor.inside and self.alive(visitor)]

    def waiting(self) -> list[Visitor]:
        return [visitor for visitor in self.visitors if not visitor.inside and self.alive(visitor)]

    @initialize(
        limits=st.builds(
            Limits,
            max_in_flight=st.integers(1, 7),
            lanes=st.sampled_from(["account", "company", "discover"]),
            total=st.integers(1, 12),
        )
    )
    def first_member(self, limits: Limits) -> None:
        self.join(limits)

    @rule(
        limits=st.builds(
            Limits,
            max_in_flight=st.integers(1, 7),
            lanes=st.sampled_from(["account", "company", "discover"]),
            total=st.integers(1, 12),
        )
    )
    def join(self, limits: Limits) -> None:
        self.members.append(Member())
        self.lanes.join(self.members[-1], limits)
        self.step()

    @precondition(lambda self: len(self.members) > 1)
    @rule(which=st.integers(0, 9))
    def part(self, which: int) -> None:
        self.lanes.leave(self.members.pop(which % len(self.members)))
        self.step()

    @rule(
        count=st.integers(1, 12),
        priority=st.sampled_from(PRIORITIES),
        company=st.integers(0, 2),
        again=st.sampled_from([False] * 5 + [True]),
    )
    def enter(self, count: int, priority: Priority, company: int, again: bool) -> None:
        for _ in range(count):
            self.come(priority, company, again)
        self.step()

    @rule(
        count=st.integers(1, 12),
        how=st.sampled_from(["success"] * 4 + ["refused", "answered", "unsent", "abandoned", "cut"]),
        seconds=st.sampled_from([0.0, 0.01, 0.1, 1.0]),
    )
    def leave_in_order(self, count: int, how: str, seconds: float) -> None:
        self.loop.now += seconds
        for _ in range(count):
            if inside := self.inside():
                min(inside, key=lambda visitor: visitor.number).order.set_result(how)
                self.step()

    @rule(
        which=st.integers(0, 20), how=st.sampled_from(["success", "refused", "answered", "unsent", "abandoned", "cut"])
    )
    def leave_anyhow(self, which: int, how: str) -> None:
        if inside := self.inside():
            inside[which % len(inside)].order.set_result(how)
            self.step()

    @rule(which=st.integers(0, 20), turns=st.integers(0, 3))
    def cancel_inside(self, which: int, turns: int) -> None:
        if inside := self.inside():
            self.cancel(inside[which % len(inside)], turns)

    @rule(which=st.integers(0, 20), turns=st.integers(0, 3))
    def cancel_waiting(self, which: int, turns: int) -> None:
        if waiting := self.waiting():
            self.cancel(waiting[which % len(waiting)], turns)

    @rule(
        which=st.integers(0, 20),
        turns=st.integers(0, 4),
        other=st.sampled_from(["success", "answered", "refused", "abandoned"]),
    )
    def cancel_while_a_place_is_given(self, which: int, turns: int, other: str) -> None:
        """One leaves, and a few loop iterations later a waiting one is cancelled: just let in, or not."""
        waiting, inside = self.waiting(), self.inside()
        if waiting and inside:
            inside[0].order.set_result(other)
            self.step(turns)
            if self.alive(victim := waiting[which % len(waiting)]):
                self.cancel(victim, 0)

    @rule(which=st.integers(0, 20))
    def cancel_at_once(self, which: int) -> None:
        """Cancelled before it has run at all, or within its first iterations."""
        self.come(PRIORITIES[which % 2], which % 3, again=False)
        victim = self.visitors[-1]
        self.step(which // 2 % 4)
        if self.alive(victim):
            self.cancel(victim, 0)

    @rule(which=st.integers(0, 20), status=st.sampled_from([200, 200, 404, 429, 504, None]))
    def answer_late(self, which: int, status: int | None) -> None:
        """The server has finished an abandoned request, or closes the connection."""
        lanes = [lane for lane in self.lanes._by_company.values() if lane.backlog is not None]
        waiting = [request for lane in lanes for request in lane.backlog._requests if request.connection]
        if waiting:
            waiting[which % len(waiting)].connection.tell(status)
            self.step()

    def cancel(self, visitor: Visitor, turns: int) -> None:
        self.step(turns)
        if not self.alive(visitor):
            return
        visitor.task.cancel()
        self.step()

    @rule(seconds=st.sampled_from([0.1, 1.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.loop.now += seconds
        self.step()

    # What must hold at any time ---------------------------------------------------------------------------

    @invariant()
    def windows_are_sane(self) -> None:
        for lane in self.lanes._by_company.values():
            assert 1 <= lane.window.size <= lane.window.ceiling <= self.lanes._ceiling
        assert 1 <= self.lanes.refusals.size <= self.lanes.limits.total

    @invariant()
    def places_are_accounted_for(self) -> None:
        inside = [visitor for visitor in self.visitors if visitor.inside]
        assert self.lanes.total.in_use == len(inside)
        at_the_total = self.lanes.total.waiting
        in_lanes = sum(lane.gate.in_use for lane in {visitor.lane for visitor in self.visitors})
        assert in_lanes == len(inside) + at_the_total

    @invariant()
    def nobody_waits_where_there_is_room(self) -> None:
        for lane in {visitor.lane for visitor in self.visitors}:
            assert not lane.gate.waiting or lane.gate.in_use >= lane.gate.limit
        assert not self.lanes.total.waiting or self.lanes.total.in_use >= self.lanes.refusals.size

    def teardown(self) -> None:
        """All requests end; then no permit is lost, and as many as the window allows enter at once."""
        try:
            if not self.problems:
                self.end()
        finally:
            for visitor in self.visitors:
                visitor.task.cancel()
            for _ in range(10):
                self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()

    def end(self) -> None:
        lanes = {visitor.lane for visitor in self.visitors} | set(self.lanes._by_company.values())
        for _ in range(2000):
            if not self.visitors:
                break
            self.loop.now += 0.01
            for visitor in self.inside():
                visitor.order.set_result("answered")
            self.step()
            if not self.inside():
                self.loop.now += 20  # all permits are held by abandoned requests
        assert not self.visitors, "somebody never got in"
        for _ in range(10):  # what was in flight for long before it was abandoned keeps its permit for as long
            self.loop.now += 20
            self.step()
        assert self.lanes.total.idle
        assert all(lane.idle for lane in lanes)
        for company in range(3):
            for _ in range(80):
                self.come("bulk", company, again=False)
            self.step()
            lane = self.visitors[0].lane
            assert len(self.inside()) == min(lane.window.size, self.lanes.refusals.size)
            for visitor in self.waiting():
                visitor.task.cancel()
            self.step()
            for visitor in self.inside():
                visitor.order.set_result("answered")
            self.step()


TestLanes = LaneMachine.TestCase
TestLanes.settings = settings(stateful_step_count=40)


async def test_bulk_gets_in_within_eight_turns_through_a_lane() -> None:
    lanes, member = AccountLanes("eight turns"), Member()
    lanes.join(member, Limits(max_in_flight=1))
    order: list[str] = []

    async def visit(priority: Priority) -> None:
        with lanes.permit(None, lanes.limits) as permit:
            await permit.acquire(priority)
            order.append(priority)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for priority in ["interactive"] * 70 + ["bulk"] * 10:
            group.create_task(visit(priority))
    assert order.index("bulk") <= 8
    for start in range(1, 73, 8):
        assert order[start : start + 8].count("bulk") == 1


async def test_cancelled_bulk_requests_do_not_make_the_next_one_wait() -> None:
    gate, order = PrioritySemaphore(1), []
    await gate.acquire("interactive")

    async def visit(priority: Priority) -> None:
        await gate.acquire(priority)
        order.append(priority)
        gate.release()

    bulk = [asyncio.create_task(visit("bulk")) for _ in range(4)]
    interactive = [asyncio.create_task(visit("interactive")) for _ in range(60)]
    await asyncio.sleep(0)
    for task in bulk[:3]:
        task.cancel()
    await asyncio.sleep(0)
    gate.release()
    await asyncio.gather(*bulk, *interactive, return_exceptions=True)
    assert order.index("bulk") <= 8


@pytest.mark.parametrize("mode", ["account", "discover"])
async def test_when_the_session_with_the_smaller_limit_goes_the_lane_opens_again(mode: Any) -> None:
    lanes, staying, passing = AccountLanes("opens again"), Member(), Member()
    lanes.join(staying, Limits(lanes=mode))
    lane = lanes.lane(None)
    ceiling = lane.window.ceiling
    lanes.join(passing, Limits(lanes=mode, max_in_flight=1, total=1))
    assert lane.window.ceiling == 1
    lanes.leave(passing)
    assert lane.window.ceiling == ceiling


async def test_a_companys_lane_is_forgotten_when_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("woodpecker_async.engine.backlog._LISTENING", 0.3)
    lanes, member = AccountLanes("forgotten"), Member()
    lanes.join(member, Limits(lanes="company", queue_wait=0.01))
    for company in range(10):
        with lanes.permit(company, lanes.limits) as permit:
            await permit.acquire("bulk")
            permit.sent = time.monotonic()
            permit.abandon(None)
    assert len(lanes._by_company) == 10
    async with asyncio.timeout(10):
        while lanes._by_company:
            await asyncio.sleep(0.05)
    assert not any(name.startswith("forgotten") for name in _LEFT_BEHIND)


async def test_a_lane_that_was_made_anew_is_not_forgotten_with_the_one_before() -> None:
    """One that was cancelled while waiting may wake after others have ended its lane and started the next."""
    lanes, member = AccountLanes("anew"), Member()
    lanes.join(member, Limits(lanes="company", max_in_flight=1))

    async def visit() -> None:
        with lanes.permit(1, lanes.limits) as permit:
            await permit.acquire("bulk")

    with lanes.permit(1, lanes.limits) as before:
        await before.acquire("bulk")
        waiting = asyncio.create_task(visit())
        await asyncio.sleep(0)
        waiting.cancel()
    with lanes.permit(1, lanes.limits) as anew:
        assert anew._lane is not before._lane
        await anew.acquire("bulk")
        await asyncio.wait([waiting])
        assert lanes.lane(1) is anew._lane
    assert not lanes._by_company


def test_who_waits_for_the_total_is_not_overtaken_by_who_wakes_later() -> None:
    """Found by the state machine: between a lane's two semaphores, a permit was given and its task has yet to wake."""
    machine = LaneMachine()
    machine.first_member(limits=Limits(max_in_flight=4, lanes="company", total=4))
    machine.enter(again=False, company=2, count=10, priority="interactive")
    machine.enter(again=False, company=0, count=1, priority="interactive")
    machine.leave_anyhow(how="success", which=0)
    machine.leave_in_order(count=1, how="success", seconds=0.0)
    machine.enter(again=False, company=1, count=1, priority="interactive")
    machine.leave_anyhow(how="success", which=0)
    machine.teardown()
