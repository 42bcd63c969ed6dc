"""The adapter for SAQ on Redis: a worker, and the delivery of jobs to it.

SAQ delivers, the ledger knows. So what a queue gets wrong when a process dies at a bad moment (a job handed
out twice, swept while it runs, or forgotten) costs time and nothing else.

It is the one module that knows SAQ, both its worker's side and its sender's.
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

# What fails is told in a line; without any logging set up, Python would print SAQ's tracebacks of it as well.
logging.getLogger("saq").addHandler(logging.NullHandler())

_FUNCTION: Final = "woodpecker"
_ATTEMPTS: Final = 5
_RETRY_DELAY: Final = 1.0
_LONGEST_RETRY_DELAY: Final = 30.0
_CANCEL_AGAIN: Final = 1.0
_FIRST_LOOK: Final = CallOptions(deadline=10)
_NEXT_JOB: Final = 5.0  # seconds

# With these, if they come from the API, no job of this worker's could be done.
_ABOUT_THE_KEY: Final = (AuthenticationError, PermissionDeniedError)


@attrs.frozen(kw_only=True)
class Heartbeat:
    """How soon a job of a worker that died is taken up again: after `timeout` + `check_every` + 2 seconds at most.

    Attributes:
        interval: seconds between two signs of life of a job.
        timeout: seconds without one after which a job counts as abandoned, whole.
        check_every: seconds between two looks for abandoned jobs, whole.
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

    Then no other company is begun, those in flight are finished, and what is left of their jobs goes back to
    the queue for another worker; what is not finished after `grace` seconds is cancelled. No key is lost by
    that: it has its label, and the next worker finds it.

    Args:
        session: an open session with an HQ key, used for all jobs. Where several workers use one account,
            give each `Limits(shared=...)`.
        redis_url: `redis://[user:password@]host:port/database`.
        queue: its name.
        sinks: by name, where made keys go, see `bulk.ensure_api_keys`. All workers of a queue need the same
            names.
        concurrency: jobs at a time, 1 to 64; each has as many companies in flight as the session's limits
            let through.
        grace: seconds.
        stop: ends the work.
        on_news: a plain function that is given a line for each thing worth knowing.
        heartbeat: how soon the jobs of a worker that died are taken up again.

    Raises:
        ConfigError: an argument is not usable, or a file cannot be used as a sink.
        QueueError: Redis cannot be reached. If it goes away later, the worker waits for it.
        AuthenticationError: the key is refused; the job goes back to the queue.
        PermissionDeniedError: the key is none of an agency; the job goes back to the queue.

    Example:
        ::

            async with WoodpeckerSession(limits=Limits(shared=url)) as woodpecker:
                await work(woodpecker, url, sinks={"vault": "/var/lib/keys.jsonl"})
    """
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or not 1 <= concurrency <= 64:
        raise ConfigError(f"concurrency must be an integer from 1 to 64, not {concurrency!r}")
    redis_url = as_secret(redis_url)  # at once: this frame is part of tracebacks
    stop = asyncio.Event() if stop is None else stop
    for sink in (sinks or {}).values():
        if (opening := bulk.sinks.opening(bulk.sinks.checked(sink))) is not None:
            await opening()
    async with connect(redis_url) as redis:
        try:  # a key that is refused is said now, not when the first job comes
            await session.agency.companies.list(options=_FIRST_LOOK)
        except CallError as error:
            if fails_everywhere(error):
                raise
            on_news(f"The server does not answer yet: {type(error).__name__}: {error}")
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
        self._odd: set[str] = set()  # handed out and not begun, as of the last sweep

    async def dequeue(self, timeout: float = 0.0, poll_interval: float = 0.0) -> saq.Job | None:
        """The next job. While Redis is gone there is none, and that is said once."""
        try:
            job = await super().dequeue(timeout, poll_interval)
        except RedisError as error:
            if not self._gone:
                self._on_news(f"Redis at {address(self.redis)} is gone ({type(error).__name__}); waiting for it.")
            self._gone = True
            await asyncio.sleep(1)
            return None
        if self._gone:
            self._gone = False
            self._on_news("Redis is back.")
        return job

    async def sweep(self, lock: int = 60, abort: float = 5.0) -> list[str]:  # noqa: ARG002 - SAQ's signature
        """Put abandoned jobs back.

        SAQ's own takes a job off every list and waits for word of its worker before it puts it back, so that
        it is gone if the one who sweeps dies in between; and it takes jobs that were handed out this instant
        for abandoned. Here both are not: a job that comes twice does no harm.
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
                await self.retry(job, "its worker fell silent")
            else:
                await self.finish(job, saq.Status.ABORTED, error="its worker fell silent")
            swept.append(job_id)
        self._odd = odd
        return swept


class _Worker(saq.Worker[Any]):
    # The process that runs it decides what signals mean.
    SIGNALS = []  # noqa: RUF012 - that is how SAQ has it

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
        """Let the jobs come to a good end first; SAQ would wait for its own idle loops as well."""
        self.event.set()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._soft
        while self._jobs.parked < {job.key for job in self.job_task_contexts} and loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        tasks = tuple(self.tasks)
        self.tasks.clear()
        # What ends here puts its job back first, for which it has the deadline.
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
    """What SAQ calls for each job.

    Attributes:
        parked: keys of the jobs that wait to be put back, because the worker stops.
        refused: why no job can be done here.
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
        """Do a job; what came of it is in the ledger."""
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
                job.retries = job.attempts  # it would be wrong the next time too
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
            with suppress(RedisError):  # the next one may do
                await job.update()

    async def _park(self, job: saq.Job) -> None:
        """Wait until the worker's end cancels the job, by which SAQ puts it back; that is no failed attempt."""
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
    """What becomes of a job that is not whole."""

    UNDER_WAY = "in flight"  # queued or at work
    FAILED = "failed"
    LOST = "lost"  # the queue does not have it (any more)


class Delivery:
    """The sender's side of a queue."""

    def __init__(self, redis: Redis, queue: str = QUEUE, heartbeat: Heartbeat = Heartbeat()) -> None:
        self._redis: Any = redis
        self._queue = _Queue(redis, queue)
        self._heartbeat = heartbeat

    async def put(self, payload: Payload) -> bool:
        """Put a job on the queue; false if it is there, or has only just been withdrawn."""
        job = saq.Job(
            function=_FUNCTION,
            kwargs={"payload": payload},
            key=Job.from_payload(payload).key,
            timeout=0,  # calls have deadlines of their own, and a worker that dies falls silent
            heartbeat=self._heartbeat.timeout,
            retries=_ATTEMPTS,
            retry_delay=_RETRY_DELAY,
            retry_backoff=_LONGEST_RETRY_DELAY,
            ttl=int(KEPT.total_seconds()),
        )
        return await self._queue.enqueue(job) is not None

    async def look(self, keys: Iterable[str]) -> dict[str, tuple[State, str]]:
        """By job key, what became of it, and of one that failed why."""
        keys = list(keys)
        async with self._redis.pipeline() as pipe:
            for key in keys:
                pipe.zscore(self._queue.namespace("incomplete"), self._queue.job_id(key))
            known = await pipe.execute()
        jobs = await self._queue.jobs(keys)
        return {key: _state(job, known=score is not None) for key, score, job in zip(keys, known, jobs, strict=True)}

    async def withdraw(self, keys: Iterable[str]) -> None:
        """Take jobs back: what is queued is not begun, and what is at work is cancelled."""
        for job in await self._queue.jobs(list(keys)):
            if job is not None and _state(job, known=True)[0] is State.UNDER_WAY:
                await self._queue.abort(job, "withdrawn by the one who sent it")

    async def workers(self) -> int:
        """How many workers are there."""
        return len((await self._queue.info())["workers"])


def _state(job: saq.Job | None, *, known: bool) -> tuple[State, str]:
    if job is None:
        return State.LOST, ""
    if job.status in UNSUCCESSFUL_TERMINAL_STATUSES:
        told = job.meta.get("error")
        why = f"{told['type']}: {told['message']}" if told else f"given up after {job.attempts} attempts"
        return State.FAILED, why
    return (State.UNDER_WAY if known else State.LOST), ""
