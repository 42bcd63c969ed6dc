"""Runs that resume earlier ones, and runs that end early."""

import json
import signal

import pytest

from tests.waiting import until
from woodpecker_async.sandbox import Fault

ALL = ("keys", "list", "--all")


def test_a_resumed_run_speaks_of_itself_and_of_all(cli, box, tmp_path):
    path = tmp_path / "report"
    struck, later = box.company_ids[1], box.company_ids[3]
    box.faults.add(Fault.status(400, company=struck), Fault.status(400, company=later, times=None))
    got = cli(*ALL, "--report", path)
    assert (got.code, got.err.splitlines()[-2]) == (3, f"To retry the failed companies, add: --resume {path}")
    got = cli("keys", "list", "--company", struck, "--resume", path, "--report", path)
    assert got.code == 0  # the other one failed in the earlier run, and was not tried in this one
    assert "failed:" not in got.err
    assert got.err.splitlines()[1].startswith("This run: 1 company, 3 keys, 0 failed, 1 request, ")
    assert got.err.splitlines()[2].startswith("6 companies, 15 keys, 1 failed, ")
    got = cli(*ALL, "--resume", path, "--report", path)
    assert got.code == 3
    assert got.err.splitlines()[1].startswith(f"Company {later} failed: BadRequestError")
    assert "\nThis run: 1 company, 0 keys, 1 failed, " in got.err


def test_nothing_is_left_to_do(cli, box, tmp_path):
    path = tmp_path / "report"
    assert cli(*ALL, "--report", path).code == 0
    got = cli(*ALL, "--resume", path, "--format", "jsonl")
    assert (got.code, got.out) == (0, "")
    assert "This run: 0 companies, 0 keys, 0 failed, 1 request" in got.err


def test_ensure_has_a_report_too(opened, tmp_path):
    path, keys = tmp_path / "report", tmp_path / "keys.jsonl"
    with opened(companies=4, inactive=1, service_time=0) as (box, cli):
        struck = box.company_ids[1]
        box.faults.add(Fault.status(400, company=struck))
        args = ("keys", "ensure", "--all", "--label", "crm", "--output", keys, "--report", path)
        assert cli(*args).code == 3
        report = json.loads(path.read_text())
        assert (report["task"], list(report["failures"]), report["created"]) == ("ensure crm", [str(struck)], 2)
        before = len(box.journal)
        got = cli(*args, "--resume", path)
        assert got.code == 0
        assert "This run: 1 company, 1 key, 1 of them new, 0 failed" in got.err
        others = [str(company) for company in box.company_ids if company != struck]
        assert not any(company in record.path for record in box.journal[before:] for company in others)
        assert len(keys.read_text().splitlines()) == 3
        # By default only the active ones; others on request.
        got = cli("keys", "ensure", "--all", "--inactive", "--label", "crm", "--output", keys)
        assert (got.code, got.err.splitlines()[0]) == (
            0,
            f"Not given a key because they are inactive: {box.company_ids[-1]}",
        )


@pytest.mark.parametrize("format_", ["csv", "json", "sqlite"])
def test_a_resumed_ensure_adds_to_its_file(opened, tmp_path, format_):
    report, path = tmp_path / "report", tmp_path / "keys"
    with opened(companies=3, service_time=0) as (box, cli):
        box.faults.add(Fault.status(400, company=box.company_ids[1]))
        args = ("keys", "ensure", "--all", "--label", "crm", "--format", format_, "--output", path, "--report", report)
        assert cli(*args).code == 3
        assert cli(*args, "--resume", report).code == 0
        content = path.read_bytes()
        for company in box.company_ids:
            (key,) = [key for key in box.state.listed(company) if key.label == "crm"]
            assert content.count(key.secret.encode()) == 1
        assert b"failed" not in content


def test_what_failed_before_is_not_among_what_is_done(cli, box, tmp_path):
    path = tmp_path / "report"
    box.faults.add(Fault.status(400, company=box.company_ids[0]))
    assert cli(*ALL, "--report", path).code == 3
    cli.env["WOODPECKER_API_KEY"] = box.hq_key
    box.faults.add(Fault.status(401, path=f"/v2/agency/companies/{box.company_ids[0]}/api_keys", times=None))
    got = cli(*ALL, "--resume", path)
    assert got.code == 1
    assert "Stopped after 5 of 6 companies (0 in this run), 15 keys" in got.err


def test_a_server_that_is_gone(cli, box, tmp_path):
    path = tmp_path / "report"
    cli.env["WOODPECKER_BASE_URL"] = "http://127.0.0.1:9/rest"
    ids = [arg for company in range(1, 90) for arg in ("--company", company)]
    done = {"version": 1, "task": "list", "account": None, "done": [500], "failures": {}, "inactive": [], "drifted": []}
    path.write_text(json.dumps({**done, "keys": 3, "requests": 1, "seconds": 1.0, "stopped_by": None}))
    got = cli("keys", "list", *ids, "--deadline", "0.2", "--resume", path, "--report", path, "--format", "json")
    assert got.code == 1
    error, rest = got.err.splitlines()[-2:]
    assert error.startswith("Error: no connection to 127.0.0.1:9")
    assert rest.startswith("Stopped after ")
    assert rest.endswith(f" in this run), 3 keys. To continue, add: --resume {path}")
    assert json.loads(path.read_text())["stopped_by"] == "NotSentError"


@pytest.mark.system
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["list", "ensure"])
def test_a_signal_is_named_in_the_report(really_opened, tmp_path, number, command):
    path, keys = tmp_path / "report", tmp_path / "keys.csv"
    with really_opened(companies=40, service_time=0.03) as (box, cli):
        args = ("keys", command, "--all", "--output", keys, "--report", path)
        if command == "ensure":
            args = (*args, "--label", "crm", "--yes")
        with cli.start(*args) as process:
            until(lambda: len(box.journal) >= 12)
            process.send_signal(number)
            got = cli.ended(process)
        assert got.code == 130
        assert got.err.splitlines()[-1].endswith(f"To continue, add: --resume {path}")
        report = json.loads(path.read_text())
        assert report["stopped_by"] == number.name
        assert 0 < len(report["done"]) < 40
        again = cli(*args, "--resume", path)
        assert again.code == 0, again.err
        assert "40 companies, " in again.err
        assert json.loads(path.read_text())["stopped_by"] is None
        rows = keys.read_text().splitlines()[1:]
        assert {int(row.partition(",")[0]) for row in rows} == set(box.company_ids)
        assert len(rows) == (120 if command == "list" else 40)


@pytest.mark.system
def test_without_a_report_it_says_what_there_would_be(really_opened):
    with really_opened(companies=40, service_time=0.05) as (box, cli), cli.start(*ALL) as process:
        until(lambda: len(box.journal) >= 8)
        process.send_signal(signal.SIGTERM)
        got = cli.ended(process)
        assert got.code == 130
        assert got.err.endswith("To be able to continue an interrupted run, use --report FILE.\n")
