"""A command's log, and its messages during a long wait."""

import asyncio
import logging
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import Hasty
from woodpecker_async import _log
from woodpecker_async.cli import terminal, waiting
from woodpecker_async.engine.clock import SystemClock
from woodpecker_async.engine.observe import Event
from woodpecker_async.sandbox import Fault

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(autouse=True)
def _no_other_handlers(monkeypatch):
    monkeypatch.delenv("WOODPECKER_LOG", raising=False)
    before = list(_log.logger.handlers), _log.logger.level
    yield
    assert (list(_log.logger.handlers), _log.logger.level) == before


@pytest.fixture
def trouble(monkeypatch):
    """Makes the next request fail three times, and repeats follow at once."""
    monkeypatch.setattr(SystemClock, "sleep", Hasty.sleep)
    return lambda box: box.faults.add(Fault.status(503), Fault.status(429), Fault.close())


def moments(text):
    """The level and the first word of each line of the log."""
    lines = [line.split() for line in text.splitlines() if re.match(TIME, line)]
    return [(level, moment) for _, level, moment, *_ in lines]


TROUBLE = [("INFO", "retry"), ("INFO", "refused"), ("INFO", "retry"), ("INFO", "retry")]


def test_nothing_is_logged_unless_asked_for(cli, box, trouble):
    trouble(box)
    assert cli("me").err == ""


@pytest.mark.parametrize("how", [("-v",), "INFO"])
def test_a_line_for_each_retry_and_refusal(cli, box, monkeypatch, how, trouble):
    trouble(box)
    if isinstance(how, str):
        cli.env["WOODPECKER_LOG"] = how
    got = cli("me", *(() if isinstance(how, str) else how))
    assert moments(got.err) == TROUBLE
    assert "GET /v1/me attempt=1 status=503 failure=server wait=" in got.err
    assert box.hq_key not in got.err


@pytest.mark.parametrize("how", [("-vv",), ("--verbose", "-v"), "debug"])
def test_every_attempt(cli, box, monkeypatch, how):
    if isinstance(how, str):
        cli.env["WOODPECKER_LOG"] = how
    got = cli("me", *(() if isinstance(how, str) else how))
    assert moments(got.err) == [("DEBUG", "start"), ("DEBUG", "end")]


def test_before_and_after_the_command(cli, box, trouble):
    trouble(box)
    assert moments(cli("-v", "me").err) == TROUBLE


def test_a_lost_answer_that_was_made_good(opened):
    with opened(companies=1, service_time=0) as (box, cli):
        box.faults.add(Fault.close(method="POST", at="after_commit"))
        got = cli("keys", "create", "--company", box.company_ids[0], "--label", "crm", "-v", "--settle", "1")
        assert got.code == 0
        assert moments(got.err) == [("WARNING", "the")]
        assert "the response to creating a key for company" in got.err


def test_a_file_has_times_and_what_was_said(cli, box, tmp_path, trouble):
    path = tmp_path / "log"
    for _ in range(2):  # it is appended to
        trouble(box)
        got = cli("keys", "list", "--company", 4, "--company", box.company_ids[0], "--log-file", path)
        assert got.code == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = path.read_text().splitlines()
    assert all(re.match(f"{TIME} (INFO|WARNING) ", line) for line in lines)
    assert len(lines) == 2 * (len(TROUBLE) + 2)
    assert [line.split(maxsplit=2)[2] for line in lines[-2:]] == got.err.splitlines()
    assert moments(got.err) == []  # none of it is on stderr


def test_what_ends_the_command_is_in_the_file_too(cli, box, tmp_path):
    path = tmp_path / "log"
    box.faults.add(Fault.status(404, times=None))
    for args in (("me",), ("me", "--company", 4)):
        got = cli(*args, "--log-file", path)
        assert got.code == 1
        assert path.read_text().splitlines()[-1].split(maxsplit=2)[2] == got.err.splitlines()[-1]
    box.faults.clear()
    cli.env["WOODPECKER_API_KEY"] = "1.an-old-one"
    got = cli("me", "--log-file", path)
    assert [line.split(maxsplit=2)[2] for line in path.read_text().splitlines()[-2:]] == got.err.splitlines()
    assert "Hint: the key in use" in got.err
    cli.env["WOODPECKER_API_KEY"] = box.hq_key
    report = tmp_path / "report"
    report.write_text('{"version": 1, "task": "ensure x", "account": null, "done": [], "failures": {}, "inactive": [], '
                      '"drifted": [], "keys": 0, "requests": 0, "seconds": 0, "stopped_by": null}')  # fmt: skip
    got = cli("keys", "list", "--all", "--resume", report, "--log-file", path)
    assert (got.code, "of another task" in path.read_text().splitlines()[-1]) == (2, True)


@pytest.mark.parametrize(("level", "kinds"), [("-v", {"INFO"}), ("-vv", {"INFO", "DEBUG"})])
def test_the_file_is_as_detailed_as_stderr(cli, box, tmp_path, level, kinds, trouble):
    trouble(box)
    got = cli("me", level, "--log-file", tmp_path / "log")
    assert {kind for kind, _ in moments((tmp_path / "log").read_text())} == kinds
    assert moments((tmp_path / "log").read_text()) == moments(got.err)


@pytest.mark.parametrize("path", ["/", "/nowhere/log"])
def test_a_file_that_cannot_be_had(cli, box, path):
    before = len(box.journal)
    got = cli("me", "--log-file", path)
    assert (got.code, got.out, len(box.journal)) == (2, "", before)
    assert got.err.startswith(f"Error: cannot write to {path}: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_told_of_once(cli, box, trouble):
    trouble(box)
    got = cli("me", "--log-file", "/dev/full")
    assert (got.code, got.err) == (0, "Error: the log is incomplete: /dev/full: No space left on device\n")


def test_a_level_that_does_not_exist(cli, monkeypatch):
    cli.env["WOODPECKER_LOG"] = "loud\x1b[2J"
    got = cli("me")
    assert (got.code, got.out) == (2, "")
    assert got.err == r"Error: WOODPECKER_LOG must be debug or info, not 'loud\x1b[2j'" + "\n"


def test_what_others_wrote_cannot_make_a_line_of_its_own(tmp_path):
    handler = logging.FileHandler(tmp_path / "log")
    before = _log.logger.level
    _log.show(handler, logging.DEBUG)
    try:
        try:
            raise ValueError("a\nb\x1b[2J")
        except ValueError:
            _log.logger.exception("2026 INFO %s", "x\r\n2026-01-01 \u202e all is well\u2028\x85")
    finally:
        _log.hide(handler)
        _log.logger.setLevel(before)
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.isprintable()
    assert r"x\r\n2026-01-01 \u202e all is well\u2028\x85" in line


def test_what_is_said_is_one_line_whatever_the_server_wrote(cli, box, tmp_path):
    text = "all\r\n2026-01-01T00:00:00.000Z INFO is well\x1b[2J\u2028"
    box.faults.add(Fault.status(400, body={"title": text, "detail": text}))
    got = cli("keys", "list", "--company", box.company_ids[0], "-vv", "--log-file", tmp_path / "log")
    assert got.code == 3
    for told in (got.err, (tmp_path / "log").read_text()):
        assert all(line.isprintable() for line in told.split("\n"))
        assert not any(line.startswith("2026-01-01") for line in told.splitlines())


PROGRAM = """
import asyncio, logging, sys
{setup}
from woodpecker_async import WoodpeckerSession
from woodpecker_async.sandbox import Fault, Sandbox
async def main():
    async with Sandbox(companies=1) as box:
        box.faults.add(Fault.status(503))
        async with box.session() as woodpecker:
            await woodpecker.account.me()
asyncio.run(main())
"""


@pytest.mark.system
@pytest.mark.parametrize(
    ("level", "setup", "expected"),
    [
        ("info", "", [("INFO", "retry")]),
        ("debug", "", [("DEBUG", "start"), ("DEBUG", "end"), ("INFO", "retry"), ("DEBUG", "start"), ("DEBUG", "end")]),
        ("", "", []),
        ("loud", "", [("WARNING", "WOODPECKER_LOG")]),
        # A program that already logs to stderr gets each record once, in its own format.
        ("info", "logging.basicConfig(format='own %(levelname)s %(message)s')", []),
        ("info", "logging.basicConfig(stream=sys.stdout)", [("INFO", "retry")]),
    ],
)
def test_a_program_without_any_logging(real_alone, level, setup, expected):
    real_alone.env["WOODPECKER_LOG"] = level
    command = [sys.executable, "-c", PROGRAM.format(setup=setup)]
    done = subprocess.run(command, env=real_alone.env, capture_output=True, text=True, timeout=60, check=True)
    assert moments(done.stderr) == expected
    assert done.stderr.count("own INFO") == ("own" in setup)


# ---- long waits


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(waiting, "_PATIENCE", 0.2)
    monkeypatch.setattr(waiting, "_TICK", 0.02)


@pytest.fixture
def silent_server():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/rest"


def test_a_server_that_never_answers(cli, impatient, silent_server):
    cli.env["WOODPECKER_BASE_URL"] = silent_server
    got = cli("me", "--deadline", "0.7")
    assert got.code == 1
    wait, error = got.err.splitlines()
    assert re.fullmatch(r"Waiting for the response to GET /v1/me, sent \d s ago\.", wait)
    assert error.startswith("Error: no answer within the deadline")
    assert len(cli("me", "--deadline", "0.7", "--quiet").err.splitlines()) == 1


def test_a_server_that_never_answers_any_company(cli, impatient, silent_server):
    cli.env["WOODPECKER_BASE_URL"] = silent_server
    got = cli("keys", "list", "--company", 5, "--company", 6, "--deadline", "0.7")
    assert re.match(r"Waiting for the response to GET /v2/\S+ \(company \d\) and 1 more, sent \d s ago\.", got.err)


def test_a_command_that_gets_on_is_not_disturbed(opened, impatient):
    with opened(companies=12, service_time=0.05) as (_, cli):
        assert "Waiting" not in cli("keys", "list", "--all").err


@pytest.mark.system
@pytest.mark.parametrize("args", [("keys", "sweep", "--all"), ("worker", "--sandbox")])
def test_a_redis_that_never_answers(real_alone, silent_server, args):
    url = silent_server.replace("http", "redis").replace("/rest", "/0")
    with real_alone.start(*args, "--redis", url) as process:
        said = ""
        while "Redis" not in said:
            said = process.stderr.readline()
        assert said == "Waiting for Redis, which is not responding.\n"


def event(kind, method="GET", call="1", **more):
    return Event(kind=kind, call_id=call, method=method, path="/x", **more)


@pytest.mark.parametrize(
    ("events", "what"),
    [
        ([], "Waiting for a turn to send the next request."),
        ([event("start")], "Waiting for the response to GET /x, sent 0 s ago."),
        ([event("start", attempt=3)], "Waiting for the response to GET /x, sent 0 s ago, attempt 3."),
        ([event("start"), event("start", call="2")], "Waiting for the response to GET /x and 1 more, sent 0 s ago."),
        ([event("start"), event("end", status=200)], "Waiting for a turn to send the next request."),
        (
            [event("start"), event("end", status=503, failure="server"),
             event("retry", status=503, failure="server", wait=7.9, company_id=5)],
            "GET /x (company 5) failed (server, status 503): next attempt in 8 s.",
        ),
        (
            [event("retry", failure="lost", wait=3)],
            "GET /x failed (lost): next attempt in 3 s.",
        ),
        (
            [event("start", "POST"), event("end", "POST", failure="lost"), event("start", call="2")],
            "The response to POST /x was lost: checking whether the server processed the request.",
        ),
        (
            [event("start", "POST"), event("end", "POST", failure="refused")],
            "Waiting for a turn to send the next request.",
        ),
    ],
)  # fmt: skip
def test_what_it_waits_for(events, what):
    watch = waiting.Watch()
    for each in events:
        watch(each)
    assert watch.what() == what


async def test_it_is_said_again_now_and_then_and_not_while_somebody_is_asked(monkeypatch, capsys):
    monkeypatch.setattr(waiting, "_PATIENCE", 0.03)
    monkeypatch.setattr(waiting, "_MORE", 0.2)
    monkeypatch.setattr(waiting, "_TICK", 0.01)

    class Loud:
        note = staticmethod(terminal.echo_err)

    async with waiting.watching(waiting.Watch().what, Loud()):
        with terminal.asking():
            await asyncio.sleep(0.1)
        assert capsys.readouterr().err == ""
        await asyncio.sleep(0.35)
    assert capsys.readouterr().err.count("Waiting for a turn") == 2
