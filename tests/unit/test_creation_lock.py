"""One creation at a time at a company, in the whole process; and what is remembered of earlier ones."""

import asyncio
import gc
import os
import threading
from collections.abc import Iterator

import pytest

from tests.fakes import VirtualClock
from woodpecker_async import creation_lock as locks
from woodpecker_async.creation_lock import CreationLock, creation_lock
from woodpecker_async.engine.clock import SystemClock
from woodpecker_async.errors import DeadlineExceededError

CLOCK = SystemClock()


def soon(seconds: float = 20) -> float:
    return CLOCK.now() + seconds


async def hold(lock: CreationLock, log: list[str], name: str, release: asyncio.Event | None = None) -> None:
    async with lock.acquire(CLOCK, soon()):
        log.append(f"+{name}")
        if release is not None:
            await release.wait()
        else:
            await asyncio.sleep(0)
        log.append(f"-{name}")


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_at_a_time_in_the_order_of_arrival() -> None:
    log: list[str] = []
    await asyncio.gather(*(hold(creation_lock("a", 1), log, name) for name in "123"))
    assert log == ["+1", "-1", "+2", "-2", "+3", "-3"]


async def test_companies_and_accounts_do_not_wait_for_each_other() -> None:
    log: list[str] = []
    release = asyncio.Event()
    tasks = [
        asyncio.create_task(hold(creation_lock(account, company_id), log, f"{account}{company_id}", release))
        for account, company_id in (("a", 1), ("a", 2), ("b", 1))
    ]
    await settle()
    assert log == ["+a1", "+a2", "+b1"]
    release.set()
    await asyncio.gather(*tasks)


async def test_who_comes_as_the_lock_becomes_free_does_not_jump_the_queue() -> None:
    lock, log, release = creation_lock("a", 1), [], asyncio.Event()
    first = asyncio.create_task(hold(lock, log, "1", release))
    await settle()
    second = asyncio.create_task(hold(lock, log, "2"))
    await settle()
    release.set()
    await first  # the second has been woken, and has not run yet
    await hold(lock, log, "3")
    await second
    assert log == ["+1", "-1", "+2", "-2", "+3", "-3"]


async def test_forgetting_forgets_everything() -> None:
    lock = creation_lock("a", 1)
    lock.hand_out("f", "crm", "id")
    lock.mark_in_flight(20, 0)
    locks.forget()
    assert creation_lock("a", 1) is not lock
    assert not locks._in_flight
    assert not locks._remembered


async def test_who_gives_up_waiting_lets_the_next_through() -> None:
    lock, log, release = creation_lock("a", 1), [], asyncio.Event()
    first = asyncio.create_task(hold(lock, log, "1", release))
    await settle()
    second = asyncio.create_task(hold(lock, log, "2"))
    third = asyncio.create_task(hold(lock, log, "3"))
    await settle()
    second.cancel()
    release.set()
    await asyncio.gather(first, third)
    assert log == ["+1", "-1", "+3", "-3"]


async def test_who_is_cancelled_as_its_turn_comes_lets_the_next_through() -> None:
    lock, log, release = creation_lock("a", 1), [], asyncio.Event()
    first = asyncio.create_task(hold(lock, log, "1", release))
    await settle()
    second = asyncio.create_task(hold(lock, log, "2"))
    third = asyncio.create_task(hold(lock, log, "3"))
    await settle()
    release.set()
    await first  # the second has been woken, and has not run yet
    second.cancel()
    await third
    assert log == ["+1", "-1", "+3", "-3"]


async def test_waiting_ends_at_the_deadline_and_nothing_was_sent() -> None:
    lock, release = creation_lock("a", 1), asyncio.Event()
    first = asyncio.create_task(hold(lock, [], "1", release))
    await settle()
    with pytest.raises(DeadlineExceededError, match="nothing was sent") as caught:
        async with lock.acquire(CLOCK, soon(0.05)):
            pass
    assert not caught.value.maybe_sent
    release.set()
    await first
    async with lock.acquire(CLOCK, soon()):
        pass


async def test_what_is_in_flight_is_waited_for_until_the_deadline() -> None:
    clock = VirtualClock()
    lock = creation_lock("a", 1)
    lock.mark_in_flight(clock.now() + 20, clock.now())
    with pytest.raises(DeadlineExceededError, match="may still be working"):
        async with lock.acquire(clock, clock.now() + 5):
            pass
    assert clock.slept == [5]
    async with lock.acquire(clock, clock.now() + 60, wait_until_finished=False):
        pass
    assert clock.slept == [5]
    async with lock.acquire(clock, clock.now() + 60):
        assert clock.slept == [5, 15]
    lock.mark_in_flight(clock.now() + 20, clock.now())
    lock.mark_finished()
    async with lock.acquire(clock, clock.now() + 60):
        assert clock.slept == [5, 15]


def in_threads(count: int, work: object) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert not failures


def test_event_loops_in_several_threads_take_turns() -> None:
    inside, most, turns = 0, 0, 0

    async def work() -> None:
        async def one() -> None:
            nonlocal inside, most, turns
            async with creation_lock("a", 1).acquire(CLOCK, soon(30)):
                inside += 1
                most = max(most, inside)
                turns += 1
                await asyncio.sleep(0.001)
                inside -= 1

        await asyncio.gather(*(one() for _ in range(20)))

    in_threads(4, work)
    assert (most, turns) == (1, 80)


def test_cancellation_in_one_thread_does_not_strand_the_others() -> None:
    turns = 0

    async def work() -> None:
        async def one(patience: float) -> None:
            nonlocal turns
            try:
                async with asyncio.timeout(patience), creation_lock("a", 1).acquire(CLOCK, soon(30)):
                    await asyncio.sleep(0.002)
                    turns += 1
            except TimeoutError:
                pass

        await asyncio.gather(*(one(0.001 * (number % 7)) for number in range(30)), one(30))

    in_threads(4, work)
    assert turns >= 4


@pytest.fixture
def other_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def test_a_holder_whose_loop_was_closed_holds_nobody_up(other_loop: asyncio.AbstractEventLoop) -> None:
    lock, log = creation_lock("a", 1), []
    left = [hold(lock, log, "gone", asyncio.Event()), hold(lock, log, "gone too")]

    async def start() -> list[asyncio.Task[None]]:
        tasks = [asyncio.ensure_future(one) for one in left]
        await settle()
        return tasks

    tasks = other_loop.run_until_complete(start())
    other_loop.close()  # with its tasks still pending
    asyncio.run(hold(lock, log, "next"))
    assert log == ["+gone", "+next", "-next"]
    for task in tasks:
        task._log_destroy_pending = False


def test_a_waiter_on_a_loop_that_does_not_run_holds_nobody_up(other_loop: asyncio.AbstractEventLoop) -> None:
    lock, log = creation_lock("a", 1), []

    async def main() -> None:
        release = asyncio.Event()
        first = asyncio.create_task(hold(lock, log, "1", release))
        await settle()

        def elsewhere() -> asyncio.Task[None]:
            async def start() -> asyncio.Task[None]:
                task = asyncio.ensure_future(hold(lock, log, "stopped"))
                await settle()
                return task

            return other_loop.run_until_complete(start())

        stopped = await asyncio.to_thread(elsewhere)
        release.set()
        await first
        await hold(lock, log, "2")
        assert log == ["+1", "-1", "+2", "-2"]
        stopped.cancel()
        await asyncio.to_thread(other_loop.run_until_complete, asyncio.gather(stopped, return_exceptions=True))

    asyncio.run(main())


@pytest.mark.system
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
async def test_a_forked_child_does_not_wait_for_the_parents_creations() -> None:
    lock, release = creation_lock("a", 1), asyncio.Event()
    first = asyncio.create_task(hold(lock, [], "parent", release))
    await settle()
    lock.hand_out("f", "crm", "id")
    with locks._guard:  # held at the fork, as another thread might
        child = os.fork()
        if child == 0:
            code = 1
            try:
                thread = threading.Thread(target=lambda: asyncio.run(hold(lock, [], "child")))
                thread.start()
                thread.join(10)
                code = 0 if not thread.is_alive() and "f" in lock.handed_out() else 2
            finally:
                os._exit(code)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    release.set()
    await first


async def test_a_lock_outlives_its_users_only_while_it_has_something_to_remember() -> None:
    clock = VirtualClock()
    for company_id in range(5000):
        lock = creation_lock("a", company_id)
        async with lock.acquire(clock, clock.now() + 1):
            lock.mark_in_flight(clock.now() + 20, clock.now())
            if company_id % 2:  # the others were cancelled
                lock.mark_finished()
        clock.time += 1
    gc.collect()
    assert len(locks._in_flight) <= 20
    assert len(locks._locks) <= 21


async def test_the_latest_keys_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_REMEMBERED", 100)
    for company_id in range(1000):
        creation_lock("a", company_id).hand_out(f"f{company_id}", "crm", "id")
    gc.collect()
    assert len(locks._locks) == len(locks._remembered) == 100
    assert "f999" in creation_lock("a", 999).handed_out()
    lock = creation_lock("a", 1)
    for number in range(1000):
        lock.hand_out(f"g{number}", "crm", "id")
    assert len(lock.handed_out()) == 100
    assert len(locks._locks) <= 2


def test_a_list_is_compared_with_what_was_handed_out() -> None:
    lock = creation_lock("a", 1)
    lock.hand_out("f", "crm", "id")
    lock.hand_out("g", "erp", "id")
    assert lock.compare({"f", "g"}, 100, 20) == (set(), set())
    assert lock.compare({"g"}, 110, 20) == ({"f"}, set())
    assert lock.compare({"f", "g"}, 120, 20) == (set(), set())  # it was lagging, and starts over
    assert lock.compare({"g"}, 130, 20) == ({"f"}, set())
    assert lock.compare({"g"}, 149, 20) == ({"f"}, set())
    assert lock.compare({"g"}, 150, 20) == (set(), {"f"})
    assert lock.compare({"g"}, 151, 20) == (set(), set())
    assert set(lock.handed_out()) == {"g"}


def test_one_miss_is_never_enough_to_forget_a_key() -> None:
    lock = creation_lock("a", 1)
    lock.hand_out("f", "crm", "id")
    assert lock.compare((), 100, 0) == ({"f"}, set())
    assert lock.compare((), 100, 0) == (set(), {"f"})
