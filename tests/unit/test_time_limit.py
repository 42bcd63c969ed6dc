"""A procedure ends when its time is up, whatever it is doing."""

import asyncio

import pytest

from tests.fakes import VirtualClock
from woodpecker_async.time_limit import TimeLimit


class OverError(Exception):
    pass


async def test_a_call_that_comes_too_late_is_not_begun() -> None:
    clock, begun = VirtualClock(), []
    limit = TimeLimit(clock, 5, OverError)
    clock.time += 5

    async def call() -> None:
        begun.append(1)

    assert limit.passed
    with pytest.raises(OverError):
        await limit.run(call())
    assert not begun


async def test_a_call_that_hangs_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("woodpecker_async.time_limit._GRACE", 0.0)
    with pytest.raises(OverError):
        await TimeLimit(VirtualClock(), 0.01, OverError).run(asyncio.sleep(60))


async def test_a_timeout_of_the_calls_own_is_its_own() -> None:
    async def call() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await TimeLimit(VirtualClock(), 5, OverError).run(call())


@pytest.mark.parametrize(
    ("seconds", "until", "slept"),
    [(2, None, 2), (9, None, 5), (2, 1, 1), (2, -1, 2), (9, 7, 5)],
    ids=["as asked", "to the deadline", "to that moment", "that moment has passed", "the deadline is nearer"],
)
async def test_a_pause_ends_at_the_deadline_or_at_the_moment_waited_for(seconds, until, slept) -> None:
    clock = VirtualClock()
    limit = TimeLimit(clock, 5, OverError)
    await limit.pause(seconds, None if until is None else clock.now() + until)
    assert sum(clock.slept) == slept
