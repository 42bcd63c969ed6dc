"""The semaphore, driven as a state machine, and its promises one by one."""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from woodpecker_async.engine.semaphore import PrioritySemaphore


class GateMachine(RuleBasedStateMachine):
    """Enter, leave, cancel and widen in any order; a model says who must be inside."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.limit = 2
        self.gate = PrioritySemaphore(self.limit)
        self.queues: dict[str, list[asyncio.Task[None]]] = {"interactive": [], "bulk": []}
        self.inside: list[asyncio.Task[None]] = []
        self.since_bulk = 0

    def step(self) -> None:
        """Run everything that can run, in the model too."""
        for _ in range(3):
            self.loop.run_until_complete(asyncio.sleep(0))

    def admit(self) -> None:
        interactive, bulk = self.queues["interactive"], self.queues["bulk"]
        while len(self.inside) < self.limit and (interactive or bulk):
            take_bulk = bool(bulk) and (not interactive or self.since_bulk >= 7)
            self.since_bulk = 0 if take_bulk else self.since_bulk + 1
            self.inside.append((bulk if take_bulk else interactive).pop(0))

    @rule(priority=st.sampled_from(["interactive", "bulk"]), front=st.booleans())
    def enter(self, priority: str, front: bool) -> None:
        waits = len(self.inside) >= self.limit or self.queues["interactive"] or self.queues["bulk"]
        task = self.loop.create_task(self.gate.acquire(priority, front=front))
        if not waits:
            self.inside.append(task)
        elif front:
            self.queues[priority].insert(0, task)
        else:
            self.queues[priority].append(task)
        self.admit()
        self.step()

    @rule(which=st.integers(0, 9))
    def leave(self, which: int) -> None:
        if self.inside:
            self.inside.pop(which % len(self.inside))
            self.gate.release()
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
        """The turn is cancelled, and before its task notices, a permit becomes free."""
        queue = self.queues[priority]
        if queue and self.inside:
            queue.pop(which % len(queue)).cancel()
            self.inside.pop(0)
            self.gate.release()
            self.admit()
            self.step()

    @rule(priority=st.sampled_from(["interactive", "bulk"]))
    def cancel_just_when_let_in(self, priority: str) -> None:
        """The permit is given, and the task is cancelled before it runs: the permit must go to the next."""
        if not self.inside or not any(self.queues.values()):
            return
        self.inside.pop(0)
        before = list(self.inside)
        self.gate.release()
        self.admit()
        for task in [task for task in self.inside if task not in before]:
            task.cancel()
            self.inside.remove(task)
        self.step()
        # Their permits were given back; each of them lets the next one in.
        self.admit()
        self.step()

    @rule(limit=st.integers(1, 5))
    def change_limit(self, limit: int) -> None:
        self.limit = self.gate.limit = limit
        self.gate.wake_waiters()
        self.admit()
        self.step()

    @invariant()
    def as_in_the_model(self) -> None:
        assert self.gate.in_use == len(self.inside)
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
TestGate.settings = settings(stateful_step_count=40)


async def test_bulk_gets_one_in_eight() -> None:
    gate = PrioritySemaphore(1)
    await gate.acquire("interactive")
    order: list[str] = []

    async def visit(priority) -> None:
        await gate.acquire(priority)
        order.append(priority)
        gate.release()

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(visit("bulk"))
        for _ in range(28):
            group.create_task(visit("interactive"))
        await asyncio.sleep(0)
        gate.release()
    assert [place for place, priority in enumerate(order[:32]) if priority == "bulk"] == [7, 15, 23, 31]
    assert gate.idle


async def test_first_come_first_served() -> None:
    gate = PrioritySemaphore(2)
    order: list[int] = []

    async def visit(number: int) -> None:
        await gate.acquire("interactive")
        order.append(number)
        await asyncio.sleep(0.001)
        gate.release()

    await asyncio.gather(*(visit(number) for number in range(50)))
    assert order == list(range(50))


@pytest.mark.parametrize("moment", range(4))
async def test_a_cancelled_visitor_never_keeps_a_place(moment: int) -> None:
    gate = PrioritySemaphore(1)
    await gate.acquire("bulk")
    waiting = asyncio.create_task(gate.acquire("bulk"))
    for _ in range(moment):
        await asyncio.sleep(0)
    if moment >= 2:
        gate.release()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    if moment < 2:
        gate.release()
    await asyncio.wait_for(gate.acquire("bulk"), 30)
    gate.release()
    assert gate.idle


def entered(gate: PrioritySemaphore) -> bool:
    """Whether it is entered without any waiting; if so, it is left again."""
    if gate.try_acquire():
        gate.release()
        return True
    return False


async def test_where_there_is_room_nobody_yields() -> None:
    gate = PrioritySemaphore(1)
    with pytest.raises(StopIteration):
        gate.acquire("bulk").send(None)
    assert gate.in_use == 1


async def test_it_is_idle_when_nobody_is_inside_and_nobody_waits() -> None:
    gate = PrioritySemaphore(1)
    assert gate.idle
    await gate.acquire("bulk")
    assert not gate.idle
    waiting = asyncio.create_task(gate.acquire("bulk"))
    await asyncio.sleep(0)
    gate.limit = 0
    gate.release()
    assert (gate.in_use, gate.waiting) == (0, 1)
    assert not gate.idle
    waiting.cancel()
    await asyncio.wait([waiting])
    assert gate.idle


@pytest.mark.parametrize("ending", ["entered", "cancelled before it woke", "cancelled when it was given the place"])
async def test_who_is_on_the_way_in_is_counted_and_then_no_longer(ending: str) -> None:
    """A leaked count of arrivals would disable the fast path forever."""
    gate = PrioritySemaphore(2)
    for _ in range(2):
        await gate.acquire("bulk")
    arriving = asyncio.create_task(gate.acquire("bulk"))
    await asyncio.sleep(0)
    if ending == "cancelled before it woke":
        arriving.cancel()
    gate.release()
    if ending == "cancelled when it was given the place":
        arriving.cancel()
    gate.limit = 3
    assert entered(gate) == (ending == "cancelled before it woke")  # it has been given a permit, and goes first
    await asyncio.wait([arriving])
    assert entered(gate)
    for _ in range(gate.in_use):
        gate.release()
    assert gate.idle
    assert entered(gate)


async def test_whoever_comes_while_another_is_on_the_way_in_enters_behind_it() -> None:
    gate = PrioritySemaphore(1)
    await gate.acquire("interactive")
    order: list[str] = []

    async def visit(name: str) -> None:
        await gate.acquire("interactive")
        order.append(name)

    first = asyncio.create_task(visit("first"))
    await asyncio.sleep(0)
    second = asyncio.create_task(visit("second"))  # comes before the first has woken
    gate.release()
    gate.limit = 2  # there is room for both, without a notification
    await asyncio.wait_for(asyncio.gather(first, second), 30)
    assert order == ["first", "second"]


@pytest.mark.parametrize("full", [True, False])
async def test_whoever_has_to_wait_is_not_let_in_where_it_is_full(full: bool) -> None:
    gate = PrioritySemaphore(1)
    await gate.acquire("bulk")
    waiting = [asyncio.create_task(gate.acquire("bulk")) for _ in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert (gate.in_use, gate.waiting) == (1, 3)
    if not full:
        gate.limit = 3
        gate.wake_waiters()
        for _ in range(5):
            await asyncio.sleep(0)
        assert (gate.in_use, gate.waiting) == (3, 1)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)


async def order_of(gate: PrioritySemaphore, *comers: tuple[str, bool], cancelled: str = "") -> list[str]:
    """The order of entry: the names of those that arrive, and whether they arrive again."""
    order: list[str] = []

    async def visit(name: str, front: bool) -> None:
        await gate.acquire("bulk", front=front)
        order.append(name)
        gate.release()

    tasks = {}
    for name, front in comers:
        tasks[name] = asyncio.create_task(visit(name, front))
        await asyncio.sleep(0)
    for name in cancelled:
        tasks[name].cancel()
    gate.release()
    await asyncio.wait(tasks.values(), timeout=5)
    return order


async def test_who_comes_again_goes_to_the_head() -> None:
    gate = PrioritySemaphore(1)
    await gate.acquire("bulk")
    assert await order_of(gate, ("a", False), ("b", True), ("c", False), ("d", True)) == ["d", "b", "a", "c"]


async def test_newest_first_is_the_other_way_round() -> None:
    gate = PrioritySemaphore(1)
    gate.newest_first = True
    await gate.acquire("bulk")
    comers = [(name, False) for name in "abcdef"]
    assert await order_of(gate, *comers, cancelled="bef") == ["d", "c", "a"]
    assert gate.idle
    await gate.acquire("bulk")
    gate.newest_first = False
    assert await order_of(gate, *comers, cancelled="abf") == ["c", "d", "e"]
    assert gate.idle
