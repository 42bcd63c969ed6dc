"""Network failures, and what the caller sees."""

import asyncio
import ssl

import aiohttp
import pytest
import trustme

from tests.raw import answer, raw_server
from woodpecker_async import CallOptions, Limits, RetryPolicy, Timeouts, WoodpeckerSession, errors
from woodpecker_async.engine.transport import switch_off_hidden_resend
from woodpecker_async.sandbox import Fault, Sandbox

QUICK = RetryPolicy(initial_backoff=0.01, max_backoff=0.05)
OK = b'{"content": [], "pagination_data": {"total_elements": 0, "total_pages": 0, "current_page_number": 1}}'


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        (lambda: Fault.status(500, times=2), 3),
        (lambda: Fault.html(502), 2),
        (lambda: Fault.status(503, body=None), 2),
        (lambda: Fault.html(504), 2),
        (lambda: Fault.status(429, times=3), 4),
        (lambda: Fault.close(times=2), 3),
        (Fault.half_body, 2),
    ],
)
async def test_a_read_survives_what_passes(box: Sandbox, fault, sent: int) -> None:
    box.faults.add(fault())
    async with box.session(retry=QUICK) as woodpecker:
        assert len(await woodpecker.agency.api_keys.list(box.company_ids[0]).collect()) == 3
    assert len(box.journal) == sent


@pytest.mark.parametrize(
    ("fault", "error", "sent"),
    [
        (Fault.status(500, times=None), errors.ServerError, 3),
        (Fault.status(501, times=None), errors.ServerError, 1),
        (Fault.close(times=None), errors.ConnectionLostError, 3),
        (Fault.half_body(times=None), errors.ConnectionLostError, 3),
        (Fault.html(200, times=None), errors.ResponseDecodeError, 1),
        (Fault.truncated_json(times=None), errors.ResponseDecodeError, 1),
        (Fault.not_json(times=None), errors.ResponseDecodeError, 1),
        (Fault.null_api_key(times=None), errors.ResponseDecodeError, 1),
        (Fault.body({"content": "many"}, times=None), errors.ResponseDecodeError, 1),
        (Fault.status(418, body="teapot", times=None), errors.ApiError, 1),
        (Fault.status(404, body=None, times=None), errors.NotFoundError, 1),
    ],
)
async def test_a_read_fails_as_itself(box: Sandbox, fault: Fault, error, sent: int) -> None:
    box.faults.add(fault)
    async with box.session(retry=RetryPolicy(attempts=3, initial_backoff=0.01)) as woodpecker:
        with pytest.raises(error) as caught:
            await woodpecker.agency.api_keys.list(box.company_ids[0])
    assert len(box.journal) == sent
    assert len(caught.value.attempts) == sent
    assert caught.value.company_id == box.company_ids[0]
    assert caught.value.resume == 1
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert all(key.secret not in str(caught.value) for key in box.state.listed(box.company_ids[0]))


async def test_a_decode_error_names_page_and_path(box: Sandbox) -> None:
    async with Sandbox(companies=1, keys_per_company=120) as large, large.session() as woodpecker:
        large.faults.add(Fault.rewriting(lambda _, answer: _spoil(answer), page=3))
        with pytest.raises(errors.ResponseDecodeError, match="page 3") as caught:
            await woodpecker.agency.api_keys.list(large.company_ids[0]).collect()
    assert len(caught.value.paths) == 1
    assert caught.value.paths[0].startswith("$.content[7].label: expected ")
    assert caught.value.resume == 3
    assert caught.value.status == 200


def _spoil(answer):
    data = answer.json()
    data["content"][7]["label"] = 7
    return answer.with_json(data)


async def test_bad_items_can_be_left_out_and_a_look_never_does(box: Sandbox) -> None:
    company_id = box.company_ids[0]

    def spoil(_, answer):
        data = answer.json()
        data["content"][1]["label"] = 7
        return answer.with_json(data)

    box.faults.add(Fault.rewriting(spoil, method="GET", times=None))
    async with box.session(options=CallOptions(skip_bad_items=True)) as woodpecker:
        pager = woodpecker.agency.api_keys.list(company_id)
        (page,) = [page async for page in pager.pages()]
        assert (len(page), len(page.undecodable), pager.drifted) == (2, 1, False)
        with pytest.raises(errors.ResponseDecodeError):
            await woodpecker.agency.api_keys.ensure(company_id, "crm")


async def test_strict_notices_what_is_new(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    strict = CallOptions(strict=True)
    await woodpecker.agency.companies.list(options=strict).collect()
    await woodpecker.agency.api_keys.list(box.company_ids[0], options=strict).collect()
    box.faults.add(Fault.rewriting(lambda _, answer: answer.with_json({**answer.json(), "novelty": 1}), times=None))
    await woodpecker.agency.companies.list()
    with pytest.raises(errors.ResponseDecodeError, match="novelty"):
        await woodpecker.agency.companies.list(options=strict)


async def test_retry_after_on_the_wire(box: Sandbox) -> None:
    async with box.session() as woodpecker:
        box.faults.add(Fault.status(429, headers={"Retry-After": "3600"}))
        with pytest.raises(errors.RateLimitedError) as caught:
            await woodpecker.account.me()
        assert caught.value.retry_after == 3600
        assert "3600" in str(caught.value)
        box.faults.add(Fault.status(503, headers={"Retry-After": "0.05"}))
        await woodpecker.account.me()


async def test_a_stale_connection_is_invisible_for_reads() -> None:
    """The server responds once on each connection and then closes it, like an idle one."""

    async def once(server, number: int, head: str) -> bytes | None:
        return answer(OK) if number == 1 else None

    async with raw_server(once) as server, WoodpeckerSession("1.key", base_url=server.url) as woodpecker:
        for _ in range(100):
            await woodpecker.agency.companies.list()
            await asyncio.sleep(0)


async def test_aiohttp_sends_nothing_twice_by_itself() -> None:
    """On a reused connection that drops, aiohttp would silently send a GET, PUT or DELETE again."""

    async def drop_second(server, number: int, head: str) -> bytes | None:
        return None if number == 2 else answer(OK)

    async with raw_server(drop_second) as server:
        once = RetryPolicy(attempts=1)
        async with WoodpeckerSession("1.key", base_url=server.url, retry=once) as woodpecker:
            for method in ("GET", "PUT", "DELETE"):
                await woodpecker.request("GET", "/v2/x", company_id=None)
                before = len(server.requests)
                with pytest.raises((errors.ConnectionLostError, errors.OutcomeUnknownError)):
                    await woodpecker.request(method, "/v2/x", company_id=None)
                assert len(server.requests) == before + 1


async def test_the_private_switch_is_still_there() -> None:
    async with aiohttp.ClientSession() as session:
        assert session._retry_connection is True
        switch_off_hidden_resend(session)
        assert session._retry_connection is False


@pytest.mark.parametrize("kind", ["refused connection", "unknown name"])
async def test_what_was_never_sent_is_repeated_also_for_writes(kind: str, unused_tcp_port_factory) -> None:
    host = f"127.0.0.1:{unused_tcp_port_factory()}" if kind == "refused connection" else "nowhere.invalid"
    policy = RetryPolicy(attempts=3, initial_backoff=0.01)
    async with WoodpeckerSession("1.key", base_url=f"http://{host}/rest", retry=policy) as woodpecker:
        with pytest.raises(errors.NotSentError) as caught:
            await woodpecker.agency.companies.create(["Aviato"])
    assert len(caught.value.attempts) == 3
    assert not caught.value.maybe_sent


async def test_a_write_that_was_sent_is_told_from_one_that_was_not() -> None:
    """The flag that decides is set when aiohttp writes the head of the request."""

    async def hang(server, number: int, head: str) -> bytes | None:
        await asyncio.sleep(5)
        return None

    timeouts = Timeouts(attempt=0.2)
    async with raw_server(hang) as server:
        async with WoodpeckerSession("1.key", base_url=server.url, timeouts=timeouts) as woodpecker:
            with pytest.raises(errors.OutcomeUnknownError) as caught:
                await woodpecker.agency.companies.create(["Aviato"])
            assert (caught.value.kind, len(server.requests)) == ("timeout", 1)
        # a borrowed pool is full: the request waits for a connection, and is never written
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as theirs:
            blocker = asyncio.create_task(_get(theirs, server.url))
            await asyncio.sleep(0.05)
            once = RetryPolicy(attempts=1)
            async with WoodpeckerSession(
                "1.key", base_url=server.url, timeouts=timeouts, http_session=theirs, retry=once
            ) as woodpecker:
                with pytest.raises(errors.NotSentError):
                    await woodpecker.agency.companies.create(["Aviato"])
            blocker.cancel()
            await asyncio.gather(blocker, return_exceptions=True)
        assert sum("POST" in head for head in server.requests) == 1


async def _get(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url):
        pass


async def test_three_clocks_do_not_run_into_one_another() -> None:
    """Waiting in the lane is not part of an attempt."""
    async with Sandbox(companies=1, service_time=0.15) as box:
        timeouts, limits = Timeouts(attempt=0.6), Limits(max_in_flight=1)
        async with box.session(timeouts=timeouts, limits=limits, retry=RetryPolicy(attempts=1)) as woodpecker:
            await asyncio.gather(*(woodpecker.account.me() for _ in range(5)))
        async with box.session(timeouts=Timeouts(lane=0.1), limits=limits) as woodpecker:
            outcomes = await asyncio.gather(*(woodpecker.account.me() for _ in range(5)), return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert failed
    assert {type(error) for error in failed} == {errors.LaneTimeoutError}
    assert all(error.attempts == () and not error.maybe_sent for error in failed)


async def test_the_deadline_cuts_a_server_that_never_answers() -> None:
    async def hang(server, number: int, head: str) -> bytes | None:
        await asyncio.sleep(30)
        return None

    async with raw_server(hang) as server, WoodpeckerSession("1.key", base_url=server.url) as woodpecker:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(errors.DeadlineExceededError):
            await woodpecker.account.me(options=CallOptions(deadline=0.3))
        with pytest.raises(errors.OutcomeUnknownError) as caught:
            await woodpecker.agency.companies.create(["Aviato"], options=CallOptions(deadline=0.3))
        assert caught.value.kind == "deadline"
        assert loop.time() - began < 10  # far below the attempt's 30 s


@pytest.mark.parametrize("moment", ["in the lane", "in flight", "before a repeat"])
async def test_cancellation_always_wins(moment: str, no_tasks_left: None) -> None:
    async with Sandbox(companies=1, service_time=0.5 if moment != "before a repeat" else 0) as box:
        policy = RetryPolicy(initial_backoff=100, max_backoff=100)
        async with box.session(limits=Limits(max_in_flight=1), retry=policy) as woodpecker:
            busy = None
            if moment == "in the lane":
                busy = asyncio.create_task(woodpecker.account.me())
                await asyncio.sleep(0)
            if moment == "before a repeat":
                box.faults.add(Fault.status(500, times=None))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await woodpecker.account.me()
            assert len(box.journal) == 1
            if busy is not None:
                await busy


async def test_a_private_authority_needs_its_context() -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    async with Sandbox(companies=1, ssl_context=server_side) as box:
        async with box.session(ssl_context=client_side) as woodpecker:
            await woodpecker.account.me()
        async with box.session(retry=RetryPolicy(attempts=1)) as woodpecker:
            with pytest.raises(errors.NotSentError, match="ssl_context"):
                await woodpecker.account.me()


async def test_a_proxy_is_used_when_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def proxy(server, number: int, head: str) -> bytes | None:
        return answer(b'{"id": 1}')

    async with raw_server(proxy) as server:
        address = f"http://127.0.0.1:{server.port}"
        target = "http://api.example/rest"
        async with WoodpeckerSession("1.key", base_url=target, proxy=address) as woodpecker:
            await woodpecker.account.me()
        monkeypatch.setenv("http_proxy", address)
        async with WoodpeckerSession("1.key", base_url=target, trust_env=True) as woodpecker:
            await woodpecker.account.me()
        assert all(head.startswith("GET http://api.example/rest/v1/me ") for head in server.requests)
        assert len(server.requests) == 2
        monkeypatch.setenv("no_proxy", "127.0.0.1,api.example")
        policy = RetryPolicy(attempts=1)
        async with WoodpeckerSession("1.key", base_url=server.url, trust_env=True, retry=policy) as woodpecker:
            await woodpecker.account.me()
        assert server.requests[-1].startswith("GET /rest/v1/me ")


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"",
    ],
)
async def test_whatever_bytes_come_the_error_is_ours(sent: bytes) -> None:
    async def once(server, number: int, head: str) -> bytes | None:
        return sent or None

    policy, timeouts = RetryPolicy(attempts=1), Timeouts(attempt=0.5)
    async with raw_server(once) as server:
        async with WoodpeckerSession("1.key", base_url=server.url, retry=policy, timeouts=timeouts) as woodpecker:
            with pytest.raises(errors.TransportError) as caught:
                await woodpecker.account.me()
    assert caught.value.__context__ is None
