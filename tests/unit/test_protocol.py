"""Requests and verdicts, without any I/O."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async import errors
from woodpecker_async.engine.envelopes import parse_retry_after, parse_timestamp
from woodpecker_async.engine.failures import error_for
from woodpecker_async.engine.operation import OWN, Operation
from woodpecker_async.engine.protocol import (
    WOODPECKER,
    RawResponse,
    TransportFailure,
    build_request,
    classify,
    common_headers,
)
from woodpecker_async.secret import Secret

KEY = Secret("123.sentinel-key")
NOW = datetime(2026, 3, 5, 17, 57, tzinfo=UTC)
KEYS = Operation.of("GET", "/v2/agency/companies/{company_id}/api_keys", dict, account=None, segments={"company_id": 7})
READ = Operation.of("GET", "/v2/mailboxes", dict, account=OWN)


def problem(status: int, title: str, detail: str) -> bytes:
    return json.dumps({"title": title, "status": status, "detail": detail, "timestamp": "2025-03-05 17:57:00"}).encode()


def result(status: int, body: bytes = b"", operation: Operation = KEYS, **headers: str):
    answer = RawResponse(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=body)
    return classify(operation, answer, key=KEY, now=lambda: NOW)


@pytest.mark.parametrize(
    ("status", "body", "error", "kind"),
    [
        (400, problem(400, "Bad request", "X-Company-Id header value must be a number but is not"), "BadRequestError", "client"),
        (400, b"", "BadRequestError", "client"),
        (401, problem(401, "Unauthorized", "Invalid api key"), "AuthenticationError", "client"),
        (401, problem(401, "Unauthorized", "No API addon"), "AuthenticationError", "client"),
        (403, b"", "PermissionDeniedError", "client"),
        (404, problem(404, "Not Found", "Company not found"), "CompanyNotFoundError", "client"),
        (404, problem(404, "Not Found", "No active company found"), "CompanyNotFoundError", "client"),
        (404, problem(404, "Not Found", "Requested resource does not exist"), "CompanyNotFoundError", "client"),
        (404, b"<html>nginx</html>", "NotFoundError", "client"),
        (409, problem(409, "Conflict", "Company is inactive"), "CompanyInactiveError", "client"),
        (409, b'{"code": "WCNF001", "message": "no", "details": null}', "UnsupportedCampaignError", "client"),
        (409, b'{"code": "API_UNSUPPORTED_CAMPAIGN_X", "details": ["IF"]}', "UnsupportedCampaignError", "client"),
        (404, b'{"code": "CAMPAIGN_NOT_EXIST", "message": "no"}', "NotFoundError", "client"),
        (422, b'{"message": "no"}', "ApiError", "client"),
        (429, b"", "RateLimitedError", "refused"),
        (500, problem(500, "Internal server error", "An unexpected error has occurred."), "ServerError", "server"),
        (502, b"<html>bad gateway</html>", "ServerError", "server"),
        (599, b"\xff\xfe", "ServerError", "server"),
        (302, b"", "UnexpectedRedirectError", "redirect"),
        (200, b'{"status": {"status": "ERROR", "code": "E_SESSION", "msg": "no"}}', "AuthenticationError", "client"),
        (200, b'{"status": {"status": "ERROR", "code": "E_TOO_MANY_REQUESTS", "msg": "no"}}', "RateLimitedError", "refused"),
        (409, b'{"status": {"status": "ERROR", "code": "E_TOO_MANY_REQUESTS", "msg": "no"}}', "RateLimitedError", "refused"),
        (200, b'{"status": {"status": "ERROR", "code": "E_UNKNOWN", "msg": "no"}}', "ServerError", "server"),
        (400, b'{"status": {"status": "ERROR", "code": "E_NEW", "msg": "no"}}', "BadRequestError", "client"),
        (200, b'{"status": {"status": "ERROR", "code": "E_WRONG_PARAM", "msg": "no"}}', "BadRequestError", "client"),
        (409, b'{"status": {"status": "ERROR", "code": "E_WRONG_PARAM", "msg": "no"}}', "ConflictError", "client"),
        (418, b'{"status": {"status": "ERROR", "code": "E_WRONG_PARAM", "msg": "no"}}', "BadRequestError", "client"),
        (400, b'{"status": {"status": "ERROR", "code": "E_DUPLICATE", "msg": "no"}}', "ConflictError", "client"),
        (500, b'{"status": {"status": "ERROR", "code": "E_WRONG_PARAM", "msg": "no"}}', "ServerError", "server"),
        (409, problem(409, "Conflict", "Campaign is inactive"), "ConflictError", "client"),
        (409, b'{"message": "taken", "error_code": "DuplicateName", "details": null}', "ConflictError", "client"),
    ],
)  # fmt: skip
def test_every_envelope_gives_the_class_of_its_meaning(status: int, body: bytes, error: str, kind: str) -> None:
    judged = result(status, body)
    assert (judged.error.__name__, judged.kind) == (error, kind)
    assert not judged.ok


@pytest.mark.parametrize("said", ["Please try again later.", "Please try again later"])
def test_what_is_added_to_the_servers_sentence_reads_on(said: str) -> None:
    judged = result(429, problem(429, "Too Many Requests", said), retry_after="90")
    error = error_for(judged, {}, note="the deadline passed")
    assert str(error.args[0]).endswith("try again later; the server asks to wait 90 s; the deadline passed")
    lost = error_for(judged, {}, write_kind="timeout", find_out="look first")
    assert str(lost.args[0]).endswith("try again later; the server asks to wait 90 s; look first")
    assert str(error_for(result(400, problem(400, "Bad request", said)), {}).args[0]).endswith(said)


def test_the_parts_of_an_error_are_kept() -> None:
    judged = result(404, problem(404, "Not Found", "Company not found"), x_request_id="r-9")
    assert (judged.title, judged.detail, judged.request_id) == ("Not Found", "Company not found", "r-9")
    assert judged.timestamp == datetime(2025, 3, 5, 17, 57, tzinfo=UTC)
    coded = result(409, b'{"message": "m", "error_code": "DuplicateName", "details": {"name": "ci"}}')
    assert (coded.code, coded.detail, coded.details) == ("DuplicateName", "m", {"name": "ci"})


def test_only_the_servers_own_error_counts_as_settled() -> None:
    assert result(500, problem(500, "Internal server error", "x")).settled
    assert not result(500, b"<html>").settled
    assert not result(502, b"").settled
    assert not result(504, problem(504, "Gateway Timeout", "x")).settled
    assert not result(500, b'{"message": "Endpoint request timed out"}').settled
    assert not classify(KEYS, TransportFailure(kind="lost", reason="x"), key=KEY, now=lambda: NOW).settled


def test_a_success_is_not_mistaken_for_a_v1_error() -> None:
    assert result(200, b'{"content": [{"label": "\\"ERROR\\""}]}').ok
    assert result(200, b'{"prospects": [{"status": "ERROR"}], "status": {"status": "OK"}}').ok
    assert result(200, b'{"status": "ERROR"}').ok
    assert result(204).ok


def test_a_deletion_repeated_after_a_lost_answer_finds_nothing_and_is_done() -> None:
    deletion = Operation.of("DELETE", "/x", None, account=OWN, idempotent=True)
    gone = RawResponse(status=404, headers={}, body=b"")
    assert classify(deletion, gone, key=KEY, now=lambda: NOW, maybe_done_before=True).ok
    assert not classify(deletion, gone, key=KEY, now=lambda: NOW).ok
    assert not classify(KEYS, gone, key=KEY, now=lambda: NOW, maybe_done_before=True).ok


def test_a_redirect_names_the_host_and_nothing_of_the_query() -> None:
    judged = result(302, location="https://user:pw@evil.example/x?token=abc")
    assert "https://evil.example" in judged.detail
    assert "token" not in judged.detail
    assert "pw" not in judged.detail


def test_a_404_with_the_header_is_about_the_company_only_if_it_says_so() -> None:
    company_header = attrs.evolve(READ, account=7)
    gone = problem(404, "Not Found", "Requested resource does not exist")
    assert result(404, gone, operation=company_header).error is errors.NotFoundError
    assert result(404, problem(404, "Not Found", "Company not found"), operation=company_header).error is (
        errors.CompanyNotFoundError
    )


def test_a_key_that_the_server_says_back_is_not_quoted() -> None:
    judged = result(
        401, problem(401, "123.sentinel-key", "Invalid api key 123.sentinel-key"), x_request_id="123.sentinel-key"
    )
    assert "sentinel" not in f"{judged.title} {judged.detail} {judged.request_id}"


@given(st.text(max_size=60), st.text(max_size=40))
def test_no_header_or_timestamp_breaks_the_judging(location: str, timestamp: str) -> None:
    assert result(302, location=location).kind == "redirect"
    parse_timestamp(timestamp)


@pytest.mark.parametrize("location", ["http://[::1", "http://[x]/", "//["])
def test_a_location_that_is_no_url(location: str) -> None:
    assert result(302, location=location).error is errors.UnexpectedRedirectError


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-05:00"])
def test_a_timestamp_beyond_the_calendar(moment: str) -> None:
    assert parse_timestamp(moment) is None


@given(st.integers(300, 599), st.binary(max_size=200))
def test_any_body_gets_the_class_of_its_status(status: int, body: bytes) -> None:
    judged = result(status, body)
    assert issubclass(judged.error, errors.ApiError)
    if not judged.code:
        family = {4: "client", 5: "server", 3: "redirect"}[status // 100]
        assert judged.kind == ("refused" if status == 429 else family)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("0", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("nan", None),
        ("1e9", None),
        ("9" * 300, float("9" * 300)),
        ("99999999999", 99999999999.0),
        ("٣", None),
        ("Thu, 99 Foo 2026 00:00:00 GMT", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, None, lambda: NOW) == seconds


@given(st.integers(-(10**7), 10**7), st.integers(-100, 10**6))
def test_a_date_to_retry_after_is_measured_by_the_servers_clock(skew: int, wait: int) -> None:
    theirs = NOW + timedelta(seconds=skew)
    later = format_datetime(theirs + timedelta(seconds=wait), usegmt=True)
    seconds = parse_retry_after(later, format_datetime(theirs, usegmt=True), lambda: NOW)
    assert seconds == (wait if wait > 0 else None)


@pytest.mark.parametrize("date", [None, "", "soon", "Thu, 99 Foo 2026 00:00:00 GMT"])
def test_without_a_usable_date_our_clock_counts(date: str | None) -> None:
    later = format_datetime(NOW + timedelta(seconds=90), usegmt=True)
    assert parse_retry_after(later, date, lambda: NOW) == 90


@given(st.text("abcXYZ019\"\\'/é€😀", min_size=4), st.text("-. ", max_size=20), st.booleans())
def test_a_secret_that_was_sent_is_not_said_back(password: str, around: str, as_json: bool) -> None:
    operation = Operation.of("POST", "/v2/mailboxes", dict, account=OWN, secrets=[Secret(password)])
    said = f"{around}{json.dumps(password)[1:-1] if as_json else password}{around}"
    failed = result(
        400, json.dumps({"code": "V", "message": said, "details": [said, {said: said}]}).encode(), operation
    )
    assert failed.detail == f"{around}****{around}"
    assert failed.details == [failed.detail, {failed.detail: failed.detail}]


@given(st.text(max_size=40), st.text(max_size=40))
def test_retry_after_never_breaks(value: str, date: str) -> None:
    seconds = parse_retry_after(value, date, lambda: NOW)
    assert seconds is None or seconds > 0


def test_timestamps_are_aware_and_in_utc() -> None:
    assert parse_timestamp("2025-03-05 17:57:00") == datetime(2025, 3, 5, 17, 57, tzinfo=UTC)
    assert parse_timestamp("2025-03-20T14:32:34+0100") == datetime(2025, 3, 20, 13, 32, 34, tzinfo=UTC)
    assert parse_timestamp("yesterday") is None
    assert parse_timestamp(7) is None


def request_for(operation: Operation):
    return build_request(
        operation,
        prefix="/rest",
        common=common_headers("ua", {"X-App": "a"}),
        dialect=WOODPECKER,
        key=KEY,
        body=None,
    )


def test_the_key_is_in_the_signed_headers_only() -> None:
    request = request_for(
        Operation.of("GET", "/v2/x", dict, account=OWN, params={"active": True, "page": 2, "none": None, "q": "a b&c"})
    )
    assert request.path == "/rest/v2/x"
    assert request.query == "active=true&page=2&q=a%20b%26c"
    assert request.signed_headers() == {
        "X-App": "a",
        "Accept": "application/json",
        "User-Agent": "ua",
        "x-api-key": "123.sentinel-key",
    }
    assert request.headers == {"X-App": "a", "Accept": "application/json", "User-Agent": "ua"}


def words(
    outcome: RawResponse | TransportFailure, operation: Operation = KEYS, *, key: Secret = KEY, **more: str
) -> str:
    """The exception's message, without the context in brackets."""
    judged = classify(operation, outcome, key=key, now=lambda: NOW)
    return error_for(judged, {}, **more).args[0]


def answered(status: int, body: bytes = b"", **headers: str) -> RawResponse:
    return RawResponse(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=body)


PLAN = "check the API key, and that the account's plan and add-on grant API access"
MAIN = "x-company-id and /agency paths need a key of the main agency account"
HTML = b"<html>nginx</html>"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answered(400, problem(400, "Bad request", "no")), "400 Bad request: no"),
        (answered(400, problem(400, "Bad request", "")), "400 Bad request"),
        (answered(400, b'{"message": "no"}'), "400 no"),
        (answered(418), "418 without a body"),
        (answered(418, b" \r\n "), "418 without a body"),
        (answered(401, problem(401, "Unauthorized", "Invalid api key")), f"401 Unauthorized: Invalid api key ({PLAN})"),
        (answered(403), f"403 without a body ({MAIN})"),
        (
            answered(409, problem(409, "Conflict", "Company is inactive")),
            "409 Conflict: Company is inactive (activate the company in Woodpecker first)",
        ),
        (answered(409, b'{"message": "taken", "error_code": "DuplicateName"}'), "409 taken (DuplicateName)"),
        (answered(400, b'{"code": "V", "details": ["a", null, 5, "b"]}'), "400 a; b (V)"),
        (answered(400, b'{"code": "V", "details": null}'), "400 (V)"),
        (
            answered(200, b'{"status": {"status": "ERROR", "code": "E_SESSION", "msg": "no session"}}'),
            f"200 no session (E_SESSION) ({PLAN})",
        ),
        (answered(429, b"", retry_after="3.50"), "429 without a body; the server asks to wait 3.5 s"),
        (
            answered(429, b'{"message": "slow", "code": "C"}', retry_after="90"),
            "429 slow (C); the server asks to wait 90 s",
        ),
        (
            answered(502, HTML, content_type="text/html; charset=utf-8"),
            "502 not an answer of the API, but 18 bytes of text/html, as a proxy would send",
        ),
        (answered(502, HTML), "502 not an answer of the API, but 18 bytes of no content type, as a proxy would send"),
        (answered(502, HTML, content_type="?"), "502 not an answer of the API, but 18 bytes of no content type, as a proxy would send"),
        (
            answered(302, HTML, location="https://user:pw@evil.example/x?token=abc"),
            "302 the server redirects to https://evil.example; no redirect is followed",
        ),
        (answered(302, b"", location="/login"), "302 the server redirects to the same host; no redirect is followed"),
        (answered(302), "302 the server redirects to the same host; no redirect is followed"),
        (answered(307, b"", location="//x.example/y"), "307 the server redirects to the same scheme://x.example; no redirect is followed"),
        (answered(301, b"", location="http://[::1"), "301 the server redirects to something that is no URL; no redirect is followed"),
        (TransportFailure(kind="lost", reason="the connection broke"), "the connection broke"),
        (TransportFailure(kind="not_sent", reason="the name x could not be looked up"), "the name x could not be looked up"),
    ],
)  # fmt: skip
def test_the_words_of_an_error(answer: RawResponse | TransportFailure, said: str) -> None:
    assert words(answer) == said
    assert words(answer, note="the deadline is near") == f"{said}; the deadline is near"
    assert words(answer, write_kind="timeout") == f"it is not known whether this happened: {said}"


def test_what_an_error_carries() -> None:
    body = problem(404, "Not Found", "Company not found")
    context = {"method": "GET", "path": "/x", "company_id": 7, "request_id": "r", "attempts": ()}
    error = error_for(result(404, body), context)
    assert isinstance(error, errors.CompanyNotFoundError)
    assert (error.status, error.title, error.detail, error.code) == (404, "Not Found", "Company not found", None)
    assert error.timestamp == datetime(2025, 3, 5, 17, 57, tzinfo=UTC)
    assert (error.method, error.path, error.company_id, error.request_id) == ("GET", "/x", 7, "r")
    refused = error_for(result(429, b'{"message": "m", "code": "C", "details": ["d"]}', retry_after="7"), context)
    assert isinstance(refused, errors.RateLimitedError)
    assert (refused.retry_after, refused.code, refused.details) == (7.0, "C", ["d"])
    redirect = error_for(result(302, location="https://evil.example/"), context)
    assert isinstance(redirect, errors.UnexpectedRedirectError)
    assert redirect.target == "https://evil.example"
    unknown = error_for(result(500, problem(500, "t", "d")), context, write_kind="server_error")
    assert isinstance(unknown, errors.OutcomeUnknownError)
    assert (unknown.kind, unknown.status, unknown.settled) == ("server_error", 500, True)
    assert (unknown.method, unknown.company_id) == ("GET", 7)
    lost = classify(KEYS, TransportFailure(kind="lost", reason="x"), key=KEY, now=lambda: NOW)
    gone = error_for(lost, context, write_kind="connection_lost")
    assert isinstance(gone, errors.OutcomeUnknownError)
    assert (gone.kind, gone.status, gone.settled) == ("connection_lost", None, False)
    for kind, name in (("lost", "ConnectionLost"), ("timeout", "AttemptTimeout"), ("not_sent", "NotSent")):
        no_answer = classify(KEYS, TransportFailure(kind=kind, reason="x"), key=KEY, now=lambda: NOW)
        assert type(error_for(no_answer, context)).__name__ == f"{name}Error"


def test_a_long_text_of_the_servers_is_cut() -> None:
    judged = result(400, json.dumps({"title": "t" * 400, "detail": "d" * 400, "code": "c" * 400}).encode())
    assert [len(text) for text in (judged.title, judged.detail, judged.code)] == [300, 300, 300]
    assert len(result(400, x_request_id="r" * 400).request_id) == 300


def test_all_headers_and_what_may_be_a_secret_in_them_masked() -> None:
    headers = {"Date": "x", "X-Odd": f"a {KEY.reveal()}\n", "Set-Cookie": "a", "X-Api-Key": KEY.reveal(), "X-Auth": "b"}
    asked = attrs.evolve(READ, all_headers=True)
    shown = {
        "date": "x",
        "x-odd": f"a {KEY.masked}\\n",
        "set-cookie": "****",
        "x-api-key": "****",
        "x-auth": "****",
    }
    assert result(200, b"{}", asked, **headers).headers == result(503, b"{}", asked, **headers).headers == shown
    assert result(200, b"{}", READ, **headers).headers == result(503, b"{}", READ, **headers).headers == {}
