"""Models as plain data, without any secret."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async import Secret, models
from woodpecker_async.pagination import Page
from woodpecker_async.plain import plain

KEY = models.ApiKey(api_key=Secret("123456.abcdefg123456"), label="crm")


def test_a_key_is_masked_and_all_is_json() -> None:
    made = plain([KEY, models.Company(id=1, name="Aviato"), models.Me(fields={"id": 1, "more": {"a": [1]}})])
    assert json.loads(json.dumps(made)) == made
    assert made[0] == {"api_key": KEY.api_key.masked, "label": "crm"}
    assert made[1]["name"] == "Aviato"
    assert made[2] == {"id": 1, "more": {"a": [1]}}
    assert "abcdefg" not in json.dumps(made)


def test_times_and_enumerations() -> None:
    details = models.MailboxDetails(email="a@example.com")
    mailbox = models.Mailbox(id=1, type=models.MailboxType("NEW"), details=details)
    assert plain(mailbox)["type"] == "NEW"
    assert type(plain(mailbox)["type"]) is str
    assert plain({"at": datetime(2026, 1, 2, tzinfo=UTC)}) == {"at": "2026-01-02T00:00:00+00:00"}


def test_a_page_is_the_list_of_its_items() -> None:
    assert plain(Page(items=(KEY,), number=1)) == [plain(KEY)]


def test_what_is_not_data_is_refused() -> None:
    for thing in (object(), b"123456.abcdefg"):
        with pytest.raises(TypeError, match="to plain data"):
            plain(thing)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.builds(Secret, st.text(min_size=20)) | st.datetimes(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.dictionaries(st.text(), inner)
        | st.builds(lambda value: models.Me(fields={"a": value}), inner)
    ),
)


@given(value=anything)
def test_whatever_it_is_it_becomes_json(value: Any) -> None:
    made = plain(value)
    assert json.loads(json.dumps(made)) == made
