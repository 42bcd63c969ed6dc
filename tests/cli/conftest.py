"""The command against a sandbox on its own thread.

`cli` runs it in this process, because starting one takes half a second; `real` runs it in its own process, where
streams, signals, terminals or imports matter.
"""

import http.server
import io
import os
import pty
import re
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from attrs import frozen

from woodpecker_async.cli.help import ENVIRONMENT
from woodpecker_async.cli.main import run_command
from woodpecker_async.sandbox import Sandbox

# A place without a configuration, whatever is on the machine.
NO_CONFIG = "/nowhere"

# Words that mean something to Python programmers, but not to users of the command line.
PYTHON = re.compile(
    r"\b(Limits|Timeouts|RetryPolicy|CallOptions|Report|session)[.(]|\bssl_context\b|\bbase_url\b(?! of profile)|\bparams=|\bapi_key="
    r"|\basync with\b|company_id=|resume=|max_pages=|`await|\(\) it\b|report\.account"
)

COMMAND = (sys.executable, "-m", "woodpecker_async.cli")


@frozen
class Got:
    code: int
    out: str
    err: str


class Inside:
    """Runs the command in this process."""

    def __init__(self, monkeypatch, capsys, **env):
        self.env = env
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *args, stdin=""):
        with self._monkeypatch.context() as patch:
            for name in [*ENVIRONMENT, "XDG_CONFIG_HOME"]:
                patch.delenv(name, raising=False)
            patch.setenv("XDG_CONFIG_HOME", NO_CONFIG)
            for name, value in self.env.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.StringIO(stdin))
            self._capsys.readouterr()
            code = run_command([str(arg) for arg in args])
            got = Got(code, *self._capsys.readouterr())
            assert not PYTHON.search(got.err), got.err
            return got


class Real:
    """Runs the command with only the given environment variables."""

    def __init__(self, **env):
        self.encoding = "utf-8"
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
        self.env = {**kept, "XDG_CONFIG_HOME": NO_CONFIG, "PYTHONWARNINGS": "error", "TERM": "xterm-256color", **env}

    @contextmanager
    def start(self, *args, **kwargs):
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs}
        command = [*COMMAND, *map(str, args)]
        with subprocess.Popen(command, env=self.env, text=True, encoding=self.encoding, **streams) as process:
            try:
                yield process
            finally:
                process.kill()  # if the test has not seen its end

    def __call__(self, *args, stdin=""):
        with self.start(*args, stdin=subprocess.PIPE) as process:
            return self.ended(process, stdin)

    def ended(self, process, stdin=None):
        out, err = (text or "" for text in process.communicate(stdin, timeout=60))
        assert "Traceback" not in err
        assert "Warning" not in err
        return Got(process.returncode, out, err)

    def in_terminal(self, *args, streams=("stdout", "stderr")):
        """Run it with these streams on a pseudo-terminal; what appears there comes first in the result."""
        terminal, its_end = pty.openpty()
        with self.start(*args, **dict.fromkeys(streams, its_end)) as process:
            os.close(its_end)
            seen = b"".join(iter(lambda: _read(terminal), b""))
            os.close(terminal)
            got = self.ended(process)
        return seen.decode().replace("\r\n", "\n"), got


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux reports that the other end is closed
        return b""


@pytest.fixture(scope="session")
def _shared_box():
    with Sandbox(companies=6, keys_per_company=3, inactive=1) as box:
        yield box


@pytest.fixture
def box(_shared_box):
    """A sandbox to which tests may add faults, but no keys."""
    yield _shared_box
    _shared_box.faults.clear()


def _keyed(box):
    return {"WOODPECKER_BASE_URL": box.base_url, "WOODPECKER_API_KEY": box.hq_key}


@pytest.fixture
def cli(box, monkeypatch, capsys):
    return Inside(monkeypatch, capsys, **_keyed(box))


@pytest.fixture
def alone(monkeypatch, capsys):
    """The command without a key or an address in its environment."""
    return Inside(monkeypatch, capsys)


@pytest.fixture
def opened(monkeypatch, capsys):
    """A sandbox of the test's own, and the command for it."""

    @contextmanager
    def open_(**options):
        with Sandbox(**options) as box:
            yield box, Inside(monkeypatch, capsys, **_keyed(box))

    return open_


@pytest.fixture
def real(box):
    return Real(**_keyed(box))


@pytest.fixture
def real_alone():
    return Real()


@pytest.fixture
def really_opened():
    @contextmanager
    def open_(**options):
        with Sandbox(**options) as box:
            yield box, Real(**_keyed(box))

    return open_


@pytest.fixture
def said():
    """A server that always sends the same response; yields its URL, and the heads of the requests it received."""

    @contextmanager
    def serve(answer):
        heads = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                heads.append(self.requestline)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.close_connection = True
                self.wfile.write(answer)

            def do_POST(self):
                self.do_GET()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = False  # so that it waits for them when it is closed

        with Server(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}", heads
            finally:
                server.shutdown()
                thread.join()

    return serve
