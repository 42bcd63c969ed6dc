"""Reading back a report or sink from disk: what was written, or one clear error, whatever the content."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.walker import leaks
from woodpecker_async import ConfigError
from woodpecker_async.bulk import Report
from woodpecker_async.bulk.sinks import KeyFile
from woodpecker_async.models import IssuedKey
from woodpecker_async.secret import Secret

IDS = st.integers(1, 2**70)
TEXTS = st.text(max_size=8)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    done = draw(st.sets(IDS, max_size=4))
    odd = st.integers(-(2**70), 2**70).filter(lambda company: company not in done)
    failures = draw(st.dictionaries(odd, st.tuples(TEXTS, TEXTS), max_size=4))
    return Report(
        task=draw(TEXTS),
        account=draw(st.none() | TEXTS),
        done=done,
        failures=failures,
        inactive=draw(st.sets(st.sampled_from(sorted(failures)))) if failures else set(),
        drifted=draw(st.sets(IDS, max_size=2)),
        unsettled=draw(st.booleans()),
        keys=draw(st.integers(0, 2**70)),
        created=draw(st.integers(0, 9)),
        requests=draw(st.integers(0, 9)),
        seconds=draw(st.integers(0, 10**6)) / 8,
        stopped_by=draw(st.none() | TEXTS),
    )


@given(report=reports())
def test_a_report_comes_back_as_it_was(report: Report) -> None:
    assert Report.from_json(report.to_json()) == report
    assert Report.from_json(report.to_json().encode()) == report


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(report=reports(), data=st.data())
def test_a_report_with_anything_in_any_place_is_read_or_refused(report: Report, data: st.DataObject) -> None:
    saved = json.loads(report.to_json())
    where = data.draw(st.sampled_from(sorted(saved)))
    saved[where] = data.draw(ANY_JSON)
    read_or_refused(json.dumps(saved))
    del saved[where]
    read_or_refused(json.dumps(saved))


@given(text=st.binary() | st.text() | ANY_JSON.map(json.dumps))
def test_anything_is_read_as_a_report_or_refused(text: str | bytes) -> None:
    read_or_refused(text)


def read_or_refused(text: str | bytes) -> None:
    try:
        report = Report.from_json(text)
    except ConfigError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert "this is not a saved report" in refused
        return
    assert Report.from_json(report.to_json()) == Report.from_json(text)
    assert all(company >= 1 for company in report.done | report.drifted)
    assert min(report.keys, report.created, report.requests, report.seconds) >= 0
    assert math.isfinite(report.seconds)
    assert not report.done & report.failures.keys()


def changed(**values: Any) -> str:
    return json.dumps({**json.loads(Report(task="list", failures={7: ("A", "b")}).to_json()), **values})


@pytest.mark.parametrize(
    "text",
    [
        changed(done=[1.9]), changed(done=[True]), changed(done=["7"]), changed(done=[0]), changed(done=[-5]),
        changed(done=7), changed(done={"7": 1}), changed(done=[7]), changed(failures=[]),
        changed(failures={"x": ["A", "b"]}), changed(failures={"7": ["A"]}), changed(failures={"7": "Ab"}),
        changed(failures={"7": ["A", 1]}), changed(failures={"07": ["A", "b"]}), changed(failures={"٧": ["A", "b"]}),
        changed(inactive=[8]), changed(inactive=[True]), changed(drifted=[None]), changed(unsettled="no"),
        changed(keys=-3), changed(keys=1.0), changed(keys="3"), changed(keys=True), changed(requests=None),
        changed(seconds="nan"), changed(seconds=-1), changed(seconds=math.nan), changed(seconds=math.inf),
        changed(seconds=True), changed(seconds=10**400), changed(stopped_by=5), changed(task=None), changed(account=5),
        changed(version=True), changed(version=1.0), changed(version="1"), changed(version=2),
        changed(version=[[[[]]]]), changed().replace('"keys": 0', '"keys": 1e999'),
        "[" * 200_000, '{"version": 1, "task": ' + "[" * 200_000, "9" * 5000, changed(keys=0)[:-1], "", "null",
        b"\xff\xfe\xfd", b"\x80", b'{"version": "\xff"}', b"\x00" * 9, None, 7, [], {1},
    ],
    ids=lambda text: repr(text)[:60],
)  # fmt: skip
def test_a_broken_report_is_one_clear_error(text: Any) -> None:
    with pytest.raises(ConfigError, match="this is not a saved report"):
        Report.from_json(text)


# ---- the sink's file


def issued(company: int = 7, key: str = "7.abcdefghijklmnopqrst") -> IssuedKey:
    return IssuedKey(company_id=company, label="crm", api_key=Secret(key))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.jsonl"


def opened(path: Path, content: bytes | None = None) -> KeyFile:
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    file = KeyFile(path)
    file.open()
    return file


@given(content=st.binary(max_size=60) | ANY_JSON.map(lambda value: json.dumps(value).encode() + b"\n"))
def test_anything_is_read_as_a_sink_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    try:
        file = opened(path, content)
    except ConfigError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert f"{path} as a sink: line " in refused
        assert path.read_bytes() == content
        return
    file.write(issued())
    assert path.read_bytes().startswith(content)
    *_, last = path.read_bytes().splitlines()
    assert json.loads(last)["api_key"] == issued().api_key.reveal()


@pytest.mark.parametrize(
    "line",
    [
        "null", "7", "[]", "{}", '"x"', '{"company_id": 1e999, "api_key": "x"}', '{"company_id": 7, "api_key": null}',
        '{"company_id": NaN, "api_key": "x"}', '{"company_id": "7", "api_key": "x"}', '{"company_id": 7}',
        "hello", "# notes", '{"a": ', "company_id,label", "-----BEGIN KEY-----",
        '{"company_id": true, "api_key": "x"}', '{"company_id": -7, "api_key": "x"}', '{"company_id": 7, "api_key": ""}',
        '{"company_id": 7, "api_key": ["x"]}', "[" * 100_000, '{"a":' * 100_000, "9" * 5000,
    ],
    ids=lambda line: line[:40],
)  # fmt: skip
def test_a_file_of_something_else_is_one_clear_error(path: Path, line: str) -> None:
    good = opened(path)
    good.write(issued())
    content = path.read_bytes() + line.encode() + b"\n"
    with pytest.raises(ConfigError, match=r"keys.jsonl as a sink: line 2 was not written by one"):
        opened(path, content)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "entry",
    [
        {"api_key": "KEY"}, ["KEY"], {"company_id": "7", "api_key": "KEY"}, {"company_id": 0, "api_key": "KEY"},
        {"company_id": 7, "api_key": ["KEY"]}, {"company_id": 7, "keys": [{"api_key": "KEY"}]},
    ],
)  # fmt: skip
def test_a_file_with_other_keys_in_it_is_refused_without_showing_them(path: Path, entry: object) -> None:
    """Such as the output of `keys list --reveal`, taken for a sink."""
    key = "7.sentinelsentinelsent"
    with pytest.raises(ConfigError) as caught:
        opened(path, json.dumps(entry).replace("KEY", key).encode() + b"\n")
    assert leaks(caught.value, [key]) == []


@pytest.mark.parametrize(
    "torn", [b'{"company_id": 7, "lab', b"{", b'{"comp', b"\x00\x00\x00", b"\xff\x00{", b"", b"\n\n"]
)
def test_what_a_kill_or_a_crash_leaves_is_no_error(path: Path, torn: bytes) -> None:
    opened(path).write(issued())
    opened(path, path.read_bytes() + torn).write(issued(8))
    opened(path).write(issued(9))
    opened(path).write(issued(9))
    lines = [line for line in path.read_bytes().splitlines() if line.startswith(b"{") and line.endswith(b"}")]
    assert [json.loads(line)["company_id"] for line in lines] == [7, 8, 9]


def another(path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    path.touch(0o600)


def in_its_place(path: Path) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(path.read_bytes())
    new.chmod(0o600)
    new.replace(path)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def made_again(path: Path) -> None:
    path.unlink()
    path.touch(0o600)  # with the same inode, on most file systems


HARM: list[Callable[[Path], None]] = [another, in_its_place, emptied, made_again]


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("company", [7, 8], ids=["a key that it had", "a new key"])
def test_a_file_that_was_replaced_takes_no_more(path: Path, harm: Callable[[Path], None], company: int) -> None:
    file = opened(path)
    file.write(issued(7))
    harm(path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="is not the file that was opened"):
        file.write(issued(company))
    assert path.read_bytes() == before
    opened(path).write(issued(company))  # the next run starts with the existing file
    assert b'"company_id": %d,' % company in path.read_bytes()


def test_a_file_that_vanished_takes_no_more(path: Path) -> None:
    file = opened(path)
    file.write(issued())
    path.unlink()
    for company in (7, 8):
        with pytest.raises(FileNotFoundError):
            file.write(issued(company))
    assert not path.exists()


def test_another_program_may_add_to_the_file(path: Path) -> None:
    one, other = opened(path), opened(path)
    one.write(issued(7))
    other.write(issued(8))
    one.write(issued(9))
    assert len(path.read_bytes().splitlines()) == 3


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = opened(path)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        file.write(issued())
    with pytest.raises(ConfigError, match="belongs to another user"):
        opened(path)
    assert path.read_bytes() == b""
