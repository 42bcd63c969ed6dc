"""msgspec accepts nothing that cattrs rejects, and reads nothing differently."""

import json
from functools import partial
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from woodpecker_async import models
from woodpecker_async.engine import codec
from woodpecker_async.engine.codec import Undecodable, decode
from woodpecker_async.engine.readers import reader
from woodpecker_async.models import (
    ApiKey,
    CreatedApiKey,
    Listing,
)
from woodpecker_async.models.paging import ListBody, Perhaps, Single

# Not answers, or no class of their own; and requests whose fields take several forms.
NOT_READ = {Listing, ListBody, Single, Perhaps, models.NewCampaign, models.NewStep, models.NewVersion}
MODELS = [model for name in models.__all__ if attrs.has(model := getattr(models, name)) and model not in NOT_READ]
SHAPES = (
    ListBody,
    partial(ListBody, items=None),
    partial(ListBody, items=None, nothing=frozenset({"message", "204"})),
    partial(ListBody, items="label", beside=("total", "next_page")),
    partial(ListBody, beside=("pagination",)),
    partial(ListBody, items="label", beside=("total_found",), or_anywhere=True),
    Single.__class_getitem__,
)
TYPES: list[Any] = [*MODELS, *(shape(model) for shape in SHAPES for model in MODELS), ListBody(str)]

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([0, 1, 1.0, -0.0, 10**25, "", "1", "true", "SMTP", "7b9a0f5c-1111-4222-8333-123456789abc"])
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted(
    {field.name for model in MODELS for field in attrs.fields(model)} | {"content", "pagination_data", "pagination"}
)
objects = st.recursive(
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=8),
    lambda inner: st.dictionaries(st.sampled_from(FIELDS), values | inner | st.lists(inner, max_size=3), max_size=8),
    max_leaves=4,
)
good_keys = st.fixed_dictionaries({"api_key": st.text(min_size=1)}, optional={"label": st.none() | st.text()})
good_companies = st.fixed_dictionaries(
    {"id": st.integers(), "name": st.text()},
    optional={"owner": st.none() | st.text(), "active": st.none() | st.booleans(), "email_slots": st.integers()},
)
good_mailboxes = st.fixed_dictionaries(
    {"id": st.integers(), "type": st.sampled_from(["SMTP", "IMAP"]) | st.text(), "details": st.just({})}
)
pages = st.fixed_dictionaries(
    {"content": st.lists(good_keys | good_companies | good_mailboxes, max_size=3)},
    optional={"pagination_data": st.none() | st.dictionaries(st.sampled_from(FIELDS), values), "more": values},
)


def by_cattrs(body: bytes, into: Any) -> Any:
    """The result of `decode` without msgspec."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "reader", lambda into: None)
        return decode(body, into)


def compare(body: bytes) -> None:
    for into in TYPES:
        value, expected = decode(body, into), by_cattrs(body, into)
        assert value == expected, into
        assert repr(value) == repr(expected), into  # 1, 1.0 and True are equal, but not the same


@given(pages | objects | st.lists(good_keys | objects, max_size=3) | values, st.booleans())
def test_what_msgspec_reads_cattrs_reads_alike(value: Any, ascii_only: bool) -> None:
    compare(json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))


@given(pages, st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 3))
@example({"content": [], "more": "x"}, 10_000, b"\n", 0)
def test_a_damaged_body_is_read_alike(value: Any, at: int, junk: bytes, cut: int) -> None:
    body = json.dumps(value).encode()
    at %= len(body) + 1
    compare(body[:at] + junk + body[at + cut :])


@pytest.mark.parametrize("into", [ListBody(ApiKey), CreatedApiKey])
def test_a_body_that_is_not_utf_8_is_refused_also_for_what_nobody_reads(into: Any) -> None:
    body = b'{"content": [], "api_key": "a", "more": "\xff"}'
    assert isinstance(decode(body, into), Undecodable)
    assert isinstance(
        decode(body.replace(b"\xff", "é".encode()), into), CreatedApiKey if into is CreatedApiKey else Listing
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"content": [{"api_key": "a", "api_key": 3}]}',
        b'{"content": [{"api_key": 3, "api_key": "a"}]}',
        b'{"content": [], "content": [{"api_key": "a"}]}',
        b'{"content": [], "undecodable": ["x"]}',
        b'{"content": [{"api_key": ""}]}',
        b'[{"api_key": "a"}, {"api_key": ""}]',
        b'{"content": [], "x": NaN}',
        b'{"content": [], "x": 1E999}',
        b'{"content": [], "x": "\\ud800"}',
        b'{"message": "nothing found"}',
        b'{"message": "nothing found", "content": []}',
        b"[]",
        b" []",
        b"[[]]",
        b'[{"api_key": "a"}]',
        b'{"api_key": "a"}',
        b'{"item": {"api_key": "a"}}',
        b'{"content": null}',
        b"{}",
        b'\xef\xbb\xbf{"content": []}',
        '{"content": []}'.encode("utf-16"),
        b'{"fields": {}}',
        b'{"content": [{"fields": {}}]}',
        b'[{"fields": {}}]',
        b'{"id": "7b9a0f5c111142228333123456789abc", "name": "x"}',
        b'{"id": "{7b9a0f5c-1111-4222-8333-123456789abc}", "name": "x"}',
    ],
)
def test_odd_bodies_are_read_alike(body: bytes) -> None:
    compare(body)


# What msgspec cannot read as the item of a list: all fields of these are one field of the class.
NOT_READ_IN_LISTS = {model for model in MODELS if issubclass(model, models.Fields)}


def test_msgspec_reads_every_model() -> None:
    assert [into for into in TYPES if reader(into) is None] == [
        shape(model) for shape in SHAPES[:-1] for model in MODELS if model in NOT_READ_IN_LISTS
    ]


def test_strictness_and_reasons_are_those_of_cattrs() -> None:
    body = b'{"content": [{"api_key": "1.a", "new": 1}]}'
    assert isinstance(decode(body, ListBody(ApiKey)), Listing)
    strict = decode(body, ListBody(ApiKey), strict=True)
    assert isinstance(strict, Undecodable)
    assert strict.paths == ("$.content[0]: unknown fields new",)
    assert codec.decode(b'{"content": [{"api_key": 7}]}', ListBody(ApiKey)) == Undecodable(
        ("$.content[0].api_key: expected a string that is not empty, got an integer",)
    )
