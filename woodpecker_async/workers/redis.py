"""Redis, as far as the workers need it: a client that fails clearly, and the ledger of a run."""

import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import AuthenticationError, RedisError

from woodpecker_async.errors import ConfigError, QueueError
from woodpecker_async.secret import Secret
from woodpecker_async.workers.payload import Result

T = TypeVar("T")

# How long a run can be gone on with.
KEPT: Final = timedelta(days=7)

_TIMEOUT: Final = 10.0  # seconds; longer than a worker waits for its next job at a time


@asynccontextmanager
async def opened(url: str | Secret) -> "AsyncIterator[Redis]":
    """A client of the Redis at a URL, which has answered.

    Raises:
        ConfigError: it is no URL of a Redis.
        QueueError: it does not answer, or not to us.
    """
    url = url if isinstance(url, Secret) else Secret(url)  # at once: this frame is part of a traceback
    redis = _client(url)
    try:
        await told(redis, redis.info("server"))
        yield redis
    finally:
        await redis.aclose()
        await redis.connection_pool.disconnect()


def _client(url: Secret) -> Redis:
    try:
        return Redis.from_url(
            url.reveal(),
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
        )
    except ValueError:
        pass
    # Out here, because what failed holds the URL with its password.
    raise ConfigError("this is no URL of a Redis: it looks like redis://[user:password@]host:port/database")


def place(redis: Redis) -> str:
    """Where it is, in words; without the password."""
    at: dict[str, Any] = redis.connection_pool.connection_kwargs
    return at.get("path") or f"{at.get('host', 'localhost')}:{at.get('port', 6379)}"


async def told(redis: Redis, work: Awaitable[T]) -> T:
    """Do what needs Redis, and say what it failed at as an error of ours.

    Raises:
        QueueError: it did.
    """
    try:
        return await work
    except RedisError as error:
        failure = _words(error)
    # Out here, and without a cause: the frames of what failed hold the password.
    raise QueueError(f"Redis at {place(redis)}: {failure}")


def _words(error: RedisError) -> str:
    if isinstance(error, AuthenticationError) or "NOAUTH" in str(error):
        return "it wants another user or password than the URL has (it may come from WOODPECKER_REDIS_URL)"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class RedisLedger:
    """The ledger of all runs on a queue. Each run is kept for `KEPT` after the last thing that came of it."""

    def __init__(self, redis: Redis, queue: str) -> None:
        self._redis: Any = redis  # its types say of each answer that it might not be awaitable
        self._queue = queue

    async def load(self, key: str) -> Result | None:
        """See `Ledger.load`."""
        async with self._redis.pipeline() as pipe:
            kept = await pipe.hget(self._whole(key), key).hget(self._partial(key), key).execute()
        return next((json.loads(text) for text in kept if text is not None), None)

    async def save(self, key: str, result: Result) -> Result:
        """See `Ledger.save`."""
        text = json.dumps(result, separators=(",", ":"))
        async with self._redis.pipeline() as pipe:
            if result["whole"]:
                pipe.hsetnx(self._whole(key), key, text)
                pipe.hdel(self._partial(key), key)
            else:
                pipe.hset(self._partial(key), key, text)
            pipe.hset(self._count(key), key, len(result["report"]["done"]) + len(result["report"]["failures"]))
            for name in (self._whole(key), self._partial(key), self._count(key)):
                pipe.expire(name, KEPT)
            first, *_ = await pipe.execute()
        if result["whole"] and not first:  # another was quicker
            return await self.load(key) or result
        return result

    async def reopen(self, key: str, result: Result) -> None:
        """Let a job be done again that is whole: what failed in it is then tried once more."""
        async with self._redis.pipeline() as pipe:
            pipe.hset(self._partial(key), key, json.dumps({**result, "whole": False}))
            pipe.hdel(self._whole(key), key)
            await pipe.execute()

    async def results(self, run: str) -> dict[str, Result]:
        """By job key, all that came of a run so far."""
        async with self._redis.pipeline() as pipe:
            whole, partial = await pipe.hgetall(self._whole(run)).hgetall(self._partial(run)).execute()
        return {key.decode(): json.loads(text) for key, text in {**partial, **whole}.items()}

    async def progress(self, run: str) -> tuple[set[str], int]:
        """The keys of the jobs that are whole, and how many companies have an outcome."""
        async with self._redis.pipeline() as pipe:
            whole, counts = await pipe.hkeys(self._whole(run)).hvals(self._count(run)).execute()
        return {key.decode() for key in whole}, sum(map(int, counts))

    def _whole(self, key: str) -> str:
        return self._name(key, "whole")

    def _partial(self, key: str) -> str:
        return self._name(key, "partial")

    def _count(self, key: str) -> str:
        return self._name(key, "count")

    def _name(self, key: str, what: str) -> str:
        return f"woodpecker:{self._queue}:{key.partition(':')[0]}:{what}"
