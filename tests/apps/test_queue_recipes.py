"""The recipes for taskiq and Celery on a real Redis: unchanged, and with a worker that is killed mid-job."""

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import attrs
import pytest
import redis

from tests.apps.serving import ROOT, environment
from tests.shared.redis_server import RedisServer, running_redis
from tests.waiting import until
from woodpecker_async.bulk import Report
from woodpecker_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.system

RUN = "night"  # sent again with this id, a sweep continues


@attrs.frozen
class Recipe:
    """How an example's worker is started, and how its sender is called.

    Attributes:
        name: the library.
        worker: the command line behind `python -m`.
        send: a program that sends a sweep and prints the report.
    """

    name: str
    worker: tuple[str, ...]
    send: str

    @property
    def example(self) -> str:
        return f"{self.name}_worker.py"


TASKIQ = Recipe(
    "taskiq",
    ("taskiq", "worker", "taskiq_worker:broker", "--workers", "2", "--max-async-tasks", "1"),
    """
import asyncio
from taskiq_worker import Sweep, broker, carry_out
async def main():
    await broker.startup()
    try:
        return await carry_out(Sweep(run="night", task="ensure", label="crm", sink="vault", chunk_size=4))
    finally:
        await broker.shutdown()
print(asyncio.run(main()).to_json())
""",
)
CELERY = Recipe(
    "celery",
    ("celery", "--app", "celery_worker", "worker", "--pool", "prefork", "--concurrency", "2"),
    """
from celery_worker import Sweep, carry_out
print(carry_out(Sweep(run="night", task="ensure", label="crm", sink="vault", chunk_size=4)).to_json())
""",
)


@pytest.fixture(params=[TASKIQ, CELERY], ids=lambda recipe: recipe.name)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return needed(request.param)


def needed(recipe: Recipe) -> Recipe:
    for package in {"taskiq": ("taskiq", "taskiq_redis"), "celery": ("celery",)}[recipe.name]:
        if find_spec(package) is None:
            pytest.skip(f"needs {recipe.name}: pip install 'taskiq>=0.13' 'taskiq-redis>=1.2' 'celery[redis]>=5.5'")
    return recipe


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis("a-password-of-its-own") as server:
        yield server


@attrs.frozen
class Night:
    """A sandbox, a Redis, and worker processes that start and stop."""

    recipe: Recipe
    box: Sandbox
    redis: RedisServer
    directory: Path

    @property
    def log(self) -> Path:
        return self.directory / "log.txt"

    @property
    def vault(self) -> Path:
        return self.directory / "vault"

    def environment(self) -> dict[str, str]:
        return environment(
            WOODPECKER_API_KEY=self.box.hq_key,
            WOODPECKER_BASE_URL=self.box.base_url,
            WOODPECKER_REDIS_URL=self.redis.url,
            LONGEST_JOB="2",
            VAULT=str(self.vault),
            PYTHONWARNINGS="default::ResourceWarning",
            PYTHONPATH="examples",
        )

    @contextlib.contextmanager
    def worker(self) -> Iterator["subprocess.Popen[bytes]"]:
        """The parent process of a worker, which leads its own session."""
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *self.recipe.worker],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=15)
            kill_all(process)

    @contextlib.contextmanager
    def sender(self) -> Iterator["subprocess.Popen[str]"]:
        with subprocess.Popen(
            [sys.executable, "-c", self.recipe.send],
            cwd=ROOT,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def made(self) -> int:
        return sum(record.committed for record in self.box.journal)

    def check(self, sender: "subprocess.Popen[str]") -> None:
        """The result is complete, and each company got its key once."""
        out, told = sender.communicate(timeout=60)
        assert sender.returncode == 0, told + self.log.read_text()
        report = Report.from_json(out)
        active = self.box.company_ids[:-1]
        assert (report.ok, report.failed, sorted(report.done)) == (len(active), 0, sorted(active))
        posts = Counter(record.company_id for record in self.box.journal if record.method == "POST")
        assert posts == dict.fromkeys(active, 1)
        for company in active:
            (key,) = [key for key in self.box.state.listed(company) if key.label == "crm"]
            assert (self.vault / f"{company}-crm").read_text() == key.secret
        assert self.box.stats.refused == 0

    def check_secrets(self) -> None:
        """There is no key and no password in Redis, or in anything that was printed."""
        client = redis.Redis.from_url(self.redis.url)
        try:
            client.config_set("rdbcompression", "no")
            names = list(client.scan_iter())
            assert any(b"woodpecker" in name for name in names)
            kept = b"".join(client.dump(name) or b"" for name in names) + self.log.read_bytes()
        finally:
            client.close()
        secrets = [key.secret for company in self.box.company_ids for key in self.box.state.listed(company)]
        assert [secret for secret in [*secrets, self.box.hq_key] if secret.encode() in kept] == []
        assert b"a-password-of-its-own" not in self.log.read_bytes()


def kill_all(process: "subprocess.Popen[bytes]") -> None:
    """Kill everything in the session of that process at once, as an out-of-memory kill or a reboot does."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


def children(pid: int) -> list[int]:
    ran = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in ran.stdout.split()]


def made_two(night: Night, sender: "subprocess.Popen[str]") -> bool:
    assert sender.poll() is None, sender.communicate()
    return night.made() >= 2


@pytest.fixture
def night(recipe: Recipe, redis_server: RedisServer, tmp_path: Path) -> Iterator[Night]:
    client = redis.Redis.from_url(redis_server.url)
    client.flushall()
    client.close()
    (tmp_path / "vault").mkdir(mode=0o700)
    with Sandbox(companies=17, inactive=1) as box:
        yield Night(recipe, box, redis_server, tmp_path)


def test_it_runs_as_it_stands(recipe: Recipe, redis_server: RedisServer, tmp_path: Path):
    command = [sys.executable, "-W", "error", ROOT / "examples" / recipe.example]
    ran = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(WOODPECKER_REDIS_URL=redis_server.url),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "25 companies, 25 keys created, 25 stored, 0 failed" in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "a-password-of-its-own" not in ran.stdout + ran.stderr


def test_without_a_redis_it_says_so(recipe: Recipe, tmp_path: Path):
    ran = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / recipe.example],
        cwd=tmp_path,
        env=environment(WOODPECKER_REDIS_URL="redis://:a-password-of-its-own@127.0.0.1:1/0"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("Redis at 127.0.0.1:1: ")
    assert ran.stderr.count("\n") == 1
    assert "a-password-of-its-own" not in ran.stderr


def test_a_worker_that_is_killed_in_mid_job(night: Night):
    """taskiq: the worker with all its processes. Celery: one process, whose job returns to the queue at once."""
    night.box.faults.add(Fault.wait(0.05, times=None))
    with night.worker() as first, night.sender() as sender, contextlib.ExitStack() as later:
        until(lambda: made_two(night, sender))
        if night.recipe is TASKIQ:
            kill_all(first)
            later.enter_context(night.worker())
        else:
            os.kill(children(first.pid)[0], signal.SIGKILL)
        assert night.made() < 16
        night.box.faults.clear()
        night.check(sender)
        night.check_secrets()
    assert "ResourceWarning" not in night.log.read_text()


def test_a_celery_worker_that_dies_with_all_its_processes(redis_server: RedisServer, tmp_path: Path):
    """Its jobs return to the queue when the visibility timeout ends."""
    (tmp_path / "vault").mkdir(mode=0o700)
    client = redis.Redis.from_url(redis_server.url)
    client.flushall()
    client.close()
    with Sandbox(companies=17, inactive=1) as box:
        night = Night(needed(CELERY), box, redis_server, tmp_path)
        box.faults.add(Fault.wait(0.05, times=None))
        with night.worker() as first, night.sender() as sender:
            until(lambda: made_two(night, sender))
            kill_all(first)
            assert night.made() < 16
            box.faults.clear()
            with night.worker():
                night.check(sender)
