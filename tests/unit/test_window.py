"""The window on a model of the server, in virtual time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.model import Fixed, Result, run
from woodpecker_async.engine.window import DOCUMENTED, AdaptiveWindow, RefusalWindow

SERVICES = [0.005, 0.02, 0.1, 0.5, 3.0]
ROUND_TRIPS = [0.0, 0.02, 0.06, 0.2]


def ours(**how) -> Result:
    return run(AdaptiveWindow(DOCUMENTED, 15.0), **how)


@pytest.mark.parametrize("round_trip", ROUND_TRIPS)
@pytest.mark.parametrize("service", SERVICES)
def test_it_reaches_what_a_fixed_window_of_seven_does_and_nothing_is_refused(service: float, round_trip: float) -> None:
    how = {"requests": 1000, "service": service, "round_trip": round_trip}
    # The fixed one is not run with the 15 s limit, which it would exceed at three seconds a request.
    fixed = run(Fixed(7), queue_wait=1e9, **how)
    for jitter in (0.0, 0.3):
        result = ours(jitter=jitter, **how)
        assert result.refused == 0
        assert fixed.seconds / result.seconds >= 0.95 - jitter / 10


@pytest.mark.parametrize("round_trip", ROUND_TRIPS)
@pytest.mark.parametrize("service", SERVICES[:-1])
@pytest.mark.parametrize("seed", range(3))
def test_uneven_service_times_leave_the_server_little_idle(service: float, round_trip: float, seed: int) -> None:
    how = {"requests": 1000, "service": service, "round_trip": round_trip, "uneven": True, "seed": seed}
    result = ours(**how)
    assert result.refused == 0
    assert run(Fixed(7), **how).seconds / result.seconds >= 0.93


def test_a_fixed_window_of_seven_would_run_into_the_queues_limit() -> None:
    """The purpose of the adaptive one: at three seconds a request, the last of seven waits 18 s."""
    assert run(Fixed(7), requests=100, service=3.0, round_trip=0.02).refused > 0


@pytest.mark.parametrize("service", SERVICES)
def test_the_longest_wait_stays_clear_of_the_queues_limit(service: float) -> None:
    for round_trip in ROUND_TRIPS:
        for seed in range(5):
            result = ours(requests=300, service=service, round_trip=round_trip, jitter=0.3, seed=seed)
            assert result.longest_wait < 0.8 * 15


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("round_trip", ROUND_TRIPS)
def test_an_interactive_call_waits_at_most_three_service_times(service: float, round_trip: float) -> None:
    result = ours(requests=2000, service=service, round_trip=round_trip, interactive_at=1000)
    assert result.interactive_wait is not None
    assert result.interactive_wait <= 3 * service


@pytest.mark.parametrize(("service", "round_trip"), [(0.005, 0.001), (0.02, 0.02), (0.01, 0.06), (0.005, 0.2)])
def test_discover_finds_out_that_all_count_for_one(service: float, round_trip: float) -> None:
    how = {"requests": 2000, "service": service, "round_trip": round_trip}
    window = AdaptiveWindow(64, 15.0)
    discovered = run(window, **how)
    assert discovered.seconds <= 1.05 * ours(**how).seconds
    assert discovered.refused <= 40
    if discovered.refused:
        assert window.ceiling == DOCUMENTED


@pytest.mark.parametrize(("service", "round_trip"), [(0.005, 0.001), (0.02, 0.001), (0.01, 0.06)])
def test_discover_finds_room_where_there_is_room(service: float, round_trip: float) -> None:
    how = {"requests": 3000, "service": service, "round_trip": round_trip, "accounts": 300, "jitter": 0.1}
    window = AdaptiveWindow(64, 15.0)
    discovered = run(window, **how)
    assert (discovered.refused, window.size) == (0, 64)
    assert discovered.seconds <= 0.2 * ours(**how).seconds


def answers(window: AdaptiveWindow, latency: float, rounds: int, begin: float = 0.0, **how: bool) -> list[int]:
    """Rounds of responses with one latency; returns the window size after each."""
    sizes = []
    for _ in range(rounds):
        for _ in range(window.size):
            begin += 0.001
            window.answered("list", latency, begin, **{"full": True, **how})
        sizes.append(window.size)
    return sizes


@pytest.mark.parametrize(("limit", "size"), [(1, 1), (3, 3), (4, 4), (5, 4), (7, 4), (64, 4)])
def test_it_begins_at_four_or_at_its_bound(limit: int, size: int) -> None:
    assert AdaptiveWindow(limit, 15.0).size == size


def test_it_doubles_and_stops_at_its_bound() -> None:
    window = AdaptiveWindow(7, 15.0)
    window.size = 1
    assert answers(window, 0.1, 4) == [2, 4, 7, 7]
    assert answers(AdaptiveWindow(7, 15.0), 0.1, 2) == [7, 7]
    assert answers(AdaptiveWindow(3, 15.0), 0.1, 2) == [3, 3]
    assert answers(AdaptiveWindow(1, 15.0), 0.1, 2) == [1, 1]
    assert answers(AdaptiveWindow(64, 15.0), 0.1, 3) == [16, 64, 64]


def test_a_round_has_as_many_answers_as_there_are_places() -> None:
    window = AdaptiveWindow(7, 15.0)
    window.size = 1
    sizes = []
    for moment in range(12):
        window.answered("list", 0.1, float(moment), full=True)
        sizes.append(window.size)
    assert sizes == [2, 2, 4, 4, 4, 4, 7, 7, 7, 7, 7, 7]


def settled(size: int, waiting: float) -> AdaptiveWindow:
    """A window of this size, past the doubling phase, with this many waiting at the server."""
    window = AdaptiveWindow(7, 15.0)
    window.size = 1
    window.answered("list", 0.1, 0.0, full=False)  # the best latency ever
    window.size = size
    # So that the rounds that follow are not taken for the early ones of a growing window.
    answers(window, 0.1 / (1 - 2.0 / size), 1)
    assert window.size == size
    answers(window, 0.1 / (1 - waiting / size), 1)
    return window


@pytest.mark.parametrize(("waiting", "after"), [(0.0, 6), (1.4, 6), (1.6, 5), (2.4, 5), (2.6, 4), (4.0, 4)])
def test_it_grows_below_one_and_a_half_that_wait_and_shrinks_above_two_and_a_half(waiting: float, after: int) -> None:
    assert settled(5, waiting).size == after


def test_while_it_doubles_the_early_half_of_a_round_does_not_count() -> None:
    """Those are answers to the smaller window, and shorter."""
    window = AdaptiveWindow(7, 15.0)
    for latency in (0.1, 0.1, 0.4, 0.4):
        window.answered("list", latency, 1.0, full=True)
    assert window.size == 3  # 4 x (1 - 0.1 / 0.4) = 3 wait
    assert answers(window, 0.1, 2) == [4, 5]  # and it no longer doubles


def test_resting_ends_the_doubling() -> None:
    window = AdaptiveWindow(7, 15.0)
    window.size = 1
    answers(window, 0.1, 1)
    assert answers(window, 0.1 / (1 - 0.9), 1, full=True) == [2]  # 2 x 0.9 = 1.8 wait
    assert answers(window, 0.1, 2) == [3, 4]


@pytest.mark.parametrize(
    ("size", "latency", "after"), [(1, 4.4, 2), (1, 4.6, 1), (4, 5.0, 7), (4, 5.5, 5), (4, 7.1, 5), (4, 7.5, 4)]
)
def test_it_does_not_grow_to_where_the_longest_wait_would_come_near_the_queues_limit(
    size: int, latency: float, after: int
) -> None:
    """Six tenths of 15 s are 9 s: what a larger window would take, scaled up from what this one takes."""
    window = AdaptiveWindow(7, 15.0)
    window.size = size
    assert answers(window, latency, 1) == [after]


def test_too_long_a_wait_shrinks_it_whatever_waits() -> None:
    window = AdaptiveWindow(7, 15.0)
    window.size = 5
    assert answers(window, 9.1, 6) == [4, 3, 2, 1, 1, 1]


def test_crowded_is_one_round_only() -> None:
    window = AdaptiveWindow(7, 15.0)
    window.shared(True)
    assert answers(window, 0.1, 3)[-1] == 7
    assert answers(window, 0.1, 1, full=False, crowded=True) == [6]
    assert answers(window, 0.1, 1) == [7]
    window.shared(False)
    assert window.floor == 1


def test_one_crowded_or_full_answer_makes_the_round_so() -> None:
    window = AdaptiveWindow(7, 15.0)
    window.size = 3
    for full in (False, True, False):
        window.answered("list", 0.1, 0.0, full=full)
    assert window.size > 3
    window.size = 3
    window._slow_start = False
    for crowded in (False, True, False):
        window.answered("list", 0.1, 0.0, full=True, crowded=crowded)
    assert window.size == 2


def test_bounds_move_and_the_size_with_them() -> None:
    window = AdaptiveWindow(64, 15.0)
    assert (window.size, window.ceiling) == (4, 64)
    window.size = 64
    window.bound(20)
    assert (window.size, window.ceiling) == (20, 20)
    window.refused(0.0)
    assert (window.size, window.ceiling) == (3, 7)
    window.bound(64)
    assert (window.size, window.ceiling) == (3, 7)
    window.bound(2)
    assert (window.size, window.ceiling) == (2, 2)


def test_the_best_latency_is_forgotten_in_the_second_stretch_of_time_without_it() -> None:
    window = AdaptiveWindow(7, 15.0)
    window.answered("list", 0.1, 0.0, full=True)
    for now, base in [(600.0, 0.1), (601.0, 0.1), (1201.0, 0.1), (1202.0, 0.5)]:
        window.answered("list", 0.5, now, full=True)
        assert window._base == pytest.approx(base)


def test_after_a_refusal_it_is_deaf_for_two_of_the_best_latencies() -> None:
    window = AdaptiveWindow(7, 15.0)
    answers(window, 0.1, 3)
    window.refused(10.0)
    assert window.size == 3
    window.refused(10.19)
    assert window.size == 3
    window.refused(10.21)
    assert window.size == 1
    assert answers(window, 0.1, 2, begin=11.0) == [2, 3]  # by one: it does not double again


def test_a_better_latency_is_met_at_once() -> None:
    window = AdaptiveWindow(7, 15.0)
    for latency, base in [(0.5, 0.5), (0.2, 0.2), (0.3, 0.2)]:
        window.answered("list", latency, 0.0, full=False)
        assert window._base == base


def test_a_refusal_begins_a_new_round() -> None:
    window = AdaptiveWindow(7, 15.0)
    answers(window, 0.1, 3)
    for _ in range(3):
        window.answered("list", 0.1, 5.0, full=True)
    window.refused(10.0)
    sizes = []
    for _ in range(3):
        window.answered("list", 0.1, 11.0, full=True)
        sizes.append(window.size)
    assert sizes == [3, 3, 4]


def test_coming_near_the_queues_limit_ends_the_doubling() -> None:
    window = AdaptiveWindow(7, 15.0)
    window.size = 2
    assert answers(window, 5.0, 1) == [3]  # with four it would take 10 s
    assert answers(window, 0.1, 1) == [4]


def test_how_long_refusals_are_taken_together_depends_on_how_long_answers_take() -> None:
    window = RefusalWindow(64)
    for _ in range(200):
        window.answered(1.0)
    sizes = []
    for now in (10.0, 11.5, 12.5):
        window.refused(now)
        sizes.append(window.size)
    assert sizes == [32, 32, 16]


def test_refusals_bound_all_lanes_together() -> None:
    window = RefusalWindow(64)
    window.bound(8)
    assert (window.size, window.ceiling) == (8, 8)
    window.refused(1.0)
    assert window.size == 4
    window.bound(3)
    assert (window.size, window.ceiling) == (3, 3)
    window.bound(64)
    assert (window.size, window.ceiling) == (64, 64)  # it was at its maximum
    window.refused(2.0)
    window.bound(40)
    assert (window.size, window.ceiling) == (32, 40)
    for _ in range(31):
        window.answered(0.1)
    assert window.size == 32
    window.refused(2.1)  # too soon to count, but the count of good ones starts over
    for _ in range(31):
        window.answered(0.1)
    assert window.size == 32
    window.answered(0.1)
    assert window.size == 33
    for _ in range(1000):
        window.answered(0.1)
    assert window.size == 40


def test_a_refusal_halves_once_for_all_that_were_under_way() -> None:
    window = AdaptiveWindow(64, 15.0)
    now = 0.0
    while window.size < 64:
        now += 0.1
        window.answered("list", 0.1, now, full=True)
    for _ in range(20):
        window.refused(now)
    assert (window.size, window.ceiling) == (3, 7)
    window.refused(now + 0.3)
    assert window.size == 1


def test_it_grows_only_when_it_was_full() -> None:
    window = AdaptiveWindow(7, 15.0)
    for moment in range(100):
        window.answered("list", 0.1, moment, full=False)
    assert window.size == 4


def test_operations_are_compared_with_themselves() -> None:
    """A list of a thousand takes long and a single response does not: that is not a queue."""
    window = AdaptiveWindow(7, 15.0)
    for moment in range(200):
        operation, latency = ("long", 1.0) if moment % 2 else ("short", 0.01)
        window.answered(operation, latency, moment, full=True)
    assert window.size == 7


def test_a_longer_route_is_learned_in_time() -> None:
    window = AdaptiveWindow(7, 15.0)
    now = 0.0
    for latency in [0.02] * 500 + [0.3] * 20_000:
        now += latency / window.size
        window.answered("list", latency, now, full=True)
    assert window.size == 7


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["answer", "refusal"]),
            st.floats(0, 60),
            st.floats(0, 5),
            st.booleans(),
            st.sampled_from("ab"),
        ),
        max_size=200,
    ),
    st.integers(1, 64),
)
def test_whatever_happens_it_stays_between_one_and_its_ceiling(events, ceiling: int) -> None:
    window, refusals, now = AdaptiveWindow(ceiling, 15.0), RefusalWindow(ceiling), 0.0
    for kind, latency, pause, full, operation in events:
        now += pause
        if kind == "answer":
            window.answered(operation, latency, now, full=full)
            refusals.answered(latency)
        else:
            window.refused(now)
            refusals.refused(now)
        assert 1 <= window.size <= window.ceiling <= ceiling
        assert 1 <= refusals.size <= ceiling


def test_wide_open_until_refused_then_half_and_back_by_one() -> None:
    window = RefusalWindow(64)
    for _ in range(30):
        window.refused(10.0)
    assert window.size == 32
    for _ in range(32):
        window.answered(0.1)
    assert window.size == 33
    chance = random.Random(1)
    for moment in range(20):
        window.refused(20.0 + moment + chance.random())
    assert window.size == 1


def test_among_others_a_window_keeps_half_of_the_places() -> None:
    """However lucky its estimate of the best latency was."""
    for luck in (0.005, 0.02):
        window = AdaptiveWindow(7, 15.0)
        window.shared(True)
        window.answered("list", luck, 0.0, full=True)
        for moment in range(200):
            window.answered("list", 0.035, float(moment), full=False, crowded=True)
        assert window.size == 4


def test_among_others_the_queues_limit_and_refusals_still_count() -> None:
    window = AdaptiveWindow(7, 15.0)
    window.shared(True)
    for moment in range(200):
        window.answered("list", 12.0, float(moment), full=True, crowded=True)
    assert window.size == 1
    window = AdaptiveWindow(7, 15.0)
    window.shared(True)
    window.answered("list", 0.005, 0.0, full=True)
    for moment in range(1, 20):
        window.refused(100.0 * moment)
    assert window.size == 1
    for moment in range(200):
        window.answered("list", 0.035, 3000.0 + moment, full=True, crowded=True)
    assert window.size == 2  # somebody else uses the account: half of the permits is unknown
