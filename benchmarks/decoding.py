"""The CPU cost of decoding a page into objects: the body is in memory, and nothing is sent."""

import asyncio
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks.figures import marked
from benchmarks.measure import Client, Size, Spread, Stopwatch, in_turn, table
from benchmarks.peers import COMPANY_PAGE, KEY_PAGE, typed_converter
from benchmarks.raw import Connection
from benchmarks.server import Target
from woodpecker_async.engine import codec
from woodpecker_async.models import ApiKey, Company
from woodpecker_async.models.paging import ListBody, Listing

_CONTENT = {
    "keys": ("/v2/agency/companies/7/api_keys", KEY_PAGE, ListBody(ApiKey)),
    "companies": ("/v2/agency/companies", COMPANY_PAGE, ListBody(Company)),
}
_LOADS, _CATTRS, _SDK = "`json.loads` to dicts", "cattrs to attrs classes", "woodpecker-async"


async def _body(to: Target, path: str) -> bytes:
    connection = await Connection.open(to.base_url, to.key)
    answer = await connection.get(path)
    connection.close()
    return answer.partition(b"\r\n\r\n")[2]


def decode(to: Target, what: str, way: str, count: int) -> float:
    """CPU microseconds per page."""
    path, by_hand, ours = _CONTENT[what]
    body = asyncio.run(_body(to, path))
    ways: Mapping[str, Callable[[], Any]] = {
        _LOADS: partial(json.loads, body),
        _CATTRS: partial(typed_converter().loads, body, by_hand),
        _SDK: partial(codec.decode, body, ours),
    }
    read = ways[way]
    read()
    with Stopwatch() as watch:
        for _ in range(count):
            made = read()
    assert len(made["content"] if way == _LOADS else made.content) == 50
    assert way != _SDK or isinstance(made, Listing)
    return watch.spent.cpu / count * 1e6


def section(by: Client, to: Target, size: Size) -> str:
    """The table and its explanation."""
    rounds, pages = {"tiny": (1, 20), "quick": (3, 500), "full": (9, 2000)}[size]
    rows = []
    for what in _CONTENT:
        took = in_turn(rounds, {way: partial(by.run, decode, to, what, way, pages) for way in (_LOADS, _CATTRS, _SDK)})
        rows.append([f"50 {what}", *(f"{Spread.of(figures).median:.0f} µs" for figures in took.values())])
    return (
        "Decoding alone: CPU to turn the body of a page, already in memory, into objects. `json.loads` returns plain "
        "dicts and checks nothing; cattrs and the SDK return validated objects.\n\n"
    ) + marked("decoding", table(["Page", _LOADS, _CATTRS, _SDK], rows))
