"""Many agencies in one process: what their sessions share, and what each of them may use."""

import asyncio
import gc
import json
import ssl
from asyncio.sslproto import SSLProtocol

import aiohttp
import pytest
import trustme

from tests.raw import RawServer, answer, raw_server
from woodpecker_async import RetryPolicy, WoodpeckerSession, bulk, errors

IDS = range(1, 11)


def page(padding: int = 0) -> bytes:
    """A page with one key, with a label of this length."""
    counts = {"total_elements": 1, "total_pages": 1, "current_page_number": 1, "page_size": 50}
    key = {"api_key": "1.key", "label": "x" * padding}
    return answer(json.dumps({"content": [key], "pagination_data": counts}).encode())


async def keys(server: RawServer, number: int, head: str) -> bytes:
    await asyncio.sleep(0.005)  # so that requests overlap
    return page()


async def list_ten(woodpecker: WoodpeckerSession) -> None:
    async with bulk.list_api_keys(woodpecker, IDS) as run:
        assert [outcome.error async for outcome in run] == [None] * len(IDS)


def tls_server(authority: trustme.CA) -> ssl.SSLContext:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    return server_side


async def test_all_sessions_share_one_tls_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Creating one loads the machine's certificates: megabytes, and tens of milliseconds."""
    authority, used = trustme.CA(), set()
    wrap = ssl.SSLContext.wrap_bio

    def wrapping(context, *args, server_side=False, **settings):
        if not server_side:
            used.add(context)
        return wrap(context, *args, server_side=server_side, **settings)

    monkeypatch.setattr(ssl.SSLContext, "wrap_bio", wrapping)
    async with raw_server(keys, tls_server(authority)) as server:
        url = server.url.replace("http:", "https:")
        async with WoodpeckerSession("0.key", base_url=url, retry=RetryPolicy(attempts=1)) as woodpecker:
            with pytest.raises(errors.NotSentError, match="not trusted"):
                await woodpecker.account.me()
        (shared,) = used
        authority.configure_trust(shared)
        for number in range(1, 21):
            async with WoodpeckerSession(f"{number}.key", base_url=url) as woodpecker:
                await list_ten(woodpecker)
    assert used == {shared}


@pytest.mark.parametrize("lent", [False, True], ids=["own connections", "a lent connector"])
async def test_sockets_are_bounded(lent: bool) -> None:
    sessions, bound = 20, 12 if lent else 20 * 7
    connector = aiohttp.TCPConnector(limit=bound) if lent else None
    shared = aiohttp.ClientSession(connector=connector) if lent else None
    async with raw_server(keys) as server:
        agencies = [
            WoodpeckerSession(f"{number}.key", base_url=server.url, http_session=shared) for number in range(sessions)
        ]
        await asyncio.gather(*map(list_ten, agencies))
        for agency in agencies:
            await agency.aclose()
        # Those that were created; none was closed, so this is the maximum.
        assert server.connections <= bound
        seen = [head.lower().count("x-api-key: ") for head in server.requests]
        assert seen == [1] * sessions * len(IDS)
        if shared is not None:
            await shared.close()


async def test_a_tls_connection_keeps_little_room_and_takes_large_answers() -> None:
    """asyncio gives each one a 256 KiB read buffer for its lifetime."""
    authority, longest = trustme.CA(), 300_000

    async def long_and_short(server: RawServer, number: int, head: str) -> bytes:
        return page(longest if number % 2 else 0)

    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with raw_server(long_and_short, tls_server(authority)) as server:
        url = server.url.replace("http:", "https:")
        async with WoodpeckerSession("1.key", base_url=url, ssl_context=trusting) as woodpecker:
            for length in (longest, 0, longest, 0):
                (key,) = await woodpecker.agency.api_keys.list(1).collect()
                assert key.label == "x" * length
            ours = [one for one in gc.get_objects() if isinstance(one, SSLProtocol) and not one._server_side]
            assert [len(one._ssl_buffer) for one in ours] == [64 * 1024]
        assert server.connections == 1
