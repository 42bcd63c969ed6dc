"""Validation of arguments that several families use."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError
from woodpecker_async.models import InterestLevel, ProspectInterest, ProspectStatus, StepSignature, UserSort


@attrs.frozen(kw_only=True)
class Thing:
    name: str
    port: int
    bcc: str | None = None
    made: int = attrs.field(init=False, default=0)


def test_a_model_is_given_as_such_or_as_a_mapping() -> None:
    thing = Thing(name="n", port=1, bcc="b")
    assert checks.model("a thing", thing, Thing) is thing
    assert checks.model("a thing", {"name": "n", "port": 1, "bcc": "b"}, Thing) == thing
    assert checks.models("things", (entry for entry in [thing, {"name": "m", "port": 2}]), Thing) == (
        thing,
        Thing(name="m", port=2),
    )


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ("n", "a thing must be a Thing or a mapping of its fields, not str"),
        ({"name": "n", "port": 1, "bbc": ""}, "a thing has no field 'bbc', but name, port, bcc; did you mean 'bcc'?"),
        ({"name": "n", "port": 1, 7: ""}, "a thing has no field 7, but name, port, bcc"),
        ({"name": "n", "port": 1, "made": 2}, "a thing has no field 'made', but name, port, bcc"),
        ({"bcc": ""}, "a thing needs name, port"),
    ],
)
def test_what_is_no_model_is_refused(given_: Any, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checks.model("a thing", given_, Thing)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ([], "things must not be empty"),
        ({"name": "n", "port": 1}, "things must be a list, each entry a Thing or a mapping of its fields"),
        (Thing(name="n", port=1), "things must be a list, each entry a Thing or a mapping of its fields"),
        ("abc", "things must be a list, each entry a Thing or a mapping of its fields"),
        (None, "things must be a list, each entry a Thing or a mapping of its fields"),
        ([Thing(name="n", port=1)] * 3, "things must have at most 2 entries, not 3"),
        ([Thing(name="n", port=1), {"name": "n"}], "things[1] needs port"),
    ],
)
def test_what_is_no_list_of_models_is_refused(given_: Any, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checks.models("things", given_, Thing, most=2)
    assert str(refused.value) == message


@given(st.dates())
def test_a_day_is_written_as_the_api_reads_it(day: date) -> None:
    assert checks.date(day, "day") == checks.date(day.isoformat(), "day") == day.isoformat()


@pytest.mark.parametrize(
    "value",
    [
        "2026-2-1",
        "20260201",
        "2026-W05-1",
        "2026-02-30",
        "2026-02-01T00:00:00",
        " 2026-02-01",
        "٢٠٢٦-02-01",
        "",
        7,
        None,
    ],
)
def test_what_is_no_day_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="day must be a datetime"):
        checks.date(value, "day")


def test_which_day_a_datetime_is_has_to_be_said() -> None:
    for moment in (datetime(2026, 2, 1, 23, tzinfo=UTC), datetime(2026, 2, 1)):  # noqa: DTZ001
        with pytest.raises(ConfigError, match=r"depends on a time zone: .* pass its .date\(\)"):
            checks.date(moment, "day")


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(-60, 60))
def test_a_range_is_neither_reversed_nor_too_long(first: date, days: int) -> None:
    last = first + timedelta(days=days)
    if 0 <= days <= 30:
        assert checks.date_range(first, str(last), most_days=30) == (str(first), str(last))
    else:
        with pytest.raises(ConfigError, match="must not be after" if days < 0 else f"at most 30 days .* not {days}"):
            checks.date_range(str(first), last, most_days=30)


def test_only_an_optional_range_may_be_open() -> None:
    assert checks.date_range(None, date(2026, 2, 1), optional=True) == (None, "2026-02-01")
    assert checks.date_range("2026-02-01", None, optional=True) == ("2026-02-01", None)
    assert checks.date_range(None, None, optional=True) == (None, None)
    with pytest.raises(ConfigError, match="to_date must be"):
        checks.date_range("2026-02-01", None)


@pytest.mark.parametrize("value", [{"a": 1}, "a", b"a", 5, None])
def test_what_is_no_list_is_refused_alike(value: Any) -> None:
    for check in (
        checks.names,
        lambda value: checks.strings(value, "things", '["a"]'),
        lambda value: checks.choices("things", value, StepSignature),
        lambda value: checks.ids(value, "things"),
        lambda value: checks.models("things", value, Thing),
    ):
        with pytest.raises(ConfigError, match="list"):
            check(value)


def test_hyphens_and_underscores_are_alike_in_choices() -> None:
    assert checks.choice("x", "MAYBE-LATER", InterestLevel) is InterestLevel.MAYBE_LATER
    assert checks.choice("x", "MAYBE_LATER", ProspectInterest) is ProspectInterest.MAYBE_LATER
    assert InterestLevel("NOT-MARKED") is InterestLevel.NOT_MARKED
    assert ProspectStatus("TO_CHECK") is ProspectStatus.TO_CHECK
    with pytest.raises(ConfigError):
        checks.choice("x", "_id", UserSort)  # a sign is not a hyphen
