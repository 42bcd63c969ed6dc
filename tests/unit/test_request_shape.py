"""The shape of each request, and scripted statuses: a thin layer without a server."""

import json
from collections.abc import Iterator

import aiohttp
import pytest
from aioresponses import aioresponses
from yarl import URL

from tests.aioresponses_shim import mocked
from tests.fakes import VirtualClock
from woodpecker_async import WoodpeckerSession, errors
from woodpecker_async.feldera import FelderaSession

BASE = "https://api.woodpecker.co/rest"


@pytest.fixture
def mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    with mocked(monkeypatch) as started:
        yield started


async def test_the_shim_is_still_needed() -> None:
    """When this fails, a new aioresponses fits aiohttp: delete tests/aioresponses_shim.py."""
    with aioresponses() as plain:
        plain.get("http://x.example/")
        async with aiohttp.ClientSession() as session:
            with pytest.raises(TypeError, match="stream_writer"):
                await session.get("http://x.example/")


def page(content: list[object]) -> dict[str, object]:
    return {
        "content": content,
        "pagination_data": {"total_elements": 1, "total_pages": 1, "current_page_number": 1, "page_size": 50},
    }


CALLS = {
    "companies.list": (
        lambda w: w.agency.companies.list(active=False).collect(),
        ("GET", "/v2/agency/companies?active=false&page=1", None, page([])),
    ),
    "companies.create": (
        lambda w: w.agency.companies.create(["Aviato"]),
        ("POST", "/v2/agency/companies", {"companies": [{"name": "Aviato"}]}, {"companies": [{"id": 1, "name": "A"}]}),
    ),
    "api_keys.list": (
        lambda w: w.agency.api_keys.list(7).collect(),
        ("GET", "/v2/agency/companies/7/api_keys?page=1", None, page([{"api_key": "1.a", "label": None}])),
    ),
    "api_keys.create_once": (
        lambda w: w.agency.api_keys.create_once(7, "crm"),
        ("POST", "/v2/agency/companies/7/api_keys", {"label": "crm"}, {"api_key": "1.a"}),
    ),
    "email_accounts.list": (
        lambda w: w.agency.email_accounts.list(7).collect(),
        ("GET", "/v2/agency/companies/7/email_accounts", None, {"content": []}),
    ),
    "users.list": (
        lambda w: w.agency.users.list(7, role="owner").collect(),
        ("GET", "/v2/agency/companies/7/users?role=owner&page=1", None, page([{"id": 1, "name": "n", "email": "e"}])),
    ),
    "guests.invite": (
        lambda w: w.agency.guests.invite(
            7, [{"name": "Monica Hall", "email": "m@example.com", "permissions": ["mailboxes"]}]
        ),
        (
            "POST",
            "/v2/agency/companies/7/invite_guest",
            {"guests": [{"name": "Monica Hall", "email": "m@example.com", "guest_permissions": ["mailboxes"]}]},
            {},
        ),
    ),
    "blacklist.domains.list": (
        lambda w: w.agency.blacklist.domains.list(filter=["a.com", "b.com"], per_page=10).collect(),
        (
            "GET",
            "/v2/agency/blacklist/domains?domain_filter=a.com%2Cb.com&per_page=10&page=0",
            None,
            {"domains": ["a.com"], "total": 1},
        ),
    ),
    "blacklist.domains.add": (
        lambda w: w.agency.blacklist.domains.add(["a.com"]),
        ("POST", "/v2/agency/blacklist/domains", {"domains": ["a.com"]}, None),
    ),
    "blacklist.domains.remove": (
        lambda w: w.agency.blacklist.domains.remove(["a.com"]),
        ("DELETE", "/v2/agency/blacklist/domains", {"domains": ["a.com"]}, None),
    ),
    "inbox.list": (
        lambda w: w.account.inbox.list(
            interest="INTERESTED", campaign_ids=[1, 2], search=["call me"], read=False
        ).collect(),
        (
            "GET",
            "/v2/inbox/messages?prospect_interest_level=INTERESTED&campaign_ids=1%2C2&search_phrases=call%20me&read=false",
            None,
            {"content": [{"id": 1}], "pagination": {"next_page_cursor": None}},
        ),
    ),
    "v1.companies": (
        lambda w: w.agency_v1.companies().collect(),
        ("GET", "/v1/agency/companies", None, []),
    ),
    "v1.create_api_key": (
        lambda w: w.agency_v1.create_api_key(11111111, "key's label"),
        ("POST", "/v1/agency/companies/api/add", {"company_id": 11111111, "name": "key's label"}, {"api_key": "g"}),
    ),
    "v1.create_company": (
        lambda w: w.agency_v1.create_company("Bachmanity Infinite"),
        ("POST", "/v1/agency/companies/add", {"name": "Bachmanity Infinite"}, {"id": 1, "name": "B", "api_keys": []}),
    ),
    "me": (lambda w: w.account.me(), ("GET", "/v1/me", None, {})),
    "mailboxes.list": (lambda w: w.account.mailboxes.list().collect(), ("GET", "/v2/mailboxes", None, [])),
}


@pytest.mark.parametrize("name", CALLS)
async def test_what_is_sent(mock: aioresponses, name: str) -> None:
    call, (method, path, body, payload) = CALLS[name]
    mock.add(URL(BASE + path, encoded=True), method, payload=payload)
    async with WoodpeckerSession("1.key") as woodpecker:
        await call(woodpecker)
    ((key, requests),) = mock.requests.items()
    assert key == (method, URL(BASE + path, encoded=True))
    (request,) = requests
    headers, data = request.kwargs["headers"], request.kwargs["data"]
    assert headers["x-api-key"] == "1.key"
    assert "x-company-id" not in headers
    assert headers["User-Agent"].startswith("woodpecker-async/")
    assert (json.loads(data) if data is not None else None) == body
    assert ("Content-Type" in headers) == (body is not None)
    assert request.kwargs["allow_redirects"] is False


async def test_what_feldera_is_sent(mock: aioresponses) -> None:
    mock.post(
        "http://localhost:8080/v0/api_keys",
        status=201,
        payload={"api_key": "apikey:x", "id": "67e55044-10b1-426f-9247-bb680e5fe0c8", "name": "ci"},
    )
    async with FelderaSession("http://localhost:8080/", token="jwt") as feldera:
        await feldera.api_keys.create(name="ci")
    ((request,),) = mock.requests.values()
    assert request.kwargs["headers"]["Authorization"] == "Bearer jwt"
    assert json.loads(request.kwargs["data"]) == {"name": "ci"}


async def test_500_is_repeated_with_full_jitter(mock: aioresponses) -> None:
    clock = VirtualClock(chance=0.5)
    for status in (500, 502, 503):
        mock.get(f"{BASE}/v1/me", status=status)
    mock.get(f"{BASE}/v1/me", payload={"id": 1})
    async with WoodpeckerSession("1.key", clock=clock) as woodpecker:
        assert (await woodpecker.account.me())["id"] == 1
    assert clock.slept == [0.25, 0.5, 1.0]


async def test_the_last_error_is_the_one_that_is_raised(mock: aioresponses) -> None:
    for _ in range(5):
        mock.get(f"{BASE}/v1/me", status=503, body="<html>")
    async with WoodpeckerSession("1.key", clock=VirtualClock()) as woodpecker:
        with pytest.raises(errors.ServerError) as caught:
            await woodpecker.account.me()
    assert [attempt.status for attempt in caught.value.attempts] == [503] * 5
    assert [attempt.wait for attempt in caught.value.attempts] == [0, 0.25, 0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 422])
async def test_a_refusal_is_final(mock: aioresponses, status: int) -> None:
    mock.get(f"{BASE}/v1/me", status=status)
    async with WoodpeckerSession("1.key", clock=VirtualClock()) as woodpecker:
        with pytest.raises(errors.ApiError) as caught:
            await woodpecker.account.me()
    assert caught.value.status == status
    assert sum(len(requests) for requests in mock.requests.values()) == 1


async def test_a_failure_of_the_network_is_ours(mock: aioresponses) -> None:
    mock.post(f"{BASE}/v2/agency/companies", exception=aiohttp.ServerDisconnectedError())
    async with WoodpeckerSession("1.key", clock=VirtualClock()) as woodpecker:
        # Without a socket nothing is ever seen to be sent, so this one may be repeated, and meets no answer.
        with pytest.raises(errors.NotSentError):
            await woodpecker.agency.companies.create(["Aviato"])
