"""What a person sees in a terminal, and what a program gets."""

import json
import os
import pty
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from woodpecker_async._redact import printable
from woodpecker_async.cli.layout import Column
from woodpecker_async.cli.tables import _fitted
from woodpecker_async.sandbox import Fault

pytestmark = pytest.mark.system

ALL = ("keys", "list", "--all")


def test_data_alone_on_a_terminal_is_clean(real):
    for format_ in ("json", "jsonl"):
        seen, got = real.in_terminal(*ALL, "--format", format_, streams=("stdout",))
        assert got.code == 0
        assert "\x1b" not in seen
        assert len(json.loads(seen) if format_ == "json" else [json.loads(line) for line in seen.splitlines()]) == 6


def test_progress_goes_to_the_terminal_that_stderr_is(real):
    seen, got = real.in_terminal(*ALL, "--format", "json", streams=("stderr",))
    assert "Listing keys" in seen
    assert "6/6" in seen
    assert len(json.loads(got.out)) == 6


@pytest.mark.parametrize(
    ("command", "title"),
    [
        (ALL, "Listing keys"),
        (("keys", "ensure", "--all", "--label", "crm", "--yes", "--format", "csv"), "Ensuring keys"),
        (("keys", "ensure", "--all", "--label", "crm", "--dry-run", "--format", "csv"), "Looking for keys"),
    ],
)
def test_the_bar_has_rate_failures_and_time_left(really_opened, command, title):
    with really_opened(companies=40, service_time=0.03) as (box, cli):
        for company in box.company_ids[3:6]:
            box.faults.add(Fault.status(400, company=company))
        seen, got = cli.in_terminal(*command, streams=("stderr",))
        assert got.code == 3
        shown = [line for line in re.split(r"\r|\n|\x1b\[2K", seen) if title in line]
        assert re.search(r"\d+/40 companies \d+\.\d/s 3 failed \d\d:\d\d left", re.sub(r"\x1b\[[\d;]*m", "", shown[-1]))


def test_what_is_said_stands_above_the_bar(really_opened):
    with really_opened(companies=30, service_time=0.03) as (box, cli):
        box.faults.add(Fault.status(503), *(Fault.status(503, skip=skip) for skip in range(4, 30, 4)))
        seen, got = cli.in_terminal(*ALL, "-v", streams=("stderr",))
        assert got.code == 0
        lines = [line.split("\r")[-1].split("\x1b[2K")[-1] for line in seen.split("\n") if " INFO retry " in line]
        assert len(lines) >= 5
        assert all(re.match(r"\d{4}-\d\d-\d\dT", line) for line in lines)


@pytest.mark.parametrize(
    "args",
    [("--no-progress",), ("--quiet",), ("--format", "jsonl"), ("--json",)],
    ids=["no-progress", "quiet", "mixed with data", "json"],
)
def test_no_progress(real, args):
    seen, _ = real.in_terminal(*ALL, *args)
    assert "Listing keys" not in seen


def test_no_progress_in_a_pipe(real):
    seen, got = real.in_terminal(*ALL, streams=("stdout",))
    assert "Listing keys" not in seen + got.err


def test_colours_only_if_wanted(real):
    seen, _ = real.in_terminal(*ALL, "--no-progress")
    assert "\x1b[" in seen
    real.env["NO_COLOR"] = "1"
    seen, _ = real.in_terminal(*ALL, "--no-progress")
    assert "\x1b" not in seen
    assert "Nordlicht Logistics" in seen
    del real.env["NO_COLOR"]
    real.env.update({"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"})
    assert "\x1b" not in real(*ALL).out


def test_a_narrow_terminal_cuts_names_but_no_keys(real, box):
    real.env.update({"COLUMNS": "60", "NO_COLOR": "1"})
    seen, _ = real.in_terminal(*ALL, "--no-progress")
    lines = [line for line in seen.splitlines() if "****" in line]
    assert max(map(len, seen.splitlines())) <= 60
    assert len(lines) == 18  # a line for each key
    assert "…" in seen
    real.env["COLUMNS"] = "30"
    seen, _ = real.in_terminal(*ALL, "--no-progress")
    assert "Active" not in seen
    assert "Company" in seen
    seen, _ = real.in_terminal(*ALL, "--no-progress", "--reveal")
    assert all(key.secret in seen for company in box.state.companies.values() for key in company.keys)
    real.env["COLUMNS"] = "200"
    seen, _ = real.in_terminal(*ALL, "--no-progress")
    assert "…" not in seen
    assert all(company.name in seen for company in box.state.companies.values())


@given(
    st.lists(
        st.tuples(st.text("aé漢👍\u0301 ", max_size=40), st.text("ab", max_size=20), st.text(max_size=15)), max_size=5
    ),
    st.integers(1, 90),
)
def test_no_width_breaks_a_line_or_a_key(rows, width):
    columns = [Column("name", "Name", spare=1), Column("key", "Key", whole=True), Column("label", "Label")]
    cells = [[name, key, printable(label)] for name, key, label in rows]
    fitted, cut = _fitted(columns, cells, width, gap=1)
    assert [column.name for column in fitted][-2:] == ["key", "label"]
    for row, shown in zip(cells, cut, strict=True):
        assert len(shown) == len(fitted)
        assert shown[-2] == row[1]
        for text, whole in zip(reversed(shown), reversed(row), strict=False):
            assert text == whole or (text.endswith("…") and whole.startswith(text[:-1].rstrip()))
    sizes = [max([cell_len(row[place]) for row in cut], default=0) for place in range(len(fitted))]
    others = sum(size for size, column in zip(sizes, fitted, strict=True) if not column.whole)
    if len(fitted) == 3:
        assert others <= max(width - sizes[-2], 16)


def test_a_company_is_named_once_on_a_terminal(real, box):
    real.env["NO_COLOR"] = "1"
    seen, _ = real.in_terminal(*ALL, "--no-progress")
    assert seen.count(str(box.company_ids[0])) == 1


def test_names_that_would_move_the_cursor(opened):
    with opened(companies=1) as (box, cli):
        company = box.state.companies[box.company_ids[0]]
        company.name = "\x1b[2J[red]Ev\u202eil\n& [/red]\xa0株式会社"
        got = cli(*ALL)
        assert r"\x1b[2J[red]Ev\u202eil\n& [/red] 株式会社" in got.out
        assert len(got.out.splitlines()) == 4
        assert json.loads(cli(*ALL, "--format", "json").out)[0]["company_name"] == company.name


def test_names_that_are_no_text(opened):
    with opened(companies=1, keys_per_company=0) as (box, cli):
        paging = '{"total_elements": 1, "total_pages": 1, "current_page_number": 1, "page_size": 50}'
        body = r'{"content": [{"id": 7, "name": "lone \ud800"}], "pagination_data": ' + paging + "}"
        box.faults.add(Fault.body(body.encode(), path="/v2/agency/companies", times=None))
        assert r"lone \ud800" in cli("companies", "list").out
        assert json.loads(cli("companies", "list", "--format", "json").out)[0]["name"] == "lone \ud800"


def test_names_that_the_encoding_does_not_know(real):
    real.env["PYTHONIOENCODING"] = real.encoding = "latin-1"
    got = real("companies", "list")
    assert got.code == 0
    assert r"\u017buraw" in got.out
    assert json.loads(real("companies", "list", "--format", "json").out)[3]["name"].startswith("Żuraw")


def test_typing_the_key(real_alone, box):
    terminal, its_end = pty.openpty()
    with real_alone.start(
        "me", "--base-url", box.base_url, "--api-key-stdin", stdin=its_end, stderr=its_end
    ) as process:
        os.close(its_end)
        seen = b""
        while b"API key: " not in seen:
            seen += os.read(terminal, 100)
        time.sleep(0.1)  # the prompt is shown before echo is turned off
        os.write(terminal, box.hq_key.encode() + b"\n")
        assert real_alone.ended(process).code == 0
        try:
            while more := os.read(terminal, 1000):
                seen += more
        except OSError:
            pass
        os.close(terminal)
    assert box.hq_key.encode() not in seen
