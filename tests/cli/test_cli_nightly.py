"""What an agency's cron job does every night at four hundred companies, with everything that can go wrong."""

import csv
import json
import re
import signal
import stat

import pytest

from tests.waiting import until
from woodpecker_async.sandbox import Fault

pytestmark = pytest.mark.system

COMPANIES, INACTIVE = 400, 5


@pytest.fixture
def night(really_opened, tmp_path):
    with really_opened(
        companies=COMPANIES, inactive=INACTIVE, inactive_lists=False, keys_per_company=2, service_time=0.002
    ) as (box, cli):
        box.state.companies[box.company_ids[7]].keys.clear()
        box.state.add_key(box.company_ids[9], 'night "run"\r\n=1+1')
        yield box, cli, tmp_path


def every(number, fault):
    """A fault that strikes every n-th request; its answers count how many it has struck."""
    return [fault(skip=skip) for skip in range(number, 10 * number, number)]


def keys_on(box, label=None):
    return {
        company: sorted(key.secret for key in box.state.listed(company) if label in {None, key.label})
        for company in box.company_ids
    }


def keys_in(path):
    found = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(int(row["company_id"]), []).append(row["api_key"])
    return {company: sorted(filter(None, keys)) for company, keys in found.items()}


def statuses_in(path):
    with path.open(newline="") as file:
        return {int(row["company_id"]): row["status"] for row in csv.DictReader(file)}


def private(*paths):
    return {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}


def test_the_nightly_export(night):
    box, cli, place = night
    keys, report, log = place / "keys.csv", place / "run.json", place / "nightly.log"
    args = ("keys", "list", "--all", "--reveal", "--output", keys, "--report", report, "--log-file", log, "--quiet")
    active, inactive = box.company_ids[:-INACTIVE], set(box.company_ids[-INACTIVE:])
    struck = set(active[10:13])

    # The machine is shut down in the middle, after all kinds of trouble.
    box.faults.add(*every(11, lambda **when: Fault.status(503, **when)))
    box.faults.add(*every(13, Fault.close), *every(17, lambda **when: Fault.status(429, **when)))
    box.faults.add(*(Fault.status(400, company=company, times=None) for company in struck))
    with cli.start(*args) as process:
        until(lambda: len(box.journal) > 150)
        process.send_signal(signal.SIGTERM)
        got = cli.ended(process)
    assert (got.code, got.out) == (130, "")
    assert got.err.endswith(f" To continue, add: --resume {report}\n")
    first = json.loads(report.read_text())
    assert first["stopped_by"] == "SIGTERM"
    assert set(keys_in(keys)) == set(first["done"]) | set(map(int, first["failures"]))
    assert private(keys, report, log)

    # It is started again, and the server goes away.
    box.faults.clear()
    dead = Fault.close(path=re.compile("/api_keys$"), times=None)
    box.faults.add(dead)
    got = cli(*args, "--resume", report, "--deadline", "0.5")
    assert got.code == 1
    assert got.err.splitlines()[-1].endswith(f" To continue, add: --resume {report}")
    assert json.loads(report.read_text())["stopped_by"] in {"ConnectionLostError", "DeadlineExceededError"}
    assert set(json.loads(report.read_text())["done"]) == set(first["done"])
    box.faults.clear()

    # The server is back, but three companies still fail.
    box.faults.add(*(Fault.status(400, company=company, times=None) for company in struck))
    got = cli(*args, "--resume", report)
    assert got.code == 3
    assert {int(line.split()[1]) for line in got.err.splitlines()} == struck
    expected = keys_on(box)
    assert keys_in(keys) == {
        company: [] if company in inactive | struck else found for company, found in expected.items()
    }
    told = statuses_in(keys)
    assert {company for company, status in told.items() if status == "inactive"} == inactive
    assert {company for company, status in told.items() if status == "failed"} == struck
    assert [company for company, status in told.items() if status == "no keys"] == [box.company_ids[7]]

    # In the morning those three are fixed, and only they are requested.
    box.faults.clear()
    before = len(box.journal)
    got = cli(*(arg for arg in args if arg != "--all"), "--resume", report, "--failed-of", report)
    assert (got.code, got.err) == (0, "")
    assert {record.company_id for record in box.journal[before:]} == struck
    assert keys_in(keys) == {company: [] if company in inactive else found for company, found in expected.items()}
    final = json.loads(report.read_text())
    assert (len(final["done"]), set(map(int, final["failures"])), final["stopped_by"]) == (
        COMPANIES - INACTIVE, inactive, None,
    )  # fmt: skip
    assert private(keys, report, log)
    assert sorted(file.name for file in place.iterdir()) == ["keys.csv", "nightly.log", "run.json"]

    # The log has a line for each event; neither it nor the report contains a key.
    lines = log.read_text().splitlines()
    assert all(line.isprintable() and line[:2] == "20" for line in lines)
    for sign in ("status=503", "refused", "failure=lost", "Interrupted after", "Stopped after"):
        assert any(sign in line for line in lines), sign
    secrets = [box.hq_key, *(key for found in expected.values() for key in found)]
    said = log.read_text() + report.read_text()
    assert not any(secret in said for secret in secrets)


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
def test_a_key_for_each_company_through_a_kill_and_lost_answers(night, format_):
    box, cli, place = night
    keys, ids = place / "keys", place / "companies.csv"
    with (
        ids.open("w") as stream,
        cli.start("companies", "list", "--active", "--format", "csv", stdout=stream) as process,
    ):
        assert cli.ended(process).code == 0
    args = (
        "keys",
        "ensure",
        "--companies-from",
        ids,
        "--label",
        "backup",
        "--format",
        format_,
        "--output",
        keys,
        "--settle",
        1,
    )
    refused = cli(*args)
    assert (refused.code, "add --yes" in refused.err) == (2, True)
    assert not any(record.method == "POST" for record in box.journal)

    box.faults.add(*every(23, lambda **when: Fault.close(method="POST", at="after_commit", **when)))
    box.faults.add(*every(29, lambda **when: Fault.commit_then(500, method="POST", **when)))
    with cli.start(*args, "--yes") as process:
        until(lambda: sum(record.committed for record in box.journal) > 60)
        process.kill()
        process.wait()
    got = cli(*args, "--yes", "--quiet")
    assert (got.code, got.err) == (0, "")
    made = {company: found for company, found in keys_on(box, "backup").items() if found}
    assert set(made) == set(box.company_ids[:-INACTIVE])
    assert {len(found) for found in made.values()} == {1}
    if format_ == "csv":
        assert keys_in(keys) == made
    else:
        lines = [json.loads(line) for line in keys.read_text().splitlines()]
        assert {line["company_id"]: [line["api_key"]] for line in lines} == made
        assert len(lines) == len(made)
    assert private(keys)
