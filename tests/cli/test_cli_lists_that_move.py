"""Lists that change while a command reads them: they are read again, and if that does not help, a message says so."""

import csv
import io
import json

import pytest

from woodpecker_async.sandbox import Fault

COMPANIES = "/v2/agency/companies"
MISSING = (
    "The list of companies changed each time it was read, or did not have its announced length: a company may be "
    "missing. Run the command again."
)

COMMANDS = {
    "keys list": ("keys", "list", "--all", "--format", "csv"),
    "keys list as it comes": ("keys", "list", "--all", "--format", "jsonl"),
    "companies list": ("companies", "list", "--format", "csv"),
    "keys ensure": ("keys", "ensure", "--all", "--label", "crm", "--yes", "--output", "keys.jsonl"),
}


@pytest.fixture(params=COMMANDS)
def command(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return COMMANDS[request.param]


def companies_in(command, out):
    if command[0] == "keys" and command[1] == "ensure":
        return {int(line.split("\t")[0]) for line in out.splitlines()}
    if "jsonl" in command:
        return {json.loads(line)["company_id"] for line in out.splitlines()}
    return {int(next(iter(row.values()))) for row in csv.DictReader(io.StringIO(out))}


def removing_one_after_each_first_page(box, times):
    """The first company goes as soon as page 1 is sent, so the first one of page 2 moves up and is missed."""

    def remove(info, answer):
        del box.state.companies[next(iter(box.state.companies))]
        return answer

    return Fault.rewriting(remove, path=COMPANIES, page=1, times=times)


def announcing(total):
    def announce(info, answer):
        data = answer.json()
        return answer.with_json({**data, "pagination_data": {**data["pagination_data"], "total_elements": total}})

    return announce


def test_a_list_that_moves_once_is_read_again(opened, command):
    with opened(companies=12, keys_per_company=1, page_size=5, service_time=0) as (box, cli):
        box.faults.add(removing_one_after_each_first_page(box, times=1))
        got = cli(*command, "--quiet")
        assert companies_in(command, got.out) >= set(box.company_ids)
        if command[1] == "ensure":  # the one that is gone by then cannot get a key
            assert (got.code, len(got.err.splitlines())) == (3, 1)
        else:
            assert got.code == (3 if "keys" in command else 0)
            assert MISSING not in got.err


def test_a_list_that_never_settles_is_said_also_when_quiet(opened, command):
    with opened(companies=12, keys_per_company=1, page_size=5, service_time=0) as (box, cli):
        box.faults.add(Fault.rewriting(announcing(13), path=COMPANIES, times=None))
        got = cli(*command, "--quiet")
        assert (got.code, got.err.splitlines()) == (3, [MISSING])
        assert companies_in(command, got.out) == set(box.company_ids)
        assert sum(record.path.endswith("/companies") for record in box.journal) == 9


def test_readings_that_together_saw_everything_are_whole(opened, command):
    """In each reading another company is hidden by a duplicate."""
    with opened(companies=3, keys_per_company=1, service_time=0) as (box, cli):
        hidden = iter(range(3))

        def hide(info, answer):
            data = answer.json()
            at = next(hidden)
            content = list(data["content"])
            content[at] = content[at - 1]
            return answer.with_json({**data, "content": content})

        box.faults.add(Fault.rewriting(hide, path=COMPANIES, times=None))
        got = cli(*command, "--quiet")
        assert (got.code, got.err) == (0, "")
        assert companies_in(command, got.out) == set(box.company_ids)
        assert box.stats.requests >= 3


def test_a_company_whose_keys_never_settle_is_named(cli, box, tmp_path):
    restless = box.company_ids[1]
    box.faults.add(Fault.rewriting(announcing(4), company=restless, times=None))
    for args in (("--all",), ("--company", restless)):
        got = cli("keys", "list", *args, "--quiet", "--report", tmp_path / "report.json")
        assert got.code == 3
        assert got.err == (
            f"Company {restless}: its list of keys changed each time it was read, or did not have its announced "
            "length: a key may be missing.\n"
        )
        assert json.loads((tmp_path / "report.json").read_text())["drifted"] == [restless]


def test_a_page_that_is_no_list_is_an_error(opened, command):
    """An error is not the end of the list: a service that is down must not look like an agency without companies."""
    with opened(companies=12, keys_per_company=1, page_size=5, service_time=0) as (box, cli):
        for page in (1, 2):
            box.faults.add(Fault.status(200, body={"message": "Service unavailable"}, path=COMPANIES, page=page))
            got = cli(*command, "--quiet")
            assert got.code == 1
            assert got.err.startswith("Error: the server said 200, but its body is not what")
            assert "$.content: required field missing" in got.err
            box.faults.clear()
