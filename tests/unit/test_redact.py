"""Text from others, made safe to show."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import VirtualClock
from woodpecker_async import errors
from woodpecker_async._redact import masked, printable, quotable, without_keys
from woodpecker_async.engine import codec
from woodpecker_async.engine.failures import error_for
from woodpecker_async.engine.operation import Operation
from woodpecker_async.engine.protocol import AttemptResult, RawResponse, classify
from woodpecker_async.models.agency import ApiKey
from woodpecker_async.models.paging import Listing
from woodpecker_async.secret import Secret

KEY = Secret("123456.SENTINELsentinelSENTINEL")
READ: Operation[dict] = Operation.of(
    "GET", "/v2/agency/companies/{company_id}/api_keys", dict, account=None, segments={"company_id": 7}
)

# With all that a terminal or a log obeys: controls of both sets, line ends, overrides and isolates, half a pair.
HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\r\n\t\x1b\x07\x7f\x85\x9b\u2028\u2029\u202e\u2066\u2069\u200f\ufeff\ud800\udfff\x00\u00a0"),
    ),
    max_size=40,
)


@given(HOSTILE)
def test_any_text_becomes_printable(text: str) -> None:
    assert printable(text).isprintable()
    assert quotable(text).isprintable()
    assert printable(printable(text)) == printable(text)
    if text.isprintable():
        assert printable(text) == text


def test_what_is_escaped_can_be_read() -> None:
    assert printable("Bachmanity\r\n\x1b[2J \u202e\u2028 \u00a0 é 公司 \ud800") == (
        "Bachmanity\\r\\n\\x1b[2J \\u202e\\u2028   é 公司 \\ud800"
    )


def judged(status: int, body: bytes, **headers: str) -> AttemptResult:
    answer = RawResponse(
        status=status, headers={name.replace("_", "-"): text for name, text in headers.items()}, body=body
    )
    return classify(READ, answer, key=KEY, now=VirtualClock().utcnow)


def texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts(part)]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else []


@given(
    st.dictionaries(
        st.sampled_from(["title", "detail", "message", "code", "error_code", "details", "timestamp", "status"]),
        st.recursive(HOSTILE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3)),
    ),
    st.dictionaries(st.sampled_from(["x_request_id", "content_type", "location", "retry_after"]), HOSTILE),
    st.sampled_from([302, 400, 401, 404, 409, 429, 500, 502]),
    st.booleans(),
)
def test_nothing_of_the_servers_breaks_a_line(body: dict, headers: dict, status: int, as_api: bool) -> None:
    sent = json.dumps(body).encode() if as_api else b"<html>"
    result = judged(status, sent, **headers)
    error = error_for(result, {"method": "GET", "path": "/x", "request_id": result.request_id})
    assert isinstance(error, errors.ApiError)
    said = [str(error), error.title, error.detail, error.code, error.request_id, getattr(error, "target", None)]
    assert all(text.isprintable() for text in [*said, *texts(error.details)] if text is not None)


@given(HOSTILE, HOSTILE, st.booleans())
def test_nor_do_the_names_of_its_fields(name: str, other: str, strict: bool) -> None:
    body = json.dumps({"content": [{"api_key": "1.a", "label": None, name: 1}], other: {name: 1}}).encode()
    read = codec.decode(body, Listing[ApiKey], strict=strict)
    if isinstance(read, codec.Undecodable):
        assert all(path.isprintable() for path in read.paths)


def test_unknown_fields_are_named_unless_a_name_is_a_value() -> None:
    item = {"api_key": "1.a", "label": None, "created_at": 1, KEY.reveal(): 1, "x\x1b[2J": 1, "n" * 61: 1}
    read = codec.decode(json.dumps({"content": [item]}).encode(), Listing[ApiKey], strict=True)
    assert isinstance(read, codec.Undecodable)
    (path,) = read.paths
    assert "created_at" in path
    assert "SENTINEL" not in path
    for length in (len(KEY.reveal()), 5, 61):
        assert f"(a name of {length} characters)" in path


@pytest.mark.parametrize("prefix", ["", "Bearer ", "https://user:", "key="])
def test_what_looks_like_a_key_is_masked(prefix: str) -> None:
    assert without_keys(f"{prefix}{KEY.reveal()}.") == f"{prefix}123456.****INEL."
    assert "abcdefgh" not in without_keys(f"{prefix}apikey:abcdefghijklmnopqrst")


@pytest.mark.parametrize(
    "text",
    ["3.14159265358979323846", "10.0.0.1:8080", "company 123456", "2025-03-05 17:57:00", "v1.22.333", "E_DUPLICATE"],
)
def test_what_only_resembles_one_is_not(text: str) -> None:
    assert without_keys(text) == text


def test_keys_in_an_error_of_the_servers() -> None:
    """The key that was used, in any form, and others."""
    other = "654321.otherOTHERotherOTHER"
    escaped = "".join(f"\\u{ord(c):04x}" for c in KEY.reveal())
    body = f'{{"title": "t {other}", "detail": "{escaped}", "code": "c", "details": {{"api_key": "x", "why": "{escaped}"}}}}'
    result = judged(400, body.encode(), x_request_id=f"r-{KEY.reveal()}")
    assert (result.title, result.detail) == ("t 654321.****THER", "123456.****INEL")
    assert result.details == {"api_key": "****", "why": "123456.****INEL"}
    assert result.request_id == "r-123456.****INEL"
    assert "SENTINEL" not in judged(302, b"", location=f"https://{KEY.reveal()}/x").target
    late = judged(400, json.dumps({"title": "x" * 285 + KEY.reveal()}).encode())
    assert "SENTINEL" not in late.title
    assert len(late.title) == 300


def test_json_that_is_nested_deeper_than_anybody_reads() -> None:
    deep: object = KEY.reveal()
    for _ in range(900):
        deep = [deep]
    assert "SENTINEL" not in repr(masked(deep))
    assert judged(400, b'{"title": "t", "details": ' + b"[" * 900 + b"]" * 900 + b"}").title == "t"


@given(st.text(max_size=20))
def test_masked_under_any_telling_name(name: str) -> None:
    for word in ("key", "token", "secret", "pass", "pwd", "auth", "credential"):
        assert masked({name + word.upper() + name: [{"x": "abc", "y": ("abc", 12345)}]}) == {
            without_keys(name + word.upper() + name): [{"x": "****", "y": ["****", "****"]}]
        }
    assert re.fullmatch(r"\*+", masked({"pwd": "abc"})["pwd"])
