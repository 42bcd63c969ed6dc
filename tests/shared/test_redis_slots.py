"""Permits in a Redis: the right number, in order, whatever happens to their holders."""

import asyncio
import logging
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import pytest
from redis import Redis

from tests.shared.redis_server import PASSWORD, RedisServer, running_redis
from woodpecker_async.engine.shared import SlotsUnavailableError
from woodpecker_async.engine.shared.redis import RedisBackend, RedisSlots
from woodpecker_async.errors import ConfigError
from woodpecker_async.secret import Secret

pytestmark = pytest.mark.system

LEASE = 1.5  # long enough that a busy machine does not look like a dead process


def backend(server: RedisServer, places: int = 2, lease: float = LEASE, outage="local") -> RedisBackend:
    """As in another process."""
    return RedisBackend(Secret(server.url), outage, "a", lambda: places, lease)


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What the SDK logged: on a busy machine asyncio logs something too."""
    return [record for record in caplog.records if record.name == "woodpecker_async"]


async def is_free(of: RedisSlots, seconds: float = 0.1) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await of.take()
    except TimeoutError:
        return False
    of.give_back()
    return True


def keys(server: RedisServer) -> list[str]:
    """The keys of lanes: the name of the run is kept for longer."""
    with Redis.from_url(server.url, decode_responses=True) as redis:
        return [key for key in redis.keys("*") if key != "woodpecker-async:1:{a}"]


async def test_what_serves_all_calls_is_no_part_of_the_first_ones_trace(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    span: ContextVar[str] = ContextVar("span", default="none")
    seen: dict[str, str] = {}

    def watched(name: str) -> None:
        method = getattr(RedisBackend, name)

        async def watching(self, *args):
            seen[name] = span.get()
            await method(self, *args)

        monkeypatch.setattr(RedisBackend, name, watching)

    watched("_speak")
    watched("_listen")
    process = backend(redis_server, 1)
    try:
        span.set("the first call")
        lane = process.slots("all")
        await lane.take()
        assert not await is_free(lane)  # a waiting one makes it listen
    finally:
        await process.aclose()
    assert seen == {"_speak": "none", "_listen": "none"}


async def test_never_more_than_there_are_places(redis_server: RedisServer, no_tasks_left: None) -> None:
    """Five processes, three permits, three hundred visits, cancelled at random."""
    chance = random.Random(11)
    processes = [backend(redis_server, 3, lease=10) for _ in range(5)]
    lanes = [process.slots("all") for process in processes]
    inside = peak = 0

    async def visit(of: RedisSlots, seconds: float) -> None:
        nonlocal inside, peak
        await of.take()
        inside += 1
        peak = max(peak, inside)
        try:
            await asyncio.sleep(seconds)
        finally:
            inside -= 1
            of.give_back()

    visits = [asyncio.create_task(visit(chance.choice(lanes), chance.random() * 0.01)) for _ in range(300)]
    while not all(visit.done() for visit in visits):
        await asyncio.sleep(0.004)
        chance.choice(visits).cancel()
    assert peak == 3
    for of in lanes:  # no place was lost
        for _ in range(3):
            await asyncio.wait_for(of.take(), 30)
        for _ in range(3):
            of.give_back()
    for process in processes:
        await process.aclose()


async def anything_left(server: RedisServer) -> list[str]:
    for _ in range(200):
        if not (left := await asyncio.to_thread(keys, server)):
            break
        await asyncio.sleep(0.02)  # what is unused expires
    return left


async def test_first_come_first_served_among_processes(redis_server: RedisServer) -> None:
    processes = [backend(redis_server, 1) for _ in range(4)]
    lanes = [process.slots("all") for process in processes]
    for of in lanes:
        assert await is_free(of, 5)  # connected
    await lanes[0].take()
    order: list[int] = []

    async def visit(number: int) -> None:
        await lanes[number % 4].take()
        order.append(number)
        lanes[number % 4].give_back()

    visits = []
    for number in range(20):
        visits.append(asyncio.create_task(visit(number)))
        await asyncio.to_thread(waiting, redis_server, number + 1)  # one after another, from the point of view of Redis
    lanes[0].give_back()
    await asyncio.gather(*visits)
    assert order == list(range(20))
    for process in processes:
        await process.aclose()


async def test_a_place_is_kept_for_longer_than_a_lease(redis_server: RedisServer) -> None:
    here, elsewhere = backend(redis_server, 1), backend(redis_server, 1)
    mine, theirs = here.slots("all"), elsewhere.slots("all")
    await mine.take()
    assert not await is_free(theirs, 2 * LEASE)
    mine.give_back()
    assert await is_free(theirs, 5)
    await here.aclose()
    await elsewhere.aclose()


async def test_the_next_is_woken_by_a_message(redis_server: RedisServer) -> None:
    """With a lease of an hour, there would be no tick during a test."""
    here, elsewhere = backend(redis_server, 1, lease=3600), backend(redis_server, 1, lease=3600)
    mine, theirs = here.slots("all"), elsewhere.slots("all")
    for _ in range(50):
        await mine.take()
        waiting = asyncio.create_task(theirs.take())
        await asyncio.sleep(0.01)
        mine.give_back()
        await asyncio.wait_for(waiting, 30)
        theirs.give_back()
    await here.aclose()
    await elsewhere.aclose()


async def test_a_lost_message_is_made_good(redis_server: RedisServer) -> None:
    here, elsewhere = backend(redis_server, 1), backend(redis_server, 1)
    mine, theirs = here.slots("all"), elsewhere.slots("all")
    await mine.take()
    assert await is_free(theirs, 0.1) is False
    with Redis.from_url(redis_server.url) as redis:
        waiting = asyncio.create_task(theirs.take())
        await asyncio.sleep(0.05)
        redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        mine.give_back()
        await asyncio.wait_for(waiting, 30)
    theirs.give_back()
    await here.aclose()
    await elsewhere.aclose()


async def test_a_place_given_back_over_a_cut_connection_is_free(redis_server: RedisServer) -> None:
    """At once, and not when the one-hour lease ends."""
    here, elsewhere = backend(redis_server, 1, lease=3600), backend(redis_server, 1, lease=3600)
    mine, theirs = here.slots("all"), elsewhere.slots("all")
    await mine.take()
    with Redis.from_url(redis_server.url) as redis:
        redis.execute_command("CLIENT", "KILL", "TYPE", "normal")
    mine.give_back()
    assert await is_free(theirs, 5)
    await here.aclose()
    await elsewhere.aclose()


async def test_connections_that_are_cut_are_made_again(redis_server: RedisServer, caplog) -> None:
    here, elsewhere = backend(redis_server, 1), backend(redis_server, 1)
    mine, theirs = here.slots("all"), elsewhere.slots("all")
    with Redis.from_url(redis_server.url) as redis:
        for _ in range(10):
            await mine.take()
            redis.execute_command("CLIENT", "KILL", "TYPE", "normal")
            redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            assert not await is_free(theirs, 0.03)
            mine.give_back()
            assert await is_free(theirs, 5)
            await asyncio.sleep(0.4 * LEASE)  # if it were cut again and again, it would be an outage
    assert ours(caplog) == []  # Redis was there all the time, and knew us
    await here.aclose()
    await elsewhere.aclose()


def waiting(server: RedisServer, number: int) -> None:
    """Wait until this many tickets are waiting there."""
    with Redis.from_url(server.url, decode_responses=True) as redis:
        for _ in range(500):
            said = redis.hgetall("woodpecker-async:1:{a-all}")
            if sum(len(words.split()) - 4 for name, words in said.items() if name) == number:
                return
            time.sleep(0.005)
    raise AssertionError("they do not wait")


def known(server: RedisServer, processes: int) -> None:
    """Wait until Redis knows of this many."""
    with Redis.from_url(server.url) as redis:
        for _ in range(500):
            if redis.hlen("woodpecker-async:1:{a-all}") == processes + 1:  # and the ticket
                return
            time.sleep(0.01)
    raise AssertionError("they are not known")


async def test_the_smallest_number_of_places_holds(redis_server: RedisServer) -> None:
    large, small = backend(redis_server, 7), backend(redis_server, 2)
    many, few = large.slots("all"), small.slots("all")
    for _ in range(2):
        await many.take()
    waiting = asyncio.create_task(few.take())
    await asyncio.to_thread(known, redis_server, 2)
    assert not await is_free(many)
    many.give_back()
    await asyncio.wait_for(waiting, 30)
    few.give_back()
    many.give_back()
    await small.aclose()
    for _ in range(7):
        await asyncio.wait_for(many.take(), 30)
    await large.aclose()


async def test_lanes_do_not_disturb_each_other(redis_server: RedisServer) -> None:
    here = backend(redis_server, 1)
    first, second = here.slots("1"), here.slots("2")
    await first.take()
    assert await is_free(second, 5)
    first.give_back()
    await here.aclose()


async def test_a_lane_made_anew_goes_on_with_its_counts(redis_server: RedisServer) -> None:
    """Like a company's, when one call immediately follows another."""
    here, elsewhere = backend(redis_server, 1, lease=3600), backend(redis_server, 1, lease=3600)
    theirs = elsewhere.slots("all")
    inside = peak = 0

    async def visit(of: RedisSlots) -> None:
        nonlocal inside, peak
        await asyncio.wait_for(of.take(), 30)
        inside += 1
        peak = max(peak, inside)
        await asyncio.sleep(0.001)
        inside -= 1
        of.give_back()

    async def visits() -> None:
        for _ in range(50):
            await visit(here.slots("all"))

    others = [asyncio.create_task(visit(theirs)) for _ in range(50)]
    await asyncio.gather(visits(), *others)
    assert peak == 1
    await here.aclose()
    await elsewhere.aclose()


@contextmanager
def cut_off(server: RedisServer) -> Iterator[None]:
    """Its socket cannot be reached; it continues with what it knows."""
    socket = Path(server.socket_url.removeprefix("unix://"))
    hidden = socket.rename(socket.with_suffix(".hidden"))
    with Redis.from_url(server.url) as redis:
        for kind in ("normal", "pubsub"):
            redis.execute_command("CLIENT", "KILL", "TYPE", kind)
    yield
    hidden.rename(socket)


async def nothing_under_way(of: RedisBackend) -> bool:
    for _ in range(500):
        if not of._lanes:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_lane_made_anew_in_an_outage_takes_no_more_than_there_is(redis_server: RedisServer) -> None:
    """Redis comes back with what this process had earlier: five, although it has given back three."""
    here = RedisBackend(Secret(redis_server.socket_url), "wait", "a", lambda: 7, LEASE)
    elsewhere = backend(redis_server, 7, lease=3600)
    mine, theirs = here.slots("all"), elsewhere.slots("all")
    for _ in range(2):
        await theirs.take()
    for _ in range(3):
        await mine.take()
        mine.give_back()
    for _ in range(5):
        await mine.take()
    with cut_off(redis_server):
        for _ in range(5):
            mine.give_back()
        assert await nothing_under_way(here)
        anew = here.slots("all")
        assert anew is not mine
        calls = [asyncio.create_task(anew.take()) for _ in range(7)]
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while sum(call.done() for call in calls) < 5:
            await asyncio.sleep(0.01)
    assert not await is_free(theirs, LEASE)
    assert sum(call.done() for call in calls) == 5
    for _ in range(2):
        theirs.give_back()
    await asyncio.wait_for(asyncio.gather(*calls), 30)
    for _ in range(7):
        anew.give_back()
    await here.aclose()
    await elsewhere.aclose()


async def test_a_place_may_rest_after_it_was_given_back(redis_server: RedisServer) -> None:
    here = backend(redis_server, 1)
    mine = here.slots("all")
    await mine.take()
    mine.give_back(after=0.3)
    assert not await is_free(mine, 0.2)
    assert await is_free(mine, 5)
    await here.aclose()


async def test_a_place_that_is_held_is_given_back_when_it_is_time(redis_server: RedisServer) -> None:
    here, elsewhere = backend(redis_server, 1), backend(redis_server, 1)
    mine, theirs = here.slots("all"), elsewhere.slots("all")
    await mine.take()
    give_back = mine.hold(0.1)  # the lane decides when, not the clock
    assert not await is_free(theirs, 1)
    give_back()
    assert await is_free(theirs, 5)
    await here.aclose()
    await elsewhere.aclose()


async def test_what_is_held_at_the_end_ends_with_its_lease(redis_server: RedisServer) -> None:
    here, elsewhere = backend(redis_server, 1), backend(redis_server, 1)
    mine, theirs = here.slots("all"), elsewhere.slots("all")
    await mine.take()
    mine.give_back(after=60)
    await here.aclose()
    assert not await is_free(theirs, LEASE / 2)
    assert await is_free(theirs, LEASE + 1)
    await elsewhere.aclose()


async def test_nothing_secret_is_kept_there(redis_server: RedisServer) -> None:
    here = backend(redis_server)
    mine = here.slots("all")
    await mine.take()
    assert sorted(keys(redis_server)) == [f"woodpecker-async:1:{here._name}", "woodpecker-async:1:{a-all}"]
    mine.give_back()
    await here.aclose()
    assert not await anything_left(redis_server)


async def test_a_redis_that_hangs_is_not_waited_for(redis_server: RedisServer, caplog) -> None:
    here = backend(redis_server, 7)
    mine = here.slots("all")
    assert await is_free(mine, 5)
    os.kill(redis_server._process.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(10):
            await mine.take()  # the one that a process has on its own
        assert not await is_free(mine, 0.3)
    finally:
        os.kill(redis_server._process.pid, signal.SIGCONT)
    async with asyncio.timeout(10):
        for _ in range(6):
            await mine.take()
    assert [record.levelname for record in ours(caplog)] == ["WARNING"]
    assert "no answer in time" in caplog.text
    for _ in range(7):
        mine.give_back()
    await here.aclose()


async def test_an_idle_process_hears_that_redis_was_restarted(redis_server: RedisServer) -> None:
    """It asks before the permit's holder has announced itself again."""
    here, elsewhere = backend(redis_server, 1, outage="wait"), backend(redis_server, 1, outage="wait")
    mine, theirs = here.slots("all"), elsewhere.slots("all")
    assert await is_free(mine, 5)
    await theirs.take()
    redis_server.stop()
    redis_server.start()
    assert not await is_free(mine, 2 * LEASE)
    theirs.give_back()
    assert await is_free(mine, 5)
    await here.aclose()
    await elsewhere.aclose()


async def test_whoever_waits_in_an_outage_may_wait(redis_server: RedisServer) -> None:
    here = backend(redis_server, outage="wait")
    mine = here.slots("all")
    redis_server.stop()
    assert not await is_free(mine, LEASE)
    waiting = asyncio.create_task(mine.take())
    redis_server.start()
    await asyncio.wait_for(waiting, 30)
    mine.give_back()
    await here.aclose()


async def test_a_call_after_an_outage_does_not_fail(redis_server: RedisServer, no_tasks_left: None) -> None:
    """Nothing contacted Redis for a while, because nothing was in flight: its state is unknown."""
    here = backend(redis_server, outage="fail")
    mine = here.slots("all")
    redis_server.stop()
    with pytest.raises(SlotsUnavailableError):
        await asyncio.wait_for(mine.take(), 30)
    assert await nothing_under_way(here)
    with pytest.raises(SlotsUnavailableError):
        await asyncio.wait_for(mine.take(), 30)
    assert await nothing_under_way(here)
    redis_server.start()
    assert await is_free(mine, 10)
    await here.aclose()


async def test_who_waits_when_it_is_closed_gets_an_error(redis_server: RedisServer, no_tasks_left: None) -> None:
    here, elsewhere = backend(redis_server, 1), backend(redis_server, 1)
    mine, theirs = here.slots("all"), elsewhere.slots("all")
    await theirs.take()
    turn = asyncio.create_task(mine.take())
    await asyncio.to_thread(waiting, redis_server, 1)
    await here.aclose()
    with pytest.raises(SlotsUnavailableError, match="closed"):
        await asyncio.wait_for(turn, 30)
    theirs.give_back()
    await elsewhere.aclose()


async def test_a_password_is_used_and_not_told(caplog, no_tasks_left: None) -> None:
    with running_redis(PASSWORD) as server:
        right = backend(server)
        assert await is_free(right.slots("all"), 5)
        await right.aclose()
        for url in (server.url.replace(PASSWORD, "wrong-" + PASSWORD), server.url.replace(f":{PASSWORD}@", "")):
            wrong = RedisBackend(Secret(url), "local", "a", lambda: 2, LEASE)
            waiting = wrong.slots("all")
            for _ in range(2):
                with pytest.raises(
                    ConfigError, match=f"127.0.0.1:{server.port}, refuses the user or the password"
                ) as e:
                    await asyncio.wait_for(waiting.take(), 30)
                assert PASSWORD not in str(e.value)
                assert e.value.__cause__ is None
                assert e.value.__context__ is None
            await wrong.aclose()
        server.stop()
        late = backend(server, outage="fail")
        with pytest.raises(SlotsUnavailableError, match=f"127.0.0.1:{server.port}, does not serve: no connection") as e:
            await asyncio.wait_for(late.slots("all").take(), 30)
        assert PASSWORD not in str(e.value)
        await late.aclose()
    assert PASSWORD not in caplog.text


ACL = (
    "ACL SETUSER app on >{} ~woodpecker-async:1:* &woodpecker-async:1:* "
    "+eval +evalsha +time +hgetall +hset +hdel +hincrby +pexpire +publish +subscribe"
)


async def test_what_a_user_needs_is_what_is_said(redis_server: RedisServer) -> None:
    url = Secret(redis_server.url.replace("//", f"//app:{PASSWORD}@"))
    with Redis.from_url(redis_server.url) as redis:
        redis.execute_command(*ACL.format(PASSWORD).split())
        enough = RedisBackend(url, "local", "a", lambda: 2, LEASE)
        assert await is_free(enough.slots("all"), 5)
        await enough.aclose()
        for command in ("subscribe", "evalsha", "time", "hgetall", "hset", "hdel", "hincrby", "pexpire", "publish"):
            redis.execute_command(*f"ACL SETUSER app -{command}".split())
            lacking = RedisBackend(url, "local", "a", lambda: 2, LEASE)
            with pytest.raises(ConfigError, match="does not let this user do what is needed"):
                await asyncio.wait_for(lacking.slots("all").take(), 30)
            await lacking.aclose()
            redis.execute_command(*f"ACL SETUSER app +{command}".split())


@pytest.mark.parametrize(
    ("rest", "message"),
    [("/99", "check the number of the database"), ("/0?nonsense=1", "after the question mark")],
)
async def test_what_the_url_says_may_be_refused(redis_server: RedisServer, rest: str, message: str) -> None:
    url = redis_server.url.removesuffix("/0") + rest
    wrong = RedisBackend(Secret(url), "local", "a", lambda: 2, LEASE)
    with pytest.raises(ConfigError, match=message):
        await asyncio.wait_for(wrong.slots("all").take(), 30)
    await wrong.aclose()


async def test_over_a_unix_socket(redis_server: RedisServer) -> None:
    here = RedisBackend(Secret(redis_server.socket_url), "local", "a", lambda: 2, LEASE)
    assert await is_free(here.slots("all"), 5)
    await here.aclose()


async def test_a_clock_that_is_wrong_does_not_matter(redis_server: RedisServer, monkeypatch) -> None:
    here, elsewhere = backend(redis_server, 1), backend(redis_server, 1)
    mine, theirs = here.slots("all"), elsewhere.slots("all")
    await mine.take()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert not await is_free(theirs, 2 * LEASE)
    mine.give_back()
    assert await is_free(theirs, 5)
    await here.aclose()
    await elsewhere.aclose()
