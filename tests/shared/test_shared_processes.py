"""Several processes, one account: together they respect the server's limit, and each gets its share."""

import time

import pytest

from tests.shared.redis_server import RedisServer
from tests.shared.server import Server
from tests.shared.worker import workers


def three_processes(shared: str, *, calls: int, service_time: float, fair: tuple[float, float]) -> None:
    with Server(companies=1, service_time=service_time) as server:
        address = {"base_url": server.base_url, "key": server.key, "shared": shared}
        with workers(3, calls=calls, **address) as team:
            for worker in team:
                worker.say("go")
            for worker in team:
                outcomes, logged = worker.read()
                assert outcomes == {"ok": calls}
                assert logged == []
        seen = server.report()
        assert len(seen.requests) == 3 * calls
        assert seen.refused == 0
        assert seen.peak <= 7
        busy = seen.all_busy
        shares = seen.shares(*busy)
        assert seen.used(*busy) >= 0.9
        assert all(fair[0] <= share <= fair[1] for share in shares.values()), shares


@pytest.mark.system
def test_three_processes_on_one_host() -> None:
    three_processes("host", calls=150, service_time=0.016, fair=(0.18, 0.5))  # chance evens out in the long form


@pytest.mark.system
def test_three_processes_and_redis(redis_server: RedisServer) -> None:
    three_processes(redis_server.url, calls=150, service_time=0.016, fair=(0.25, 0.42))


@pytest.mark.long
def test_three_processes_on_one_host_for_long() -> None:
    three_processes("host", calls=2000, service_time=0.005, fair=(0.25, 0.42))


@pytest.mark.long
def test_three_processes_and_redis_for_long(redis_server: RedisServer) -> None:
    three_processes(redis_server.url, calls=2000, service_time=0.005, fair=(0.25, 0.42))


@pytest.mark.system
def test_whoever_asks_for_less_gets_less_and_the_others_go_on() -> None:
    with Server(companies=1, service_time=0.002) as server:
        address = {"base_url": server.base_url, "key": server.key, "shared": "host", "calls": 60}
        with workers(1, max_in_flight=2, **address) as small, workers(1, **address) as large:
            for worker in (*small, *large):
                worker.say("go")
            assert [worker.read() for worker in (*small, *large)] == [[{"ok": 60}, []]] * 2
        assert server.report().refused == 0


@pytest.mark.system
@pytest.mark.parametrize("kind", ["host", "redis"])
def test_the_places_of_a_process_that_was_killed_come_back(kind: str, redis_server: RedisServer) -> None:
    """On a host at once; with Redis when its lease ends."""
    shared = "host" if kind == "host" else redis_server.url
    lease = 1.0
    with Server(companies=1, service_time=0.002) as server:
        address = {"base_url": server.base_url, "key": server.key, "shared": shared, "lease": lease}
        with workers(1, calls=7, **address) as doomed, workers(1, calls=5, at_once=5, **address) as heirs:
            doomed[0].say("hold")
            assert doomed[0].read() == "held"
            heirs[0].say("go")
            time.sleep(2 * lease)  # nothing takes a renewed one
            assert server.report().requests == []
            doomed[0].kill()
            killed = time.monotonic()
            assert heirs[0].read() == [{"ok": 5}, []]
            first = min(received for _, received, _ in server.report().requests)
            # By contract at once, or when the lease ends; the rest is slack for a loaded machine.
            assert first - killed < (0 if kind == "host" else lease) + 10


@pytest.mark.system
@pytest.mark.parametrize("down", [0.0, 2.0])
def test_redis_goes_away_and_comes_back(down: float, redis_server: RedisServer) -> None:
    """Nothing is lost, nothing is refused, and it is logged once."""
    with Server(companies=1, service_time=0.004) as server:
        address = {"base_url": server.base_url, "key": server.key, "shared": redis_server.url, "lease": 1.0}
        with workers(3, calls=400, at_once=12, **address) as team:  # more than can be done without it
            for worker in team:
                worker.say("go")
            time.sleep(0.7)
            redis_server.stop()
            time.sleep(down)
            redis_server.start()
            for worker in team:
                outcomes, logged = worker.read()
                assert outcomes == {"ok": 400}
                assert [level for level, _ in logged] == ["WARNING", "INFO"], logged
                assert f"127.0.0.1:{redis_server.port}" in logged[0][1]
        seen = server.report()
        assert seen.refused == 0
        assert seen.peak <= 7


@pytest.mark.system
def test_without_redis_calls_fail_if_they_are_told_to(redis_server: RedisServer) -> None:
    with Server(companies=1, service_time=0.002) as server:
        address = {"base_url": server.base_url, "key": server.key, "shared": redis_server.url, "lease": 0.5}
        with workers(1, calls=20, at_once=5, outage="fail", **address) as team:
            redis_server.stop()
            team[0].say("go")
            outcomes, logged = team[0].read()
            assert outcomes == {"SharedLaneError": 20}
            assert [level for level, _ in logged] == ["WARNING"]
        assert server.report().requests == []
