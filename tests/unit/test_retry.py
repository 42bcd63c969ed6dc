"""The retry rules, in virtual time."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import VirtualClock
from woodpecker_async.engine.protocol import FELDERA, WOODPECKER, AttemptResult
from woodpecker_async.engine.retry import RetryState, should_retry
from woodpecker_async.options import RetryPolicy

OK = AttemptResult(kind="ok", status=200)


def failing(kind: str, status: int | None = None, retry_after: float | None = None) -> AttemptResult:
    return AttemptResult(kind=kind, status=status, retry_after=retry_after)


@pytest.mark.parametrize(
    ("result", "read", "write"),
    [
        (failing("not_sent"), True, True),
        (AttemptResult(kind="not_sent", permanent=True), False, False),
        (failing("refused", 429), True, True),
        (failing("lost"), True, False),
        (failing("timeout"), True, False),
        *[(failing("server", status), True, False) for status in (500, 502, 503, 504)],
        *[(failing("server", status), False, False) for status in (501, 505, 599)],
        (failing("server", 200), True, False),  # the legacy E_UNKNOWN
        (failing("client", 400), False, False),
        (failing("client", 409), False, False),
        (failing("redirect", 302), False, False),
    ],
)
def test_the_table(result: AttemptResult, read: bool, write: bool) -> None:
    assert should_retry(result, idempotent=True, transient=WOODPECKER.transient) is read
    assert should_retry(result, idempotent=False, transient=WOODPECKER.transient) is write


def test_feldera_raises_500_at_once() -> None:
    assert not should_retry(failing("server", 500), idempotent=True, transient=FELDERA.transient)
    assert should_retry(failing("server", 503), idempotent=True, transient=FELDERA.transient)


def test_feldera_asks_for_a_repeat_by_408_and_woodpecker_does_not() -> None:
    assert should_retry(failing("client", 408), idempotent=True, transient=FELDERA.transient)
    assert not should_retry(failing("client", 408), idempotent=False, transient=FELDERA.transient)
    assert not should_retry(failing("client", 408), idempotent=True, transient=WOODPECKER.transient)
    assert not should_retry(failing("client", 404), idempotent=True, transient=FELDERA.transient)


async def repeat(
    script: list[AttemptResult], policy: RetryPolicy, *, chance: float = 0.5, took: float = 0.0
) -> tuple[AttemptResult, RetryState, VirtualClock, int]:
    clock = VirtualClock(chance)
    repeats = RetryState(
        policy=policy,
        clock=clock,
        deadline=clock.now() + policy.deadline,
        idempotent=True,
        transient=WOODPECKER.transient,
    )
    sent = 1

    async def again(_: float) -> AttemptResult:
        nonlocal sent
        sent += 1
        clock.time += took
        return script[min(sent, len(script)) - 1]

    return await repeats.after(script[0], again, lambda *_: None), repeats, clock, sent


async def test_it_stops_at_the_first_success() -> None:
    result, _, _, sent = await repeat([failing("server", 500), failing("server", 503), OK], RetryPolicy())
    assert result is OK
    assert sent == 3


async def test_it_gives_up_after_the_attempts_and_returns_the_last_failure() -> None:
    result, repeats, _, sent = await repeat([failing("server", 500), failing("server", 502)], RetryPolicy(attempts=4))
    assert (result.status, sent, repeats.stop_reason) == (502, 4, "")


async def test_one_attempt_means_never_repeat() -> None:
    for result in (failing("server", 500), failing("refused", 429), failing("not_sent")):
        _, _, clock, sent = await repeat([result, OK], RetryPolicy(attempts=1))
        assert (sent, clock.slept) == (1, [])


async def test_a_refusal_uses_up_no_attempt() -> None:
    script = [failing("refused", 429)] * 20 + [failing("server", 500), OK]
    result, _, _, sent = await repeat(script, RetryPolicy(attempts=2))
    assert result is OK
    assert sent == 22


async def test_the_deadline_bounds_refusals() -> None:
    result, repeats, clock, _ = await repeat([failing("refused", 429)], RetryPolicy(deadline=60), chance=0.99)
    assert result.kind == "refused"
    assert "deadline" in repeats.stop_reason
    assert clock.time - 1000 <= 60


async def test_waits_are_full_jitter() -> None:
    policy = RetryPolicy(attempts=8, initial_backoff=1, max_backoff=6, deadline=1000)
    _, _, clock, _ = await repeat([failing("server", 500)], policy, chance=1.0)
    assert clock.slept == [1, 2, 4, 6, 6, 6, 6]
    _, _, clock, _ = await repeat([failing("server", 500)], policy, chance=0.25)
    assert clock.slept == [0.25, 0.5, 1, 1.5, 1.5, 1.5, 1.5]


async def test_retry_after_is_a_floor_with_a_ceiling() -> None:
    policy = RetryPolicy(initial_backoff=1)
    result, _, clock, _ = await repeat([failing("refused", 429, retry_after=7), OK], policy)
    assert result is OK
    assert clock.slept == [7]
    _, _, clock, _ = await repeat([failing("server", 503, retry_after=0.01), OK], policy, chance=1.0)
    assert clock.slept == [1]
    result, repeats, clock, sent = await repeat([failing("refused", 429, retry_after=61), OK], policy)
    assert (result.retry_after, clock.slept, sent) == (61, [], 1)
    assert "retry_after_cap" in repeats.stop_reason


async def test_retry_after_beyond_the_deadline_fails_now() -> None:
    _, repeats, clock, sent = await repeat([failing("refused", 429, retry_after=20), OK], RetryPolicy(deadline=10))
    assert (clock.slept, sent) == ([], 1)
    assert "deadline" in repeats.stop_reason


async def test_the_first_stale_connection_is_repeated_at_once() -> None:
    stale = AttemptResult(kind="lost", stale=True)
    _, _, clock, sent = await repeat([stale, stale, OK], RetryPolicy(initial_backoff=1), chance=1.0)
    assert (sent, clock.slept) == (3, [0, 2])
    _, _, clock, sent = await repeat([failing("lost"), OK], RetryPolicy(initial_backoff=1), chance=1.0)
    assert (sent, clock.slept) == (2, [1])


@given(
    script=st.lists(
        st.sampled_from(
            [failing("server", 500), failing("refused", 429), failing("lost"), failing("timeout"), failing("not_sent")]
        ),
        min_size=1,
        max_size=30,
    ),
    attempts=st.integers(1, 6),
    deadline=st.floats(1, 100),
    took=st.floats(0, 30),
    chance=st.floats(0, 0.999),
)
def test_attempts_and_deadline_hold_for_all_scripts(
    script: list[AttemptResult], attempts: int, deadline: float, took: float, chance: float
) -> None:
    policy = RetryPolicy(attempts=attempts, deadline=deadline)
    result, _, clock, sent = asyncio.run(repeat([*script, OK], policy, chance=chance, took=took))
    made = [*script, OK][:sent]
    assert sum(made_one.kind != "refused" for made_one in made) <= attempts
    assert result is OK or result is made[-1]
    # The last attempt began before the deadline.
    assert clock.time - 1000 <= deadline + took
    assert all(wait <= policy.max_backoff for wait in clock.slept)


async def test_concurrent_calls_do_not_mix() -> None:
    """One shared tenacity object would give tasks each other's results and too few attempts."""

    async def one(number: int) -> None:
        clock = VirtualClock()
        mine = AttemptResult(kind="server", status=500, detail=str(number))
        repeats = RetryState(
            policy=RetryPolicy(attempts=3), clock=clock, deadline=1e9, idempotent=True, transient=frozenset({500})
        )
        sent = 1

        async def again(_: float) -> AttemptResult:
            nonlocal sent
            sent += 1
            await asyncio.sleep(0)
            return mine

        last = await repeats.after(mine, again, lambda *_: None)
        assert last.detail == str(number)
        assert sent == 3

    await asyncio.gather(*(one(number) for number in range(50)))


async def test_cancellation_passes_straight_through() -> None:
    repeats = RetryState(
        policy=RetryPolicy(), clock=VirtualClock(), deadline=1e9, idempotent=True, transient=frozenset({500})
    )
    sent = 0

    async def again(_: float) -> AttemptResult:
        nonlocal sent
        sent += 1
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await repeats.after(failing("server", 500), again, lambda *_: None)
    assert sent == 1
