"""A real Redis on a free port of this machine, for the length of a test."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

PASSWORD = "sesame-pa55word"

BINARY = shutil.which("redis-server") or shutil.which("valkey-server")


class RedisServer:
    """Started at once; `stop` and `start` as often as wanted, on the same port, with nothing kept."""

    def __init__(self, directory: Path, *, password: str | None = None) -> None:
        if BINARY is None:
            pytest.skip("no redis-server here; to run this: apt-get install redis-server")
        self._directory = directory
        self._password = password
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        user = "" if self._password is None else f":{self._password}@"
        return f"redis://{user}127.0.0.1:{self.port}/0"

    @property
    def socket_url(self) -> str:
        return f"unix://{self._directory / 'redis.sock'}"

    def start(self) -> None:
        command = [str(BINARY), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += ["--dir", str(self._directory), "--unixsocket", str(self._directory / "redis.sock")]
        if self._password is not None:
            command += ["--requirepass", self._password]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(500):
            if self._process.poll() is not None:
                raise AssertionError("redis-server ended at once")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as greeting:
                    greeting.sendall(b"PING\r\n")
                    if greeting.recv(100):  # an answer, if only that it wants a password
                        return
            except OSError:
                pass
            time.sleep(0.01)
        raise AssertionError("redis-server does not answer")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@contextmanager
def running_redis(password: str | None = None) -> Iterator[RedisServer]:
    """A Redis in a directory of its own, stopped at the end."""
    with TemporaryDirectory(prefix="wr") as directory:  # short: the path of a socket must be
        server = RedisServer(Path(directory), password=password)
        try:
            yield server
        finally:
            server.stop()
