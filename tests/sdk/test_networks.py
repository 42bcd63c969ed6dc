"""Proxies, certificates, clocks, pools and addresses, on sockets."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest
import trustme

from tests.raw import answer, raw_server
from woodpecker_async import CallOptions, Limits, RetryPolicy, Timeouts, WoodpeckerSession, errors
from woodpecker_async.sandbox import Sandbox

ONCE = RetryPolicy(attempts=1)
THRICE = RetryPolicy(attempts=3, initial_backoff=0.01)
ME = b'{"id": 1}'


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# Proxies --------------------------------------------------------------------------------------------------


async def test_a_proxy_of_the_environment_needs_no_scheme_and_may_have_a_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def proxy(server, number: int, head: str) -> bytes:
        return answer(ME)

    async with raw_server(proxy) as server:
        monkeypatch.setenv("http_proxy", f"user:pa%40ss@127.0.0.1:{server.port}")
        async with WoodpeckerSession("1.key", base_url="http://api.example/rest", trust_env=True) as woodpecker:
            await woodpecker.account.me()
            await woodpecker.account.me()
        assert server.connections == 1
        for head in server.requests:
            assert head.startswith("GET http://api.example/rest/v1/me ")
            assert f"Basic {base64.b64encode(b'user:pa@ss').decode()}" in head


@pytest.mark.parametrize("kind", ["socks5", "socks5h", "socks4", "socks"])
async def test_a_socks_proxy_is_refused_by_name_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    async def never(server, number: int, head: str) -> bytes:
        raise AssertionError("nothing was to be sent")

    async with raw_server(never) as server:
        monkeypatch.setenv("all_proxy", f"{kind}://user:hunter2@127.0.0.1:{server.port}")
        async with WoodpeckerSession("1.key", base_url="http://127.0.0.1:9/rest", trust_env=True) as woodpecker:
            for call in (woodpecker.account.me, lambda: woodpecker.agency.companies.create(["Aviato"])):
                with pytest.raises(errors.ConfigError, match=f"all_proxy .*{kind}://") as caught:
                    await call()
                assert "hunter2" not in str(caught.value)
        assert server.connections == 0


@pytest.mark.parametrize(("status", "sent"), [(403, 1), (407, 1), (429, 3), (502, 3)])
async def test_a_proxy_that_refuses_a_tunnel(status: int, sent: int) -> None:
    async def proxy(server, number: int, head: str) -> bytes:
        assert head.startswith("CONNECT api.example:443 ")
        assert "1.key" not in head
        return answer(b"", f"{status} No")

    async with raw_server(proxy) as server:
        url = f"http://user:hunter2@127.0.0.1:{server.port}"
        async with WoodpeckerSession("1.key", base_url="https://api.example", proxy=url, retry=THRICE) as woodpecker:
            with pytest.raises(errors.NotSentError, match=f"the proxy refused with {status}") as caught:
                await woodpecker.agency.companies.create(["Aviato"])
        assert "hunter2" not in str(caught.value)
        assert len(server.requests) == sent


async def test_a_proxy_that_never_answers_is_not_waited_for_without_end() -> None:
    async def proxy(server, number: int, head: str) -> bytes:
        await asyncio.sleep(60)
        return b""

    async with raw_server(proxy) as server:
        url = f"http://127.0.0.1:{server.port}"
        for timeouts in (Timeouts(connect=0.2), Timeouts(attempt=0.2)):
            async with WoodpeckerSession(
                "1.key", base_url="https://api.example", proxy=url, retry=ONCE, timeouts=timeouts
            ) as woodpecker:
                async with asyncio.timeout(20):
                    with pytest.raises(errors.NotSentError):
                        await woodpecker.agency.companies.create(["Aviato"])


# Certificates ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def tls_server(name: str) -> AsyncIterator[tuple[str, ssl.SSLContext, list[int]]]:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    hellos: list[int] = []
    server_side.sni_callback = lambda *_: hellos.append(1)

    async def handle(server, number: int, head: str) -> bytes:
        return answer(ME)

    async with raw_server(handle, server_side) as server:
        yield server.url.replace("http:", "https:").replace("127.0.0.1", "localhost"), client_side, hellos


@pytest.mark.parametrize("fault", ["unknown authority", "another name"])
async def test_a_certificate_that_is_not_trusted_fails_at_once(fault: str) -> None:
    async with tls_server("localhost" if fault == "unknown authority" else "other.example") as (url, context, hellos):
        trusted = None if fault == "unknown authority" else context
        async with WoodpeckerSession("1.key", base_url=url, retry=THRICE, ssl_context=trusted) as woodpecker:
            with pytest.raises(errors.NotSentError, match="not trusted") as caught:
                await woodpecker.agency.companies.create(["Aviato"])
            assert len(caught.value.attempts) == 1
            assert not caught.value.maybe_sent
            with pytest.raises(errors.NotSentError, match="ssl_context"):
                await woodpecker.account.me()
        assert len(hellos) in (2, 4)  # one for each address of localhost


async def test_other_failures_of_tls_are_repeated() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hellos.append(await reader.read(100))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    hellos: list[bytes] = []
    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/rest"
    async with WoodpeckerSession("1.key", base_url=url, retry=THRICE) as woodpecker:
        with pytest.raises(errors.NotSentError, match="TLS"):
            await woodpecker.account.me()
    assert len(hellos) == 3
    server.close()
    await server.wait_closed()


# Pools and clocks -----------------------------------------------------------------------------------------


async def test_waiting_for_a_lent_connection_is_not_connecting() -> None:
    async with (
        Sandbox(companies=7, service_time=0.1) as box,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit_per_host=1)) as theirs,
        box.session(http_session=theirs, timeouts=Timeouts(connect=0.15), retry=ONCE) as woodpecker,
    ):
        await asyncio.gather(*(woodpecker.agency.api_keys.list(number).collect() for number in box.company_ids))


async def test_a_place_that_was_never_got_is_told_from_an_answer_that_never_came() -> None:
    """Nothing was sent; so a write may be retried, and the lane does not count it as in flight."""

    async def hang(server, number: int, head: str) -> bytes:
        await asyncio.sleep(60)
        return b""

    async with raw_server(hang) as server, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as theirs:
        async with WoodpeckerSession(
            "1.key", base_url=server.url, http_session=theirs, timeouts=Timeouts(attempt=0.2), retry=ONCE
        ) as woodpecker:
            blocker = asyncio.create_task(theirs.get(server.url))
            await asyncio.sleep(0.05)
            for call in (woodpecker.account.me, lambda: woodpecker.agency.companies.create(["Aviato"])):
                with pytest.raises(errors.NotSentError, match="no connection"):
                    await call()
            blocker.cancel()
            await asyncio.gather(blocker, return_exceptions=True)
        assert len(server.requests) == 1


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_date_to_retry_after_is_measured_by_the_clock_it_comes_from(hours: int) -> None:
    async def handle(server, number: int, head: str) -> bytes:
        theirs = datetime.now(UTC) + timedelta(hours=hours)
        later = format_datetime(theirs + timedelta(seconds=1), usegmt=True)
        headers = {"Date": format_datetime(theirs, usegmt=True), "Retry_After": later}
        return answer(b"", "429 Too Many Requests", **headers) if len(server.requests) == 1 else answer(ME)

    async with raw_server(handle) as server:
        async with WoodpeckerSession(
            "1.key", base_url=server.url, retry=RetryPolicy(initial_backoff=0.01)
        ) as woodpecker:
            loop = asyncio.get_running_loop()
            before = loop.time()
            await woodpecker.account.me()
            assert loop.time() - before >= 0.99
        assert len(server.requests) == 2


# Addresses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/réśt", "/r%C3%A9%C5%9Bt"),
        ("/r%C3%A9st", "/r%C3%A9st"),
        ("/100%", "/100%25"),
        ("/100%/a%2fb", "/100%25/a%2fb"),
        ("/日本/rest/", "/%E6%97%A5%E6%9C%AC/rest"),
        ('/a"b<c>', "/a%22b%3Cc%3E"),
    ],
)
async def test_a_base_path_is_encoded(path: str, sent: str) -> None:
    async def handle(server, number: int, head: str) -> bytes:
        return answer(ME)

    async with raw_server(handle) as server:
        async with WoodpeckerSession("1.key", base_url=f"http://127.0.0.1:{server.port}{path}") as woodpecker:
            await woodpecker.account.me()
        assert server.requests[0].startswith(f"GET {sent}/v1/me ")


LONE = "a\ud800b"


@pytest.mark.parametrize(
    "request_of",
    [
        {"params": {"q": LONE}},
        {"params": {LONE: "q"}},
        {"params": {"q": 10**5000}},
        {"params": {"q": 1.5}},
        {"params": {"q": b"x"}},
        {"params": {1: "q"}},
        {"params": [("q", 1)]},
        {"params": "q=1"},
        {"path": f"/v2/{LONE}"},
        {"path": "/v2/agency;x=1"},
        {"path": "/v2/agency;/companies"},
        {"path": "/v2;x/agency/companies"},
        {"path": "/v2/mailboxes;company=7"},
        {"json": {"name": LONE}},
        {"json": {LONE: 1}},
        {"json": [LONE]},
    ],
    ids=range(16),
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_cannot_be_sent_or_could_be_misread_is_refused(method: str, request_of: dict) -> None:
    async def never(server, number: int, head: str) -> bytes:
        raise AssertionError("nothing was to be sent")

    arguments = {"path": "/v2/x", "company_id": 7, **request_of}
    limits = Limits(max_in_flight=1)
    async with raw_server(never) as server, WoodpeckerSession("1.k", base_url=server.url, limits=limits) as woodpecker:
        for _ in range(3):  # and no permit of the lane is lost
            with pytest.raises(errors.ConfigError):
                await woodpecker.request(method, **arguments)
        assert server.connections == 0


@pytest.mark.parametrize(
    "name",
    [
        "Expect",
        "X_Company_Id",
        "x_api_key",
        "X-Company_Id",
        "USER_AGENT",
        "Content_Length",
        "Accept-Encoding",
        "Connection",
        "Upgrade",
        "Transfer_Encoding",
        "Proxy-Authorization",
        "TE",
        "x.company.id",
        "Cookie",
    ],
)
def test_headers_with_an_owner_are_refused_however_they_are_spelled(name: str) -> None:
    with pytest.raises(errors.ConfigError, match="the SDK sets"):
        CallOptions(headers={name: "7"})


def test_a_header_value_can_be_sent() -> None:
    with pytest.raises(errors.ConfigError, match="surrogate"):
        CallOptions(headers={"X-Trace": LONE})
    assert CallOptions(headers={"X-Trace": "ü"}).headers == {"x-trace": "ü"}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://user:hunter2@host/rest",
        "https://user:hunter2@host/rest",
        "https://user:hunter2@host:port/rest",
        "https://user:hunter2@[::1/rest",
        "https://user:hunter2@host/rest?x=1",
        "https://user:hunter2@host/../rest",
        "https://user:hunter2@host/re st",
        "user:hunter2@host/rest",
        "//user:hunter2@host/rest",
        "https://host/rest?token=hunter2",
        "https://host/rest#hunter2",
        "https://user:hun@ter@hunter2@/rest",
        f"https://user:hunter2@host/{LONE}",
        "https://user:hunter2@" + "b\u00fc" * 40 + ".example/rest",
    ],
)
def test_a_base_url_with_a_password_is_not_quoted(url: str) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        WoodpeckerSession("1.key", base_url=url)
    assert "hunter2" not in str(caught.value)
    assert "hun@ter" not in str(caught.value)
