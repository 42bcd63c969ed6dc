"""Fields that the API writes in several ways."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async.engine.codec import Undecodable, decode
from woodpecker_async.models._loose import Number, Text, Time


@attrs.frozen(kw_only=True)
class Row:
    time: Time = None
    number: Number = None
    text: Text = None


def read(strict: bool = False, **fields: Any) -> Any:
    return decode(json.dumps(fields).encode(), Row, strict=strict)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2025-03-05 17:57:00", datetime(2025, 3, 5, 17, 57)),  # noqa: DTZ001 - that is the point
        ("2025-02-10T13:14:57+0100", datetime(2025, 2, 10, 13, 14, 57, tzinfo=timezone(timedelta(hours=1)))),
        ("2025-04-01T00:01:01-0000", datetime(2025, 4, 1, 0, 1, 1, tzinfo=UTC)),
        ("2025-05-06T12:59:30.814+0200", datetime(2025, 5, 6, 10, 59, 30, 814000, tzinfo=UTC)),
        ("2024-11-09T14:29:06", datetime(2024, 11, 9, 14, 29, 6)),  # noqa: DTZ001
        ("2027-11-28T23:59:59Z", datetime(2027, 11, 28, 23, 59, 59, tzinfo=UTC)),
        (1735056455867, datetime(2024, 12, 24, 16, 7, 35, 867000, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_every_documented_format_of_a_time(written: Any, moment: datetime | None, strict: bool) -> None:
    assert read(strict, time=written).time == moment


@pytest.mark.parametrize("strict", [False, True])
@given(value=st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.just([])))
def test_anything_else_is_an_error_with_its_path(strict: bool, value: Any) -> None:
    number, text, time = (read(strict, **{name: value}) for name in ("number", "text", "time"))
    if isinstance(number, Undecodable):
        assert number.paths[0].startswith("$.number: expected an integer, got ")
    else:
        assert number.number == (None if value in (None, "") else int(value))
        assert type(value) is not bool
    if isinstance(text, Undecodable):
        assert text.paths[0].startswith("$.text: expected a string, got ")
    else:
        assert text.text == (value or None)
        assert value is None or isinstance(value, str)
    assert isinstance(time, Undecodable | Row)
