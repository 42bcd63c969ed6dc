"""Plain HTTP clients: the tests of the sandbox must not use the SDK."""

from contextlib import asynccontextmanager

import aiohttp
import pytest
from attrs import define, field

from woodpecker_async.sandbox import Sandbox


@define
class Got:
    status: int
    headers: dict
    body: bytes
    data: object = None


@define
class Client:
    box: Sandbox
    http: aiohttp.ClientSession
    key: str | None = field(repr=False)

    async def __call__(self, method, path, *, json=None, data=None, headers=None, key=...):
        used = self.key if key is ... else key
        sent = {**({} if used is None else {"x-api-key": used}), **(headers or {})}
        url = self.box.feldera_url + path if path.startswith("/v0") else self.box.base_url + path
        async with self.http.request(method, url, json=json, data=data, headers=sent, allow_redirects=False) as answer:
            body = await answer.read()
            is_json = answer.headers.get("Content-Type", "").startswith("application/json") and body
            return Got(answer.status, dict(answer.headers), body, await answer.json() if is_json else None)


@asynccontextmanager
async def _opened(**options):
    # A new connection for each request: aiohttp retries a GET by itself if a reused one is closed.
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with Sandbox(**options) as box, aiohttp.ClientSession(connector=connector) as http:
        yield Client(box, http, box.hq_key)


@pytest.fixture
def opened():
    return _opened


@pytest.fixture
async def api():
    async with _opened(companies=4, keys_per_company=3, inactive=1, other_users_keys=1) as client:
        yield client
