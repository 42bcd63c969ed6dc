"""An example application started as its user would: in its own processes, on a free port, with warnings as errors."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from tests.waiting import until

ROOT = Path(__file__).parents[2]


@attrs.frozen
class App:
    """A running application.

    Attributes:
        port: the port it serves on, on 127.0.0.1.
        process: its parent process, which leads its own session.
        log: where stdout and stderr go.
    """

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(timeout=30)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """The environment without anything that could lead to a real account, plus additions."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WOODPECKER_")}
    return kept | {"PYTHONUNBUFFERED": "1"} | more


@contextlib.contextmanager
def serving(
    example: str, log: Path, *, workers: int | None = 1, port: int | None = None, env: Mapping[str, str] | None = None
) -> Iterator[App]:
    """Run an example until the end of the block; then clean up everything."""
    port = port or free_port()
    command = [sys.executable, "-W", "error", f"examples/{example}", "--port", str(port)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, *([] if workers is None else ["--workers", str(workers)])],
            cwd=ROOT,
            env=environment(**env or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield App(port, process, log)
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_it_answers(app: App) -> None:
    """Wait until a worker accepts connections."""
    until(lambda: _answers(app))


def _answers(app: App) -> bool:
    assert app.process.poll() is None, app.log.read_text()
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", app.port), timeout=30) as connection:
        connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        return connection.recv(12) == b"HTTP/1.1 404"
    return False
