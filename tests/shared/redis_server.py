"""A real Redis on a free port of this machine, for the duration of a test."""

import shutil
import socket
import ssl
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
    """Starts at once; can `stop` and `start` repeatedly, on the same port, without keeping data.

    Args:
        directory: the directory for its files.
        password: the password it requires.
        tls: speak TLS; the directory of `ca.pem`, `cert.pem` and `key.pem`.
    """

    def __init__(self, directory: Path, *, password: str | None = None, tls: Path | None = None) -> None:
        if BINARY is None:
            pytest.skip("no redis-server here; to run this: apt-get install redis-server")
        self._directory = directory
        self._password = password
        self._tls = tls
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
        port = ["--port", str(self.port)]
        if self._tls is not None:
            port = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
            port += ["--tls-cert-file", str(self._tls / "cert.pem"), "--tls-key-file", str(self._tls / "key.pem")]
            port += ["--tls-ca-cert-file", str(self._tls / "ca.pem")]
        command = [str(BINARY), *port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += ["--dir", str(self._directory), "--unixsocket", str(self._directory / "redis.sock")]
        if self._password is not None:
            command += ["--requirepass", self._password]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(500):
            if self._process.poll() is not None:
                raise AssertionError("redis-server ended at once")
            try:
                with self._connected() as greeting:
                    greeting.sendall(b"PING\r\n")
                    if greeting.recv(100):  # a response, even if only that it requires a password
                        return
            except OSError:
                pass
            time.sleep(0.01)
        raise AssertionError("redis-server does not answer")

    def _connected(self) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=1)
        if self._tls is None:
            return plain
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(plain)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@contextmanager
def running_redis(password: str | None = None, tls: Path | None = None) -> Iterator[RedisServer]:
    """A Redis in its own directory, stopped at the end."""
    with TemporaryDirectory(prefix="wr") as directory:  # short, as a socket's path must be
        server = RedisServer(Path(directory), password=password, tls=tls)
        try:
            yield server
        finally:
            server.stop()
