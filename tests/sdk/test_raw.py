"""`raw`: the unmodified response, whatever its status."""

import asyncio
import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes import VirtualClock
from tests.raw import answer, raw_server
from tests.waiting import until_async
from woodpecker_async import CallOptions, Limits, RawResponse, RetryPolicy, WoodpeckerSession, errors
from woodpecker_async.sandbox import Fault, Sandbox


async def test_a_success_with_all_that_came(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    company = box.company_ids[0]
    path = f"/v2/agency/companies/{company}/api_keys"
    got = await woodpecker.raw("GET", path, params={"page": 1})
    assert (got.status, got.ok, got.error, got.method, got.path) == (200, True, None, "GET", path)
    assert got.json() == await woodpecker.request("GET", path, params={"page": 1})
    assert json.loads(got.read()) == json.loads(got.text()) == got.json()
    assert got.headers["content-type"].startswith("application/json")
    assert [attempt.status for attempt in got.attempts] == [200]
    got.raise_for_error()


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 409, 418, 500, 503])
async def test_a_failed_status_is_returned(box: Sandbox, status: int) -> None:
    box.faults.add(Fault.body({"title": "no", "detail": "because"}, status=status, times=None))
    async with box.session(clock=VirtualClock(), retry=RetryPolicy(attempts=2)) as woodpecker:
        got = await woodpecker.account.raw("GET", "/v2/mailboxes")
        with pytest.raises(errors.ApiError) as caught:
            await woodpecker.account.request("GET", "/v2/mailboxes")
    assert (got.status, got.json()) == (status, {"title": "no", "detail": "because"})
    assert type(got.error) is type(caught.value)
    assert got.error is not None
    assert got.error.args == caught.value.args
    assert [(one.number, one.status, one.failure) for one in got.attempts] == [
        (one.number, one.status, one.failure) for one in caught.value.attempts
    ]
    with pytest.raises(type(got.error)):
        got.raise_for_error()


async def test_it_is_repeated_like_a_request(box: Sandbox) -> None:
    box.faults.add(Fault.status(503), Fault.close(), Fault.status(429))
    async with box.session(clock=VirtualClock()) as woodpecker:
        got = await woodpecker.raw("GET", "/v1/me", company_id=None)
    assert [attempt.status for attempt in got.attempts] == [503, None, 429, 200]
    assert got.status == 200


async def test_a_write_is_not_and_its_unknown_outcome_is_said(box: Sandbox) -> None:
    box.faults.add(Fault.status(500))
    async with box.session() as woodpecker:
        got = await woodpecker.raw("POST", "/v2/agency/companies", json={"companies": [{"name": "Aviato"}]})
    assert (got.status, len(got.attempts)) == (500, 1)
    assert isinstance(got.error, errors.OutcomeUnknownError)


async def test_without_an_answer_it_raises(box: Sandbox) -> None:
    box.faults.add(Fault.status(503), Fault.close(times=None))
    async with box.session(clock=VirtualClock(), retry=RetryPolicy(attempts=3)) as woodpecker:
        with pytest.raises(errors.ConnectionLostError) as caught:
            await woodpecker.raw("GET", "/v1/me", company_id=None)
    assert [attempt.status for attempt in caught.value.attempts] == [503, None, None]


async def test_an_earlier_answer_is_not_taken_for_the_last(box: Sandbox) -> None:
    box.faults.add(Fault.status(429), Fault.wait(30))
    woodpecker = box.session(clock=VirtualClock())
    task = asyncio.create_task(woodpecker.raw("POST", "/v2/agency/companies", json={"companies": [{"name": "Aviato"}]}))
    await until_async(lambda: len(box.journal) == 2)
    await woodpecker.aclose()
    with pytest.raises(errors.OutcomeUnknownError) as caught:
        await task
    assert caught.value.kind == "closed"


async def test_an_error_of_the_legacy_api_inside_a_200_is_one(box: Sandbox) -> None:
    box.faults.add(Fault.v1_error("E_NO_PERMISSION"))
    async with box.session() as woodpecker:
        got = await woodpecker.raw("GET", "/v1/agency/companies")
    assert (got.status, got.ok) == (200, False)
    assert isinstance(got.error, errors.PermissionDeniedError)
    assert got.json()["status"]["code"] == "E_NO_PERMISSION"


async def test_what_got_no_turn_again_is_the_answer_before(box: Sandbox) -> None:
    box.faults.add(Fault.status(503), Fault.wait(0.6))
    session = box.session(limits=Limits(max_in_flight=1), retry=RetryPolicy(initial_backoff=0.2, deadline=0.5))
    async with session as woodpecker:
        first = asyncio.create_task(woodpecker.raw("GET", "/v1/me", company_id=None))
        await until_async(lambda: len(box.journal) == 1)
        second = asyncio.create_task(woodpecker.account.me(options=CallOptions(deadline=30)))
        got = await first
        await second
    assert (got.status, len(got.attempts)) == (503, 1)
    assert isinstance(got.error, errors.ServerError)


async def test_it_acts_on_the_account_that_is_said(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    first, second = box.company_ids[:2]
    mine = await woodpecker.raw("GET", "/v1/me", company_id=first)
    async with woodpecker.company(second) as client:
        theirs = await client.raw("GET", "/v1/me")
    own = await woodpecker.account.raw("GET", "/v1/me")
    assert [got.company_id for got in (mine, theirs, own)] == [first, second, None]
    assert [request.headers.get("x-company-id") for request in box.journal][-3:] == [str(first), str(second), None]
    with pytest.raises(errors.ScopeClosedError):
        await client.raw("GET", "/v1/me")


@pytest.mark.parametrize(
    "call",
    [
        lambda w: w.raw("GET", "/v1/me"),
        lambda w: w.raw("GET", "/v2/agency/companies", company_id=7),
        lambda w: w.raw("BREW", "/v1/me", company_id=None),
        lambda w: w.raw("GET", "https://elsewhere.example/", company_id=None),
        lambda w: w.raw("GET", "/v1/me?x=1", company_id=None),
        lambda w: w.account.raw("GET", "/v2/agency/companies"),
    ],
)
async def test_what_request_refuses_it_refuses(
    box: Sandbox, woodpecker: WoodpeckerSession, call: Callable[[WoodpeckerSession], Any]
) -> None:
    with pytest.raises(errors.ConfigError):
        await call(woodpecker)
    assert not len(box.journal)


async def test_what_cannot_be_parsed_is_there_all_the_same(box: Sandbox) -> None:
    box.faults.add(Fault.html(200), Fault.body(None))
    async with box.session() as woodpecker:
        got = await woodpecker.account.raw("GET", "/v1/me")
        nothing = await woodpecker.account.raw("GET", "/v1/me")
    assert got.ok
    assert b"<html" in got.read().lower()
    with pytest.raises(errors.ResponseDecodeError, match="the server sent 200, but the body is not JSON") as caught:
        got.json()
    assert "<" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert nothing.json() is None


async def test_a_body_that_is_too_large_is_said_to_be(box: Sandbox) -> None:
    async with box.session(limits=Limits(max_body=10)) as woodpecker:
        got = await woodpecker.raw("GET", "/v2/agency/companies")
    assert got.status == 200
    assert "max_body" in got.unreadable
    assert got.read() == b""


async def test_headers_come_without_their_secrets() -> None:
    key = "123456.SENTINELsentinel123"
    head = (
        "Set-Cookie: session=topsecret1\r\nX-Api-Key: topsecret2\r\nX-Auth-Token: topsecret3\r\n"
        "Authorization: Bearer topsecret4\r\nLocation: https://u:topsecret5@x.example/a?token=topsecret6#topsecret7\r\n"
        f"X-Echo: it was {key}\r\nVia: 1.1 a\r\nVia: 1.1 b\r\nX-Request-Id: r-1\r\nX-RateLimit-Tokens: 17\r\n"
        "WWW-Authenticate: Bearer realm=vendor\r\nRetry-After: 3600\r\n"
    )

    async def handle(*_: object) -> bytes:
        return answer(b"{}", "429 Slow Down").replace(b"\r\n", b"\r\n" + head.encode(), 1)

    async with raw_server(handle) as server, WoodpeckerSession(key, base_url=server.url) as woodpecker:
        got = await woodpecker.account.raw("GET", "/v1/me")
    assert (got.status, got.request_id) == (429, "r-1")
    told = repr(got) + repr(dict(got.headers))
    assert "topsecret" not in told
    assert key not in told
    assert got.headers["location"] == "https://****@x.example/a?****"
    assert got.headers["set-cookie"] == got.headers["x-api-key"] == "****"
    assert got.headers["via"] == "1.1 a, 1.1 b"
    assert got.headers["x-ratelimit-tokens"] == "17"
    assert got.headers["www-authenticate"] == "Bearer realm=vendor"
    assert isinstance(got.error, errors.RateLimitedError)


async def test_the_body_is_in_no_repr_and_no_pickle(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    got = await woodpecker.raw("GET", f"/v2/agency/companies/{box.company_ids[0]}/api_keys")
    secret = box.state.companies[box.company_ids[0]].keys[0].secret
    assert secret in got.text()
    assert secret not in repr(got)
    assert copy.copy(got) is copy.deepcopy(got) is got
    pickled = pickle.dumps(got)
    assert secret.encode() not in pickled
    carried = pickle.loads(pickled)
    assert (repr(carried), carried.headers) == (repr(got), got.headers)
    with pytest.raises(errors.SecretNotCarriedError, match=r"call read\(\) in the process that made the call"):
        carried.text()


async def test_keep_raw_and_strict_do_no_harm(woodpecker: WoodpeckerSession) -> None:
    got = await woodpecker.raw("GET", "/v1/me", company_id=None, options=CallOptions(keep_raw=True, strict=True))
    assert isinstance(got, RawResponse)
    assert got.ok
