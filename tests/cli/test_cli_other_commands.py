"""`keys create`, `keys ensure`, `companies list`, `me`."""

import csv
import io
import json
import stat

import pytest

from woodpecker_async.sandbox import Fault


@pytest.fixture
def made(opened):
    with opened(companies=2, keys_per_company=1) as (box, cli):
        yield box, cli, box.company_ids[0]


def test_create(made):
    box, cli, company = made
    got = cli("keys", "create", "--company", company, "--label", "crm")
    key = box.state.listed(company)[-1]
    assert got.code == 0
    assert key.label == "crm"
    assert got.out == f"{key.secret[:7]}****{key.secret[-4:]}\n"
    assert f"woodpecker-async keys list --company {company} --reveal" in got.err
    got = cli("keys", "create", "--company", company, "--label", "crm", "--reveal", "--quiet")
    assert (got.out, got.err) == (box.state.listed(company)[-1].secret + "\n", "")
    assert len(box.state.listed(company)) == 3


@pytest.mark.parametrize("command", ["create", "ensure"])
def test_a_company_that_is_not_there(made, command):
    got = made[1]("keys", command, "--company", 1, "--label", "crm")
    assert got.code == 1
    assert "the agency has no such company, or it is inactive: check with `companies list`" in got.err


def test_create_into_a_file(made, tmp_path):
    box, cli, company = made
    path = tmp_path / "key"
    args = ("keys", "create", "--company", company, "--label", "crm", "--output", path)
    got = cli(*args)
    secret = box.state.listed(company)[-1].secret
    assert path.read_text() == secret + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret not in got.out + got.err
    # It is used unchanged.
    assert cli("me", "--api-key-file", path).code == 0
    before = len(box.journal)
    got = cli(*args)
    assert (got.code, got.err) == (2, f"Error: {path} already exists; use --force to replace it\n")
    assert path.read_text() == secret + "\n"
    assert len(box.journal) == before


def test_a_creation_that_is_refused_leaves_no_file(made, tmp_path):
    _, cli, _ = made
    got = cli("keys", "create", "--company", 4, "--label", "crm", "--output", tmp_path / "key")
    assert got.code == 1
    assert got.err.startswith("Error: 404")
    assert not (tmp_path / "key").exists()


def test_a_creation_whose_answer_is_lost_is_found(made):
    box, cli, company = made
    box.faults.add(Fault.close(method="POST", at="after_commit"))
    got = cli("keys", "create", "--company", company, "--label", "crm", "--reveal")
    assert got.out.strip() == box.state.listed(company)[-1].secret
    assert len(box.state.listed(company)) == 2


def test_a_creation_of_unknown_outcome(made):
    box, cli, company = made

    def somebody_else(_, answer):
        box.state.add_key(company, "theirs")
        return answer

    box.faults.add(Fault.rewriting(somebody_else, method="POST"), Fault.close(method="POST", at="after_commit"))
    got = cli("keys", "create", "--company", company, "--label", "crm", "--settle", "0")
    assert (got.code, got.out) == (1, "")
    assert len(got.err.splitlines()) == 1
    assert "it is not known which key, if any, was created with label 'crm'" in got.err
    assert "(other writer)" in got.err
    assert got.err.count("****") == 2
    assert got.err.endswith(f"Check again with: woodpecker-async keys list --company {company}\n")
    assert not any(key.secret in got.err for key in box.state.listed(company))


def test_ensure(made):
    box, cli, company = made
    args = ("keys", "ensure", "--company", company, "--label", "crm", "--reveal")
    first, again = cli(*args), cli(*args)
    assert first.out == again.out == box.state.listed(company)[-1].secret + "\n"
    assert first.err.startswith("Created a new key 'crm'")
    assert again.err.startswith("Found the existing key 'crm'")
    box.state.add_key(company, "crm")
    got = cli(*args)
    assert (got.code, got.out) == (1, "")
    assert "already has 2 keys with label 'crm', so it is not clear which one to use; nothing was created" in got.err
    assert "Delete or rename all but one in Woodpecker, or use another label. Check again with: " in got.err
    assert len(box.state.listed(company)) == 3


def test_companies(cli, box):
    companies = json.loads(cli("companies", "list", "--format", "json").out)
    assert [company["id"] for company in companies] == list(box.company_ids)
    assert list(companies[0]) == [
        "id", "name", "active", "owner", "running_campaigns", "email_slots", "linkedin_slots",
    ]  # fmt: skip
    inactive = list(csv.DictReader(io.StringIO(cli("companies", "list", "--inactive", "--format", "csv").out)))
    assert [(row["id"], row["active"]) for row in inactive] == [(str(box.company_ids[-1]), "false")]
    lines = cli("companies", "list", "--active", "--format", "jsonl").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(box.company_ids[:-1])
    got = cli("companies", "list")
    assert len(got.out.splitlines()) == 7
    assert got.err == "6 companies\n"


def test_me(cli, box):
    assert json.loads(cli("me", "--format", "json").out)["company"]["id"] == box.state.hq.id
    company = box.company_ids[1]
    assert json.loads(cli("me", "--company", company, "--format", "jsonl").out)["company"]["id"] == company
    assert next(csv.DictReader(io.StringIO(cli("me", "--format", "csv").out)))["name"] == box.state.user.name
    assert box.state.user.email in cli("me").out
    got = cli("me", "--company", 4)
    assert (got.code, len(got.err.splitlines())) == (1, 1)


def test_me_shows_no_key(cli, box):
    answer = {"id": 1, "api_key": box.hq_key, "nested": [{"authToken": "abc"}], "key_count": 2, "token": None}
    box.faults.add(Fault.body(answer))
    got = cli("me", "--format", "json")
    assert box.hq_key not in got.out
    assert json.loads(got.out) == {
        "id": 1,
        "api_key": f"{box.hq_key[:7]}****{box.hq_key[-4:]}",
        "nested": [{"authToken": "****"}],
        "key_count": 2,
        "token": None,
    }


def test_me_masks_secrets_wherever_they_stand(cli, box):
    key = "123456.abcdefg123456hijk987"
    answer = {
        "api_keys": ["abc", {"value": "abc", "id": 3}],
        "auth": {"user": "abc", "pin": 4711, "expires_in": 3600, "active": True},
        "smtp_pwd": "abc", "passphrase": ["abc"], "userCredentials": {"x": [["abc"]]}, "Secret": "abc", "TOKEN": "abc",
        "note": f"use {key} for all", "list": [[key]], key: 1, "name": "Bachmanity\n", "count": 7,
    }  # fmt: skip
    box.faults.add(Fault.body(answer, times=2))
    got = cli("me", "--format", "json")
    assert key not in got.out
    assert json.loads(got.out) == {
        "api_keys": ["****", {"value": "****", "id": 3}],
        "auth": {"user": "****", "pin": "****", "expires_in": 3600, "active": True},
        "smtp_pwd": "****", "passphrase": ["****"], "userCredentials": {"x": [["****"]]}, "Secret": "****", "TOKEN": "****",
        "note": "use 123456.****k987 for all", "list": [["123456.****k987"]], "123456.****k987": 1,
        "name": "Bachmanity\n", "count": 7,
    }  # fmt: skip
    table = cli("me").out
    assert "abc" not in table


@pytest.mark.parametrize("format_", ["table", "json", "jsonl", "csv"])
@pytest.mark.parametrize(
    "command",
    [("me",), ("keys", "list", "--all"), ("keys", "list", "--company", "1"), ("companies", "list"), ("keys", "audit")],
)
@pytest.mark.parametrize("fault", [None, "said back", "wrong type"])
def test_no_command_shows_a_key(cli, box, command, format_, fault):
    """On stdout and stderr, even with verbose failures."""
    if fault == "said back":
        text = f"{box.hq_key}\x1b[2J\u202e\n{{}}"
        body = {"title": text, "detail": text, "code": text, "details": [text]}
        box.faults.add(Fault.status(400, body=body, headers={"X-Request-Id": box.hq_key}, times=None))
    elif fault == "wrong type":
        box.faults.add(
            Fault.rewriting(lambda _, sent: sent.with_json({"content": [{"api_key": [box.hq_key]}]}), times=None)
        )
    got = cli(*command, "--format", format_)
    assert not any(key.secret in got.out + got.err for c in box.state.companies.values() for key in c.keys)
    assert box.hq_key not in got.out + got.err
    assert all(line.isprintable() for line in got.err.split("\n"))


def test_companies_in_another_shape(opened):
    with opened(companies=4) as (box, cli):
        got = cli("companies", "list", "--fields", "id", "--no-header", "--sort", "-id", "--limit", "2")
        assert got.out.split() == [str(company) for company in sorted(box.company_ids)[:1:-1]]
        assert "Showing 2 of 4 rows (--limit)." in got.err
