"""The clients that are compared: what an engineer would write without the SDK, and the SDK.

Opening a client on a target yields `fetch`. Given a company's id, `fetch` reads all its API keys; given `None`, the
first page of companies; given `PROSPECTS`, a page of 1,000 prospects. It returns the number of items, or `None` if the
server refused the request; for a hand-written client, that company is then lost.
All clients follow the pages, because a client that does not has not done the job.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Generic, TypeVar

import aiohttp
import attrs
import cattrs.preconf.json
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from benchmarks import raw
from benchmarks.measure import Spent, Stopwatch
from benchmarks.server import Target
from woodpecker_async import Limits, WoodpeckerSession, bulk
from woodpecker_async.options import Lanes

T = TypeVar("T")

PROSPECTS: Final = 0  # used instead of a company's id

Fetch = Callable[[int | None], Awaitable[int | None]]
Opened = Callable[[Target], AbstractAsyncContextManager[Fetch]]
Get = Callable[[str], Awaitable[Any]]


@attrs.frozen(kw_only=True)
class Peer:
    """A client.

    Attributes:
        title: its name in the tables.
        open: opens it on a target.
        at_once: number of requests in flight; `None` for all at once.
        needs: a package that may be missing.
        ours: whether it is the SDK.
    """

    title: str
    open: Opened
    at_once: int | None
    needs: str | None = None
    ours: bool = False

    @property
    def available(self) -> bool:
        """Whether its package is installed."""
        return self.needs is None or find_spec(self.needs) is not None


async def drive(fetch: Fetch, ids: Iterable[int | None], at_once: int | None) -> int:
    """Fetch all ids with `gather` and a semaphore, and return how many were answered."""
    if at_once is None:
        return _answered(await asyncio.gather(*map(fetch, ids)))
    gate = asyncio.Semaphore(at_once)

    async def one(company_id: int | None) -> int | None:
        async with gate:
            return await fetch(company_id)

    return _answered(await asyncio.gather(*map(one, ids)))


def _answered(counts: Iterable[int | None]) -> int:
    return sum(count is not None for count in counts)


def _path(company_id: int | None) -> str:
    if company_id == PROSPECTS:
        return "/v1/prospects?per_page=1000"
    return "/v2/agency/companies" if company_id is None else f"/v2/agency/companies/{company_id}/api_keys"


async def _walk(get: Get, company_id: int | None) -> int | None:
    """Read page by page, by hand. `get` returns the parsed page, or `None` if the request was refused."""
    path = _path(company_id)
    items: list[dict[str, Any]] = []
    number = last = 1
    while number <= last:
        page = await get(path if number == 1 else f"{path}?page={number}")
        if page is None:
            return None
        if company_id == PROSPECTS:
            return len(page)
        items += page["content"]
        last = page["pagination_data"]["total_pages"]
        number += 1
    return len(items)


@asynccontextmanager
async def _aiohttp(target: Target) -> AsyncIterator[Fetch]:
    headers, connector = {"x-api-key": target.key}, aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:

        async def get(path: str) -> Any:
            async with session.get(target.base_url + path) as response:
                return json.loads(await response.read()) if response.status == 200 else None

        yield partial(_walk, get)


_TIMES: Final = ("last_contacted", "last_replied", "updated")
_TEXTS: Final = (
    *("email", "first_name", "last_name", "company", "industry", "website", "linkedin_url", "tags", "title", "phone"),
    *("address", "city", "state", "country", "status", *(f"snippet{n}" for n in range(1, 16))),
)


@attrs.frozen
class _Key:
    api_key: str
    label: str | None = None


@attrs.frozen
class _Company:
    id: int
    name: str
    owner: str | None = None
    active: bool | None = None
    running_campaigns: int | None = None
    email_slots: int | None = None
    linkedin_slots: int | None = None


_FIELDS: Final[dict[str, Any]] = {
    "id": int,
    "organization_id": int | None,
    **dict.fromkeys(_TEXTS, str | None),
    **dict.fromkeys(_TIMES, datetime | None),
}
_Prospect: Any = attrs.make_class(
    "_Prospect", {name: attrs.field(type=kind) for name, kind in _FIELDS.items()}, frozen=True, kw_only=True
)


@attrs.frozen
class _PageData:
    total_pages: int


@attrs.frozen
class _Page(Generic[T]):
    content: list[T]
    pagination_data: _PageData


KEY_PAGE: Final[Any] = _Page[_Key]
COMPANY_PAGE: Final[Any] = _Page[_Company]


def typed_converter() -> cattrs.preconf.json.JsonConverter:
    """The hand-written conversion of JSON to typed objects."""
    converter = cattrs.preconf.json.make_converter()
    converter.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))
    return converter


class _ServerError(Exception):
    pass


@asynccontextmanager
async def _typed(target: Target) -> AsyncIterator[Fetch]:
    """The SDK's job with the same packages: typed responses with attrs and cattrs, and tenacity around each call."""
    headers, connector = {"x-api-key": target.key}, aiohttp.TCPConnector(limit=0)
    converter = typed_converter()
    retrying = partial(
        AsyncRetrying,
        retry=retry_if_exception_type((_ServerError, aiohttp.ClientConnectionError)),
        wait=wait_random_exponential(0.5, 8),
        stop=stop_after_attempt(5),
        reraise=True,
    )
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:

        async def get(url: str) -> bytes | None:
            async with session.get(url) as response:
                if response.status >= 500:
                    raise _ServerError
                return await response.read() if response.status == 200 else None

        async def fetch(company_id: int | None) -> int | None:
            url = target.base_url + _path(company_id)
            model = COMPANY_PAGE if company_id is None else KEY_PAGE
            if company_id == PROSPECTS:
                prospects: bytes | None = await retrying()(get, url)
                return None if prospects is None else len(converter.loads(prospects, list[_Prospect]))
            items: list[Any] = []
            number = last = 1
            while number <= last:
                body: bytes | None = await retrying()(get, url if number == 1 else f"{url}?page={number}")
                if body is None:
                    return None
                page = converter.loads(body, model)
                items += page.content
                last = page.pagination_data.total_pages
                number += 1
            return len(items)

        yield fetch


@asynccontextmanager
async def _httpx(target: Target) -> AsyncIterator[Fetch]:
    httpx: Any = import_module("httpx")
    async with httpx.AsyncClient(headers={"x-api-key": target.key}, timeout=60) as session:

        async def get(path: str) -> Any:
            response = await session.get(target.base_url + path)
            return response.json() if response.status_code == 200 else None

        yield partial(_walk, get)


@asynccontextmanager
async def _sample(target: Target) -> AsyncIterator[Fetch]:
    """As in the API's documentation: `requests.get`, with a new connection each time."""
    requests: Any = import_module("requests")

    async def get(path: str) -> Any:
        response = requests.get(target.base_url + path, headers={"x-api-key": target.key})
        return response.json() if response.status_code == 200 else None

    yield partial(_walk, get)


@asynccontextmanager
async def _requests(target: Target) -> AsyncIterator[Fetch]:
    requests: Any = import_module("requests")
    with requests.Session() as session:
        session.headers["x-api-key"] = target.key

        async def get(path: str) -> Any:
            response = session.get(target.base_url + path)
            return response.json() if response.status_code == 200 else None

        yield partial(_walk, get)


@asynccontextmanager
async def _floor(target: Target) -> AsyncIterator[Fetch]:
    idle: list[raw.Connection] = []

    async def get(path: str) -> Any:
        connection = idle.pop() if idle else await raw.Connection.open(target.base_url, target.key)
        answer = await connection.get(path)
        idle.append(connection)
        head, _, body = answer.partition(b"\r\n\r\n")
        return json.loads(body) if b" 200 " in head[:13] else None

    try:
        yield partial(_walk, get)
    finally:
        for connection in idle:
            connection.close()


@asynccontextmanager
async def _sdk(target: Target, lanes: Lanes = "account") -> AsyncIterator[Fetch]:
    async with WoodpeckerSession(target.key, base_url=target.base_url, limits=Limits(lanes=lanes)) as woodpecker:

        async def fetch(company_id: int | None) -> int:
            if company_id is None:
                return len(await woodpecker.agency.companies.list())
            if company_id == PROSPECTS:
                return len(await woodpecker.account.prospects.list(per_page=1000))
            return len(await woodpecker.agency.api_keys.list(company_id))

        yield fetch


@attrs.frozen
class Done:
    """The result of a whole job.

    Attributes:
        answered: number of companies whose keys were received.
        spent: the time spent, including connecting.
    """

    answered: int
    spent: Spent


def by_hand(peer: Peer, to: Target, companies: Iterable[int] | None = None) -> Done:
    """Fetch all companies, or those given, with `gather`, in a new event loop. Refused companies are lost."""

    async def job() -> int:
        async with peer.open(to) as fetch:
            return await drive(fetch, to.company_ids if companies is None else companies, peer.at_once)

    with Stopwatch() as watch:
        answered = asyncio.run(job())
    return Done(answered, watch.spent)


def in_bulk(
    to: Target, companies: Iterable[int] | None = None, lanes: Lanes = "account", shared: str | None = None
) -> Done:
    """The same with `bulk.list_api_keys`, without keeping the outcomes."""
    limits = Limits(lanes=lanes, shared=shared)

    async def job() -> int:
        async with (
            WoodpeckerSession(to.key, base_url=to.base_url, limits=limits) as woodpecker,
            bulk.list_api_keys(woodpecker, to.company_ids if companies is None else companies) as run,
        ):
            answered = 0
            async for outcome in run:
                answered += outcome.ok
            return answered

    with Stopwatch() as watch:
        answered = asyncio.run(job())
    return Done(answered, watch.spent)


FLOOR = Peer(title="raw asyncio connections, 7", open=_floor, at_once=7)
SAMPLE = Peer(title="sample from the API docs (requests)", open=_sample, at_once=1, needs="requests")
REQUESTS = Peer(title="requests with a session", open=_requests, at_once=1, needs="requests")
HTTPX = Peer(title="httpx, semaphore of 7", open=_httpx, at_once=7, needs="httpx")
ONE_BY_ONE = Peer(title="aiohttp, one at a time", open=_aiohttp, at_once=1)
SEVEN = Peer(title="aiohttp, semaphore of 7", open=_aiohttp, at_once=7)
TYPED = Peer(title="aiohttp, attrs, cattrs, tenacity, semaphore of 7", open=_typed, at_once=7)
FIFTY = Peer(title="aiohttp, semaphore of 50", open=_aiohttp, at_once=50)
UNBOUND = Peer(title="aiohttp, no semaphore", open=_aiohttp, at_once=None)
SDK = Peer(title="woodpecker-async", open=_sdk, at_once=7, ours=True)
SDK_BY_COMPANY = Peer(title="woodpecker-async", open=partial(_sdk, lanes="company"), at_once=50, ours=True)
SDK_DISCOVER = Peer(title="woodpecker-async", open=partial(_sdk, lanes="discover"), at_once=50, ours=True)


def available(peers: Iterable[Peer]) -> list[Peer]:
    """The clients whose package is installed; a line is printed for each of the others."""
    there = []
    for peer in peers:
        if peer.available:
            there.append(peer)
        else:
            print(f"Skipping {peer.title}, which needs {peer.needs}: pip install '.[bench]'")
    return there
