"""The short cuts, msgspec and columns: they read nothing that cattrs refuses, and nothing otherwise."""

import json
import sys
from functools import cache
from typing import Any

import attrs
import cattrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from woodpecker_async import Secret, models
from woodpecker_async.engine import codec, fast
from woodpecker_async.engine.codec import Undecodable, decode
from woodpecker_async.engine.columns import column_reader
from woodpecker_async.models import (
    ApiKey,
    Company,
    CreatedApiKey,
    EmailAccount,
    FelderaKey,
    Listing,
    Mailbox,
    Me,
    V1Company,
)
from woodpecker_async.models.paging import ArrayListing, LegacyListing, Single

pytest.importorskip("msgspec", reason="msgspec is not installed: pip install 'woodpecker-async[fast]'")

MODELS = [model for name in models.__all__ if attrs.has(model := getattr(models, name)) and model is not Listing]
KINDS = (Listing, ArrayListing, LegacyListing, Single)
TYPES = [*MODELS, *(kind[model] for kind in KINDS for model in MODELS)]

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
FIELDS = sorted({field.name for model in [*MODELS, Listing] for field in attrs.fields(model)})
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
pages = st.fixed_dictionaries(
    {"content": st.lists(good_keys | good_companies, max_size=3)},
    optional={"pagination_data": st.none() | st.dictionaries(st.sampled_from(FIELDS), values), "more": values},
)

make_converter = codec._converter.__wrapped__


@cache
def cattrs_alone(*, forbid_unknown: bool) -> cattrs.Converter:
    """A converter that knows no columns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "column_reader", lambda model: None)
        converter = make_converter(forbid_unknown=forbid_unknown)
        for into in TYPES:
            converter.get_structure_hook(into)
    return converter


def by_columns(body: bytes, into: Any) -> Any:
    """What `decode` says without msgspec."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(fast._readers, into, None)
        return decode(body, into)


def by_cattrs(body: bytes, into: Any) -> Any:
    """What `decode` says without any short cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "_converter", cattrs_alone)
        return by_columns(body, into)


def compare(body: bytes) -> None:
    for into in TYPES:
        expected = by_cattrs(body, into)
        for value in (decode(body, into), by_columns(body, into)):
            assert value == expected, into
            assert repr(value) == repr(expected), into  # 1, 1.0 and True are equal, and not the same


@given(pages | objects | st.lists(good_keys | objects, max_size=3) | values, st.booleans())
def test_what_msgspec_reads_cattrs_reads_alike(value: Any, ascii_only: bool) -> None:
    compare(json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))


@given(pages, st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 3))
@example({"content": [], "more": "x"}, 10_000, b"\n", 0)
def test_a_damaged_body_is_read_alike(value: Any, at: int, junk: bytes, cut: int) -> None:
    body = json.dumps(value).encode()
    at %= len(body) + 1
    compare(body[:at] + junk + body[at + cut :])


@pytest.mark.parametrize("into", [Listing[ApiKey], CreatedApiKey])
def test_a_body_that_is_not_utf_8_is_refused_also_for_what_nobody_reads(into: Any) -> None:
    body = b'{"content": [], "api_key": "a", "more": "\xff"}'
    assert isinstance(decode(body, into), Undecodable)
    assert isinstance(
        decode(body.replace(b"\xff", "é".encode()), into), into.__origin__ if into is not CreatedApiKey else into
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
        b'{"id": "7b9a0f5c111142228333123456789abc", "name": "x"}',
        b'{"id": "{7b9a0f5c-1111-4222-8333-123456789abc}", "name": "x"}',
    ],
)
def test_odd_bodies_are_read_alike(body: bytes) -> None:
    compare(body)


@pytest.mark.parametrize(
    "into", [Listing[ApiKey], Listing[Company], LegacyListing[V1Company], ArrayListing[FelderaKey], CreatedApiKey]
)
def test_the_short_cut_is_there_for_what_comes_in_pages(into: Any) -> None:
    assert fast.reader(into) is not None


@pytest.mark.parametrize("into", [Any, Me, Listing[Me], ArrayListing[Mailbox], Single[FelderaKey], EmailAccount])
def test_what_msgspec_cannot_read_has_none(into: Any) -> None:
    assert fast.reader(into) is None


def test_it_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    monkeypatch.setattr(fast, "_readers", {})
    body = b'{"content": [{"api_key": "1.a"}]}'
    assert fast.reader(Listing[ApiKey]) is None
    assert decode(body, Listing[ApiKey]) == Listing(content=(ApiKey(api_key=Secret("1.a")),))


def test_strictness_and_reasons_are_those_of_cattrs() -> None:
    body = b'{"content": [{"api_key": "1.a", "new": 1}]}'
    assert isinstance(decode(body, Listing[ApiKey]), Listing)
    strict = decode(body, Listing[ApiKey], strict=True)
    assert isinstance(strict, Undecodable)
    assert strict.paths == ("$.content[0]: unknown fields new",)
    assert codec.decode(b'{"content": [{"api_key": 7}]}', Listing[ApiKey]) == Undecodable(
        ("$.content[0].api_key: expected a text that is not empty, got an integer",)
    )


@pytest.mark.parametrize("model", [ApiKey, Company, CreatedApiKey])
def test_columns_are_read_of_what_comes_in_pages(model: Any) -> None:
    assert column_reader(model) is not None


@pytest.mark.parametrize("model", [Any, int, Me, Mailbox, EmailAccount, FelderaKey])
def test_columns_are_not_read_of_what_takes_more_than_a_look(model: Any) -> None:
    assert column_reader(model) is None


def test_a_field_that_has_rules_of_its_own_is_not_read_in_a_column() -> None:
    @attrs.frozen
    class Nullable:
        name: str | None  # null, but not missing

    @attrs.frozen
    class Named:
        name: str | None = "somebody"

    @attrs.frozen
    class Checked:
        name: str = attrs.field(validator=attrs.validators.max_len(3))

    @attrs.frozen
    class Converted:
        name: str = attrs.field(converter=str.upper)

    @attrs.frozen
    class Finished:
        name: str

        def __attrs_post_init__(self) -> None:
            raise AssertionError

    @attrs.frozen(slots=False)
    class Open:
        name: str

    for model in (Nullable, Named, Checked, Converted, Finished, Open):
        assert column_reader(model) is None, model


def test_columns_read_what_the_class_itself_would_make() -> None:
    read = column_reader(Company)
    assert read is not None
    (company, other) = read([{"id": 1, "name": "a", "active": False, "new": 1}, {"id": 2, "name": "b", "owner": None}])
    assert (company, other) == (Company(id=1, name="a", active=False), Company(id=2, name="b"))
    assert hash(company) == hash(Company(id=1, name="a", active=False))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        company.id = 3
    for row in ({"id": True, "name": "a"}, {"id": 1}, {"id": 1, "name": None}, [], None, "x"):
        with pytest.raises((TypeError, AttributeError)):
            read([row])
