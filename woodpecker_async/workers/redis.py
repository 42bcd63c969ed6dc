"""Redis for the workers: a client with clear errors, the ledger of a run, and claims on companies."""

import asyncio
import json
import math
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

import attrs
from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.lock import Lock
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import AuthenticationError, LockError, RedisError

from woodpecker_async.errors import ClaimLostError, ConfigError, QueueError
from woodpecker_async.secret import Secret
from woodpecker_async.workers.payload import Result

T = TypeVar("T")

# How long a run can be continued.
KEPT: Final = timedelta(days=7)

_CLAIM_AGAIN: Final = 0.1  # seconds between two attempts to claim a company that another worker has
_CONNECT: Final = 10.0  # seconds
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", None)


@asynccontextmanager
async def connect(url: str | Secret) -> "AsyncIterator[Redis]":
    """Yield a client of the Redis at a URL, after checking that it responds.

    Raises:
        ConfigError: it is not the URL of a Redis.
        QueueError: it does not respond, or rejects us.
    """
    url = as_secret(url)
    check(url)
    redis = _client(url)
    try:
        await translate_errors(redis, redis.info("server"))
        yield redis
    finally:
        await redis.aclose()
        await redis.connection_pool.disconnect()


def as_secret(url: str | Secret) -> Secret:
    """Wrap a URL, which may contain a password, so that no traceback shows it."""
    return url if isinstance(url, Secret) else Secret(url or "nothing")


def check(url: Secret) -> None:
    """Check that it is the URL of a Redis.

    Raises:
        ConfigError: it is not.
    """
    try:
        parse_url(url.reveal())
        return
    except ValueError:
        pass
    # Raised outside the except block: the frames of the failure hold the URL.
    raise ConfigError("this is not the URL of a Redis, which looks like redis://[user:password@]host:port/database")


def _client(url: Secret) -> Redis:
    return Redis.from_url(
        url.reveal(),
        # With a timeout the client sends through `asyncio.wait_for`, which before Python 3.12 can lose a cancellation
        # that arrives as it ends. TCP keepalive detects that the other side has vanished.
        socket_timeout=None,
        socket_connect_timeout=_CONNECT,
        socket_keepalive=True,
        socket_keepalive_options=_keepalive(),
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
    )


def _keepalive() -> dict[int, int]:
    """Return the options that drop a connection after 15 seconds without a sign of life, if the system has them."""
    wishes = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}
    return {getattr(socket, name): value for name, value in wishes.items() if hasattr(socket, name)}


def address(redis: Redis) -> str:
    """Return its address without the password, for messages."""
    at: dict[str, Any] = redis.connection_pool.connection_kwargs
    return at.get("path") or f"{at.get('host', 'localhost')}:{at.get('port', 6379)}"


async def translate_errors(redis: Redis, work: Awaitable[T]) -> T:
    """Await work that needs Redis, and turn its errors into a `QueueError`.

    Raises:
        QueueError: Redis failed.
    """
    try:
        return await work
    except RedisError as error:
        failure = _words(error)
    # Raised outside the except block, and without a cause: the frames of the failure hold the password.
    raise QueueError(f"Redis at {address(redis)}: {failure}")


def _words(error: RedisError) -> str:
    if isinstance(error, AuthenticationError) or "NOAUTH" in str(error):
        return "it rejects the user or password in the URL (which may come from WOODPECKER_REDIS_URL)"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class RedisLedger:
    """The ledger of all runs on a queue. Each run is kept for `KEPT` after its latest result."""

    def __init__(self, redis: Redis, queue: str) -> None:
        self._redis: Any = redis  # its types say that results may not be awaitable
        self._queue = queue

    async def load(self, key: str) -> Result | None:
        """See `Ledger.load`."""
        async with self._redis.pipeline() as pipe:
            pipe.hget(self._whole(key), key).hget(self._partial(key), key).hgetall(self._parts(key))
            whole, partial, parts = await pipe.execute()
        if whole is not None:
            return _loaded(whole)
        return None if partial is None else {**_loaded(partial), "parts": _all_loaded(parts)}

    async def save(self, key: str, result: Result) -> Result:
        """See `Ledger.save`."""
        text = json.dumps(result, separators=(",", ":"))
        async with self._redis.pipeline() as pipe:
            if result["whole"]:
                pipe.hsetnx(self._whole(key), key, text)
                pipe.hdel(self._partial(key), key)
                pipe.delete(self._parts(key))
                pipe.hset(self._count(key), key, len(result["report"]["done"]) + len(result["report"]["failures"]))
            else:
                pipe.hset(self._partial(key), key, text)
            self._keep(pipe, key)
            first, *_ = await pipe.execute()
        if result["whole"] and not first:  # another worker was faster
            return await self.load(key) or result
        return result

    async def add(self, key: str, company_id: int, part: Result) -> None:
        """See `Ledger.add`."""
        text = json.dumps(part, separators=(",", ":"))
        async with self._redis.pipeline() as pipe:
            pipe.hset(self._parts(key), str(company_id), text)
            pipe.hset(self._count(key), key, part["outcomes"])
            self._keep(pipe, key)
            await pipe.execute()

    async def reopen(self, key: str, result: Result) -> None:
        """Let a whole job be run again, so that what failed in it is tried once more."""
        async with self._redis.pipeline() as pipe:
            pipe.hset(self._partial(key), key, json.dumps({**result, "whole": False}))
            pipe.delete(self._parts(key))
            pipe.hdel(self._whole(key), key)
            await pipe.execute()

    async def results(self, key: str) -> dict[str, Result]:
        """Return the results so far of this job's sweep, by job key."""
        async with self._redis.pipeline() as pipe:
            whole, partial = await pipe.hgetall(self._whole(key)).hgetall(self._partial(key)).execute()
        results = {**_all_loaded(partial), **_all_loaded(whole)}
        open_ = [name for name, result in results.items() if not result["whole"]]
        async with self._redis.pipeline() as pipe:
            for name in open_:
                pipe.hgetall(self._parts(name))
            for name, parts in zip(open_, await pipe.execute(), strict=True):
                results[name]["parts"] = _all_loaded(parts)
        return results

    async def progress(self, key: str) -> tuple[set[str], int]:
        """Return, for this job's sweep, the keys of the jobs that are whole and how many companies are done."""
        async with self._redis.pipeline() as pipe:
            whole, counts = await pipe.hkeys(self._whole(key)).hvals(self._count(key)).execute()
        return {name.decode() for name in whole}, sum(map(int, counts))

    def _whole(self, key: str) -> str:
        return self._name(key, "whole")

    def _partial(self, key: str) -> str:
        return self._name(key, "partial")

    def _count(self, key: str) -> str:
        return self._name(key, "count")

    def _parts(self, key: str) -> str:
        return self._name(key, f"parts:{key.rpartition(':')[2]}")

    def _keep(self, pipe: Any, key: str) -> None:
        for name in (self._whole(key), self._partial(key), self._count(key), self._parts(key)):
            pipe.expire(name, KEPT)

    def _name(self, key: str, what: str) -> str:
        return f"woodpecker:{self._queue}:{key.rpartition(':')[0]}:{what}"


def _loaded(text: bytes) -> Result:
    result: Result = json.loads(text)
    return result


def _all_loaded(texts: dict[bytes, bytes]) -> dict[str, Result]:
    return {name.decode(): _loaded(text) for name, text in texts.items()}


class RedisClaims:
    """Claims on companies, each a lock in Redis that expires unless `keep` renews it.

    A process that was frozen, or cut off from Redis, for longer than a claim lasts has lost the claim, whether or not
    another worker has taken it. `check` knows that from the clock, without asking Redis.
    """

    def __init__(self, redis: Redis, lasting: float) -> None:
        self._redis = redis
        self._lasting = lasting
        self._held: dict[int, _Claim] = {}

    async def take(self, company_id: int) -> None:
        """See `Claims.take`."""
        # No thread-local token: a lock belongs to a job, not to one of its tasks.
        lock = Lock(
            self._redis, f"woodpecker:claim:{company_id}", timeout=self._lasting, sleep=_CLAIM_AGAIN, thread_local=False
        )
        while True:
            began = _now()
            if await lock.acquire(blocking=False):
                self._held[company_id] = _Claim(lock, began + self._lasting)
                return
            await asyncio.sleep(_CLAIM_AGAIN)

    def check(self, company_id: int) -> None:
        """See `Claims.check`."""
        claim = self._held.get(company_id)
        if claim is None or _now() >= claim.until:
            raise _lost(company_id, "no key was created now")

    async def give_back(self, company_id: int) -> None:
        """See `Claims.give_back`."""
        claim = self._held.pop(company_id)
        try:
            await claim.lock.release()
            return
        except LockError:
            pass
        raise _lost(company_id, "make sure that it has one key with the label by ensuring it again")

    async def keep(self, every: float) -> None:
        """Renew the claims, for ever. A claim that is lost stays lost."""
        while True:
            await asyncio.sleep(every)
            for claim in tuple(self._held.values()):
                began = _now()
                try:
                    await claim.lock.reacquire()
                except LockError:  # `check` and `give_back` report it
                    claim.until = -math.inf
                except RedisError:
                    pass  # the next renewal may succeed
                else:
                    claim.until = began + self._lasting


@attrs.define
class _Claim:
    """A lock that is held.

    Attributes:
        lock: the lock.
        until: when it may have expired.
    """

    lock: Lock
    until: float


def _lost(company_id: int, what_now: str) -> ClaimLostError:
    return ClaimLostError(
        f"the claim on company {company_id} has expired (this process was frozen, or cut off from Redis), so another "
        f"worker may be processing it; {what_now}"
    )


def _now() -> float:
    """Return the time in seconds, including time spent suspended if the system counts it."""
    return time.clock_gettime(_CLOCK) if _CLOCK is not None else time.monotonic()
