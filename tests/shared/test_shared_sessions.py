"""Sessions with and without shared lanes: loops, forks, closing, cancelling, and agreement on settings."""

import asyncio
import gc
import os
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.shared.lanes import lanes_of
from tests.shared.redis_server import RedisServer
from woodpecker_async import Limits, Timeouts, WoodpeckerSession, errors
from woodpecker_async.engine.shared import Backend, backend
from woodpecker_async.errors import ConfigError
from woodpecker_async.sandbox import Fault, Sandbox

REDIS = pytest.param("redis", marks=pytest.mark.system)


@pytest.fixture(params=["host", REDIS])
def shared(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("redis_server").url if request.param == "redis" else request.param


or_not = pytest.mark.parametrize("shared", [None, "host", REDIS], indirect=True)


def loops() -> list[Any]:
    try:
        import uvloop
    except ImportError:
        return [asyncio.new_event_loop]
    return [asyncio.new_event_loop, uvloop.new_event_loop]


def descriptors_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here")
@pytest.mark.parametrize("make_loop", loops())
@pytest.mark.parametrize("close", [True, False])
def test_several_loops_one_after_another(shared: str, make_loop: Callable[[], Any], close: bool) -> None:
    """Nothing of a loop is left after it has ended, closed or not."""
    with Sandbox(companies=1, service_time=0.0005) as box:

        async def use(woodpecker: WoodpeckerSession) -> None:
            await asyncio.gather(*(woodpecker.account.me() for _ in range(20)))
            if close:
                await woodpecker.aclose()
                assert asyncio.all_tasks() == {asyncio.current_task()}

        def run() -> None:
            woodpecker = box.session(limits=Limits(shared=shared))
            with asyncio.Runner(loop_factory=make_loop, debug=True) as runner:
                runner.run(use(woodpecker))

        run()
        gc.collect()
        before = descriptors_open()
        for _ in range(4):
            run()
        for _ in range(200):
            gc.collect()
            if descriptors_open() <= before:
                break
        assert descriptors_open() <= before
        assert box.stats.refused == 0


@or_not
def test_a_session_is_made_without_a_loop_and_works_in_several(shared: str | None) -> None:
    with Sandbox(companies=2, service_time=0.0005) as box:
        woodpecker = box.session(limits=Limits(shared=shared))

        async def use() -> int:
            return len(await asyncio.gather(*(woodpecker.agency.companies.list().collect() for _ in range(20))))

        assert asyncio.run(use()) == 20
        assert asyncio.run(use()) == 20  # the first run's connections died with its loop
        asyncio.run(woodpecker.aclose())
    gc.collect()


@pytest.mark.system
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_goes_on_by_itself(shared: str) -> None:
    with Sandbox(companies=1, service_time=0.001) as box:
        woodpecker = box.session(limits=Limits(shared=shared))

        async def use() -> int:
            return len(await asyncio.gather(*(woodpecker.account.me() for _ in range(10))))

        async def in_parent_and_child() -> None:
            assert await use() == 10
            under_way = asyncio.create_task(use())
            await asyncio.sleep(0.002)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # fork alongside a thread: what is tested here
                child = os.fork()
            if child == 0:
                code = 1
                try:
                    asyncio.events._set_running_loop(None)
                    asyncio.set_event_loop(None)
                    code = 0 if asyncio.run(use()) == 10 else 2
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(code)
            assert await under_way == 10
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            assert await use() == 10
            await woodpecker.aclose()

        asyncio.run(in_parent_and_child())
        assert box.stats.refused == 0
        assert len(box.journal) == 40


@or_not
@pytest.mark.parametrize("cancelled_after", [0.0, 0.004, 0.01, 0.02, 0.03])
async def test_cancellation_anywhere_loses_no_place(shared: str | None, cancelled_after: float, no_tasks_left) -> None:
    async with Sandbox(companies=1, service_time=0.003) as box, box.session(limits=Limits(shared=shared)) as woodpecker:
        for _ in range(3):
            calls = [asyncio.create_task(woodpecker.account.me()) for _ in range(20)]
            await asyncio.sleep(cancelled_after)
            for call in calls[::2]:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        async with asyncio.timeout(20):
            await asyncio.gather(*(woodpecker.account.me() for _ in range(20)))
        assert box.stats.refused == 0


async def elsewhere(woodpecker: WoodpeckerSession) -> Backend:
    """What another process with the same key and limits would get."""
    lanes = await lanes_of(woodpecker)
    return backend(lanes.limits.shared, "local", lanes.account, lambda: lanes.limits.max_in_flight)


async def test_an_abandoned_request_keeps_its_place_for_all(shared: str, no_tasks_left: None) -> None:
    """As long as the server takes for it, however long that is, and hardly longer."""
    async with Sandbox(companies=1, service_time=0.002) as box:
        async with box.session(limits=Limits(shared=shared, max_in_flight=1)) as woodpecker:
            for _ in range(5):
                await woodpecker.account.me()
            box.faults.add(Fault.wait(2.0, times=1))
            call = asyncio.create_task(woodpecker.account.me())
            await asyncio.sleep(0.2)
            other = await elsewhere(woodpecker)
            slots = other.slots("all")
            taken = asyncio.create_task(slots.take())
            call.cancel()
            await asyncio.wait((call,))
            await asyncio.sleep(1)
            assert not taken.done()
            await asyncio.wait_for(taken, 5)  # not 15 s, as if nothing had listened
            slots.give_back()
            await other.aclose()


async def test_each_company_has_places_of_its_own(shared: str, no_tasks_left: None) -> None:
    async with Sandbox(companies=6, service_time=0.01, limit_scope="company") as box:
        limits = Limits(lanes="company", max_in_flight=2, shared=shared)
        async with box.session(limits=limits) as woodpecker:
            await asyncio.gather(
                *(woodpecker.agency.api_keys.list(company_id).collect() for company_id in box.company_ids * 5)
            )
            lanes = await lanes_of(woodpecker)
            assert lanes._by_company == {}
        assert box.stats.refused == 0
        assert max(box.stats.peak_queued.values()) <= 2


async def test_sessions_of_a_key_share_in_one_way(redis_server: RedisServer, no_tasks_left: None) -> None:
    async with Sandbox(companies=1) as box:
        async with box.session(limits=Limits(shared="host")) as first:
            await first.account.me()
            async with box.session() as silent:  # does as the others do
                await silent.account.me()
                lanes = await lanes_of(silent)
                assert lanes._backend is not None
            for other in (Limits(shared=redis_server.url), Limits(shared="host", shared_outage="fail")):
                async with box.session(limits=other) as contradicting:
                    for _ in range(2):  # trying again does not let it in
                        with pytest.raises(ConfigError, match="in another way"):
                            await contradicting.account.me()
            async with box.session(limits=Limits(lanes="discover")) as bold:
                await bold.account.me()
                assert (await lanes_of(bold)).limits.lanes == "account"
        assert lanes._backend is None
        async with box.session(limits=Limits(shared=redis_server.url)) as later:  # all of them are closed
            await later.account.me()


async def test_waiting_for_others_is_bounded(shared: str, no_tasks_left: None) -> None:
    async with Sandbox(companies=1) as box:
        limits = Limits(shared=shared, max_in_flight=1)
        async with box.session(limits=limits, timeouts=Timeouts(lane=0.3)) as woodpecker:
            await woodpecker.account.me()
            other = await elsewhere(woodpecker)
            slots = other.slots("all")
            await slots.take()
            with pytest.raises(errors.LaneTimeoutError):
                await woodpecker.account.me()
            slots.give_back()
            await other.aclose()
            await woodpecker.account.me()


async def test_without_redis_from_the_start(redis_server: RedisServer, caplog, monkeypatch, no_tasks_left) -> None:
    monkeypatch.setattr("woodpecker_async.engine.shared.redis.LEASE", 0.5)
    redis_server.stop()
    async with Sandbox(companies=1) as box:
        async with box.session(limits=Limits(shared=redis_server.url)) as woodpecker:
            await asyncio.gather(*(woodpecker.account.me() for _ in range(10)))
        assert box.stats.peak_queued[box.state.hq.id] == 1
        assert [record.levelname for record in caplog.records if record.name == "woodpecker_async"] == ["WARNING"]
        async with box.session(limits=Limits(shared=redis_server.url, shared_outage="fail")) as woodpecker:
            with pytest.raises(errors.SharedLaneError, match=f"127.0.0.1:{redis_server.port}") as failed:
                await woodpecker.account.me()
            assert not failed.value.maybe_sent
            assert failed.value.retryable
            assert failed.value.path == "/v1/me"
        waits = Limits(shared=redis_server.url, shared_outage="wait")
        async with box.session(limits=waits, timeouts=Timeouts(lane=0.5)) as woodpecker:
            with pytest.raises(errors.LaneTimeoutError):
                await woodpecker.account.me()


async def test_a_repeat_without_redis_ends_in_the_failure_before(redis_server: RedisServer, monkeypatch) -> None:
    """The caller gets the server's response, and learns that the attempt was made."""
    monkeypatch.setattr("woodpecker_async.engine.shared.redis.LEASE", 0.5)
    async with Sandbox(companies=1) as box:
        box.faults.add(Fault.status(503, headers={"Retry-After": "1"}, times=1))
        async with box.session(limits=Limits(shared=redis_server.url, shared_outage="fail")) as woodpecker:
            call = asyncio.create_task(woodpecker.account.me())
            while not box.journal:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            redis_server.stop()
            with pytest.raises(errors.ServerError, match="does not serve") as failed:
                await call
            assert len(failed.value.attempts) == 1


async def test_closing_in_the_middle(shared: str, no_tasks_left: None) -> None:
    async with Sandbox(companies=1, service_time=0.05) as box:
        woodpecker = box.session(limits=Limits(shared=shared, max_in_flight=2))
        calls = [asyncio.create_task(woodpecker.account.me()) for _ in range(10)]
        await asyncio.sleep(0.08)
        await woodpecker.aclose()
        await woodpecker.aclose()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        failed = {type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)}
        assert failed == {errors.SessionClosedError}


def test_the_password_is_not_shown() -> None:
    limits = Limits(shared="redis://app:sesame@10.0.0.5:6379/0")
    assert "shared='redis://app:****@10.0.0.5:6379/0'" in repr(limits)
    hidden = Limits(shared="rediss://:sesame@h?password=sesame")
    shown = [repr(limits), str(attrs.asdict(limits)), repr(hidden), repr(WoodpeckerSession("1.key", limits=limits))]
    assert not any("sesame" in text for text in shown)
    assert attrs.evolve(limits, total=3).shared == limits.shared


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://:sesame@h/0", "redis://, rediss:// and unix://"),
        ("redis:sesame", "names no host"),
        ("redis://:sesame@", "names no host"),
        ("redis://:sesame@h:port/0", "cannot be read"),
        ("redis://:sesame@h:6379/database", "number of a database"),
        ("unix://", "path"),
        ("Host", "redis://, rediss:// and unix://"),
        ("", "host"),
        (7, "host"),
    ],
)
def test_a_wrong_url_is_refused_when_it_is_given(url: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        Limits(shared=url)
    told = traceback.TracebackException.from_exception(refused.value, capture_locals=True, limit=-2).format()
    assert "sesame" not in "".join(told)


def test_discover_is_for_one_process() -> None:
    with pytest.raises(ConfigError, match="discover"):
        Limits(lanes="discover", shared="host")


def test_an_outage_is_met_in_one_of_three_ways() -> None:
    with pytest.raises(ConfigError, match="shared_outage"):
        Limits(shared="host", shared_outage="panic")  # type: ignore[arg-type]


@pytest.mark.system
def test_the_client_of_redis_may_be_missing() -> None:
    """As in an environment without it."""
    code = """
import sys
sys.modules["redis"] = None
from woodpecker_async import Limits
from woodpecker_async.engine.shared import Backend, backend
from woodpecker_async.errors import ConfigError
Limits(shared="host")
try:
    Limits(shared="redis://localhost")
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "pip install 'woodpecker-async[redis]'" in done.stdout


@pytest.mark.system
def test_redis_is_imported_by_those_who_use_it_only() -> None:
    code = """
import asyncio, sys
from woodpecker_async import Limits
from woodpecker_async.sandbox import Sandbox
async def main():
    async with Sandbox(companies=1) as box, box.session(limits=Limits(shared="host")) as woodpecker:
        await woodpecker.account.me()
asyncio.run(main())
print("redis" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
