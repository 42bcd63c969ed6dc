"""Loops, forks, closing, borrowing."""

import asyncio
import gc
import math
import os
import threading
import time
import warnings
from pathlib import Path

import aiohttp
import pytest

from tests.raw import answer, raw_server
from woodpecker_async import CallOptions, Limits, WoodpeckerSession, errors
from woodpecker_async.engine.account_lanes import _SHARED
from woodpecker_async.sandbox import Fault, Sandbox


def descriptors_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_many_loops_leave_nothing_behind() -> None:
    with Sandbox(companies=1, service_time=0) as box:

        async def use() -> None:
            async with box.session() as woodpecker:
                await asyncio.gather(*(woodpecker.account.me() for _ in range(9)))

        asyncio.run(use())
        gc.collect()
        descriptors, loops = descriptors_open(), len(_SHARED)
        for _ in range(20):
            asyncio.run(use())
        for _ in range(100):  # the server's side closes on its own thread
            gc.collect()
            if descriptors_open() <= descriptors:
                break
            time.sleep(0.02)
        assert descriptors_open() <= descriptors
        assert len(_SHARED) <= loops


async def test_a_second_living_loop_is_one_clear_error(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    await woodpecker.account.me()
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            asyncio.run(woodpecker.account.me())
        except Exception as error:
            caught.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert [type(error) for error in caught] == [errors.WrongLoopError]
    await woodpecker.account.me()


@pytest.mark.system
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_opens_connections_of_its_own() -> None:
    with Sandbox(companies=2) as box:
        woodpecker = box.session()

        async def in_parent_and_child() -> None:
            await woodpecker.account.me()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # fork alongside a thread: what is tested here
                child = os.fork()
            if child == 0:
                # A new loop in the child; the parent's is not touched.
                code = 1
                try:
                    asyncio.events._set_running_loop(None)
                    asyncio.run(use_and_close())
                    code = 0
                finally:
                    os._exit(code)
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            await woodpecker.account.me()  # the parent's connection still works
            await woodpecker.aclose()

        async def use_and_close() -> None:
            await woodpecker.account.me()
            await woodpecker.aclose()

        asyncio.run(in_parent_and_child())


async def test_closing_is_idempotent_and_final(box: Sandbox) -> None:
    woodpecker = box.session()
    pager = woodpecker.agency.companies.list()
    walk = pager.pages()
    client = woodpecker.company(box.company_ids[0])
    await anext(walk)
    await woodpecker.aclose()
    await woodpecker.aclose()
    assert woodpecker.closed
    for call in (
        woodpecker.account.me,
        client.me,
        pager.collect,
        lambda: woodpecker.agency.api_keys.create(box.company_ids[0], "crm"),
        woodpecker.__aenter__,
    ):
        with pytest.raises(errors.SessionClosedError):
            await call()
    assert len(box.journal) == 1


async def test_a_session_never_used_closes_quietly() -> None:
    async with WoodpeckerSession("1.key"):
        pass
    WoodpeckerSession("1.key")
    gc.collect()


async def test_a_forgotten_session_is_a_resource_warning(box: Sandbox) -> None:
    woodpecker = box.session()
    await woodpecker.account.me()
    engine = woodpecker._engine
    with pytest.warns(ResourceWarning, match="unclosed"):
        del woodpecker
        gc.collect()
    await engine.aclose()


async def test_closing_ends_what_is_under_way(no_tasks_left: None) -> None:
    async with Sandbox(companies=1, service_time=0.3) as box:
        woodpecker = box.session()
        reads = [asyncio.create_task(woodpecker.account.me(), name="woodpecker") for _ in range(10)]
        write = asyncio.create_task(woodpecker.agency.api_keys.create_once(box.company_ids[0], "crm"))
        await asyncio.sleep(0.1)
        await woodpecker.aclose()
        outcomes = await asyncio.gather(*reads, write, return_exceptions=True)
        kinds = {type(outcome) for outcome in outcomes}
        assert kinds <= {errors.SessionClosedError, errors.KeyOutcomeUnknownError}
        assert all(isinstance(outcome, errors.SessionClosedError) for outcome in outcomes[:10])


@pytest.mark.parametrize("borrowed", [False, True])
@pytest.mark.parametrize("moment", ["in the lane", "in flight", "before a repeat"])
async def test_closing_ends_calls_at_once_wherever_they_are(borrowed: bool, moment: str) -> None:
    async with Sandbox(companies=1, service_time=0 if moment == "before a repeat" else 1) as box:
        async with aiohttp.ClientSession() as theirs:
            woodpecker = box.session(http_session=theirs if borrowed else None, limits=Limits(max_in_flight=1))
            if moment == "before a repeat":
                box.faults.add(Fault.status(503, headers={"Retry-After": "30"}, times=None))
            calls = [asyncio.create_task(woodpecker.account.me()) for _ in range(2 if moment == "in the lane" else 1)]
            await asyncio.sleep(0.1)
            await woodpecker.aclose()
            async with asyncio.timeout(0.5):
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {errors.SessionClosedError}


async def test_a_borrowed_session_closed_too_early_is_one_clear_error(box: Sandbox) -> None:
    async with aiohttp.ClientSession() as theirs:
        woodpecker = box.session(http_session=theirs)
        await woodpecker.account.me()
    with pytest.raises(errors.ConfigError, match="outlive"):
        await woodpecker.account.me()
    await woodpecker.aclose()


async def test_a_borrowed_session_lends_its_connector_and_nothing_else(box: Sandbox) -> None:
    called = []

    async def middleware(request, handler):
        called.append(request)
        return await handler(request)

    jar = aiohttp.CookieJar(unsafe=True)
    jar.update_cookies({"theirs": "1"})
    async with aiohttp.ClientSession(
        headers={"x-company-id": "666", "X-Theirs": "1"},
        cookie_jar=jar,
        middlewares=(middleware,),
        timeout=aiohttp.ClientTimeout(total=0.0001),
    ) as theirs:
        box.faults.add(Fault.set_cookie("ours", "2"))
        async with box.session(http_session=theirs) as woodpecker:
            await woodpecker.account.me()
            await woodpecker.agency.api_keys.create(box.company_ids[0], "crm")
        assert not theirs.closed
        assert len(jar) == 1
        assert called == []
        for record in box.journal:
            assert record.company_header is None
            assert "x-theirs" not in record.headers
            assert "cookie" not in record.headers
        # afterwards their session still works, and has nothing of ours
        async with theirs.get(box.base_url + "/v1/me", timeout=aiohttp.ClientTimeout(total=5)) as response:
            assert response.status == 401
        assert "x-api-key" not in box.journal[-1].headers
        assert dict(theirs.headers) == {"x-company-id": "666", "X-Theirs": "1"}


async def test_a_borrowed_session_that_is_closed_is_one_clear_error(box: Sandbox) -> None:
    theirs = aiohttp.ClientSession()
    await theirs.close()
    woodpecker = box.session(http_session=theirs)
    with pytest.raises(errors.ConfigError, match="http_session"):
        await woodpecker.account.me()
    await woodpecker.aclose()


async def test_a_thousand_scopes_share_one_set_of_connections(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    await woodpecker.account.me()
    descriptors = descriptors_open()
    for number in range(1000):
        client = woodpecker.company(box.company_ids[number % 11])
        if number % 50 == 0:
            await client.me()
    assert descriptors_open() == descriptors


async def test_no_cookie_comes_back(box: Sandbox) -> None:
    box.faults.add(Fault.set_cookie("session", "A", times=None))
    # by name, because aiohttp's own jar ignores the cookies of a bare address
    async with box.session(base_url=box.base_url.replace("127.0.0.1", "localhost")) as woodpecker:
        for company_id in box.company_ids[:3]:
            await woodpecker.company(company_id).me()
    assert all("cookie" not in record.headers for record in box.journal)


async def test_no_redirect_is_followed(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    async def foreign(server, number, head):
        return answer(b"{}")

    async with raw_server(foreign) as elsewhere:
        for status in (301, 302, 303, 307, 308):
            box.faults.add(Fault.redirect(elsewhere.url + "/x?token=abc", status=status, times=2))
            with pytest.raises(errors.UnexpectedRedirectError) as caught:
                await woodpecker.account.me()
            assert caught.value.target == f"http://127.0.0.1:{elsewhere.port}"
            assert "token" not in str(caught.value)
            with pytest.raises(errors.UnexpectedRedirectError):
                await woodpecker.agency.companies.create(["Aviato"])
        assert elsewhere.connections == 0
    assert len(box.journal) == 10


async def test_hooks_and_logs_tell_each_attempt(box: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    events = []
    asyncio.get_running_loop().slow_callback_duration = math.inf  # asyncio would warn about a slow machine
    with caplog.at_level("INFO", logger="woodpecker_async"):
        async with box.session(hooks=[events.append], options=CallOptions(priority="bulk")) as woodpecker:
            box.faults.add(Fault.status(503, headers={"X-Request-Id": "r-1"}))
            await woodpecker.agency.api_keys.list(box.company_ids[0])
    assert [(event.kind, event.attempt, event.status, event.failure) for event in events] == [
        ("start", 1, None, None),
        ("end", 1, 503, "server"),
        ("retry", 1, 503, "server"),
        ("start", 2, None, None),
        ("end", 2, 200, None),
    ]
    assert {event.path for event in events} == {"/v2/agency/companies/{company_id}/api_keys"}
    assert {event.company_id for event in events} == {box.company_ids[0]}
    assert len({event.call_id for event in events}) == 1
    assert events[1].request_id == "r-1"
    assert events[2].wait == events[3].wait
    assert events[4].milliseconds > 0
    (record,) = caplog.records
    assert (record.levelname, record.woodpecker_kind) == ("INFO", "retry")


async def test_a_hook_that_fails_does_not_fail_the_call(box: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    def broken(event) -> None:
        raise RuntimeError("my hook")

    async with box.session(hooks=[broken]) as woodpecker:
        await woodpecker.account.me()
    assert "a hook of the session failed" in caplog.text


async def test_an_async_hook_is_refused() -> None:
    async def hook(event) -> None: ...

    with pytest.raises(errors.ConfigError, match="plain function"):
        WoodpeckerSession("1.key", hooks=[hook])


async def test_debug_logs_name_the_call_and_no_value(box: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        async with box.session(options=CallOptions(headers={"X-Signature": "sentinel"})) as woodpecker:
            await woodpecker.agency.api_keys.list(box.company_ids[0]).collect()
    assert "GET /v2/agency/companies/{company_id}/api_keys" in caplog.text
    assert "status=200" in caplog.text
    assert "sentinel" not in caplog.text
    assert all(key.secret not in caplog.text for key in box.state.listed(box.company_ids[0]))
    assert box.hq_key not in caplog.text


async def test_a_closing_that_is_cancelled_closes_all_the_same(box: Sandbox) -> None:
    session = box.session()
    await session.account.me()
    resources = session._engine._binding._resources
    assert resources is not None
    closing = asyncio.create_task(session.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert resources.transport._connector.closed
