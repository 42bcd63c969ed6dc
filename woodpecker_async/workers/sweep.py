"""The sender's side: plan a run, put its jobs on a queue, and wait for them.

It needs a Redis but no API key. The state of the run is in the ledger, so another sender can continue it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import attrs

from woodpecker_async import bulk
from woodpecker_async.errors import ConfigError, QueueError
from woodpecker_async.secret import Secret
from woodpecker_async.workers.jobs import FoundKey, chunks, found_keys, gather
from woodpecker_async.workers.payload import Job, Payload, Result, Sweep
from woodpecker_async.workers.redis import RedisLedger, as_secret, connect, translate_errors
from woodpecker_async.workers.saq import QUEUE, Delivery, Heartbeat, State

# Seconds between two checks of the ledger, and of the queue, which cost more.
_GLANCE: Final = 0.1
_LOOK: Final = 1.0

# Seconds for which the queue may not know a job: one that has just become whole is only in the ledger.
_NOWHERE: Final = 10.0


@attrs.frozen(kw_only=True)
class Progress:
    """The progress of a run.

    Attributes:
        done: how many companies have an outcome.
        total: how many companies there are; `None` until they are known.
        workers: how many workers are running.
    """

    done: int
    total: int | None
    workers: int


@attrs.frozen(kw_only=True)
class SweepResult:
    """The result of a run.

    Attributes:
        report: the merged report of all jobs.
        found: by company id, the label and fingerprint of each key.
        failed_jobs: by job key, why the job failed permanently; some or all of its companies have no outcome.
        missing: ids of the planned companies that have no outcome.
    """

    report: bulk.Report
    found: dict[int, list[FoundKey]]
    failed_jobs: dict[str, str]
    missing: frozenset[int] = frozenset()


def _nothing(_: Progress) -> None:
    pass


async def sweep(
    redis_url: str | Secret,
    spec: Sweep,
    *,
    queue: str = QUEUE,
    on_progress: Callable[[Progress], object] = _nothing,
    on_planned: Callable[[int], Awaitable[None]] | None = None,
    heartbeat: Heartbeat = Heartbeat(),  # noqa: B008 - it is frozen
) -> SweepResult:
    """Send a sweep to the workers of a queue, and wait until it is done.

    With the id of an earlier run it continues that run: what is done is kept, what failed is tried once more.
    Cancelling it withdraws the jobs that are not done.

    Args:
        redis_url: `redis://[user:password@]host:port/database`.
        spec: what to do.
        queue: the name of the queue.
        on_progress: a plain function, called with the progress several times a second.
        on_planned: an async function, called with the number of companies left to do before their jobs are put on the
            queue. If it raises, the sweep ends.
        heartbeat: how soon the jobs of a dead worker are resumed.

    Raises:
        ConfigError: the URL is invalid, or the run id belongs to another sweep.
        QueueError: Redis cannot be reached, or the plan could not be made.

    Example:
        ::

            swept = await sweep("redis://localhost:6379", Sweep(task="ensure", label="crm", sink="vault"))
            print(swept.report.ok, swept.report.created)
    """
    redis_url = as_secret(redis_url)  # at once: this frame may end up in a traceback
    async with connect(redis_url) as redis:
        sender = _Sender(RedisLedger(redis, queue), Delivery(redis, queue, heartbeat), spec, on_progress, on_planned)
        return await translate_errors(redis, sender.run())


class _Sender:
    def __init__(
        self,
        ledger: RedisLedger,
        delivery: Delivery,
        spec: Sweep,
        on_progress: Callable[[Progress], object],
        on_planned: Callable[[int], Awaitable[None]] | None,
    ) -> None:
        self._ledger = ledger
        self._delivery = delivery
        self._spec = spec
        self._plan_key = _key(spec.plan())
        self._on_progress = on_progress
        self._on_planned = on_planned
        self._total: int | None = None
        self._failed: dict[str, str] = {}

    async def run(self) -> SweepResult:
        plan = self._spec.plan()
        known = await self._ledger.load(self._plan_key)
        if known is not None and known["job"] != plan:
            raise ConfigError(f"run id {self._spec.run!r} was used for another sweep: choose another id")
        await self._see_through([plan])
        results = await self._ledger.results(self._plan_key)
        planned = results.get(self._plan_key)
        if planned is None:
            raise QueueError(f"the plan could not be made: {'; '.join(self._failed.values())}")
        self._total = len(planned["companies"])
        payloads = list(chunks(planned))
        if self._on_planned is not None:
            await self._on_planned(len(frozenset(planned["companies"]) - gather(list(results.values())).done))
        for key in map(_key, payloads):
            if key in results and results[key]["whole"] and _may_do_better(results[key]):
                await self._ledger.reopen(key, results[key])
        await self._see_through(payloads)
        kept = await self._ledger.results(self._plan_key)
        ours = [kept[key] for key in (self._plan_key, *map(_key, payloads)) if key in kept]
        report = gather(ours)
        missing = frozenset(planned["companies"]) - report.done - report.failures.keys()
        return SweepResult(report=report, found=found_keys(ours), failed_jobs=self._failed, missing=missing)

    async def _see_through(self, payloads: Iterable[Payload]) -> None:
        """Return when every job is whole or has failed permanently."""
        left = {_key(payload): payload for payload in payloads}
        try:
            await self._watch(left)
        except asyncio.CancelledError:
            await self._delivery.withdraw(left)
            raise

    async def _watch(self, left: dict[str, Payload]) -> None:
        unsent, nowhere_since, next_look, workers = set(left), dict[str, float](), 0.0, 0
        while True:
            whole, done = await self._ledger.progress(self._plan_key)
            for key in whole & left.keys():
                del left[key]
            if time.monotonic() >= next_look:
                workers = await self._delivery.workers()
                # The queue does not accept a job again yet if it has just been withdrawn.
                unsent = {key for key in unsent & left.keys() if not await self._delivery.put(left[key])}
                for key, (state, why) in (await self._delivery.look(left)).items():
                    if state is State.UNDER_WAY:
                        unsent.discard(key)
                        nowhere_since.pop(key, None)
                    elif key in unsent:
                        continue
                    elif state is State.FAILED:
                        self._failed[key] = why
                        del left[key]
                    elif time.monotonic() - nowhere_since.setdefault(key, time.monotonic()) > _NOWHERE:
                        unsent.add(key)
                next_look = time.monotonic() + _LOOK
            self._on_progress(Progress(done=done, total=self._total, workers=workers))
            if not left:
                return
            await asyncio.sleep(_GLANCE)


def _key(payload: Payload) -> str:
    return Job.from_payload(payload).key


def _may_do_better(result: Result) -> bool:
    """Whether any company of a chunk has no outcome, or failed for a reason other than being inactive."""
    report = result["report"]
    outcomes = {*report["done"], *map(int, report["failures"])}
    return len(report["failures"]) > len(report["inactive"]) or not outcomes.issuperset(result["job"]["companies"])
