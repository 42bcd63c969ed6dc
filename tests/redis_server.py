"""A real Redis for a test: on a free port of this machine, with nothing in it, gone afterwards."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from attrs import define, field

MISSING = "there is no redis-server: apt-get install redis-server"


@define
class RedisServer:
    """A running `redis-server`.

    Attributes:
        port: where it listens, on 127.0.0.1.
        password: what it wants, if anything.
    """

    port: int
    password: str | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, alias="process", repr=False)
    _directory: Path = field(default=Path(), alias="directory", repr=False)

    @property
    def url(self) -> str:
        """Its URL, with the password."""
        user = f":{self.password}@" if self.password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers; after `stop` it comes back empty, at the same port."""
        wish = [
            "--port",
            self.port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            self._directory,
        ]
        if self.password:
            wish += ["--requirepass", self.password]
        self._process = subprocess.Popen(["redis-server", *map(str, wish)], stdout=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended at once"
            assert time.monotonic() < end, "redis-server does not answer"
            time.sleep(0.01)

    def stop(self) -> None:
        """Kill it, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) in {b"+PONG\r\n", b"-NOAUTH"}
        except OSError:
            return False


@contextmanager
def running_redis(password: str | None = None) -> Iterator[RedisServer]:
    """Run one; a test without the program is skipped."""
    if shutil.which("redis-server") is None:
        pytest.skip(MISSING)
    with TemporaryDirectory() as directory, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = RedisServer(free.getsockname()[1], password, directory=Path(directory))
        free.close()
        server.start()
        try:
            yield server
        finally:
            server.stop()
