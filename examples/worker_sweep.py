"""Give every client company a key, with two worker processes that share the work through Redis.

python examples/worker_sweep.py

It needs the extras `cli` and `workers`, and a Redis: the one named by REDIS_URL, or else it starts
`redis-server`. It runs on a sandbox. For the real API start the workers with WOODPECKER_API_KEY in their
environment, on any number of machines, and only call `sweep` here, which needs no key.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from woodpecker_async.sandbox import Sandbox
from woodpecker_async.workers import Sweep
from woodpecker_async.workers.sweep import sweep


@contextmanager
def running(*command: str, **environment: str) -> Iterator[None]:
    """Run a process; at the end, send it SIGTERM and wait for it."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **environment}) as process:
        try:
            yield
        finally:
            process.terminate()


@contextmanager
def redis() -> Iterator[str]:
    """Provide the URL of a Redis."""
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    if shutil.which("redis-server") is None:
        sys.exit("Set REDIS_URL, or install redis-server: apt-get install redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with running("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""):
        for _ in range(100):
            with socket.socket() as there:
                if there.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"redis://127.0.0.1:{port}/0"


def main() -> None:
    """Run it on a sandbox with 60 companies, twice."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        box = stack.enter_context(Sandbox(companies=60, inactive=4))
        url = stack.enter_context(redis())
        keys = directory / "crm-keys.jsonl"
        for _ in range(2):
            stack.enter_context(
                running(
                    *(sys.executable, "-m", "woodpecker_async.cli", "worker", "--quiet", "--sink", f"vault={keys}"),
                    WOODPECKER_REDIS_URL=url,
                    WOODPECKER_BASE_URL=box.base_url,
                    WOODPECKER_API_KEY=box.hq_key,
                )
            )
        for _ in range(2):
            swept = asyncio.run(sweep(url, Sweep(task="ensure", label="crm", sink="vault", chunk_size=10)))
            print(f"{swept.report.ok} companies have their key, {swept.report.created} of them a new one")
        print(f"{len(keys.read_text().splitlines())} keys in {keys.name}, {box.stats.refused} requests refused")


if __name__ == "__main__":
    main()
