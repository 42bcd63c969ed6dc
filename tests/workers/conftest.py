"""The test's own Redis, and worker processes that can be killed."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.shared.redis_server import RedisServer, running_redis
from tests.waiting import until_async
from woodpecker_async.sandbox import Sandbox

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_redis_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WOODPECKER_REDIS_URL", raising=False)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


class WorkerProcess:
    """A worker that can be waited for, stopped and killed."""

    def __init__(self, settings: dict, log: Path) -> None:
        self._log = log
        command = [sys.executable, "-W", "error", "-m", "tests.workers.worker_process", json.dumps(settings)]
        with log.open("w") as stderr:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=stderr)

    @property
    def said(self) -> str:
        return self._log.read_text()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ready(self) -> None:
        await until_async(lambda: "Working on queue" in self.said or self.process.poll() is not None)
        assert self.process.poll() is None, self.said

    async def ended(self) -> int:
        await until_async(lambda: self.process.poll() is not None)
        return self.process.returncode


@pytest.fixture
def start_worker(redis: RedisServer, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts worker processes, and kills those that are left at the end."""
    started: list[WorkerProcess] = []
    with ExitStack() as stack:

        def start(box: Sandbox, **settings: object) -> WorkerProcess:
            known = {"redis": redis.url, "base_url": box.base_url, "api_key": box.hq_key}
            worker = WorkerProcess({**known, **settings}, tmp_path / f"worker-{len(started)}.log")
            started.append(worker)
            stack.callback(worker.process.wait, 10)
            stack.callback(worker.process.kill)
            return worker

        yield start
