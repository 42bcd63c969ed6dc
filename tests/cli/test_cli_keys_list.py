"""`keys list`: formats, masking, reports, exit codes."""

import csv
import io
import json
import stat

import pytest

from woodpecker_async.sandbox import Fault

ALL = ("keys", "list", "--all")


def keys_of(box):
    return {company_id: [key.secret for key in box.state.listed(company_id)] for company_id in box.company_ids}


def secrets(box):
    return [box.hq_key, *(secret for found in keys_of(box).values() for secret in found)]


def test_the_table(real, box):
    got = real(*ALL)
    assert got.code == 0
    head, *lines = got.out.splitlines()
    assert head.split("  ")[0] == "Company"
    assert len(lines) == 6 * 3
    assert [line.split()[0] for line in lines[::3]] == [str(company_id) for company_id in box.company_ids]
    assert all(company.name in got.out for company in box.state.companies.values())
    assert [line for line in lines if " no " in line] == lines[-3:]
    assert all(line == line.rstrip() for line in lines)
    assert "…" not in got.out
    assert "\x1b" not in got.out + got.err
    summary = got.err.splitlines()[-1]
    assert summary.startswith("6 companies, 18 keys, 0 failed, 7 requests, ")
    assert not any(secret in got.out + got.err for secret in secrets(box))


def test_json(cli, box):
    got = cli(*ALL, "--format", "json")
    data = json.loads(got.out)
    assert [company["company_id"] for company in data] == list(box.company_ids)
    first = box.state.companies[box.company_ids[0]]
    assert data[0]["company_name"] == first.name
    assert data[0]["active"] is True
    assert data[0]["error"] is None
    assert [key["label"] for key in data[0]["keys"]] == [key.label for key in first.keys]
    assert data[0]["keys"][0]["api_key"] == f"{first.keys[0].secret[:7]}****{first.keys[0].secret[-4:]}"
    assert data[-1]["active"] is False


def test_json_lines_one_for_each_company(cli, box):
    got = cli(*ALL, "--format", "jsonl")
    companies = [json.loads(line) for line in got.out.splitlines()]
    assert {company["company_id"] for company in companies} == set(box.company_ids)
    assert all(len(company["keys"]) == 3 for company in companies)


def test_json_lines_come_as_companies_finish(really_opened):
    with really_opened(companies=10, service_time=0.2) as (_, cli), cli.start(*ALL, "--format", "jsonl") as process:
        assert json.loads(process.stdout.readline())["ok"]
        assert process.poll() is None
        process.terminate()
        assert cli.ended(process).code == 130


def test_csv(cli, box):
    got = cli(*ALL, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(got.out)))
    assert list(rows[0]) == [
        "company_id", "company_name", "active", "status", "label", "api_key", "fingerprint", "error",
    ]  # fmt: skip
    assert [int(row["company_id"]) for row in rows[::3]] == list(box.company_ids)
    assert rows[0]["active"] == "true"
    assert all("****" in row["api_key"] for row in rows)


@pytest.mark.parametrize("format_", ["table", "json", "jsonl", "csv"])
def test_reveal(cli, box, format_):
    got = cli(*ALL, "--reveal", "--format", format_)
    assert all(secret in got.out for found in keys_of(box).values() for secret in found)
    assert "****" not in got.out
    assert box.hq_key not in got.out
    assert not any(secret in got.err for secret in secrets(box))


def test_companies_without_keys(opened):
    with opened(companies=2, keys_per_company=0) as (box, cli):
        got = cli(*ALL)
        assert [line.rpartition("  ")[2].strip() for line in got.out.splitlines()[1:]] == ["(no keys)"] * 2
        rows = list(csv.DictReader(io.StringIO(cli(*ALL, "--format", "csv").out)))
        assert [int(row["company_id"]) for row in rows] == list(box.company_ids)
        assert {(row["api_key"], row["status"]) for row in rows} == {("", "no keys")}


def test_no_companies_at_all(opened):
    with opened(companies=0) as (_, cli):
        got = cli(*ALL)
        assert got.code == 0
        assert got.out.split("  ")[0] == "Company"
        assert json.loads(cli(*ALL, "--format", "json").out) == []


def test_some_companies(cli, box):
    one, two = box.company_ids[3], box.company_ids[1]
    got = cli("keys", "list", "--company", one, "--company", two, "--company", one)
    assert got.code == 0
    assert [line.split()[0] for line in got.out.splitlines()[1::3]] == [str(one), str(two)]
    # Their names were not requested from the server.
    assert got.out.split()[:2] == ["Company", "Label"]
    assert got.err.startswith("2 companies, 6 keys, 0 failed, 2 requests")


def test_only_the_inactive(cli, box):
    got = cli(*ALL, "--inactive", "--format", "json")
    assert [company["company_id"] for company in json.loads(got.out)] == [box.company_ids[-1]]


def test_a_company_that_fails(cli, box):
    known, unknown = box.company_ids[0], 4
    args = ("keys", "list", "--company", unknown, "--company", known)
    got = cli(*args)
    assert got.code == 3
    assert got.out.splitlines()[1].split() == ["4", "(failed)"]
    assert got.err.splitlines()[0].startswith("Company 4 failed: CompanyNotFoundError: 404")
    assert got.err.splitlines()[-1].startswith("2 companies, 3 keys, 1 failed, ")
    failed, good = json.loads(cli(*args, "--format", "json").out)
    assert failed["error"]["type"] == "CompanyNotFoundError"
    assert (failed["ok"], good["ok"], failed["keys"]) == (False, True, [])
    rows = list(csv.DictReader(io.StringIO(cli(*args, "--format", "csv").out)))
    assert [(row["company_id"], row["status"]) for row in rows] == [("4", "failed"), *[(str(known), "ok")] * 3]
    assert rows[0]["error"].startswith("CompanyNotFoundError: 404")


def test_an_inactive_company_alone_is_no_failure(opened):
    with opened(companies=3, inactive=1, inactive_lists=False) as (box, cli):
        got = cli(*ALL)
        assert got.code == 0
        assert got.err.splitlines()[0] == f"Not listed because they are inactive: {box.company_ids[-1]}"
        assert "0 failed, 1 inactive" in got.err
        assert got.out.splitlines()[-1].endswith("(inactive)")


def test_what_fails_for_all_fails(cli, box):
    cli.env["WOODPECKER_API_KEY"] = "1.not-a-key-of-anybody"
    got = cli(*ALL, "--format", "json")
    assert (got.code, got.out) == (1, "")
    assert [line.split(":")[0] for line in got.err.splitlines()] == ["Error", "Hint"]
    assert got.err.startswith("Error: 401")
    assert "not-a-key-of-anybody" not in got.err


def test_what_stops_a_run_half_way(cli, box, tmp_path):
    box.faults.add(Fault.status(403, company=box.company_ids[4], times=None))
    got = cli(*ALL, "--format", "json", "--report", tmp_path / "report")
    assert got.code == 1
    assert got.err.startswith("Error: 403")
    # What was done is printed, because --resume will skip it.
    report = json.loads((tmp_path / "report").read_text())
    assert report["stopped_by"] == "PermissionDeniedError"
    assert report["done"] == [company["company_id"] for company in json.loads(got.out or "[]")]


def test_report_and_resume(cli, box, tmp_path):
    path = tmp_path / "report.json"
    struck = box.company_ids[2]
    box.faults.add(Fault.status(400, company=struck))
    assert cli(*ALL, "--report", path).code == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    report = json.loads(path.read_text())
    assert list(report["failures"]) == [str(struck)]
    assert not any(secret in path.read_text() for secret in secrets(box))
    got = cli(*ALL, "--resume", path, "--report", path, "--format", "json")
    assert got.code == 0
    assert [company["company_id"] for company in json.loads(got.out)] == [struck]
    assert got.err.splitlines()[0] == "Resuming: skipping 5 companies already listed."
    assert got.err.splitlines()[1].startswith("This run: 1 company, 3 keys, 0 failed, 2 requests, ")
    assert got.err.splitlines()[2].startswith("6 companies, 18 keys, 0 failed, ")
    assert len(got.err.splitlines()) == 3
    assert json.loads(path.read_text())["done"] == sorted(box.company_ids)


def test_quiet(cli, box):
    got = cli(*ALL, "--quiet")
    assert got.err == ""
    assert len(got.out.splitlines()) == 19
    got = cli("-q", "keys", "list", "--company", 4)
    assert len(got.err.splitlines()) == 1  # failures are still reported


@pytest.mark.system
def test_the_sandbox_needs_nothing(real_alone):
    got = real_alone(*ALL, "--sandbox")
    assert got.code == 0
    assert got.err.startswith("Sandbox: ")
    assert got.err.splitlines()[-1].startswith("25 companies, 75 keys, 0 failed, 26 requests, ")
    lines = got.out.splitlines()
    assert len(lines) == 76
    assert sum(" no " in line for line in lines) == 6
