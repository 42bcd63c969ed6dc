"""Abandoned requests at the server, rule by rule, in virtual time."""

import asyncio
import os
import threading
from typing import Any

import pytest

from woodpecker_async import Limits
from woodpecker_async.engine.account_lanes import AccountLanes
from woodpecker_async.engine.backlog import AbandonedRequest, Backlog, held_for
from woodpecker_async.engine.lanes import _LEFT_BEHIND, _leave_to_parent


class Connection:
    """Listens, or has been closed."""

    closed = False

    def listen(self, tell: Any) -> None: ...

    def close(self) -> None:
        self.closed = True


def request(given_up: float = 1.0, *, sent: float = 0.0, until: float = 100.0, listens: bool = False, **more: Any):
    return AbandonedRequest(
        sent=sent, given_up=given_up, until=until, connection=Connection() if listens else None, **more
    )


def limit(backlog: Backlog, now: float, *, size: int = 7, ceiling: int = 7, inside: int = 0) -> int:
    return backlog.limit(size, ceiling, inside, now)


@pytest.mark.parametrize(
    ("in_flight", "cut", "seconds"), [(0.0, False, 15.0), (2.0, False, 17.0), (0.001, True, 0.01), (5.0, True, 20.0)]
)
def test_for_how_long_a_request_is_taken_to_be_there(in_flight: float, cut: bool, seconds: float) -> None:
    assert held_for(in_flight, 15.0, cut=cut) == seconds


def test_each_takes_a_place_from_what_the_server_has_room_for() -> None:
    backlog = Backlog()
    for number in range(7):
        assert limit(backlog, 1.0) == 7 - number
        assert limit(backlog, 1.0, size=3) == min(3, 7 - number)  # not from the window
        assert limit(backlog, 1.0, size=20, ceiling=64) == 20 - number  # which had been shown to be there
        assert limit(backlog, 1.0, size=2, ceiling=2) == max(2 - number, 0)
        backlog.add(request(listens=True))
    assert limit(backlog, 1.0) == 0


def test_its_own_answer_an_answer_to_a_later_one_and_time_give_it_back() -> None:
    backlog = Backlog()
    silent, listening, other = request(sent=0.5), request(sent=0.5, listens=True), request(sent=0.7, listens=True)
    for each in (silent, listening, other):
        backlog.add(each)
    backlog.answered(0.4)
    assert len(backlog) == 3
    backlog.answered(0.5)  # sent no earlier than the one that cannot tell
    assert len(backlog) == 2
    backlog.heard(other, 200, 2.0)
    assert len(backlog) == 1
    backlog.answered(1.0)  # sent after it was abandoned
    assert len(backlog) == 0
    assert listening.connection is None
    backlog.add(request(until=5.0))
    assert not backlog.expire(4.9)
    assert backlog.expire(6.0)


@pytest.mark.parametrize(("status", "left"), [(200, 0), (404, 0), (500, 0), (429, 1), (502, 2), (504, 2), (None, 2)])
def test_what_a_late_answer_says_of_it_and_of_those_before(status: int | None, left: int) -> None:
    backlog = Backlog()
    before, it = request(0.5), request(sent=0.6, listens=True)
    backlog.add(before)
    backlog.add(it)
    connection = it.connection
    backlog.heard(it, status, 2.0)
    assert len(backlog) == left
    assert isinstance(connection, Connection)
    assert connection.closed


def test_where_nothing_listens_one_at_a_time_goes_with_growing_pauses() -> None:
    backlog, now, pauses = Backlog(), 10.0, []
    for _ in range(7):
        backlog.add(request(now, sent=now))
        begin = now
        while not limit(backlog, now) and not backlog.try_one(now):
            now = round(now + 0.05, 2)
        pauses.append(round(now - begin, 2))
        assert limit(backlog, now) == (6 if len(pauses) == 1 else 1)
    assert pauses == [0.0, 0.25, 0.5, 1.0, 2.0, 2.5, 2.5]
    assert limit(backlog, now, inside=1) == 1
    backlog.answered(now)
    assert limit(backlog, now) == 7


def test_what_is_in_flight_will_tell_as_well() -> None:
    backlog = Backlog()
    for _ in range(3):
        backlog.add(request(10.0))
    assert limit(backlog, 10.0) == 0
    assert limit(backlog, 10.0, inside=2) == 4


def test_where_one_listens_the_lane_waits_for_it_and_tries_seldom() -> None:
    backlog = Backlog()
    for _ in range(7):
        backlog.add(request(10.0, listens=True))
    assert not backlog.try_one(14.9)
    assert backlog.try_one(15.0)
    assert limit(backlog, 15.0) == 1
    backlog.refused(15.0, 15.1)  # it was in vain, and the one presumed finished is there
    assert len(backlog) == 7
    assert not backlog.try_one(20.0)
    assert backlog.try_one(20.1)


def test_refusals_in_a_row_make_pauses_and_those_of_one_round_count_once() -> None:
    backlog = Backlog()
    for _ in range(7):
        backlog.refused(9.0, 10.0)
    assert limit(backlog, 10.0) == 7
    backlog.refused(10.1, 10.2)
    assert (limit(backlog, 10.24), limit(backlog, 10.26)) == (0, 1)
    backlog.refused(10.5, 10.6)
    assert (limit(backlog, 10.65), limit(backlog, 10.75, inside=3)) == (0, 1)
    for _ in range(9):
        backlog.refused(11.0, 10.6)
    assert (limit(backlog, 10.84), limit(backlog, 10.86)) == (0, 1)
    backlog.add(request(10.6))  # the queue is full of our own
    assert (limit(backlog, 13.05), limit(backlog, 13.15)) == (0, 1)
    backlog.answered(10.7)
    assert limit(backlog, 10.7) == 7
    assert backlog.expire(10.8)
    backlog.refused(10.9, 11.0)
    assert not backlog.expire(15.9)
    assert backlog.expire(16.0)  # forgotten


def test_it_says_when_to_look_again() -> None:
    backlog = Backlog()
    assert backlog.until(0.0) == float("inf")
    backlog.add(request(10.0, until=27.0))
    backlog.add(request(10.0, until=25.0))
    assert backlog.until(10.0) == 10.25
    assert backlog.until(10.3) == 15.0
    assert backlog.until(15.0) == 25.0


def test_silence_is_for_the_connections_of_one_event_loop() -> None:
    backlog, ours, theirs = Backlog(), object(), object()
    requests = [request(sent=sent, listens=True, owner=owner) for sent, owner in [(1, ours), (2, ours), (0, theirs)]]
    for each in requests:
        backlog.add(each)
    backlog.silence(ours, but_last=True)
    assert [each.connection is not None for each in requests] == [False, True, True]
    backlog.silence(ours, but_last=False)
    assert [each.connection is not None for each in requests] == [False, False, True]
    assert len(backlog) == 3


def test_shared_places_go_back_once() -> None:
    given: list[int] = []
    backlog = Backlog()
    for number in range(2):
        backlog.add(request(10.0, give_back=lambda number=number: given.append(number)))
    assert backlog.try_one(12.0)
    assert given == [0]
    backlog.answered(13.0)
    assert given == [0, 1]


def abandoned_by(lanes: AccountLanes, connection: Connection | None) -> None:
    with lanes.permit(None, lanes.limits) as permit:
        assert permit.acquire_now()
        permit.sent = lanes.now()
        permit.abandon(connection)


class Session:
    """As far as the lanes are concerned."""


def test_several_event_loops_at_once_count_together() -> None:
    """On threads: what one abandons takes a permit from the other, and is closed where it belongs."""
    closed_in: list[threading.Thread] = []
    given_up, answered = threading.Event(), threading.Event()

    class Noting(Connection):
        def __init__(self) -> None:
            self.loop = asyncio.get_running_loop()

        def close(self) -> None:
            self.loop.call_soon_threadsafe(lambda: closed_in.append(threading.current_thread()))

    async def gives_up() -> None:
        lanes, session = AccountLanes("threads"), Session()
        lanes.join(session, Limits(max_in_flight=2))
        abandoned_by(lanes, Noting())
        given_up.set()
        await asyncio.to_thread(answered.wait, 10)
        async with asyncio.timeout(10):
            while not closed_in:
                await asyncio.sleep(0.01)

    async def is_answered() -> None:
        lanes, session = AccountLanes("threads"), Session()
        lanes.join(session, Limits(max_in_flight=2))
        lane = lanes.lane(None)
        lane.window.size = 2
        lanes.join(session, Limits(max_in_flight=2))
        assert lane.gate.limit == 1
        with lanes.permit(None, lanes.limits) as permit:
            assert permit.acquire_now()
            permit.sent, permit.latency, permit.outcome = lanes.now(), 0.01, "success"
        assert "threads None" not in _LEFT_BEHIND
        answered.set()

    other = threading.Thread(target=asyncio.run, args=(gives_up(),))
    other.start()
    assert given_up.wait(10)
    try:
        asyncio.run(is_answered())
    finally:
        answered.set()
        other.join()
    assert closed_in == [other]


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="no fork here")
async def test_a_fork_leaves_the_connections_to_the_parent_and_knows_that_the_server_is_busy() -> None:
    lanes, session = AccountLanes("fork"), Session()
    lanes.join(session, Limits())
    connection = Connection()
    abandoned_by(lanes, connection)
    backlog = _LEFT_BEHIND["fork None"]
    _leave_to_parent()
    assert len(backlog) == 1
    backlog.expire(float("inf"))
    assert not connection.closed
    lanes.leave(session)
