"""The gate, driven as a state machine, and its promises one by one."""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from woodpecker_async.engine.gate import Gate


class GateMachine(RuleBasedStateMachine):
    """Enter, leave, cancel and widen in any order; a model says who must be inside."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.limit = 2
        self.gate = Gate(self.limit)
        self.queues: dict[str, list[asyncio.Task[None]]] = {"interactive": [], "bulk": []}
        self.inside: list[asyncio.Task[None]] = []
        self.since_bulk = 0

    def step(self) -> None:
        """Let everything that can happen happen, in the model too."""
        for _ in range(3):
            self.loop.run_until_complete(asyncio.sleep(0))

    def admit(self) -> None:
        interactive, bulk = self.queues["interactive"], self.queues["bulk"]
        while len(self.inside) < self.limit and (interactive or bulk):
            take_bulk = bool(bulk) and (not interactive or self.since_bulk >= 7)
            self.since_bulk = 0 if take_bulk else self.since_bulk + 1
            self.inside.append((bulk if take_bulk else interactive).pop(0))

    @rule(priority=st.sampled_from(["interactive", "bulk"]), again=st.booleans())
    def enter(self, priority: str, again: bool) -> None:
        waits = len(self.inside) >= self.limit or self.queues["interactive"] or self.queues["bulk"]
        task = self.loop.create_task(self.gate.enter(priority, again=again))
        if not waits:
            self.inside.append(task)
        elif again:
            self.queues[priority].insert(0, task)
        else:
            self.queues[priority].append(task)
        self.admit()
        self.step()

    @rule(which=st.integers(0, 9))
    def leave(self, which: int) -> None:
        if self.inside:
            self.inside.pop(which % len(self.inside))
            self.gate.leave()
            self.admit()
            self.step()

    @rule(which=st.integers(0, 9), priority=st.sampled_from(["interactive", "bulk"]))
    def cancel_waiting(self, which: int, priority: str) -> None:
        queue = self.queues[priority]
        if queue:
            queue.pop(which % len(queue)).cancel()
            self.step()

    @rule(which=st.integers(0, 9), priority=st.sampled_from(["interactive", "bulk"]))
    def cancel_waiting_and_leave_at_once(self, which: int, priority: str) -> None:
        """The turn is cancelled, and before its task has noticed, a place becomes free."""
        queue = self.queues[priority]
        if queue and self.inside:
            queue.pop(which % len(queue)).cancel()
            self.inside.pop(0)
            self.gate.leave()
            self.admit()
            self.step()

    @rule(priority=st.sampled_from(["interactive", "bulk"]))
    def cancel_just_when_let_in(self, priority: str) -> None:
        """The place is given, and before the task runs it is cancelled: the place must go to the next."""
        if not self.inside or not any(self.queues.values()):
            return
        self.inside.pop(0)
        before = list(self.inside)
        self.gate.leave()
        self.admit()
        for task in [task for task in self.inside if task not in before]:
            task.cancel()
            self.inside.remove(task)
        self.step()
        # Their places were given back; each of them lets the next one in.
        self.admit()
        self.step()

    @rule(limit=st.integers(1, 5))
    def change_limit(self, limit: int) -> None:
        self.limit = self.gate.limit = limit
        self.gate.widened()
        self.admit()
        self.step()

    @invariant()
    def as_in_the_model(self) -> None:
        assert self.gate.inside == len(self.inside)
        assert all(task.done() and not task.cancelled() for task in self.inside)
        waiting = self.queues["interactive"] + self.queues["bulk"]
        assert not any(task.done() for task in waiting)
        assert self.gate.waiting == len(waiting)

    def teardown(self) -> None:
        for queue in self.queues.values():
            for task in queue:
                task.cancel()
        self.step()
        assert self.gate.waiting == 0
        assert all(task.cancelled() for queue in self.queues.values() for task in queue)
        self.loop.close()


TestGate = GateMachine.TestCase
TestGate.settings = settings(max_examples=60, stateful_step_count=40)


async def test_bulk_gets_one_in_eight() -> None:
    gate = Gate(1)
    await gate.enter("interactive")
    order: list[str] = []

    async def visit(priority) -> None:
        await gate.enter(priority)
        order.append(priority)
        gate.leave()

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(visit("bulk"))
        for _ in range(28):
            group.create_task(visit("interactive"))
        await asyncio.sleep(0)
        gate.leave()
    first = order[:32]
    assert first.count("bulk") == 4
    assert all(order[start : start + 8].count("bulk") == 1 for start in range(0, 32, 8))
    assert gate.idle


async def test_first_come_first_served() -> None:
    gate = Gate(2)
    order: list[int] = []

    async def visit(number: int) -> None:
        await gate.enter("interactive")
        order.append(number)
        await asyncio.sleep(0.001)
        gate.leave()

    await asyncio.gather(*(visit(number) for number in range(50)))
    assert order == list(range(50))


@pytest.mark.parametrize("moment", range(4))
async def test_a_cancelled_visitor_never_keeps_a_place(moment: int) -> None:
    gate = Gate(1)
    await gate.enter("bulk")
    waiting = asyncio.create_task(gate.enter("bulk"))
    for _ in range(moment):
        await asyncio.sleep(0)
    if moment >= 2:
        gate.leave()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    if moment < 2:
        gate.leave()
    await asyncio.wait_for(gate.enter("bulk"), 1)
    gate.leave()
    assert gate.idle
