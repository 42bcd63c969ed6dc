"""The adapter for SAQ on Redis: a worker, and the delivery of jobs to it.

SAQ only delivers; the ledger has the state. So if a process dies at a bad moment and the queue gets something wrong (a
job delivered twice, swept while it runs, or forgotten), that costs time and nothing else.

This is the only module that knows SAQ, both the worker's side and the sender's.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from enum import Enum
from typing import Any, Final

import attrs
import saq
from redis.asyncio import Redis
from redis.exceptions import RedisError
from saq.job import UNSUCCESSFUL_TERMINAL_STATUSES
from saq.queue.redis import RedisQueue

from woodpecker_async import bulk
from woodpecker_async.bulk.failures import fails_everywhere
from woodpecker_async.errors import (
    AuthenticationError,
    CallError,
    ConfigError,
    LabelNotKeptError,
    PermissionDeniedError,
    WoodpeckerError,
)
from woodpecker_async.options import CallOptions
from woodpecker_async.secret import Secret
from woodpecker_async.session import WoodpeckerSession
from woodpecker_async.workers.jobs import Context, perform
from woodpecker_async.workers.payload import VERSION, Job, Payload
from woodpecker_async.workers.redis import KEPT, RedisClaims, RedisLedger, address, as_secret, connect

QUEUE: Final = "woodpecker"

# Failures are reported in one line; without this, Python would also print SAQ's tracebacks if logging is not set up.
logging.getLogger("saq").addHandler(logging.NullHandler())

_FUNCTION: Final = "woodpecker"
_ATTEMPTS: Final = 5
_RETRY_DELAY: Final = 1.0
_LONGEST_RETRY_DELAY: Final = 30.0
_CANCEL_AGAIN: Final = 1.0
_FIRST_LOOK: Final = CallOptions(deadline=10)
_NEXT_JOB: Final = 5.0  # seconds

# If the API itself responds with one of these, this worker cannot do any job.
_ABOUT_THE_KEY: Final = (AuthenticationError, PermissionDeniedError)


@attrs.frozen(kw_only=True)
class Heartbeat:
    """How soon a dead worker's job is resumed: after at most `timeout` + `check_every` + 2 seconds.

    Attributes:
        interval: seconds between two heartbeats of a job.
        timeout: seconds without a heartbeat after which a job counts as abandoned, an integer.
        check_every: seconds between two checks for abandoned jobs, an integer.
    """

    interval: float = 3.0
    timeout: int = 10
    check_every: int = 5


def _nothing(_: str) -> None:
    pass


async def work(
    session: WoodpeckerSession,
    redis_url: str | Secret,
    *,
    queue: str = QUEUE,
    sinks: Mapping[str, bulk.Sink] | None = None,
    concurrency: int = 2,
    grace: float = 8.0,
    stop: asyncio.Event | None = None,
    on_news: Callable[[str], object] = _nothing,
    heartbeat: Heartbeat = Heartbeat(),
) -> None:
    """Run the jobs of a queue until `stop` is set.

    Then no further company is started, those in flight are finished, and the rest of their jobs goes back to the queue
    for another worker. Whatever is not finished after `grace` seconds is cancelled. No key gets lost: the next worker
    finds it by its label.

    Args:
        session: an open session with an HQ key, used for all jobs. If several workers use one account, give each
            session `Limits(shared=...)`.
        redis_url: `redis://[user:password@]host:port/database`.
        queue: the name of the queue.
        sinks: by name, where new keys go, see `bulk.ensure_api_keys`. All workers of a queue need the same names.
        concurrency: the number of jobs at a time, 1 to 64; each has as many companies in flight as the session's
            limits let through.
        grace: how long to wait for companies in flight after `stop` is set, in seconds.
        stop: set it to stop the worker.
        on_news: a plain function, called with a line of text about each notable event.
        heartbeat: how soon the jobs of a dead worker are resumed.

    Raises:
        ConfigError: an argument is invalid, or a file cannot be used as a sink.
        QueueError: Redis cannot be reached. If it goes away later, the worker waits for it.
        AuthenticationError: the key is rejected; the job goes back to the queue.
        PermissionDeniedError: the key is not an agency's; the job goes back to the queue.

    Example:
        ::

            async with WoodpeckerSession(limits=Limits(shared=url)) as woodpecker:
                await work(woodpecker, url, sinks={"vault": "/var/lib/keys.jsonl"})
    """
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or not 1 <= concurrency <= 64:
        raise ConfigError(f"concurrency must be an integer from 1 to 64, not {concurrency!r}")
    redis_url = as_secret(redis_url)  # at once: this frame may end up in a traceback
    stop = asyncio.Event() if stop is None else stop
    for sink in (sinks or {}).values():
        if (opening := bulk.sinks.opening(bulk.sinks.checked(sink))) is not None:
            await opening()
    async with connect(redis_url) as redis:
        try:  # report a rejected key now, not when the first job arrives
            await session.agency.companies.list(options=_FIRST_LOOK)
        except CallError as error:
            if fails_everywhere(error):
                raise
            on_news(f"The server does not respond yet: {type(error).__name__}: {error}")
        claims = RedisClaims(redis, lasting=heartbeat.timeout)
        context = Context(
            session=session,
            sinks=dict(sinks or {}),
            ledger=RedisLedger(redis, queue),
            claims=claims,
            stopping=stop.is_set,
            grace=grace / 5,
        )
        jobs = _Jobs(context, stop, on_news, heartbeat)
        worker = _Worker(_Queue(redis, queue, on_news), jobs, concurrency=concurrency, grace=grace, heartbeat=heartbeat)
        running = asyncio.create_task(worker.start(), name="woodpecker-worker")
        others = [
            asyncio.create_task(stop.wait(), name="woodpecker-worker-stop"),
            asyncio.create_task(claims.keep(heartbeat.interval), name="woodpecker-worker-claims"),
        ]
        on_news(f"Working on queue {queue} of Redis at {address(redis)}.")
        try:
            await asyncio.wait({running, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.set()
            worker.event.set()
            await running
            await _end(others)
            await worker.queue.disconnect()
    if jobs.refused is not None:
        raise jobs.refused


class _Queue(RedisQueue):
    def __init__(self, redis: Redis, name: str, on_news: Callable[[str], object] = _nothing) -> None:
        super().__init__(redis, name=name)
        self._on_news = on_news
        self._gone = False
        self._odd: set[str] = set()  # delivered but not started, as of the last sweep

    async def dequeue(self, timeout: float = 0.0, poll_interval: float = 0.0) -> saq.Job | None:
        """Return the next job; none while Redis is down, which is reported once."""
        try:
            job = await super().dequeue(timeout, poll_interval)
        except RedisError as error:
            if not self._gone:
                self._on_news(f"Redis at {address(self.redis)} is down ({type(error).__name__}); waiting for it.")
            self._gone = True
            await asyncio.sleep(1)
            return None
        if self._gone:
            self._gone = False
            self._on_news("Redis is back.")
        return job

    async def sweep(self, lock: int = 60, abort: float = 5.0) -> list[str]:  # noqa: ARG002 - SAQ's signature
        """Put abandoned jobs back on the queue.

        SAQ's own version removes a job from every list and waits for its worker before putting it back, so the job is
        lost if the sweeper dies in between; and it treats jobs delivered this instant as abandoned. This one does
        neither: it does no harm if a job is delivered twice.
        """
        ids = [job_id.decode() for job_id in await self.redis.lrange(self.namespace("active"), 0, -1)]  # type: ignore[misc]
        swept, odd = [], set[str]()
        for job_id, job in zip(ids, await self.jobs(map(self.job_key_from_id, ids)) if ids else [], strict=True):
            if job is None:
                await self.redis.lrem(self.namespace("active"), 0, job_id)  # type: ignore[misc]
            elif not job.stuck and (job.status == saq.Status.ACTIVE or job_id not in self._odd):
                odd.add(job_id)
                continue
            elif job.retryable:
                await self.retry(job, "its worker stopped sending heartbeats")
            else:
                await self.finish(job, saq.Status.ABORTED, error="its worker stopped sending heartbeats")
            swept.append(job_id)
        self._odd = odd
        return swept


class _Worker(saq.Worker[Any]):
    # The host process handles signals.
    SIGNALS = []  # noqa: RUF012 - as in SAQ

    def __init__(self, queue: _Queue, jobs: "_Jobs", *, concurrency: int, grace: float, heartbeat: Heartbeat) -> None:
        super().__init__(
            queue,
            functions=[(_FUNCTION, jobs.perform)],
            concurrency=concurrency,
            dequeue_timeout=_NEXT_JOB,
            timers={"schedule": 1, "worker_info": 5, "sweep": heartbeat.check_every, "abort": 1},
            cancellation_hard_deadline_s=grace / 4,
            metadata={"version": VERSION},
        )
        self._jobs = jobs
        self._soft = grace * 3 / 4

    async def stop(self) -> None:
        """Let the jobs finish first; SAQ would also wait for its own idle loops."""
        self.event.set()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._soft
        while self._jobs.parked < {job.key for job in self.job_task_contexts} and loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        tasks = tuple(self.tasks)
        self.tasks.clear()
        # A task that is cancelled here first puts its job back, and has until the hard deadline to do so.
        await _end(tasks, again=self._cancellation_hard_deadline_s + _CANCEL_AGAIN)
        await super().stop()


async def _end(tasks: Iterable[asyncio.Task[Any]], again: float = _CANCEL_AGAIN) -> None:
    """Cancel tasks until they are done: before Python 3.12, `asyncio.wait_for` can lose a cancellation."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again)


class _Jobs:
    """Runs each job for SAQ.

    Attributes:
        parked: keys of the jobs waiting to be put back because the worker is stopping.
        refused: why this worker cannot do any job.
    """

    def __init__(
        self, context: Context, stop: asyncio.Event, on_news: Callable[[str], object], heartbeat: Heartbeat
    ) -> None:
        self.parked: set[str] = set()
        self.refused: WoodpeckerError | None = None
        self._context = context
        self._stop = stop
        self._on_news = on_news
        self._heartbeat = heartbeat

    async def perform(self, ctx: dict[str, Any], *, payload: Payload) -> None:
        """Run a job; its result is in the ledger."""
        job: saq.Job = ctx["job"]
        job.retry_delay = _RETRY_DELAY
        beating = asyncio.create_task(self._beat(job), name="woodpecker-worker-beat")
        try:
            result = await perform(payload, self._context)
        except WoodpeckerError as error:
            if isinstance(error, _ABOUT_THE_KEY) and fails_everywhere(error):
                self.refused = error
                self._stop.set()
                await self._park(job)
            self._on_news(f"Job {job.key} failed: {type(error).__name__}: {error}")
            job.meta["error"] = {"type": type(error).__name__, "message": str(error)}
            if isinstance(error, ConfigError | LabelNotKeptError):
                job.retries = job.attempts  # it would fail the next time too
            raise
        else:
            if not result["whole"]:
                await self._park(job)
            self._on_news(_line(job.key, result))
        finally:
            await _end([beating])

    async def _beat(self, job: saq.Job) -> None:
        while True:
            await asyncio.sleep(self._heartbeat.interval)
            with suppress(RedisError):  # the next heartbeat may succeed
                await job.update()

    async def _park(self, job: saq.Job) -> None:
        """Wait until the stopping worker cancels the job, so that SAQ puts it back without counting an attempt."""
        job.attempts -= 1
        job.retry_delay = 0
        self.parked.add(job.key)
        await asyncio.Event().wait()


def _line(key: str, result: Mapping[str, Any]) -> str:
    report = result["report"]
    if "companies" in result:
        return f"Job {key}: {len(result['companies'])} companies"
    return f"Job {key}: {len(report['done'])} companies done, {len(report['failures'])} failed, {report['keys']} keys"


class State(Enum):
    """The state of a job that is not whole."""

    UNDER_WAY = "in flight"  # queued or running
    FAILED = "failed"
    LOST = "lost"  # the queue does not have it (any more)


class Delivery:
    """The sender's side of a queue."""

    def __init__(self, redis: Redis, queue: str = QUEUE, heartbeat: Heartbeat = Heartbeat()) -> None:
        self._redis: Any = redis
        self._queue = _Queue(redis, queue)
        self._heartbeat = heartbeat

    async def put(self, payload: Payload) -> bool:
        """Put a job on the queue; `False` if it is already there, or has just been withdrawn."""
        job = saq.Job(
            function=_FUNCTION,
            kwargs={"payload": payload},
            key=Job.from_payload(payload).key,
            timeout=0,  # calls have their own deadlines, and a dead worker sends no heartbeats
            heartbeat=self._heartbeat.timeout,
            retries=_ATTEMPTS,
            retry_delay=_RETRY_DELAY,
            retry_backoff=_LONGEST_RETRY_DELAY,
            ttl=int(KEPT.total_seconds()),
        )
        return await self._queue.enqueue(job) is not None

    async def look(self, keys: Iterable[str]) -> dict[str, tuple[State, str]]:
        """Return by job key its state and, if it failed, why."""
        keys = list(keys)
        async with self._redis.pipeline() as pipe:
            for key in keys:
                pipe.zscore(self._queue.namespace("incomplete"), self._queue.job_id(key))
            known = await pipe.execute()
        jobs = await self._queue.jobs(keys)
        return {key: _state(job, known=score is not None) for key, score, job in zip(keys, known, jobs, strict=True)}

    async def withdraw(self, keys: Iterable[str]) -> None:
        """Withdraw jobs: those queued are not started, and those running are cancelled."""
        for job in await self._queue.jobs(list(keys)):
            if job is not None and _state(job, known=True)[0] is State.UNDER_WAY:
                await self._queue.abort(job, "withdrawn by its sender")

    async def workers(self) -> int:
        """Return the number of running workers."""
        return len((await self._queue.info())["workers"])


def _state(job: saq.Job | None, *, known: bool) -> tuple[State, str]:
    if job is None:
        return State.LOST, ""
    if job.status in UNSUCCESSFUL_TERMINAL_STATUSES:
        told = job.meta.get("error")
        why = f"{told['type']}: {told['message']}" if told else f"given up after {job.attempts} attempts"
        return State.FAILED, why
    return (State.UNDER_WAY if known else State.LOST), ""
