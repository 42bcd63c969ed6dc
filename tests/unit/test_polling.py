"""Waiting for long work: how often it polls, for how long, and its result, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import VirtualClock
from woodpecker_async import CallOptions
from woodpecker_async.errors import (
    ConfigError,
    DeadlineExceededError,
    LaneTimeoutError,
    OutcomeUnknownError,
    ServerError,
)
from woodpecker_async.polling import Wait


class Work:
    """Something that is done after some seconds."""

    def __init__(self, clock: VirtualClock, takes: float, looking: float = 0.0) -> None:
        self.clock, self.began, self.takes, self.looking = clock, clock.now(), takes, looking
        self.looks: list[float] = []
        self.options: list[CallOptions] = []

    async def look(self, options: CallOptions, ends: float) -> str:
        self.options.append(options)
        self.looks.append(self.clock.now() - self.began)
        self.clock.time += self.looking
        return "done" if self.clock.now() - self.began >= self.takes else "busy"


def begin(clock: VirtualClock, deadline: float = 60, on_progress: Any = None, options: Any = None) -> Wait:
    return Wait.begin(clock, deadline=deadline, on_progress=on_progress, options=options)


def wait(waiting: Wait, look: Callable[[CallOptions, float], Awaitable[str]]) -> Awaitable[str]:
    return waiting.until(lambda state: state == "done", look, job="abc", progress=str, go_on="go on like this")


async def test_the_pauses_grow_up_to_a_longest_one() -> None:
    clock = VirtualClock()
    work = Work(clock, takes=120)
    assert await wait(begin(clock, 200), work.look) == "done"
    assert clock.slept[:4] == [0.5, 0.75, 1.125, 1.6875]
    assert clock.slept == sorted(clock.slept)
    assert clock.slept[-1] == 15
    assert len(work.looks) < 20


@given(st.floats(0.01, 2000), st.floats(0, 2000), st.floats(0, 5), st.floats(0, 0.999))
def test_no_look_begins_after_the_deadline_and_what_is_done_in_time_is_found(
    deadline: float, takes: float, looking: float, chance: float
) -> None:
    clock = VirtualClock(chance)
    work = Work(clock, takes, looking)
    try:
        asyncio.run(wait(begin(clock, deadline), work.look))
    except DeadlineExceededError:
        assert takes > deadline - min(1, deadline / 10) - looking - 1e-6
    assert max(work.looks) <= deadline
    assert len(work.looks) < 20 + deadline / 10


async def test_looks_give_way_to_other_calls_unless_told_otherwise() -> None:
    clock = VirtualClock()
    for options, expected in (
        (None, "bulk"),
        (CallOptions(deadline=3), "bulk"),
        (CallOptions(priority="interactive"), "interactive"),
    ):
        work = Work(clock, takes=0)
        await wait(begin(clock, options=options), work.look)
        assert work.options[0].priority == expected
        assert options is None or work.options[0].deadline == options.deadline


async def test_the_error_says_how_to_go_on() -> None:
    clock = VirtualClock()
    with pytest.raises(
        DeadlineExceededError, match=r"within 60 s; last seen: busy; .* go on like this \[job abc\]"
    ) as late:
        await wait(begin(clock), Work(clock, takes=1e9).look)
    assert late.value.job == "abc"
    assert clock.now() <= 1060


async def test_progress_is_told_after_each_look_with_the_seconds_so_far() -> None:
    clock = VirtualClock()
    told: list[tuple[str, float]] = []
    await wait(
        begin(clock, on_progress=lambda state, seconds: told.append((state, seconds))), Work(clock, takes=1).look
    )
    assert told == [("busy", 0), ("busy", 0.5), ("done", 1.25)]


async def test_what_the_callback_raises_ends_the_wait() -> None:
    clock = VirtualClock()
    work = Work(clock, takes=9)

    def enough(state: str, seconds: float) -> None:
        raise LookupError("the caller's")

    with pytest.raises(LookupError, match="the caller's"):
        await wait(begin(clock, on_progress=enough), work.look)
    assert len(work.looks) == 1


async def test_a_look_that_the_deadline_ended_is_said_as_such() -> None:
    for late in (
        LaneTimeoutError("no turn"),
        DeadlineExceededError("no answer"),
        OutcomeUnknownError("?", kind="deadline"),
    ):
        clock = VirtualClock()

        async def look(options: CallOptions, ends: float, clock: VirtualClock = clock, late: Exception = late) -> str:
            clock.time = ends
            raise late

        with pytest.raises(DeadlineExceededError, match="last seen: nothing; it goes on at the server") as caught:
            await wait(begin(clock), look)
        assert caught.value.job == "abc"
        assert caught.value.__cause__ is late


async def test_a_look_that_fails_otherwise_ends_the_wait_and_names_the_job() -> None:
    clock = VirtualClock()

    async def look(options: CallOptions, ends: float) -> str:
        raise ServerError("down", status=503)

    with pytest.raises(ServerError) as failed:
        await wait(begin(clock), look)
    assert failed.value.job == "abc"
    assert "job abc" in str(failed.value)


async def test_it_can_be_cancelled_in_a_pause() -> None:
    class Real(VirtualClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(3600)

    clock = Real()
    task = asyncio.ensure_future(wait(begin(clock), Work(clock, takes=9).look))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"deadline": 0}, "more than 0"),
        ({"deadline": -1}, "0 or more"),
        ({"deadline": "5"}, "a number of seconds"),
        ({"deadline": float("nan")}, "a number of seconds"),
        ({"on_progress": 7}, "plain function"),
        ({"on_progress": asyncio.sleep}, "plain function"),
        ({"options": 7}, "CallOptions"),
    ],
)
def test_bad_arguments(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        begin(VirtualClock(), **wrong)
