"""Keys for all companies as taskiq jobs on Redis: the worker, the sender, and what each setting is for.

python examples/taskiq_worker.py

It starts two worker processes, sends the jobs of a sweep and prints the report. It needs a Redis, at
WOODPECKER_REDIS_URL or on this machine. Without WOODPECKER_API_KEY it starts a sandbox and uses that. In
production the workers run by themselves: `taskiq worker taskiq_worker:broker --max-async-tasks 2`.
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

from taskiq import AsyncTaskiqTask, TaskiqEvents, TaskiqResultTimeoutError, TaskiqState
from taskiq.serializers import JSONSerializer
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from woodpecker_async import Limits, WoodpeckerError, WoodpeckerSession, bulk
from woodpecker_async.models import IssuedKey
from woodpecker_async.sandbox import Sandbox
from woodpecker_async.workers import Context, Payload, Result, Sweep, chunks, gather, perform
from woodpecker_async.workers.redis import RedisClaims, RedisLedger, connect

REDIS_URL = os.environ.get("WOODPECKER_REDIS_URL", "redis://127.0.0.1:6379/0")
LONGEST_JOB = float(os.environ.get("LONGEST_JOB", "600"))  # seconds

broker = RedisStreamBroker(
    REDIS_URL,
    queue_name="woodpecker-taskiq",
    consumer_id="0",  # also run jobs that were sent before the first worker started
    xread_count=1,  # a worker takes only what it runs now: prefetched jobs would be stuck if it died
    idle_timeout=int(1000 * LONGEST_JOB),  # a job that takes longer is started again elsewhere
    unacknowledged_lock_timeout=30,  # otherwise a worker that dies looking for abandoned jobs locks out all others
    maxlen=100_000,  # finished jobs stay in the stream; this must exceed what can be in flight
).with_result_backend(
    RedisAsyncResultBackend(
        REDIS_URL, prefix_str="woodpecker-taskiq", result_ex_time=86_400, serializer=JSONSerializer()
    )
)


def into_vault(issued: IssuedKey) -> None:
    """In place of wherever you keep secrets. If it is given a key again, it replaces it."""
    file = Path(os.environ["VAULT"], f"{issued.company_id}-{issued.label}")
    file.touch(0o600)
    file.write_text(issued.api_key.reveal())


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def begin(state: TaskiqState) -> None:
    """One session for the lifetime of a worker process; the processes on this machine share one lane."""
    state.stack = contextlib.AsyncExitStack()
    session = await state.stack.enter_async_context(WoodpeckerSession(limits=Limits(shared="host")))
    redis = await state.stack.enter_async_context(connect(REDIS_URL))
    claims = RedisClaims(redis, lasting=6)
    state.stack.callback(asyncio.create_task(claims.keep(every=2)).cancel)
    state.context = Context(
        session=session, sinks={"vault": into_vault}, ledger=RedisLedger(redis, "taskiq"), claims=claims
    )


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def end(state: TaskiqState) -> None:
    """Close what `begin` opened."""
    await state.stack.aclose()


@broker.task("woodpecker.job")
async def job(payload: dict[str, Any]) -> dict[str, Any]:
    """Run a job. The ledger records what is done, so a second delivery only does the rest."""
    return await perform(payload, broker.state.context)


@broker.task("woodpecker.beat")
async def beat() -> None:
    """Does nothing. Workers look for a dead worker's jobs when a message arrives, so one must arrive now and then."""


async def result_of(sent: AsyncTaskiqTask[Result]) -> Result:
    """Wait for a job, and meanwhile make the workers look for jobs of dead workers."""
    while True:
        try:
            result = await sent.wait_result(check_interval=0.1, timeout=1)
        except TaskiqResultTimeoutError:
            await beat.kiq()
        else:
            result.raise_for_error()
            return result.return_value


async def carry_out(sweep: Sweep) -> bulk.Report:
    """Send the jobs of a sweep, and wait for all of them. Call it again with the same run id to continue."""

    async def done(payload: Payload) -> Result:
        return await result_of(await job.kiq(payload))

    planned = await done(sweep.plan())
    return gather([planned, *await asyncio.gather(*map(done, chunks(planned)))])


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
    """Two worker processes, started as from the command line."""
    command = [sys.executable, "-m", "taskiq", "worker", "taskiq_worker:broker", "--log-level", "WARNING"]
    with subprocess.Popen(
        [*command, "--workers", "2", "--max-async-tasks", "2"], cwd=Path(__file__).parent, env=os.environ | more
    ) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


async def main() -> str:
    """Make sure that every active company has a key labelled crm."""
    async with connect(REDIS_URL):  # gives a clear error if something is wrong with Redis
        pass
    await broker.startup()
    try:
        with some_api(), TemporaryDirectory() as vault, workers({"VAULT": vault}):
            report = await carry_out(Sweep(task="ensure", label="crm", sink="vault", chunk_size=5))
            stored = sum(1 for _ in os.scandir(vault))
    finally:
        await broker.shutdown()
    return f"{report.ok} companies, {report.created} keys created, {stored} stored, {report.failed} failed"


if __name__ == "__main__":
    try:
        print(asyncio.run(main()))
    except WoodpeckerError as error:
        sys.exit(f"{error}")
