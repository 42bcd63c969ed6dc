"""Confirmation, and dry runs, before much is created that cannot be undone."""

import csv
import io
import json
import os
import pty
import signal

import pytest

from tests.waiting import until
from woodpecker_async import Secret
from woodpecker_async.sandbox import Fault


def keys_made(box):
    return sum(key.label == "crm" for company in box.company_ids for key in box.state.listed(company))


def posts(box):
    return sum(record.method == "POST" for record in box.journal)


ENSURE = ("keys", "ensure", "--all", "--label", "crm", "--output")


def test_more_than_ten_keys_are_not_made_unasked(opened, tmp_path):
    with opened(companies=13, service_time=0) as (box, cli):
        for company in box.company_ids[:2]:
            box.state.add_key(company, "crm")
        path = tmp_path / "keys"
        got = cli(*ENSURE, path)
        assert (got.code, got.out, posts(box), path.exists()) == (2, "", 0, False)
        assert got.err.startswith("Error: This creates 11 keys labelled 'crm' at http://localhost:")
        assert got.err.endswith("; there is no terminal to confirm on: add --yes\n")
        box.state.add_key(box.company_ids[2], "crm")
        assert cli(*ENSURE, path).code == 0  # ten
        assert keys_made(box) == 13
        assert len(path.read_text().splitlines()) == 13
        assert cli(*ENSURE, path).code == 0  # none


@pytest.mark.parametrize("how", ["--yes", "-y"])
def test_yes(opened, tmp_path, how):
    with opened(companies=12, service_time=0) as (box, cli):
        assert cli(*ENSURE, tmp_path / "keys", how).code == 0
        assert (keys_made(box), posts(box)) == (12, 12)


def test_companies_that_could_not_be_looked_at_may_need_a_key(opened, tmp_path):
    with opened(companies=12, service_time=0) as (box, cli):
        for company in box.company_ids[:5]:
            box.state.add_key(company, "crm")
            box.faults.add(Fault.status(400, company=company))
        assert cli(*ENSURE, tmp_path / "keys").code == 2
        assert posts(box) == 0


@pytest.mark.parametrize("format_", ["table", "csv", "json", "jsonl"])
def test_a_dry_run_makes_nothing_and_says_what_and_where(opened, tmp_path, format_):
    with opened(companies=5, inactive=1, keys_per_company=0, service_time=0) as (box, cli):
        new, there, twice, struck, _ = box.company_ids
        for company in (there, twice, twice):
            box.state.add_key(company, "crm")
        box.faults.add(Fault.status(400, company=struck))
        path = tmp_path / "keys.db"
        got = cli(*ENSURE, path, "--dry-run", "--format", format_)
        assert (got.code, posts(box), path.exists()) == (3, 0, False)
        assert f"Company {struck} failed: BadRequestError" in got.err
        assert f"Company {twice} has several keys labelled 'crm'; none would be created there." in got.err
        assert f"Would create 1 key labelled 'crm' at {box.base_url.replace('127.0.0.1', 'localhost')}" in got.err
        assert got.err.endswith("; 1 already there. Nothing was created.\n")
        if format_ == "table":
            assert [line.split()[0] for line in got.out.splitlines()[1:]] == list(map(str, box.company_ids[:4]))
            return
        rows = {
            "csv": lambda: list(csv.DictReader(io.StringIO(got.out))),
            "json": lambda: json.loads(got.out),
            "jsonl": lambda: [json.loads(line) for line in got.out.splitlines()],
        }[format_]()
        assert {int(row["company_id"]): row["status"] for row in rows} == {
            new: "would create", there: "exists", twice: "ambiguous", struck: "failed",
        }  # fmt: skip
        assert "****" in got.out
        assert box.state.listed(there)[0].secret not in got.out


def test_a_dry_run_foretells_the_run(opened, tmp_path):
    with opened(companies=6, service_time=0) as (box, cli):
        for company in box.company_ids[::2]:
            box.state.add_key(company, "CRM ")  # the same label in another Unicode form
        foretold = json.loads(cli(*ENSURE, tmp_path / "keys", "--dry-run", "--json").out)
        done = json.loads(cli("keys", "ensure", "--all", "--label", "crm", "--json").out)
        created = [row["company_id"] for row in done if row["status"] == "created"]
        assert [row["company_id"] for row in foretold if row["status"] == "would create"] == created
        assert len(created) == 3


# ---- companies


def create(names, *args):
    return ("companies", "create", *(arg for name in names for arg in ("--name", name)), *args)


def test_companies_are_made_and_shown_with_their_keys(opened, tmp_path):
    with opened(companies=2, service_time=0) as (box, cli):
        there = box.state.companies[box.company_ids[0]].name
        path = tmp_path / "new.csv"
        got = cli(*create(["Acme", there, " Acme "], "--output", path))
        assert (got.code, got.out) == (0, "")
        assert got.err == "Created 1 company, 1 already there, 0 failed.\n"
        acme, old = csv.DictReader(io.StringIO(path.read_text()))
        (key,) = box.state.listed(int(acme["company_id"]))
        assert (acme["company_name"], acme["status"], acme["fingerprint"]) == (
            "Acme",
            "created",
            Secret(key.secret).fingerprint,
        )
        assert (acme["api_key"], old["status"]) == (f"{key.secret[:7]}****{key.secret[-4:]}", "exists")
        got = cli(*create(["Acme", "Other"], "--reveal", "--json"))
        assert [row["status"] for row in json.loads(got.out)] == ["exists", "created"]
        assert posts(box) == 2


def test_a_dry_run_makes_no_company(opened):
    with opened(companies=2, service_time=0) as (box, cli):
        names = [f"N{number}" for number in range(30)]
        got = cli(*create(names, "--dry-run", "--json", "--output", "/nowhere/at/all"))
        assert (got.code, posts(box)) == (0, 0)
        assert [row["company_name"] for row in json.loads(got.out)] == names
        assert got.err.startswith(f"Would create 30 companies at {box.base_url.replace('127.0.0.1', 'localhost')}")


def test_more_than_ten_companies_are_not_made_unasked(opened, tmp_path):
    with opened(companies=1, service_time=0) as (box, cli):
        path = tmp_path / "names"
        path.write_text("".join(f"N{number}\n\n" for number in range(11)))
        got = cli("companies", "create", "--names-from", path)
        assert (got.code, posts(box)) == (2, 0)
        assert "This creates 11 companies, which are billed, at " in got.err
        assert cli("companies", "create", "--names-from", path, "--yes").code == 0
        assert len(box.company_ids) == 12


def test_a_company_that_may_have_been_made_ends_the_command(opened):
    with opened(companies=1, service_time=0) as (box, cli):
        box.faults.add(Fault.close(method="POST", at="after_commit", skip=1))
        got = cli(*create(["A", "B", "C"], "--json"))
        assert got.code == 1
        assert [row["company_name"] for row in json.loads(got.out)] == ["A"]
        assert "Created 1 company. It is not known whether 'B' was created" in got.err
        got = cli(*create(["A", "B", "C"]))
        assert (got.code, got.err) == (0, "Created 1 company, 2 already there, 0 failed.\n")


def test_a_company_that_is_refused_does_not_end_it(opened):
    with opened(companies=1, service_time=0) as (box, cli):
        box.faults.add(Fault.status(400, method="POST"))
        got = cli(*create(["A", "B"], "--json"))
        assert (got.code, [row["status"] for row in json.loads(got.out)]) == (3, ["failed", "created"])
        assert "'A' failed: BadRequestError" in got.err
        box.faults.add(Fault.status(401, method="POST", times=None))
        got = cli(*create(["C", "D"]))
        assert got.code == 1
        assert posts(box) == 3  # the second would fail in the same way


@pytest.mark.parametrize("args", [(), ("--name", " "), ("--name", "A", "--name", "")])
def test_companies_without_names(cli, box, args):
    before = len(box.journal)
    assert cli("companies", "create", *args).code == 2
    assert len(box.journal) == before


# ---- the question itself


@pytest.mark.system
@pytest.mark.parametrize("answer", [b"y\n", b"Yes\n", b"n\n", b"\n", b"\x04", signal.SIGINT, signal.SIGTERM])
def test_a_person_is_asked(really_opened, tmp_path, answer):
    path = tmp_path / "keys"
    with really_opened(companies=11, service_time=0) as (box, cli):
        terminal, its_end = pty.openpty()
        with cli.start(*ENSURE, path, "--no-progress", stdin=its_end, stderr=its_end) as process:
            os.close(its_end)
            seen = b""
            while b"[y/N] " not in seen:
                seen += os.read(terminal, 1000)
            assert b"This creates 11 keys labelled 'crm' at http://localhost:" in seen
            assert posts(box) == 0
            if isinstance(answer, bytes):
                os.write(terminal, answer)
            else:
                process.send_signal(answer)
            until(lambda: process.poll() is not None)
        os.close(terminal)
        wanted = answer in {b"y\n", b"Yes\n"}
        code = 130 if isinstance(answer, signal.Signals) else 0 if wanted else 1
        assert (process.returncode, keys_made(box)) == (code, 11 if wanted else 0)
        assert path.exists() is wanted
