"""Several processes, one account: the server's limit is kept to by all of them together, and all get their share."""

import pytest

from tests.shared.redis_server import RedisServer
from tests.shared.server import Server
from tests.shared.worker import workers


def three_processes(shared: str, *, calls: int, service_time: float) -> None:
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
        print(seen.peak, seen.used(*busy), shares)
        assert seen.used(*busy) >= 0.9
        assert all(0.25 <= share <= 0.42 for share in shares.values()), shares


def test_three_processes_on_one_host() -> None:
    three_processes("host", calls=150, service_time=0.005)


def test_three_processes_and_redis(redis_server: RedisServer) -> None:
    three_processes(redis_server.url, calls=150, service_time=0.005)


@pytest.mark.long
def test_three_processes_on_one_host_for_long() -> None:
    three_processes("host", calls=2000, service_time=0.005)


@pytest.mark.long
def test_three_processes_and_redis_for_long(redis_server: RedisServer) -> None:
    three_processes(redis_server.url, calls=2000, service_time=0.005)
