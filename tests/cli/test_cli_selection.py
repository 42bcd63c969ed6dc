"""`keys list`: which keys are shown, and in which shape."""

import csv
import io
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async.cli.keys import LAYOUT
from woodpecker_async.cli.selection import Selection, Shape
from woodpecker_async.sandbox import Fault

LABELS = st.none() | st.sampled_from(["", "a", "b", "c"])


@st.composite
def record(draw):
    ok = draw(st.booleans())
    keys = [
        {"label": label, "api_key": f"k{n}", "fingerprint": f"{n}"} for n, label in enumerate(draw(st.lists(LABELS)))
    ]
    return {
        "company_id": draw(st.integers(1, 9)), "company_name": draw(st.none() | st.sampled_from("xyz")), "active": None, "ok": ok,
        "status": "ok" if ok else "failed", "keys": keys if ok else [],
        "error": None if ok else {"type": "E", "message": "m", "inactive": False},
    }  # fmt: skip


def labels(record):
    return [] if record is None else [key["label"] or None for key in record["keys"]]


@given(record())
def test_each_selection_shows_what_it_says(record):
    counts = Counter(label for label in labels(record) if label)
    assert Selection().of(record) == record
    assert labels(Selection(labels=frozenset("ab")).of(record)) == [one for one in labels(record) if one in ("a", "b")]
    assert labels(Selection(unlabelled=True).of(record)) == [one for one in labels(record) if one is None]
    assert labels(Selection(duplicates=True).of(record)) == [one for one in labels(record) if counts[one] > 1]
    assert (Selection(no_keys=True).of(record) is not None) == (record["ok"] and not record["keys"])
    assert (Selection(lacking="a").of(record) is not None) == (record["ok"] and "a" not in counts)


@given(record(), st.sampled_from(["labels", "duplicates", "unlabelled", "lacking", "no_keys"]))
def test_nothing_is_made_up_and_no_company_is_shown_in_vain(record, name):
    value = {"labels": frozenset("a"), "lacking": "a"}.get(name, True)
    shown = Selection(**{name: value}).of(record)
    if shown is not None:
        assert record["ok"]
        assert all(key in record["keys"] for key in shown["keys"])
        assert shown["keys"] or name in ("lacking", "no_keys")


@given(
    st.lists(record(), max_size=6),
    st.lists(st.sampled_from(["company_id", "company_name", "label", "status"]), min_size=1, max_size=2, unique=True),
    st.booleans(),
    st.none() | st.integers(1, 5),
)
def test_rows_are_those_of_csv_sorted_and_cut(records, names, descending, limit):
    plain = [row for record in records for row in LAYOUT.csv_rows(record)]
    shape = Shape(sort=tuple((name, descending) for name in names), limit=limit)
    rows = shape.rows(records, LAYOUT)
    assert len(rows) == min(len(plain), limit or len(plain))
    for name in names[:1]:
        values = [row[name] for row in rows]
        there = [value for value in values if value not in (None, "")]
        assert there == sorted(there, reverse=descending)
        assert values[: len(there)] == there  # empty values come last in either direction
    if limit is None:
        assert Counter(row["company_id"] for row in rows) == Counter(row["company_id"] for row in plain)
    assert all(row["company_id"] == row.shown["company_id"] for row in rows)  # the row for people is the same


# ---- the command


@pytest.fixture
def three(opened):
    with opened(companies=3, keys_per_company=0) as (box, cli):
        a, b, _ = box.company_ids
        for company, label in ((a, "crm"), (a, "Größe"), (b, "crm"), (b, "crm"), (b, None)):
            box.state.add_key(company, label)
        yield box, cli, box.company_ids


def rows(got):
    assert got.code == 0, got.err
    return [(int(row["company_id"]), row["label"]) for row in csv.DictReader(io.StringIO(got.out))]


LIST = ("keys", "list", "--all", "--format", "csv")


def test_select(three):
    _, cli, (a, b, c) = three
    assert rows(cli(*LIST, "--label", "crm")) == [(a, "crm"), (b, "crm"), (b, "crm")]
    assert rows(cli(*LIST, "--label", "crm", "--label", "Gro\u0308ße")) == [
        (a, "crm"), (a, "Größe"), (b, "crm"), (b, "crm"),
    ]  # fmt: skip
    assert rows(cli(*LIST, "--without-label")) == [(b, "")]
    assert rows(cli(*LIST, "--without-label", "Größe")) == [(b, "crm"), (b, "crm"), (b, ""), (c, "")]
    assert rows(cli(*LIST, "--duplicates")) == [(b, "crm"), (b, "crm")]
    assert rows(cli(*LIST, "--no-keys")) == [(c, "")]
    assert [
        json.loads(line)["company_id"] for line in cli(*LIST[:3], "--format", "jsonl", "--no-keys").out.splitlines()
    ] == [c]


def test_shape(three):
    box, cli, (a, b, c) = three
    got = cli(*LIST, "--fields", "label,company_id", "--sort", "-label,company_id", "--no-header")
    assert got.out == f"Größe,{a}\r\ncrm,{a}\r\ncrm,{b}\r\ncrm,{b}\r\n,{b}\r\n,{c}\r\n"
    got = cli("keys", "list", "--all", "--json", "--fields", "label,company_id", "--limit", 2)
    assert json.loads(got.out) == [{"label": "crm", "company_id": a}, {"label": "Größe", "company_id": a}]
    assert "Showing 2 of 6 rows (--limit).\n" in got.err
    got = cli("keys", "list", "--all", "--fields", "status,label", "--sort", "status,label")
    assert [line.split(maxsplit=1) for line in got.out.splitlines()] == [
        ["Status", "Label"], ["no", "keys"], ["ok", "crm"], ["ok", "crm"], ["ok", "crm"], ["ok", "Größe"],
        ["ok", "(no label)"],
    ]  # fmt: skip
    got = cli("keys", "list", "--all", "--no-header")
    assert len(got.out.splitlines()) == 6
    full = cli("keys", "list", "--all", "--fields", "api_key", "--no-header", "--format", "csv", "--reveal")
    assert full.out.split() == [key.secret for company in (a, b) for key in box.state.listed(company)]


def test_into_a_file(three, tmp_path):
    _, cli, (a, *_) = three
    path = tmp_path / "keys.csv"
    assert (
        cli("keys", "list", "--all", "--output", path, "--label", "crm", "--fields", "company_id", "--no-header").code
        == 0
    )
    assert path.read_text().splitlines()[0] == str(a)
    assert (
        cli("keys", "list", "--all", "--output", tmp_path / "keys.db", "--sort", "label", "--fields", "label").code == 0
    )


def test_what_failed_is_not_shown_as_something_without_keys(three):
    box, cli, (*_, c) = three
    box.faults.add(Fault.status(404, company=c, times=None))
    got = cli(*LIST, "--no-keys")
    assert (got.code, got.out.splitlines()[1:]) == (3, [])
    assert f"Company {c} failed" in got.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--fields", "lable"], "--fields: there is no field 'lable'; did you mean label?"),
        (["--fields", "label,label"], "a field is named twice"),
        (["--fields", ""], "there is no field ''"),
        (["--sort", "x\x1b"], "there is no field 'x\\x1b'; available: company_id, "),
        (["--sort", "--label"], "there is no field '-label'"),
        (["--limit", "0"], "0 is not in the range"),
        (["--no-keys", "--label", "x"], "leave out the options that select keys"),
        (["--without-label", "--label", "x"], "leave out --label and --duplicates"),
        (["--without-label", "x", "--label", "x"], "both name 'x'"),
        (["--no-header", "--json"], "works only with tables and CSV, not with json"),
    ],
)
def test_what_makes_no_sense(cli, box, args, said):
    before = len(box.journal)
    got = cli("keys", "list", "--all", *args)
    assert (got.code, got.out) == (2, "")
    assert said in got.err
    assert len(box.journal) == before


def test_a_resumed_run_is_not_sorted_into_what_was_printed(cli, tmp_path):
    assert cli(*LIST, "--report", tmp_path / "r").code == 0
    got = cli(*LIST, "--resume", tmp_path / "r", "--sort", "label")
    assert (got.code, "leave out --sort and --limit" in got.err) == (2, True)
    assert cli(*LIST, "--resume", tmp_path / "r", "--fields", "label").code == 0
