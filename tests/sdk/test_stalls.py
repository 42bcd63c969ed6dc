"""A stall on a socket: callers give up in every possible way, and the server's queue is not overrun.

The rules are proved in virtual time (`tests/proofs/test_stalls.py`); here connections are real, kept
open for late responses and closed in the end.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.raw import answer, raw_server
from woodpecker_async import CallOptions, Limits, RetryPolicy, Timeouts, WoodpeckerSession, errors
from woodpecker_async.engine.lanes import _LEFT_BEHIND
from woodpecker_async.sandbox import Fault, Sandbox

STALL = 0.8
PATIENCE = 0.15
Call = Callable[[], Awaitable[object]]


def stalled(box: Sandbox) -> None:
    """From now on, the next request that arrives delays all others."""
    box.faults.add(Fault.wait(STALL, times=1))


def left_behind(box: Sandbox) -> int:
    return sum(len(backlog) for name, backlog in _LEFT_BEHIND.items() if box.base_url.rpartition(":")[2] in name)


async def everybody(call: Call, number: int, every: float) -> int:
    """A number of calls, one each `every` seconds; returns how many got a response."""

    async def one() -> bool:
        try:
            await call()
        except (TimeoutError, errors.WoodpeckerError):
            return False
        return True

    calls = []
    for _ in range(number):
        calls.append(asyncio.create_task(one()))
        await asyncio.sleep(every)
    return sum(await asyncio.gather(*calls))


@pytest.mark.parametrize("way", ["cancelled", "timed out", "written", "a session each"])
async def test_callers_that_give_up_do_not_overrun_the_queue(way: str, no_tasks_left: None) -> None:
    async with Sandbox(companies=1, keys_per_company=1, service_time=0.005) as box:
        once = RetryPolicy(attempts=1)
        timeouts = Timeouts(attempt=PATIENCE if way == "timed out" else 30)
        async with box.session(retry=once, timeouts=timeouts) as woodpecker:

            async def call() -> None:
                async with asyncio.timeout(None if way == "timed out" else PATIENCE):
                    if way == "written":
                        await woodpecker.agency_v1.create_api_key(box.company_ids[0], "a")
                    elif way == "a session each":
                        async with box.session() as own:
                            await own.account.me()
                    else:
                        await woodpecker.account.me()

            await everybody(call, 10, 0.02)
            if way == "a session each":
                await woodpecker.aclose()
            stalled(box)
            await everybody(call, 50, 0.02)
            # Twice the stall after it began, at the latest, all is as before.
            async with asyncio.timeout(10):
                while await everybody(call, 5, 0.02) < 5:
                    pass
            assert box.stats.refused <= 1
            assert box.stats.peak_queued[box.state.hq.id] == 7
            assert left_behind(box) == 0


async def test_one_caller_after_another(no_tasks_left: None) -> None:
    async with Sandbox(companies=1, service_time=0.005) as box, box.session() as woodpecker:

        async def call() -> None:
            async with asyncio.timeout(0.1):
                await woodpecker.account.me()

        await woodpecker.account.me()
        stalled(box)
        answered = 0
        for _ in range(30):
            try:
                await call()
                answered += 1
            except TimeoutError:
                pass
        assert box.stats.refused == 0
        assert 10 <= answered < 27


def test_an_event_loop_for_each_call() -> None:
    with Sandbox(companies=1, service_time=0.005) as box:

        async def call() -> bool:
            try:
                async with asyncio.timeout(0.2), box.session() as woodpecker:
                    await woodpecker.account.me()
            except TimeoutError:
                return False
            return True

        assert asyncio.run(call())
        stalled(box)
        outcomes = [asyncio.run(call()) for _ in range(40)]
        assert box.stats.refused == 0
        assert all(outcomes[-5:])


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here")
def test_connections_that_listen_end_with_their_event_loop() -> None:
    """One outlives its session, and none outlives its event loop; there are no warnings."""
    with Sandbox(companies=1, service_time=0.005) as box:

        async def give_up() -> None:
            async with box.session() as woodpecker:
                await woodpecker.account.me()
                stalled(box)
                calls = [asyncio.create_task(woodpecker.account.me()) for _ in range(5)]
                await asyncio.sleep(0.1)
                for call in calls:
                    call.cancel()
                await asyncio.gather(*calls, return_exceptions=True)
            assert left_behind(box) > 0

        before = open_descriptors()
        asyncio.run(give_up())
        for _ in range(500):
            if open_descriptors() <= before:  # the server's side of a connection ends a little later
                break
            time.sleep(0.01)
        assert open_descriptors() <= before


async def test_the_session_that_is_closed_last_leaves_one_connection() -> None:
    """The response to the last request accounts for those before it as well."""
    go_on = asyncio.Event()

    async def handle(server, number: int, head: str) -> bytes | None:
        await go_on.wait()
        return answer(b"{}")

    async with raw_server(handle) as server:
        async with WoodpeckerSession("1.key", base_url=server.url) as woodpecker:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(woodpecker.account.me(), 0.1)
        backlog = next(backlog for name, backlog in _LEFT_BEHIND.items() if server.url.rpartition(":")[2] in name)
        assert len(backlog) == 3
        assert sum(request.connection is not None for request in backlog._requests) == 1
        go_on.set()
        async with asyncio.timeout(10):
            while len(backlog):
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("status", "left"), [("200 OK", 0), ("404 Not Found", 0), ("429 Too Many", 0), ("504 Gateway Timeout", 1)]
)
async def test_a_late_answer_says_what_it_says(status: str, left: int) -> None:
    go_on = asyncio.Event()

    async def handle(server, number: int, head: str) -> bytes | None:
        await go_on.wait()
        return answer(b"{}", status)

    async with raw_server(handle) as server, WoodpeckerSession("1.key", base_url=server.url) as woodpecker:
        with pytest.raises(errors.AttemptTimeoutError):
            await woodpecker.account.me(options=CallOptions(attempt_timeout=0.1, retry=RetryPolicy(attempts=1)))
        backlog = next(backlog for name, backlog in _LEFT_BEHIND.items() if server.url.rpartition(":")[2] in name)
        assert len(backlog) == 1
        go_on.set()
        async with asyncio.timeout(10):
            while any(request.connection is not None for request in backlog._requests):
                await asyncio.sleep(0.01)
        assert len(backlog) == left


async def test_a_request_that_was_never_sent_leaves_nothing_behind() -> None:
    """Abandoned while connecting: the server never received it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        async with WoodpeckerSession("1.key", base_url=f"https://127.0.0.1:{port}/rest") as woodpecker:
            for _ in range(8):
                with pytest.raises(TimeoutError):  # the handshake never gets a response
                    await asyncio.wait_for(woodpecker.account.me(), 0.05)
            assert not any(f":{port}/" in name for name in _LEFT_BEHIND)


async def test_a_lane_that_is_full_of_what_was_given_up_says_so() -> None:
    async def handle(server, number: int, head: str) -> bytes | None:
        await asyncio.sleep(60)
        return None

    limits, timeouts = Limits(max_in_flight=1), Timeouts(lane=0.1)
    async with raw_server(handle) as server:
        async with WoodpeckerSession("1.key", base_url=server.url, limits=limits, timeouts=timeouts) as woodpecker:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(woodpecker.account.me(), 0.1)
            with pytest.raises(errors.LaneTimeoutError, match="given up but are still at the server") as refused:
                await woodpecker.account.me()
            assert not refused.value.maybe_sent
