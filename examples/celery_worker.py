"""Keys for all companies as Celery jobs on Redis: the worker, the sender, and what each setting is for.

python examples/celery_worker.py

It starts a worker of two processes, sends the jobs of a sweep and prints the report. It needs a Redis, at
WOODPECKER_REDIS_URL or on this machine. Without WOODPECKER_API_KEY it starts a sandbox and uses that. In
production the worker runs by itself: `celery --app celery_worker worker --pool prefork`.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

from woodpecker_async import Limits, WoodpeckerError, WoodpeckerSession, bulk
from woodpecker_async.models import IssuedKey
from woodpecker_async.sandbox import Sandbox
from woodpecker_async.workers import Context, Sweep, chunks, gather, perform
from woodpecker_async.workers.redis import RedisClaims, RedisLedger, connect

REDIS_URL = os.environ.get("WOODPECKER_REDIS_URL", "redis://127.0.0.1:6379/0")
LONGEST_JOB = float(os.environ.get("LONGEST_JOB", "600"))  # seconds

app = Celery("celery_worker", broker=REDIS_URL, backend=REDIS_URL)
app.conf.update(
    task_default_queue="woodpecker-celery",
    task_acks_late=True,  # a job leaves the queue when it is done, not when it starts
    task_reject_on_worker_lost=True,  # nor when its process dies
    worker_prefetch_multiplier=1,  # a worker takes only the job it runs now
    broker_transport_options={
        "visibility_timeout": LONGEST_JOB,  # a job that takes longer is started again elsewhere
        "unacked_restore_throttle": 1,  # look for a dead worker's jobs every 10 s, not every 100
    },
    result_expires=86_400,
    worker_cancel_long_running_tasks_on_connection_loss=True,  # Redis delivers them again in any case
    broker_connection_retry_on_startup=True,
)


def into_vault(issued: IssuedKey) -> None:
    """In place of wherever you keep secrets. If it is given a key again, it replaces it."""
    file = Path(os.environ["VAULT"], f"{issued.company_id}-{issued.label}")
    file.touch(0o600)
    file.write_text(issued.api_key.reveal())


class Worker:
    """What a worker process keeps for its lifetime: an event loop, and a session on that loop.

    A new loop for each task (`asyncio.run`) would close the session's connections and forget its lane each time.
    """

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.context = self.runner.run(self._begin())

    async def _begin(self) -> Context:
        session = await self.stack.enter_async_context(WoodpeckerSession(limits=Limits(shared="host")))
        redis = await self.stack.enter_async_context(connect(REDIS_URL))
        claims = RedisClaims(redis, lasting=6)
        self.stack.callback(asyncio.create_task(claims.keep(every=2)).cancel)
        return Context(session=session, sinks={"vault": into_vault}, ledger=RedisLedger(redis, "celery"), claims=claims)

    def close(self) -> None:
        """Close the session, and then the loop."""
        with self.runner:
            self.runner.run(self.stack.aclose())


worker: Worker | None = None


@worker_process_init.connect
def begin(**_: Any) -> None:
    """Runs after the fork, so that nothing is shared with the parent."""
    global worker  # noqa: PLW0603 - one per process, like the global
    worker = Worker()


@worker_process_shutdown.connect
def end(**_: Any) -> None:
    """Close what `begin` opened."""
    if worker is not None:
        worker.close()


@app.task(name="woodpecker.job")
def job(payload: dict[str, Any]) -> dict[str, Any]:
    """Run a job. The ledger records what is done, so a second delivery only does the rest."""
    assert worker is not None
    return worker.runner.run(perform(payload, worker.context))


def carry_out(sweep: Sweep) -> bulk.Report:
    """Send the jobs of a sweep, and wait for all of them. Call it again with the same run id to continue."""
    planned = job.delay(sweep.plan()).get()
    sent = [job.delay(chunk) for chunk in chunks(planned)]
    return gather([planned, *(result.get() for result in sent)])


@contextlib.contextmanager
def some_api() -> Iterator[None]:
    """Use the real API, or else a sandbox in this process, which the workers find through their environment."""
    if os.environ.get("WOODPECKER_API_KEY"):
        yield
        return
    with Sandbox() as box:
        os.environ |= {"WOODPECKER_API_KEY": box.hq_key, "WOODPECKER_BASE_URL": box.base_url}
        print("WOODPECKER_API_KEY is not set: using a sandbox.")
        yield


@contextlib.contextmanager
def workers(more: Mapping[str, str]) -> Iterator[None]:
    """A worker with two processes, started as from the command line."""
    command = [sys.executable, "-m", "celery", "--app", "celery_worker", "--quiet", "worker", "--loglevel", "WARNING"]
    with subprocess.Popen(
        [*command, "--pool", "prefork", "--concurrency", "2"], cwd=Path(__file__).parent, env=os.environ | more
    ) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


async def reach_redis() -> None:
    """Connect once, to get a clear error if something is wrong with Redis."""
    async with connect(REDIS_URL):
        pass


def main() -> str:
    """Make sure that every active company has a key labelled crm."""
    asyncio.run(reach_redis())
    with some_api(), TemporaryDirectory() as vault, workers({"VAULT": vault}):
        report = carry_out(Sweep(task="ensure", label="crm", sink="vault", chunk_size=5))
        stored = len(list(Path(vault).iterdir()))
    return f"{report.ok} companies, {report.created} keys created, {stored} stored, {report.failed} failed"


if __name__ == "__main__":
    try:
        print(main())
    except WoodpeckerError as error:
        sys.exit(f"{error}")
