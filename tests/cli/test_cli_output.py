"""`--output`: a file of mode 0600, written completely or not at all, in any format, even if a resumed run adds to it."""

import csv
import io
import json
import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async.cli import earlier, printers
from woodpecker_async.cli.files import OutputFile
from woodpecker_async.cli.layout import Column, Layout
from woodpecker_async.sandbox import Fault

ALL = ("keys", "list", "--all")
FORMATS = ("table", "csv", "json", "jsonl", "sqlite")
ADDED_TO = FORMATS[1:]


def rows_in(format_, content):
    """What a program reads: the rows as dicts, whatever the format."""
    if format_ == "sqlite":
        with closing(sqlite3.connect(":memory:")) as database:
            database.deserialize(content)
            found = database.execute("SELECT * FROM keys")
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found]
    text = content.decode()
    if format_ == "csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return json.loads(text) if format_ == "json" else [json.loads(line) for line in text.split("\n") if line]


def companies_in(format_, content):
    return [int(row["company_id"]) for row in rows_in(format_, content)]


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("format_", FORMATS)
def test_the_same_as_on_stdout_in_a_file_for_one_reader(cli, tmp_path, format_):
    path = tmp_path / "keys"
    got = cli(*ALL, "--format", format_, "--output", path)
    assert (got.code, got.out, mode_of(path)) == (0, "", 0o600)
    assert got.err.endswith(f", written to {path}\n")
    assert [file.name for file in tmp_path.iterdir()] == ["keys"]
    if format_ == "sqlite":
        assert len(rows_in(format_, path.read_bytes())) == 18
        return
    there, here = path.read_text(), cli(*ALL, "--format", format_, "--output", "-").out
    lines = sorted if format_ == "jsonl" else list  # as they finish
    assert lines(there.splitlines()) == lines(here.splitlines())


@pytest.mark.parametrize(
    ("name", "format_"),
    [("a.csv", "csv"), ("a.JSON", "json"), ("a.ndjson", "jsonl"), ("a.db", "sqlite"), ("a.sqlite3", "sqlite")],
)
def test_the_ending_says_the_format_unless_an_option_does(cli, tmp_path, name, format_):
    path = tmp_path / name
    assert cli(*ALL, "--output", path).code == 0
    assert len(set(companies_in(format_, path.read_bytes()))) == 6
    assert cli(*ALL, "--output", path, "--force", "--format", "table").code == 0
    assert path.read_text().startswith("Company")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("keys.xlsx", "xlsx is not a supported format (table, json, jsonl, csv, sqlite)"),
        ("keys.csv.GZ", "gz is not a supported format"),
        ("a.yaml", "or add --format"),
        ("json", "--output takes a file: for the format, use --format json"),
        ("csv", "for the format, use --format csv"),
    ],
)
@pytest.mark.parametrize("command", [ALL, ("companies", "list"), ("campaigns", "list"), ("keys", "audit")])
def test_a_table_is_not_written_under_the_name_of_another_format(cli, box, tmp_path, monkeypatch, command, name, says):
    monkeypatch.chdir(tmp_path)
    before = len(box.journal)
    got = cli(*command, "--output", name)
    assert (got.code, says in got.err, len(box.journal), list(tmp_path.iterdir())) == (2, True, before, [])


@pytest.mark.parametrize("name", ["keys.xlsx", "json", "keys", "keys.txt"])
def test_any_name_goes_with_a_format(cli, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert cli("companies", "list", "--output", name, "--format", "csv").code == 0
    assert (tmp_path / name).read_text().startswith("id,")


def test_keys_that_are_masked_in_a_file_are_announced(cli, tmp_path):
    def says(*args, name="keys.csv"):
        got = cli(*ALL, "--output", tmp_path / name, "--force", *args)
        assert got.code == 0
        return "are masked; use --reveal" in got.err

    assert says()
    assert not says("--reveal")
    assert not says("--fields", "company_id,label")
    assert not says("--no-keys")
    assert not says("--quiet")


@pytest.mark.parametrize(
    "args", [ALL, ("companies", "list"), ("me",), ("keys", "create", "--company", "1", "--label", "x")]
)
def test_an_existing_file_stays_without_force(cli, box, tmp_path, args):
    path = tmp_path / "keys"
    path.write_text("precious")
    before = len(box.journal)
    got = cli(*args, "--output", path)
    assert (got.code, got.out, len(box.journal)) == (2, "", before)
    assert got.err == f"Error: {path} already exists; use --force to replace it\n"
    assert path.read_text() == "precious"


def test_force_replaces_it_and_makes_it_private(cli, tmp_path):
    path = tmp_path / "keys.csv"
    path.write_text("old")
    path.chmod(0o644)
    assert cli(*ALL, "--output", path, "--force", "--reveal").code == 0
    assert mode_of(path) == 0o600
    assert len(rows_in("csv", path.read_bytes())) == 18


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_run_that_fails_changes_nothing(cli, tmp_path, force):
    path = tmp_path / "keys.csv"
    if force:
        path.write_text("old")
    cli.env["WOODPECKER_API_KEY"] = "1.not-a-key-of-anybody"
    assert cli(*ALL, "--output", path, *force).code == 1
    assert [file.read_text() for file in tmp_path.iterdir()] == (["old"] if force else [])


def test_a_file_made_by_somebody_else_meanwhile_stays(cli, box, tmp_path):
    path = tmp_path / "keys.csv"

    def meanwhile(_, answer):
        path.write_text("theirs")
        return answer

    box.faults.add(Fault.rewriting(meanwhile))
    got = cli(*ALL, "--output", path, "--report", tmp_path / "report")
    assert (got.code, path.read_text()) == (1, "theirs")
    assert got.err == f"Error: {path}: was created by something else in the meantime\n"
    assert not (tmp_path / "report").exists()  # it would call companies done whose keys were not written


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--force",), "--force works only with --output"),
        (("--output", "-", "--force"), "--force works only with --output"),
        (("--json", "--format", "csv"), "cannot be used together"),
        (("--format", "sqlite"), "say where with --output FILE"),
        (("--format", "sqlite", "--output", "-"), "say where with --output FILE"),
        (("--output", "/"), "is a directory"),
        (("--output", "nowhere/keys"), "there is no directory"),
        (("--output", "same", "--report", "./same"), "--report and --output both name"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_sent(cli, box, args, why):
    before = len(box.journal)
    got = cli(*ALL, *args)
    assert (got.code, got.out, len(box.journal)) == (2, "", before)
    assert why in got.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("format_", FORMATS)
def test_a_full_device(cli, tmp_path, format_):
    got = cli(*ALL, "--format", format_, "--output", "/dev/full", "--report", tmp_path / "report")
    assert (got.code, got.err) == (1, "Error: /dev/full: No space left on device\n")
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("format_", ["csv", "jsonl", "json", "sqlite"])
def test_a_row_for_each_company_whatever_came_of_it(opened, tmp_path, format_):
    path = tmp_path / "keys"
    with opened(companies=4, keys_per_company=0, inactive=1, inactive_lists=False, service_time=0) as (box, cli):
        first, second, third, inactive = box.company_ids
        box.state.add_key(first, "crm")
        box.faults.add(Fault.status(400, company=third, times=None))
        assert cli(*ALL, "--format", format_, "--output", path).code == 3
        rows = {int(row["company_id"]): row for row in rows_in(format_, path.read_bytes())}
        assert {company: row["status"] for company, row in rows.items()} == {
            first: "ok", second: "no keys", third: "failed", inactive: "inactive",
        }  # fmt: skip
        assert "BadRequestError" in str(rows[third]["error"])


@pytest.mark.parametrize("format_", ADDED_TO)
def test_a_resumed_run_makes_the_file_that_one_run_would_have_made(cli, box, tmp_path, format_):
    path, report, whole = tmp_path / "keys", tmp_path / "report", tmp_path / "whole"
    struck = box.company_ids[2]
    box.faults.add(Fault.status(400, company=struck))
    args = (*ALL, "--format", format_, "--reveal", "--report", report)
    assert cli(*args, "--output", path).code == 3
    assert cli(*args, "--output", path, "--resume", report).code == 0
    assert cli(*args, "--output", whole).code == 0

    def found(file):
        return sorted(json.dumps(row, sort_keys=True) for row in rows_in(format_, file.read_bytes()))

    assert found(path) == found(whole)
    assert mode_of(path) == 0o600


def test_nothing_is_added_to_something_else(cli, box, tmp_path):
    report, path = tmp_path / "report", tmp_path / "keys"
    assert cli(*ALL, "--report", report).code == 0
    for format_, content, why in [
        ("csv", b"name,key\r\na,b\r\n", "not the header"),
        (
            "csv",
            b'company_id,company_name,active,status,label,api_key,fingerprint,error\r\n1,"a',
            "last row is incomplete",
        ),
        ("csv", b"\xff\xfe", "not UTF-8"),
        ("json", b'{"a": 1}', "not a JSON array"),
        ("jsonl", b'{"a": 1}\nkey=1\n', "line 2 is not JSON"),
        ("jsonl", b"[" * 100_000, "line 1 is not JSON"),
        ("sqlite", b"SQLite format 3\x00garbage", "SQLite says"),
        ("table", b"Company\n", "the format table does not support it"),
    ]:
        path.write_bytes(content)
        before = len(box.journal)
        got = cli(*ALL, "--format", format_, "--output", path, "--resume", report)
        assert (got.code, path.read_bytes(), len(box.journal)) == (2, content, before)
        assert why in got.err


def test_a_resumed_run_says_that_a_new_file_lacks_what_was_done(cli, tmp_path):
    report, path = tmp_path / "report", tmp_path / "keys.csv"
    assert cli(*ALL, "--report", report).code == 0
    got = cli(*ALL, "--output", path, "--resume", report)
    assert f"{path} will not contain the companies done in earlier runs.\n" in got.err


@pytest.mark.system
@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_no_second_header_on_stdout_that_is_added_to(real, box, tmp_path, format_):
    path, report = tmp_path / "keys", tmp_path / "report"
    box.faults.add(Fault.status(400, company=box.company_ids[0]))
    args = (*ALL, "--format", format_, "--report", report)
    for resume in ((), ("--resume", report)):
        with path.open("a") as stream, real.start(*args, *resume, stdout=stream) as process:
            real.ended(process)
    rows = rows_in(format_, path.read_bytes())
    assert [row["status"] for row in rows if int(row["company_id"]) == box.company_ids[0]][:2] == ["failed", "ok"]
    assert path.read_bytes().count(b"company_name,active") == (format_ == "csv")


@pytest.mark.system
@pytest.mark.parametrize(("mode", "noted"), [(0o644, True), (0o640, True), (0o600, False)])
def test_keys_in_full_into_a_file_that_others_can_read_are_noted(real, tmp_path, mode, noted):
    path = tmp_path / "keys"
    path.touch()
    path.chmod(mode)
    for args, said in (("--reveal",), noted), ((), False), (("--reveal", "--quiet"), False):
        with path.open("w") as stream, real.start(*ALL, *args, stdout=stream) as process:
            got = real.ended(process)
        assert got.code == 0
        assert (f"Others can read the file the keys are written to (mode {mode:04o})" in got.err) is said


# ---- whatever is in it


TEXTS = st.text(st.sampled_from("\r\n\t\x00\x1b\x85\u2028\ud800,;'\"=é株") | st.characters(), max_size=6)
CELLS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXTS
LAYOUT = Layout((Column("company_id", "Company"), Column("label", "Label"), Column("more", "More")), table="keys")
RECORDS = st.dictionaries(st.integers(1, 6), st.tuples(CELLS, CELLS), max_size=4)


def as_bytes(value):
    """What a value becomes after UTF-8 and, except in JSON, a cell."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def written(format_, found, rows=None):
    out = io.BytesIO()
    file = OutputFile(Path("keys"), out.write)
    printer = printers.FilePrinter(format_, LAYOUT, file, rows)
    for company, (label, more) in found.items():
        printer.add({"company_id": company, "label": label, "more": more})
    printer.finish()
    return out.getvalue()


@pytest.mark.parametrize("format_", ["csv", "csv-raw", "json", "jsonl", "sqlite"])
@given(first=RECORDS, then=RECORDS)
def test_adding_is_the_same_as_writing_all_at_once(format_, first, then):
    plain = format_.removesuffix("-raw")
    rows = earlier.rows_of(plain, LAYOUT, written(format_, first))
    assert [company for company, _ in rows] == list(first)
    at_once = {company: entry for company, entry in first.items() if company not in then} | then
    assert rows_in(plain, written(format_, then, rows)) == rows_in(plain, written(format_, at_once))


@given(found=RECORDS)
def test_sqlite_reads_back(found):
    def value(cell):
        big = isinstance(cell, int) and not -(2**63) <= cell < 2**63
        return str(cell) if big else as_bytes(cell)

    assert rows_in("sqlite", written("sqlite", found)) == [
        {"company_id": company, "label": value(label), "more": value(more)} for company, (label, more) in found.items()
    ]


@pytest.mark.parametrize("format_", ADDED_TO)
@given(content=st.binary(max_size=80))
def test_any_file_is_read_or_refused(format_, content):
    with suppress(ValueError, RecursionError):
        assert isinstance(earlier.rows_of(format_, LAYOUT, content), list)


def test_nobody_else_can_read_the_file_while_it_is_written(cli, tmp_path, monkeypatch):
    path, seen = tmp_path / "keys.csv", []
    replace = Path.replace

    def watched(self, target):
        seen.append((self.parent, mode_of(self)))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    old = os.umask(0)
    try:
        assert cli(*ALL, "--output", path, "--reveal").code == 0
    finally:
        os.umask(old)
    assert seen == [(tmp_path, 0o600)]
