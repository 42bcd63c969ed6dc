"""The shape of each request, and scripted statuses: a thin layer without a server."""

import json
from collections.abc import Iterator

import aiohttp
import pytest
from aioresponses import aioresponses
from aioresponses.compat import normalize_url

from tests.aioresponses_shim import mocked
from tests.calls import ROWS, method_at
from tests.fakes import VirtualClock
from woodpecker_async import WoodpeckerSession, errors
from woodpecker_async.feldera import FelderaSession

BASE = "https://api.woodpecker.co/rest"


@pytest.fixture
def mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    with mocked(monkeypatch) as started:
        yield started


async def test_the_shim_is_still_needed() -> None:
    """If this fails, a new aioresponses works with aiohttp: delete tests/aioresponses_shim.py."""
    with aioresponses() as plain:
        plain.get("http://x.example/")
        async with aiohttp.ClientSession() as session:
            with pytest.raises(TypeError, match="stream_writer"):
                await session.get("http://x.example/")


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.one_request])
async def test_what_is_sent(mock: aioresponses, name: str) -> None:
    row = ROWS[name]
    mock.add(BASE + row.path, row.method, payload=row.answer)
    async with WoodpeckerSession("1.key") as woodpecker:
        await row.call(method_at(woodpecker, name))
    ((key, requests),) = mock.requests.items()
    assert key == (row.method, normalize_url(BASE + row.path))
    (request,) = requests
    headers, data = request.kwargs["headers"], request.kwargs["data"]
    assert headers["x-api-key"] == "1.key"
    assert "x-company-id" not in headers
    assert headers["User-Agent"].startswith("woodpecker-async/")
    assert (json.loads(data) if data is not None else None) == row.body
    assert ("Content-Type" in headers) == (row.body is not None)
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
        # Without a socket nothing is seen to be sent, so this one may be retried, and gets no response.
        with pytest.raises(errors.NotSentError):
            await woodpecker.agency.companies.create(["Aviato"])
