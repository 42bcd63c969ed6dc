"""The kit's clock: waits pass at once, and it makes no response late."""

import asyncio
import json
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async import CallOptions, RetryPolicy, Timeouts, WoodpeckerSession, bulk, errors
from woodpecker_async.sandbox import Fault, Sandbox
from woodpecker_async.testing import Clock


@pytest.fixture(params=["on this loop", "on a thread"])
async def timed(request):
    """A sandbox, a session and their clock."""
    clock = Clock()
    box = Sandbox(companies=12, clock=clock)
    if request.param == "on a thread":
        with box:
            async with box.session() as woodpecker:
                yield box, woodpecker, clock
    else:
        async with box, box.session() as woodpecker:
            yield box, woodpecker, clock


async def passed(clock, call):
    """The result of a call, and how long it took: on the clock, and on the machine's."""
    virtual, real = clock.now(), time.monotonic()
    try:
        outcome = await call
    except errors.WoodpeckerError as error:
        outcome = error
    return outcome, clock.now() - virtual, time.monotonic() - real


@pytest.mark.parametrize(
    ("faults", "kind", "least"),
    [
        (["down"], errors.ConnectionLostError, 1),
        (["status 503 times=always"], errors.ServerError, 1),
        (['status 429 times=always headers=\'{"Retry-After": "50"}\''], errors.RateLimitedError, 100),
        (["wait 1000 times=always"], errors.WoodpeckerError, 80),
        (["wait 1000 times=always at=arrival"], errors.WoodpeckerError, 90),
    ],
)
async def test_an_upstream_that_fails_for_good(timed, faults, kind, least):
    box, woodpecker, clock = timed
    box.faults.add(*faults)
    outcome, virtual, real = await passed(clock, woodpecker.account.me())
    assert isinstance(outcome, kind)
    assert least < virtual < 125 + real  # the clock counts real time, too
    assert real < virtual / 2
    assert clock.skipped > least / 2


async def test_an_attempt_that_hangs_times_out_at_once(timed):
    box, woodpecker, clock = timed
    fault = Fault.wait(1000)
    box.faults.add(fault)
    options = CallOptions(retry=RetryPolicy(attempts=1))
    outcome, virtual, real = await passed(clock, woodpecker.account.me(options=options))
    assert isinstance(outcome, errors.AttemptTimeoutError)
    assert 30 <= virtual < 40
    assert real < 10
    assert outcome.attempts[0].elapsed == pytest.approx(30, abs=5)
    assert box.faults.hits(fault) == 1


async def test_a_wait_for_a_turn_in_the_lane(timed):
    """The abandoned request keeps its place; the next one waits in virtual time."""
    box, woodpecker, clock = timed
    box.faults.add(Fault.wait(60, at="after_commit"))
    options = CallOptions(attempt_timeout=5, retry=RetryPolicy(attempts=1))
    calls = [woodpecker.company(company).me(options=options) for company in box.company_ids]
    outcomes, virtual, real = await passed(clock, asyncio.gather(*calls, return_exceptions=True))
    assert len(outcomes) == 12
    assert 5 <= virtual < 500
    assert real < 20
    after, virtual, _ = await passed(clock, woodpecker.account.me())
    assert not isinstance(after, Exception)
    assert virtual < 300


async def test_the_time_for_a_turn_runs_out_at_once():
    clock = Clock()
    with Sandbox(companies=12, clock=clock) as box:
        async with box.session(timeouts=Timeouts(lane=20)) as woodpecker:
            box.faults.add(Fault.wait(25, times=None))
            calls = [woodpecker.company(company).me() for company in box.company_ids]
            outcomes, virtual, real = await passed(clock, asyncio.gather(*calls, return_exceptions=True))
    assert any(isinstance(outcome, errors.LaneTimeoutError) for outcome in outcomes)
    assert real < virtual / 2


@pytest.mark.parametrize("late", [None, 3, 19.5])
async def test_settling_a_lost_creation(timed, late):
    box, woodpecker, clock = timed
    company = box.company_ids[0]
    box.faults.add(Fault.close(method="POST") if late is None else Fault.late_commit(late, method="POST"))
    made, virtual, real = await passed(clock, woodpecker.agency.api_keys.create(company, "crm"))
    assert [key.secret for key in box.state.listed(company) if key.label == "crm"] == [made.api_key.reveal()]
    assert virtual >= (20 if late is None else late)
    assert real < virtual


async def test_an_answer_in_real_time_is_never_too_late():
    """A server other than a sandbox takes real time, while others wait in virtual time."""
    clock = Clock()
    answering = asyncio.Event()

    async def slow(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        answering.set()
        await asyncio.sleep(0.2)
        body = json.dumps({"id": 1}).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        writer.close()

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    order = []
    async with server, WoodpeckerSession("1.a", base_url=f"http://127.0.0.1:{port}/rest", clock=clock) as woodpecker:

        async def call():
            await woodpecker.account.me(options=CallOptions(attempt_timeout=50, deadline=60))
            order.append("answer")

        async def sleeper():
            await answering.wait()
            await clock.sleep(40)
            order.append("slept")

        await asyncio.gather(call(), sleeper())
    assert order == ["answer", "slept"]
    assert clock.skipped > 35


async def test_a_busy_sandbox_is_never_too_late():
    """Work that the server does in real time stops the clock, however slow its thread is."""
    clock = Clock()
    with Sandbox(companies=1, clock=clock) as box:

        def slow(info, answer):
            time.sleep(0.2)  # the machine appears to be slow
            return answer

        box.faults.add(Fault.rewriting(slow, times=None))
        async with box.session(timeouts=Timeouts(attempt=0.5)) as woodpecker:
            sleeper = asyncio.create_task(clock.sleep(1000))
            assert (await woodpecker.account.me()) is not None
            await sleeper
            assert [record.status for record in box.journal] == [200]


@given(waits=st.lists(st.floats(0.01, 1e6), min_size=1, max_size=12))
def test_whoever_waits_wakes_in_order_and_on_time(waits):
    clock = Clock()
    woke = []

    async def sleep(seconds, began):
        await clock.sleep(seconds)
        woke.append(seconds)
        assert seconds <= clock.now() - began < seconds + 30

    async def main():
        began = clock.now()
        await asyncio.gather(*(sleep(seconds, began) for seconds in waits))

    asyncio.run(main())
    apart = all(b - a > 0.1 for a, b in zip(sorted(woke), sorted(woke)[1:], strict=False))
    assert sorted(woke) == sorted(waits)
    assert not apart or woke == sorted(woke)


async def test_nothing_is_skipped_before_whoever_is_due_has_run():
    """However late a slow machine comes to it: here, the end of a sleep and a look around at the same moment."""
    clock = Clock()
    began = clock.now()
    woke = []

    async def sleep(seconds):
        await clock.sleep(seconds)
        woke.append(clock.now() - began)

    async with asyncio.TaskGroup() as tasks:
        with clock.serving("a client"):
            for seconds in (0.1, 1e5):
                tasks.create_task(sleep(seconds))
            await asyncio.sleep(0.05)
            time.sleep(0.1)
        time.sleep(0.05)
    assert 0.1 <= woke[0] < 1000
    assert woke[1] >= 1e5


class Stalling(Clock):
    """A clock whose server is stopped by the machine in the middle of each step it takes here."""

    def __init__(self):
        super().__init__()
        self._client = threading.get_ident()

    def _stall(self):
        if threading.get_ident() != self._client:
            time.sleep(0.01)

    def _tell(self, *arguments):
        super()._tell(*arguments)
        self._stall()

    def _timer(self, *arguments, **more):
        self._stall()
        try:
            return super()._timer(*arguments, **more)
        finally:
            self._stall()

    def _count(self, *arguments):
        super()._count(*arguments)
        self._stall()


@pytest.mark.parametrize("times", [{"service_time": 0.005}, {"round_trip": 0.01}, {"service_time": 5, "round_trip": 1}])
async def test_a_server_that_is_stopped_anywhere_is_waited_for(times):
    clock = Stalling()
    with Sandbox(companies=1, clock=clock, **times) as box:
        async with box.session() as woodpecker, asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(woodpecker.account.me())
        assert [record.status for record in box.journal] == [200] * 3  # no attempt timed out
    assert clock.skipped < 25


async def test_advance():
    clock = Clock()
    woke = asyncio.create_task(clock.sleep(50))
    await asyncio.sleep(0)
    before = clock.now(), clock.utcnow()
    clock.advance(60)
    assert clock.now() - before[0] >= 60
    assert (clock.utcnow() - before[1]).total_seconds() >= 60
    await woke
    assert clock.skipped == pytest.approx(60, abs=1)
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="seconds must be a number >= 0"):
            clock.advance(wrong)


async def test_a_sleep_can_be_cancelled_and_leaves_nothing():
    clock = Clock()
    sleeper = asyncio.create_task(clock.sleep(1e9))
    await asyncio.sleep(0)
    sleeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeper
    await asyncio.sleep(0.02)
    assert clock.skipped == 0


def test_what_an_event_loop_left_behind_holds_nobody_up():
    clock = Clock()
    with Sandbox(companies=1, clock=clock) as box:
        box.faults.add(Fault.wait(5000, at="arrival"))

        async def give_up():
            session = box.session()
            call = asyncio.ensure_future(session.account.me())
            while not box.journal:
                await asyncio.sleep(0.001)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            await session.aclose()

        async def goes_on():
            began = time.monotonic()
            async with box.session() as session:
                await clock.sleep(100)
                await session.account.me()
            assert time.monotonic() - began < 30

        asyncio.run(give_up())
        asyncio.run(goes_on())


def test_chance_is_the_same_in_each_run():
    assert [Clock(seed=3).random() for _ in range(2)] == [Clock(seed=3).random()] * 2
    assert Clock(seed=3).random() != Clock(seed=4).random()


async def test_bulk_over_an_upstream_that_stumbles(timed):
    box, woodpecker, clock = timed
    box.faults.add(Fault.status(503, probability=0.3, times=None))
    async with bulk.list_api_keys(woodpecker) as run:
        outcomes = [outcome async for outcome in run]
    assert len(outcomes) == 12
    assert clock.skipped > 0.1


def test_a_session_of_code_that_runs_on_other_threads():
    clock = Clock()
    with Sandbox(companies=3, clock=clock) as box:
        box.faults.add(Fault.status(503, times=6))
        failed = []

        def work():
            async def main():
                async with box.session() as session:
                    await session.account.me()

            try:
                asyncio.run(main())
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed


def test_a_clock_of_four_methods_still_serves():
    """Then attempts and turns use the event loop's clock."""

    class Plain:
        slept = 0.0

        def now(self):
            return time.monotonic() + self.slept

        utcnow = Clock().utcnow

        def random(self):
            return 0.5

        async def sleep(self, seconds):
            self.slept += seconds

    async def main():
        clock = Plain()
        async with Sandbox(companies=1) as box, box.session(clock=clock) as session:
            box.faults.add(Fault.status(503, times=2))
            await session.account.me()
        assert clock.slept > 0.5

    asyncio.run(main())
