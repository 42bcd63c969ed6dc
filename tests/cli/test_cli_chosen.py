"""Which companies: named one by one, in a file, or by a saved report."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async.bulk import Report
from woodpecker_async.cli import chosen
from woodpecker_async.cli.process import UsageError
from woodpecker_async.sandbox import Fault

LIST = ("keys", "list", "--format", "json")


def listed(got):
    return [company["company_id"] for company in json.loads(got.out)]


@pytest.mark.parametrize(
    "text",
    [
        "{0}\n{1}\n", "{0}\r\n{1}", "\ufeff{0}\n\n  {1}  \n{0}\n", "# the first two\n{0} Nordlicht\n{1}\tBanyan # x\n",
        'id,name\n{0},"a\n7,b"\n{1},x\n', "company_id,label\r\n{0},x\r\n{0},y\r\n{1},\r\n",
        '{{"id": {0}, "name": "x"}}\n{{"company_id": {1}, "id": 7}}\n', '\n{{"id": "{0}"}}\n\n{{"id": {1}}}',
        "[{0}, {1}]", '\n[\n  {{"id": {0}, "name": "x"}},\n  {{"company_id": "{1}", "id": 7}}\n]\n',
    ],
)  # fmt: skip
def test_a_file_names_companies(cli, box, tmp_path, text):
    first, second = box.company_ids[:2]
    path = tmp_path / "companies"
    path.write_bytes(text.format(first, second).encode())
    assert listed(cli(*LIST, "--companies-from", path)) == [first, second]
    assert listed(cli(*LIST, "--companies-from", "-", stdin=text.format(first, second))) == [first, second]


def test_a_file_and_options_together(cli, box, tmp_path):
    first, second, third = box.company_ids[:3]
    path = tmp_path / "companies"
    path.write_text(f"{second}\n{first}\n")
    assert listed(cli(*LIST, "--company", third, "--company", first, "--companies-from", path)) == [
        third,
        first,
        second,
    ]


def test_what_companies_list_prints_is_such_a_file(cli, box):
    for format_ in ("csv", "jsonl", "json"):
        printed = cli("companies", "list", "--active", "--format", format_).out
        assert listed(cli(*LIST, "--companies-from", "-", stdin=printed)) == list(box.company_ids[:-1])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "stdin contains no company IDs"), ("# none\n\n", "stdin contains no company IDs"),
        ("12\n0\n", "stdin, line 2: '0' is not a company ID"), ("12\n-5\n", "line 2: '-5'"), ("1.5", "line 1: '1.5'"),
        ("12\nid\n", "line 2: 'id'"), ("٣\n", "line 1: '٣'"), ("9" * 30, "line 1: '999"), ('{"name": 1}', "line 1: "),
        ('{"id": true}', "line 1: "), ('{"id": 5}\nnone', "line 2: 'none'"), ('{"id": [5]}', "line 1: '[5]'"),
        ("[1, true]", "stdin, entry 2: 'true'"), ("[1, 0]", "entry 2: '0'"), ('[{"name": 1}]', "entry 1: "),
        ("[[1]]", "entry 1: '[1]'"), ("[]", "stdin contains no company IDs"), ("[null]", "entry 1: 'null'"),
        ("[1", "stdin starts like a JSON array but is not valid JSON"), ("[1.0]", "entry 1: '1.0'"),
        ("x\x1b[2J\n", r"line 1: 'x\x1b[2J'"),
    ],
)  # fmt: skip
def test_a_file_of_something_else(cli, box, text, why):
    before = len(box.journal)
    got = cli(*LIST, "--companies-from", "-", stdin=text)
    assert (got.code, got.out, len(box.journal)) == (2, "", before)
    assert why in got.err
    assert len(got.err.splitlines()) == 1


@given(text=st.text() | st.text(st.sampled_from('1 2,"\n\r{}:[]id#')))
def test_any_text_is_read_or_refused(text):
    try:
        found = list(chosen._ids(text, "stdin"))
    except UsageError as error:
        found, said = [], error.format_message()
        assert said.isprintable()
    assert all(company >= 1 for company in found)


@pytest.mark.parametrize(
    "args",
    [
        (), ("--all", "--company", 1), ("--all", "--companies-from", "-"), ("--company", 1, "--failed-of", "x"),
        ("--all", "--failed-of", "x"), ("--companies-from", "-", "--active"), ("--failed-of", "x", "--inactive"),
    ],
)  # fmt: skip
def test_contradictions(cli, box, args):
    before = len(box.journal)
    for command in (("keys", "list"), ("keys", "ensure", "--label", "x", "--output", "keys")):
        got = cli(*command, *args, stdin="1")
        assert (got.code, len(box.journal)) == (2, before)


def test_stdin_is_read_once(cli):
    got = cli("keys", "list", "--api-key-stdin", "--companies-from", "-", stdin="1")
    assert (got.code, "cannot both read stdin" in got.err) == (2, True)


def test_only_those_that_failed(cli, box, tmp_path):
    path = tmp_path / "report"
    for company in box.company_ids[1:3]:
        box.faults.add(Fault.status(400, company=company))
    assert cli(*LIST, "--all", "--report", path).code == 3
    assert listed(cli(*LIST, "--failed-of", path)) == list(box.company_ids[1:3])
    saved = Report.from_json(path.read_text())
    saved.inactive.add(box.company_ids[1])  # reported, but not a failure
    saved.drifted.add(box.company_ids[4])  # may be missing a key
    path.write_text(saved.to_json())
    assert listed(cli(*LIST, "--failed-of", path)) == [box.company_ids[2], box.company_ids[4]]


def test_none_failed(cli, box, tmp_path):
    path = tmp_path / "report"
    assert cli(*LIST, "--all", "--report", path).code == 0
    before = len(box.journal)
    got = cli(*LIST, "--failed-of", path)
    assert (got.code, json.loads(got.out), len(box.journal)) == (0, [], before)
    assert got.err.startswith("0 companies, 0 keys")


@pytest.mark.parametrize("option", ["--failed-of", "--resume"])
def test_a_report_belongs_to_a_task_and_an_account(cli, opened, box, tmp_path, option):
    path, all_ = tmp_path / "report", () if option == "--failed-of" else ("--all",)
    assert cli("keys", "list", "--all", "--report", path).code == 0
    before = len(box.journal)
    got = cli("keys", "ensure", *all_, "--label", "crm", "--output", tmp_path / "keys", option, path)
    assert (got.code, len(box.journal)) == (2, before)
    assert got.err.splitlines()[-1] == f"Error: {path} is a report of another task: 'list', not 'ensure crm'"
    with opened(companies=2, seed=7) as (other, cli):
        got = cli("keys", "list", *all_, option, path)
        assert (got.code, len(other.journal)) == (2, 0)
        assert f"{path} is a report of another account: {box.base_url.replace('127.0.0.1', 'localhost')}" in got.err
        assert 'set "account" in the file to null' in got.err
        saved = json.loads(path.read_text())
        path.write_text(json.dumps({**saved, "account": None}))
        assert cli("keys", "list", *all_, option, path).code == 0
