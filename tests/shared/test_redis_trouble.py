"""A Redis that is there but does not work: `shared_outage` applies, the reason is given, and retries are limited."""

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal

import pytest
import trustme
from redis import Redis
from redis.exceptions import RedisError

from tests.shared.redis_server import RedisServer, running_redis
from woodpecker_async import Limits, Timeouts, errors
from woodpecker_async.engine.shared import SlotsUnavailableError
from woodpecker_async.engine.shared.redis import RedisBackend, RedisSlots
from woodpecker_async.errors import ConfigError
from woodpecker_async.sandbox import Sandbox
from woodpecker_async.secret import Secret

pytestmark = pytest.mark.system

LEASE = 1.0
LANE = "woodpecker-async:1:{a-all}"
Outage = Literal["local", "wait", "fail"]


@contextmanager
def again_and_again(what: Callable[[], object]) -> Iterator[None]:
    """Every fifth of a second, on a thread."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(0.2):
            with contextlib.suppress(RedisError):
                what()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def full(redis: Any) -> Iterator[None]:
    redis.config_set("maxmemory", "1")
    yield
    redis.config_set("maxmemory", "0")


@contextmanager
def without_a_right(redis: Any) -> Iterator[None]:
    redis.execute_command("ACL", "SETUSER", "default", "-hincrby")
    yield
    redis.execute_command("ACL", "SETUSER", "default", "+hincrby")


@contextmanager
def read_only(redis: Any) -> Iterator[None]:
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    yield
    redis.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def stale(redis: Any) -> Iterator[None]:
    redis.config_set("replica-serve-stale-data", "no")
    with read_only(redis):
        yield


@contextmanager
def another_type(redis: Any) -> Iterator[None]:
    with again_and_again(lambda: redis.set(LANE, "somebody else's")):
        redis.set(LANE, "somebody else's")
        yield
    redis.delete(LANE)


@contextmanager
def busy(redis: Any) -> Iterator[None]:
    redis.config_set("busy-reply-threshold", "100")

    def run() -> None:
        with contextlib.suppress(RedisError):
            redis.eval("while true do end", 0)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    yield
    redis.execute_command("SCRIPT", "KILL")
    thread.join()


@contextmanager
def flushed(redis: Any) -> Iterator[None]:
    with again_and_again(redis.flushall):
        yield


@contextmanager
def cutting(redis: Any) -> Iterator[None]:
    def cut() -> None:
        for kind in ("normal", "pubsub"):
            redis.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    with again_and_again(cut):
        yield


TROUBLES = [
    (full, "its memory is full"),
    (without_a_right, "does not let this user do what is needed: EVAL"),
    (read_only, "it is a replica that can only be read"),
    (stale, "it is a replica that has lost its master"),
    (another_type, "a value of another type is kept"),
    (busy, "it is busy running a script"),
    (flushed, "has forgotten the places"),
]


def backend(server: RedisServer, outage: Outage, lease: float = LEASE) -> RedisBackend:
    return RedisBackend(Secret(server.url), outage, "a", lambda: 2, lease)


async def is_free(of: RedisSlots, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await of.take()
    except TimeoutError:
        return False
    of.give_back()
    return True


@asynccontextmanager
async def in_trouble(server: RedisServer, trouble: Any) -> AsyncIterator[Any]:
    """A client of it that is always connected; used on threads, because this loop is busy."""
    with Redis.from_url(server.url, decode_responses=True) as redis:
        context = trouble(redis)
        await asyncio.to_thread(context.__enter__)
        try:
            yield redis
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)


def each_met_in_each_way() -> Iterator[Any]:
    """Each once in the plain suite, and one of them in every variant; the rest in the long one."""
    for trouble, why in TROUBLES:
        for outage in ("local", "wait", "fail"):
            yield pytest.param(outage, trouble, why, id=f"{outage}-{trouble.__name__}")


@pytest.mark.parametrize(("outage", "trouble", "why"), list(each_met_in_each_way()))
async def test_an_outage_is_met_as_was_asked_for(
    outage: Outage, trouble: Any, why: str, redis_server: RedisServer, caplog, no_tasks_left: None
) -> None:
    here = backend(redis_server, outage)
    mine = here.slots("all")
    assert await is_free(mine, 10)
    async with in_trouble(redis_server, trouble):
        if trouble is flushed:  # lost data is noticed by those who had something there
            await mine.take()
            mine_too = asyncio.create_task(is_free(mine, 0.5))
            await asyncio.wait((mine_too,))
            mine.give_back()
        await asyncio.sleep(0.5)
        if outage == "fail":
            with pytest.raises(SlotsUnavailableError, match=f"127.0.0.1:{redis_server.port}, does not serve: .*{why}"):
                for _ in range(20):  # the outage must be noticed first
                    await asyncio.wait_for(mine.take(), 30)
                    mine.give_back()
                    await asyncio.sleep(0.2)
        elif outage == "local":
            for _ in range(3):
                assert await is_free(mine, 10)
        else:
            assert not await is_free(mine, 2 * LEASE)
            assert why in (here.trouble or "")
        if trouble is not flushed:  # which ends and starts again
            assert not here.ready
            if outage != "local":
                with pytest.raises(SlotsUnavailableError):  # one that can do without it does not wait
                    await asyncio.wait_for(mine.take(optional=True), 30)
    assert why in caplog.text
    async with asyncio.timeout(20):
        while not here.ready:
            with contextlib.suppress(SlotsUnavailableError):
                assert await is_free(mine, 10)
            await asyncio.sleep(0.1)
    assert await is_free(mine, 10)
    await here.aclose()


@pytest.mark.parametrize("trouble", [full, without_a_right, flushed, cutting])
async def test_nobody_hammers_at_it(trouble: Any, redis_server: RedisServer) -> None:
    here = backend(redis_server, "local", lease=5.0)
    mine = here.slots("all")
    assert await is_free(mine, 10)
    seconds = 3.0
    async with in_trouble(redis_server, trouble) as redis:

        def connections() -> int:
            return int(redis.info("stats")["total_connections_received"])

        before, cpu = await asyncio.to_thread(connections), time.process_time()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await is_free(mine, 1.5)
            await asyncio.sleep(0.05)
        made = await asyncio.to_thread(connections) - before
        assert made <= 2 * (seconds + 2)
        assert time.process_time() - cpu < seconds
    await here.aclose()


async def test_a_redis_that_is_loading(no_tasks_left: None) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with contextlib.suppress(ConnectionError):
            while await reader.read(10_000):
                writer.write(b"-LOADING Redis is loading the dataset in memory\r\n")
        writer.close()

    connections = 0
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        here = RedisBackend(Secret(f"redis://127.0.0.1:{port}"), "fail", "a", lambda: 2, LEASE)
        with pytest.raises(SlotsUnavailableError, match="it is loading its data"):
            await asyncio.wait_for(here.slots("all").take(), 30)
        await here.aclose()
        assert connections <= 6


async def test_who_holds_nothing_hears_that_all_was_forgotten(redis_server: RedisServer) -> None:
    """A flush must not hand out again what others hold."""
    here, elsewhere = backend(redis_server, "wait"), backend(redis_server, "wait")
    mine, theirs = here.slots("all"), elsewhere.slots("all")
    assert await is_free(mine, 5)
    await theirs.take()
    await theirs.take()
    with Redis.from_url(redis_server.url) as redis:
        for _ in range(3):
            redis.flushall()
            assert not await is_free(mine, 0.5)
    assert not await is_free(mine, LEASE)
    theirs.give_back()
    assert await is_free(mine, 5)
    theirs.give_back()
    await here.aclose()
    await elsewhere.aclose()


async def test_the_wait_for_a_place_says_why_there_is_none(redis_server: RedisServer) -> None:
    limits = Limits(shared=redis_server.url, shared_outage="wait")
    async with Sandbox(companies=1) as box:
        async with box.session(limits=limits, timeouts=Timeouts(lane=3)) as woodpecker:
            await woodpecker.account.me()
            async with in_trouble(redis_server, full):
                with pytest.raises(errors.LaneTimeoutError, match="its memory is full"):
                    await woodpecker.account.me()


# Sessions that did not ask for it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", ["/99", "/0?nonsense=1"])
async def test_a_session_with_a_wrong_url_fails_alone(rest: str, redis_server: RedisServer, no_tasks_left) -> None:
    wrong = Limits(shared=redis_server.url.removesuffix("/0") + rest)
    async with Sandbox(companies=1) as box, box.session() as silent:
        await silent.account.me()
        async with box.session(limits=wrong) as failing:
            for _ in range(2):
                both = await asyncio.gather(failing.account.me(), silent.account.me(), return_exceptions=True)
                assert isinstance(both[0], ConfigError)
                assert not isinstance(both[1], BaseException)
            async with box.session(limits=Limits(shared=redis_server.url)) as right:
                await right.account.me()
                with pytest.raises(ConfigError, match="in another way"):
                    await failing.account.me()
        await silent.account.me()


@pytest.mark.parametrize("outage", ["local", "wait", "fail"])
async def test_an_outage_is_not_that_of_a_session_that_did_not_ask(
    outage: Outage, redis_server: RedisServer, no_tasks_left: None
) -> None:
    sharing = Limits(shared=redis_server.url, shared_outage=outage)
    async with Sandbox(companies=1) as box, box.session() as silent, box.session(limits=sharing) as asking:
        await asking.account.me()
        redis_server.stop()
        waiting = asyncio.create_task(asking.account.me())
        for _ in range(5):
            await asyncio.wait_for(silent.account.me(), 30)
        waiting.cancel()
        await asyncio.wait((waiting,))


async def test_sharing_ends_with_the_last_session_that_asked_for_it(redis_server: RedisServer) -> None:
    async with Sandbox(companies=1) as box, box.session() as silent:
        await silent.account.me()
        async with box.session(limits=Limits(shared=redis_server.url)) as asking:
            await asking.account.me()
            await silent.account.me()
        redis_server.stop()
        await asyncio.wait_for(silent.account.me(), 30)


# TLS --------------------------------------------------------------------------------------------------------------


# A system test: it starts a server.
@pytest.mark.parametrize("how", ["in the URL", "by the environment", "not at all", "another host"])
async def test_over_tls_with_a_private_authority(how: str, tmp_path, monkeypatch, no_tasks_left: None) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost" if how != "another host" else "redis.example")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    query = f"?ssl_ca_certs={tmp_path / 'ca.pem'}" if how in ("in the URL", "another host") else ""
    if how == "by the environment":
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert ssl.get_default_verify_paths().cafile == str(tmp_path / "ca.pem")
    with running_redis(tls=tmp_path) as server:
        limits = Limits(shared=f"rediss://localhost:{server.port}/0{query}")
        async with Sandbox(companies=1, service_time=0.002) as box, box.session(limits=limits) as woodpecker:
            if how in ("in the URL", "by the environment"):
                await asyncio.gather(*(woodpecker.account.me() for _ in range(20)))
                assert box.stats.refused == 0
            else:
                with pytest.raises(ConfigError, match=r"not trusted here: .*ssl_ca_certs"):
                    await woodpecker.account.me()
                assert not box.journal
