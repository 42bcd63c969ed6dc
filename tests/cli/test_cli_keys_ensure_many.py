"""`keys ensure` at many companies: a file of keys that survives whatever ends the command."""

import json
import signal
import stat

import pytest

from tests.cli.conftest import Got
from tests.waiting import until
from woodpecker_async.sandbox import Fault


def on_server(box):
    found = {
        company: [key.secret for key in box.state.listed(company) if key.label == "crm"] for company in box.company_ids
    }
    return {company: secrets for company, secrets in found.items() if secrets}


def in_file(path):
    found = {}
    for line in path.read_text().splitlines():
        found.setdefault(json.loads(line)["company_id"], []).append(json.loads(line)["api_key"])
    return found


def test_all_active_companies(opened, tmp_path):
    path = tmp_path / "keys.jsonl"
    with opened(companies=8, inactive=2, service_time=0) as (box, cli):
        args = ("keys", "ensure", "--all", "--yes", "--label", "crm", "--output", path)
        got = cli(*args)
        assert got.code == 0
        assert in_file(path) == on_server(box)
        assert {len(secrets) for secrets in in_file(path).values()} == {1}
        assert set(in_file(path)) == set(box.company_ids[:6])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        shown = dict(line.split("\t") for line in got.out.splitlines())
        assert shown == {str(id_): f"{key[:7]}****{key[-4:]}" for id_, [key] in in_file(path).items()}
        assert got.err.startswith("6 companies, 6 keys, 6 of them new, 0 failed, ")
        assert got.err.endswith(f" s, written to {path}\n")
        before = path.read_bytes()
        got = cli(*args, "--reveal", "--quiet")
        assert (got.code, got.err, path.read_bytes()) == (0, "", before)
        assert {int(id_): [key] for id_, key in (line.split("\t") for line in got.out.splitlines())} == on_server(box)


def test_some_companies_and_a_failure(opened, tmp_path):
    path = tmp_path / "keys.jsonl"
    with opened(companies=4, service_time=0) as (box, cli):
        first, second = box.company_ids[:2]
        args = ("keys", "ensure", "--company", first, "--company", second, "--company", 999, "--company", first)
        got = cli(*args, "--label", "crm", "--output", path)
        assert got.code == 3
        assert set(in_file(path)) == {first, second}
        assert got.err.startswith("Company 999 failed: CompanyNotFoundError: 404")
        assert "3 companies, 2 keys, 2 of them new, 1 failed, " in got.err


def test_the_file_is_the_same_for_one_company(opened, tmp_path):
    path = tmp_path / "key"
    with opened(companies=2, service_time=0) as (box, cli):
        first, second = box.company_ids
        got = cli("keys", "ensure", "--company", first, "--company", first, "--label", "crm", "--output", path)
        assert got.code == 0
        assert got.err.startswith("Created a new key 'crm'")
        assert got.err.endswith(f"written to {path} as a line of JSON (--format plain: only the key)\n")
        assert got.out == f"{on_server(box)[first][0][:7]}****{on_server(box)[first][0][-4:]}\n"
        args = ("--company", first, "--company", second, "--label", "crm", "--output", path)
        assert cli("keys", "ensure", *args).code == 0
        assert in_file(path) == on_server(box)
        assert {tuple(json.loads(line)) for line in path.read_text().splitlines()} == {
            ("company_id", "label", "api_key", "fingerprint", "created", "at")
        }


@pytest.mark.parametrize("format_", ["jsonl", "csv", "plain"])
def test_with_a_format_nothing_is_printed_beside_the_file(opened, tmp_path, format_):
    with opened(companies=3, service_time=0) as (_, cli):
        args = ("keys", "ensure", "--all", "--yes", "--label", "crm", "--format", format_, "--quiet", "--output")
        assert cli(*args, tmp_path / "keys") == Got(0, "", "")
        assert len((tmp_path / "keys").read_text().splitlines()) == (4 if format_ == "csv" else 3)


def test_plain_is_the_key_alone(opened, tmp_path):
    with opened(companies=2, service_time=0) as (box, cli):
        first, second = box.company_ids
        args = ("keys", "ensure", "--label", "crm", "--format", "plain", "--output")
        got = cli(*args, tmp_path / "a", "--company", first)
        assert (got.code, got.out, got.err.endswith(f"written to {tmp_path / 'a'}\n")) == (0, "", True)
        assert (tmp_path / "a").read_text() == on_server(box)[first][0] + "\n"
        assert cli(*args, tmp_path / "b", "--company", first, "--company", second).code == 0
        keys = {company: key for company, [key] in on_server(box).items()}
        assert set((tmp_path / "b").read_text().splitlines()) == {f"{company}\t{key}" for company, key in keys.items()}


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ((), "say which companies"),
        (("--all", "--company", 3, "--output", "keys"), "say which companies"),
        (("--all",), "--output FILE"),
        (("--company", 3, "--company", 4), "--output FILE"),
    ],
)
def test_usage(cli, box, args, why):
    before = len(box.journal)
    got = cli("keys", "ensure", "--label", "crm", *args)
    assert (got.code, got.out, len(box.journal)) == (2, "", before)
    assert why in got.err


def test_a_file_that_others_can_read(cli, box, tmp_path):
    path = tmp_path / "keys.jsonl"
    path.touch()
    path.chmod(0o644)
    before = len(box.journal)
    got = cli("keys", "ensure", "--all", "--label", "crm", "--output", path)
    assert (got.code, got.out, len(box.journal)) == (2, "", before)
    assert got.err.endswith(f"chmod 600 {path}\n")


def test_with_the_embedded_sandbox(alone, tmp_path):
    got = alone("keys", "ensure", "--all", "--label", "crm", "--output", tmp_path / "keys", "--sandbox")
    assert (got.code, len(got.out.splitlines())) == (0, 23)
    assert "The embedded sandbox, and the keys in it, are gone now" in got.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_the_middle(really_opened, tmp_path, number):
    path = tmp_path / "keys.jsonl"
    with really_opened(companies=30, service_time=0.03) as (box, cli):
        args = ("keys", "ensure", "--all", "--yes", "--label", "crm", "--output", path)
        with cli.start(*args) as process:
            until(lambda: len(on_server(box)) >= 8)
            process.send_signal(number)
            got = cli.ended(process)
        assert got.code == 130
        assert got.err.startswith("Interrupted after ")
        assert got.err.endswith(f"the keys are in {path}. To continue, run the same command again.\n")
        assert in_file(path) == on_server(box)
        assert 8 <= len(on_server(box)) < 30
        box.faults.add(Fault.commit_then(500, method="POST", times=2))
        assert cli(*args).code == 0
        assert in_file(path) == on_server(box)
        assert {company: len(secrets) for company, secrets in in_file(path).items()} == dict.fromkeys(
            box.company_ids, 1
        )
