"""JSON to models and back: strict where necessary, lenient where the server may add things."""

import copy
import json
import pickle
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async import Secret
from woodpecker_async.engine import codec
from woodpecker_async.engine.codec import Undecodable, decode, encode
from woodpecker_async.errors import ConfigError
from woodpecker_async.models import (
    ApiKey,
    Company,
    CreateApiKey,
    CreateCompanies,
    CreatedApiKey,
    EmailAccount,
    FelderaKey,
    Listing,
    Mailbox,
    MailboxType,
    Me,
    NewCompany,
    V1Company,
)
from woodpecker_async.models.paging import ListBody, PaginationData, Single

ARRAY = partial(ListBody, items=None, beside=())
LEGACY = partial(ARRAY, nothing=frozenset({"message"}))

SENTINEL = "999.sentinel-value"


@pytest.fixture(params=["cattrs", "msgspec"], autouse=True, scope="module")
def how(request: pytest.FixtureRequest) -> Iterator[None]:
    """Everything here holds whether msgspec reads a body or cattrs does."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "cattrs":
            patch.setattr(codec, "reader", lambda into: None)
        yield


def page(*content: object, **data: object) -> bytes:
    return json.dumps({"content": list(content), "pagination_data": data, "extra": 1}).encode()


def test_a_page_of_keys() -> None:
    body = page({"api_key": "1.a", "label": None}, {"api_key": "1.b", "label": "x", "new": {}}, total_pages=1)
    listing = decode(body, ListBody(ApiKey))
    assert isinstance(listing, Listing)
    assert listing.content == (ApiKey(api_key=Secret("1.a")), ApiKey(api_key=Secret("1.b"), label="x"))
    assert listing.pagination_data is not None
    assert listing.pagination_data.total_pages == 1
    assert listing.pagination_data.page_size is None


@pytest.mark.parametrize(
    ("body", "into", "paths"),
    [
        (page({"api_key": None}), ListBody(ApiKey), ["$.content[0].api_key: expected a string that is not empty, got null"]),
        (page({"api_key": ""}), ListBody(ApiKey), ["$.content[0].api_key: expected a string that is not empty, got a string"]),
        (page({"api_key": "a"}, {"label": "x"}), ListBody(ApiKey), ["$.content[1].api_key: required field missing"]),
        (page({"api_key": SENTINEL, "label": 3}), ListBody(ApiKey), ["$.content[0].label"]),
        (page({"id": "7", "name": "n"}), ListBody(Company), ["$.content[0].id: expected an integer, got a string"]),
        (page({"id": True, "name": "n"}), ListBody(Company), ["$.content[0].id: expected an integer, got a boolean"]),
        (page({"id": 1.9, "name": "n"}), ListBody(Company), ["$.content[0].id: expected an integer, got a number"]),
        (page({"id": 1, "name": None}), ListBody(Company), ["$.content[0].name: expected a string, got null"]),
        (page({"id": 1, "name": "n", "active": "false"}), ListBody(Company), ["$.content[0].active"]),
        (b'{"api_key": null}', CreatedApiKey, ["$.api_key: expected a string that is not empty, got null"]),
        (b'{"content": 7}', ListBody(ApiKey), ["$.content"]),
        (b'{"content": {"a": 1}}', ListBody(ApiKey), ["$.content"]),
        (b'{"content": {}}', ListBody(ApiKey), ["$.content: expected an array, got an object"]),
        (b'{"content": ""}', ListBody(ApiKey), ["$.content: expected an array, got a string"]),
        (b'{"content": [], "pagination_data": []}', ListBody(ApiKey), ["$.pagination_data: expected an object, got an array"]),
        (b'[{"id": 1, "name": "n", "api_keys": {}}]', LEGACY(V1Company), ["$[0].api_keys: expected an array, got an object"]),
        (b'{"id": 1, "name": "n", "api_keys": [[]]}', V1Company, ["$.api_keys[0]: expected an object, got an array"]),
        (b"7", ListBody(ApiKey), ["$: expected an object, got an integer"]),
        (b"null", CreatedApiKey, ["$"]),
        (b"[]", CreatedApiKey, ["$"]),
        (b"", CreatedApiKey, ["$: expected JSON, got nothing"]),
        (b"<html>", CreatedApiKey, ["$: expected JSON, got HTML"]),
        (b'{"api_key": "999.sent', CreatedApiKey, ["$: expected JSON, got 21 bytes that are not (cut short?)"]),
        (b"[" * 100_000, CreatedApiKey, ["$"]),
        (b'{"id": "nope", "name": "n"}', FelderaKey, ["$.id: expected a UUID, got a string"]),
        (b"[1]", Me, ["$: expected an object, got an array"]),
        (b'[{"id": 1, "type": null, "details": {}}]', ARRAY(Mailbox), ["$[0].type"]),
    ],
)  # fmt: skip
def test_wrong_types_are_named_by_path_and_never_by_value(body: bytes, into: Any, paths: list[str]) -> None:
    failure = decode(body, into)
    assert isinstance(failure, Undecodable)
    assert len(failure.paths) == len(paths)
    for found, expected in zip(failure.paths, paths, strict=True):
        assert found.startswith(expected)
    assert "sent" not in str(failure)


def test_several_faults_are_all_named() -> None:
    failure = decode(page({"id": "x", "name": None}, {"id": 2}), ListBody(Company))
    assert isinstance(failure, Undecodable)
    assert {path.partition(":")[0] for path in failure.paths} == {
        "$.content[0].id",
        "$.content[0].name",
        "$.content[1].name",
    }


def test_lists_come_in_three_shapes() -> None:
    body = b'[{"id": 1, "name": "n", "api_keys": [{"api_key": "a", "name": "k"}]}]'
    bare = decode(body, LEGACY(V1Company))
    assert isinstance(bare, Listing)
    assert bare.content[0].api_keys[0].name == "k"
    assert decode(body, ARRAY(V1Company)) == Listing(content=bare.content)
    assert decode(page(), ListBody(Company)) == Listing(content=(), pagination_data=PaginationData())


SHAPES = {"object": ListBody, "array": ARRAY, "legacy": LEGACY}
# Every kind of list has its own form of "nothing", and accepts no other.
NOTHING: dict[bytes, AbstractSet[Any]] = {
    b'{"content": []}': {"object"},
    b'{"content": [], "pagination_data": null}': {"object"},
    b'{"content": [], "message": "none"}': {"object"},
    b"[]": {"array", "legacy"},
    b'{"message": "Nothing found."}': {"legacy"},
    b'{"message": ""}': {"legacy"},
    **dict.fromkeys(
        (
            b"{}",
            b"null",
            b'""',
            b"0",
            b"false",
            b"",
            b"[null]",
            b"[[]]",
            b'{"content": null}',
            b'{"content": {}}',
            b'{"content": ""}',
            b'{"content": false}',
            b'{"Content": []}',
            b'{"items": []}',
            b'{"pagination_data": {"total_elements": 0, "total_pages": 0}}',
            b'{"message": null}',
            b'{"message": {"content": []}}',
            b'{"message": "x", "status": 503}',
            b'{"error": "x"}',
            b'{"status": {"status": "OK"}}',
        ),
        frozenset(),
    ),
}


@pytest.mark.parametrize("skip_bad_items", [False, True])
@pytest.mark.parametrize("body", NOTHING)
def test_a_list_is_empty_only_in_its_documented_form(body: bytes, skip_bad_items: bool) -> None:
    for item in (ApiKey, V1Company, Mailbox):
        for name, shape in SHAPES.items():
            read = decode(body, shape(item), skip_bad_items=skip_bad_items)
            if name in NOTHING[body]:
                assert (read.content, read.undecodable) == ((), ())
            else:
                assert isinstance(read, Undecodable) or read.undecodable, name


FIELD_NAMES = st.sampled_from(["message", "content", "items", "data", "status", "pagination_data", "total"])
without_arrays = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(FIELD_NAMES, inner)
)


@given(without_arrays)
def test_no_object_without_an_array_of_content_is_a_list(value: object) -> None:
    body = json.dumps(value).encode()
    assert isinstance(decode(body, ListBody(ApiKey)), Undecodable)
    assert isinstance(decode(body, ARRAY(ApiKey)), Undecodable)


@pytest.mark.parametrize("body", [b'{"api_key": "1.a"}', b'[{"api_key": "1.a"}]'])
def test_one_object_comes_alone_or_in_an_array(body: bytes) -> None:
    assert decode(body, Single[ApiKey]) == Single(item=ApiKey(api_key=Secret("1.a")))


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"[]", "$: expected an object, or an array of one, got an array of 0"),
        (b'[{"api_key": "1.a"}, {"api_key": "1.b"}]', "$: expected an object, or an array of one, got an array of 2"),
        (b'[{"api_key": null}]', "$.api_key: expected a string that is not empty, got null"),
        (b'{"item": {"api_key": "1.a"}}', "$.api_key: required field missing"),
        (b"[[]]", "$: expected an object, got an array"),
        (b"null", "$: expected an object, got null"),
    ],
)
def test_none_or_two_objects_are_not_one(body: bytes, path: str) -> None:
    assert decode(body, Single[ApiKey]) == Undecodable((path,))


def test_unknown_values_of_an_enumeration_are_kept() -> None:
    accounts = decode(
        page({"id": 1, "type": "SMTP", "details": {}}, {"id": 2, "type": "JMAP", "details": {}}), ListBody(EmailAccount)
    )
    assert isinstance(accounts, Listing)
    known, unknown = (account.type for account in accounts.content)
    assert known is MailboxType.SMTP
    assert known == "SMTP"
    assert isinstance(unknown, MailboxType)
    assert (unknown, str(unknown), f"{unknown}", unknown.value, {unknown}) == ("JMAP", "JMAP", "JMAP", "JMAP", {"JMAP"})
    assert repr(unknown) == "<MailboxType.(unknown): 'JMAP'>"
    assert pickle.loads(pickle.dumps(unknown)) == copy.deepcopy(unknown) == unknown
    assert unknown not in set(MailboxType)
    with pytest.raises(ValueError, match="7 is not a valid MailboxType"):
        MailboxType(7)  # type: ignore[arg-type]


def test_bad_items_are_left_out_and_named_on_request() -> None:
    body = page(
        {"api_key": "1.a", "label": "x"},
        {"api_key": None, "label": 7},
        {"api_key": "1.b"},
        "junk",
        total_pages=1,
        undecodable="the server's own",
    )
    listing = decode(body, ListBody(ApiKey), skip_bad_items=True)
    assert isinstance(listing, Listing)
    assert [key.api_key.reveal() for key in listing.content] == ["1.a", "1.b"]
    assert listing.undecodable == (
        (
            "$.content[1].api_key: expected a string that is not empty, got null; "
            "$.content[1].label: expected a string, got an integer"
        ),
        "$.content[3]: expected an object, got a string",
    )
    assert listing.pagination_data is not None
    bare = decode(b'[{"id": 1, "name": "n"}, {"id": "2"}]', ARRAY(Company), skip_bad_items=True)
    assert isinstance(bare, Listing)
    assert (len(bare.content), len(bare.undecodable)) == (1, 1)


@pytest.mark.parametrize("body", [b'{"content": {}}', b'{"content": [], "pagination_data": 7}', b"7", b"null"])
def test_only_items_can_be_left_out(body: bytes) -> None:
    assert isinstance(decode(body, ListBody(ApiKey), skip_bad_items=True), Undecodable)
    assert isinstance(decode(b'{"api_key": null}', CreatedApiKey, skip_bad_items=True), Undecodable)


def test_unknown_fields_are_an_error_on_request() -> None:
    body = page({"api_key": "1.a", "label": "x", "created_at": "sentinel"}, total_pages=1)
    failure = decode(body, ListBody(ApiKey), strict=True)
    assert isinstance(failure, Undecodable)
    assert failure.paths == (
        "$.content[0]: unknown fields created_at",
        "$: unknown fields extra",
    )
    assert isinstance(decode(b'{"api_key": "1.a"}', CreatedApiKey, strict=True), CreatedApiKey)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text().filter(lambda name: name not in ("api_key", "label")), json_values, max_size=5))
def test_additional_fields_never_break(extra: dict[str, object]) -> None:
    body = json.dumps({"content": [{"api_key": "a", "label": "l"} | extra], **{"x" + k: v for k, v in extra.items()}})
    assert decode(body.encode(), ListBody(ApiKey)) == Listing(content=(ApiKey(api_key=Secret("a"), label="l"),))


@given(json_values)
def test_any_json_decodes_or_is_refused_in_words(value: object) -> None:
    for into in (ListBody(ApiKey), Company, Me, ARRAY(Mailbox), LEGACY(V1Company), Single[ApiKey]):
        decoded = decode(json.dumps(value).encode(), into)
        if isinstance(decoded, Undecodable):
            assert decoded.paths
            assert all(path.startswith("$") for path in decoded.paths)


def test_request_models_become_json() -> None:
    assert encode(CreateApiKey(label='Zażółć "x"')) == '{"label":"Zażółć \\"x\\""}'.encode()
    assert encode(CreateCompanies(companies=(NewCompany(name="A"),))) == b'{"companies":[{"name":"A"}]}'
    assert encode([]) == b"[]"


@pytest.mark.parametrize("body", [{"key": Secret("1.a")}, {"x": float("nan")}, {"x": object()}, {"x": "\ud800"}])
def test_what_is_no_json_is_refused(body: object) -> None:
    with pytest.raises(ConfigError, match="JSON"):
        encode(body)


def test_models_survive_pickle_without_their_keys() -> None:
    key = ApiKey(api_key=Secret(SENTINEL), label="x")
    pickled = pickle.dumps(key)
    assert b"sentinel" not in pickled
    assert pickle.loads(pickled) == key


def test_there_is_one_converter_and_it_is_not_the_global_one() -> None:
    import cattrs

    assert codec._converter(forbid_unknown=False) is not cattrs.global_converter
    hooks = codec._converter(forbid_unknown=False).get_structure_hook(ApiKey)
    decode(b'{"content": []}', ListBody(ApiKey))
    assert codec._converter(forbid_unknown=False).get_structure_hook(ApiKey) is hooks


def test_many_records_decode_in_reasonable_work() -> None:
    body = page(*({"api_key": f"1.{n}", "label": "x"} for n in range(5000)))
    began = time.process_time()
    listing = decode(body, ListBody(ApiKey))
    assert isinstance(listing, Listing)
    assert len(listing.content) == 5000
    assert time.process_time() - began < 5  # a guard against quadratic work, not a measurement
