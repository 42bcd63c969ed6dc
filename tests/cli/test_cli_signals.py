"""Interrupts, and readers that close the pipe."""

import fcntl
import json
import os
import pty
import signal
import stat
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.waiting import until
from woodpecker_async.sandbox import Fault

pytestmark = pytest.mark.system

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", ENDING)
def test_interrupted_in_the_middle(really_opened, tmp_path, number):
    path = tmp_path / "report.json"
    with really_opened(companies=9, service_time=0.08) as (box, cli):
        with cli.start("keys", "list", "--all", "--format", "json", "--report", path) as process:
            until(lambda: sum(record.status == 200 for record in box.journal) >= 4)
            process.send_signal(number)
            got = cli.ended(process)
        assert got.code == 130
        report = json.loads(path.read_text())
        done = len(report["done"])
        assert 0 < done < 9
        assert (
            got.err == f"Interrupted after {done} of 9 companies, {3 * done} keys. To continue, add: --resume {path}\n"
        )
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        # Nothing that a resumed run will skip is lost.
        first = [company["company_id"] for company in json.loads(got.out)]
        assert first == report["done"]
        rest = cli("keys", "list", "--all", "--format", "json", "--resume", path)
        assert sorted(first + [company["company_id"] for company in json.loads(rest.out)]) == sorted(box.company_ids)


def test_interrupted_while_keys_are_made(really_opened, tmp_path):
    sink = tmp_path / "sink"
    args = ("keys", "ensure", "--all", "--yes", "--label", "crm", "--output", sink)
    with really_opened(companies=9, service_time=0.05) as (box, cli):
        with cli.start(*args) as process:
            until(lambda: sum(record.committed for record in box.journal) >= 3)
            process.send_signal(signal.SIGHUP)
            got = cli.ended(process)
        assert got.code == 130
        assert f"the keys are in {sink}. To continue, run the same command again." in got.err
        assert cli(*args).code == 0
        made = [key.secret for company in box.company_ids for key in box.state.listed(company) if key.label == "crm"]
        assert sorted(json.loads(line)["api_key"] for line in sink.read_text().splitlines()) == sorted(made)
        assert len(made) == 9


@pytest.mark.parametrize("args", [("companies", "list"), ("me",)])
def test_a_terminal_that_goes_away_ends_every_command(really_opened, args):
    with really_opened(companies=1, service_time=5) as (box, cli), cli.start(*args) as process:
        until(lambda: box.journal)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)  # the shell sends its own
        got = cli.ended(process)
        assert (got.code, got.out, got.err) == (130, "", "Interrupted.\n")


def test_a_hang_up_after_the_command_changes_nothing(real):
    """The second SIGHUP of a closing terminal may arrive after the event loop, or during interpreter shutdown."""
    code = """
import atexit, os, signal, sys
from woodpecker_async.cli import main, process
hang_up = lambda: os.kill(os.getpid(), signal.SIGHUP)
ends = process.ending
process.ending = lambda: (hang_up(), ends())
atexit.register(hang_up)
code = main()
assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
sys.exit(code)
"""
    command = [sys.executable, "-c", code, "companies", "list"]
    done = subprocess.run(command, env=real.env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "6 companies\n")


def test_nohup(really_opened):
    def ignore_hang_ups():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with really_opened(companies=4, service_time=0.1) as (box, cli):
        with cli.start("keys", "list", "--all", preexec_fn=ignore_hang_ups) as process:
            until(lambda: box.journal)
            process.send_signal(signal.SIGHUP)
            got = cli.ended(process)
        assert (got.code, len(got.out.splitlines())) == (0, 13)


def test_a_closed_terminal_leaves_a_report(really_opened, tmp_path):
    """A real terminal: the process leads a session on it, and gets its signal from the kernel."""
    report, out = tmp_path / "report", tmp_path / "out"
    terminal, its_end = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(2, termios.TIOCSCTTY, 0)

    with really_opened(companies=30, service_time=0.05) as (box, cli), out.open("w") as stream:
        args = ("keys", "list", "--all", "--format", "json", "--report", report)
        with cli.start(*args, stdout=stream, stderr=its_end, preexec_fn=take_terminal) as process:
            os.close(its_end)
            while b"/30" not in os.read(terminal, 4096):  # the progress bar
                pass
            until(lambda: sum(record.status == 200 for record in box.journal) >= 4)
            os.close(terminal)
            assert process.wait(60) == 130
        done = json.loads(report.read_text())["done"]
        assert 0 < len(done) < 30
        assert [company["company_id"] for company in json.loads(out.read_text())] == done


def test_interrupted_while_a_key_is_made(really_opened):
    with really_opened(companies=1) as (box, cli):
        company = box.company_ids[0]
        box.faults.add(Fault.wait(30, method="POST", at="after_commit"))
        with cli.start("keys", "create", "--company", company, "--label", "crm") as process:
            until(lambda: len(box.state.listed(company)) == 4)
            process.send_signal(signal.SIGINT)
            got = cli.ended(process)
        assert (got.code, got.out) == (130, "")
        assert got.err == (
            "Interrupted; the key may or may not have been created. "
            f"Check with: woodpecker-async keys list --company {company}\n"
        )


def test_interrupted_before_anything(really_opened):
    with really_opened(companies=1, service_time=5) as (box, cli), cli.start("me") as process:
        until(lambda: box.journal)
        process.send_signal(signal.SIGINT)
        got = cli.ended(process)
        assert (got.code, got.out, got.err) == (130, "", "Interrupted.\n")


@pytest.mark.parametrize("format_", ["table", "jsonl"])
def test_a_reader_that_has_seen_enough(really_opened, tmp_path, format_):
    # More than a pipe buffers, so that the writer is sure to notice.
    with really_opened(companies=20, keys_per_company=50, service_time=0) as (_, cli):
        report = tmp_path / "report"
        args = ("keys", "list", "--all", "--reveal", "--format", format_, "--report", report)
        with (
            cli.start(*args) as process,
            subprocess.Popen(["head", "-1"], stdin=process.stdout, stdout=subprocess.PIPE) as head,
        ):
            process.stdout.close()
            process.stdout = None
            line = head.communicate(timeout=60)[0]
            got = cli.ended(process)
        assert line.count(b"\n") == 1
        assert (got.code, got.err) == (141, "")
        assert not report.exists()  # it would call companies done whose keys were never shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk(real, tmp_path):
    report = tmp_path / "report"
    with Path("/dev/full").open("w") as full:
        args = ("keys", "list", "--all", "--format", "jsonl", "--report", report)
        with real.start(*args, stdout=full) as process:
            got = real.ended(process)
    assert (got.code, got.err) == (1, "Error: stdout: No space left on device\n")
    assert not report.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_key_that_cannot_be_shown_is_told_of(really_opened):
    with really_opened(companies=1) as (box, cli), Path("/dev/full").open("w") as full:
        args = ("keys", "create", "--company", box.company_ids[0], "--label", "crm", "--quiet")
        with cli.start(*args, stdout=full) as process:
            got = cli.ended(process)
        assert got.code == 1
        assert "stdout: No space left on device\nCreated a new key 'crm'" in got.err


@pytest.mark.parametrize("args", [("keys", "list", "--help"), ("--help",), ("--version",), ("companies", "list")])
def test_a_closed_pipe(real, args):
    reading, writing = os.pipe()
    os.close(reading)
    with real.start(*args, stdout=writing) as process:
        os.close(writing)
        got = real.ended(process)
    assert (got.code, got.err) == (141, "")


def settings_from(process):
    """The output of `sandbox serve`, as a shell would evaluate it."""
    settings = {}
    while "FELDERA_TOKEN" not in settings:
        line = process.stdout.readline()
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").strip().partition("=")
            settings[name] = value
    return settings


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_serving(real_alone, alone, tmp_path, number):
    state = tmp_path / "state"
    with real_alone.start("sandbox", "serve", "--companies", 2, "--keys", 1, "--state-file", state) as process:
        settings = settings_from(process)
        alone.env.update(settings)
        got = alone("keys", "list", "--all")
        assert (got.code, len(got.out.splitlines())) == (0, 3)
        client = alone("me", "--api-key-stdin", "--format", "json", stdin=settings["WOODPECKER_CLIENT_KEY"])
        assert json.loads(client.out)["company"]["id"] == int(got.out.splitlines()[1].split()[0])
        port = settings["FELDERA_URL"].rpartition(":")[2]
        taken = alone("sandbox", "serve", "--port", port)
        assert (taken.code, taken.err) == (1, f"Error: port {port} is in use\n")
        process.send_signal(number)
        assert real_alone.ended(process).code == 0
    assert stat.S_IMODE(state.stat().st_mode) == 0o600


def test_serving_in_the_background_of_a_script(real_alone):
    def ignore_interrupts():  # as a shell without job control does for background processes
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    with real_alone.start("sandbox", "serve", "--companies", 0, preexec_fn=ignore_interrupts) as process:
        assert "WOODPECKER_CLIENT_KEY" not in settings_from(process)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert real_alone.ended(process).code == 0


def test_serving_with_faults(real_alone, alone):
    faults = ["--fault", "status 503 times=2 path~companies$", "--fault", "close method=POST at=after_commit"]
    with real_alone.start("sandbox", "serve", "--companies", 1, "--keys", 1, *faults) as process:
        alone.env.update(settings_from(process))
        listed = alone("companies", "list", "--format", "json", "--verbose")
        assert (listed.code, listed.err.count("503")) == (0, 2)
        company = json.loads(listed.out)[0]["id"]
        assert alone("keys", "create", "--company", company, "--label", "crm").code == 0
        keys = alone("keys", "list", "--company", company, "--format", "jsonl")
        assert len(json.loads(keys.out)["keys"]) == 2
        process.send_signal(signal.SIGTERM)
        assert real_alone.ended(process).code == 0
