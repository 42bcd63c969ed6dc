"""The web examples on their real servers, four processes each, against a sandbox that enforces the limit."""

import asyncio
import contextlib
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from tests.apps.serving import App, serving, wait_until_it_answers
from woodpecker_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.system

EXAMPLES = ("fastapi_app.py", "aiohttp_app.py")
WORKERS = 4


def needs_fastapi() -> None:
    """Skip if it is not installed. It is not imported here but in the child process."""
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        pytest.skip("needs FastAPI: pip install 'fastapi>=0.135' uvicorn")


@attrs.frozen
class Site:
    """An application and the sandbox it uses."""

    app: App
    box: Sandbox

    def processes(self, since: int = 0) -> set[str]:
        """The worker processes that have sent requests to the sandbox."""
        return {record.headers["user-agent"].split()[0] for record in self.box.journal[since:]}


@pytest.fixture(params=EXAMPLES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "fastapi_app.py":
        needs_fastapi()
    log = tmp_path / "log.txt"
    with Sandbox(companies=40, inactive=1, service_time=0.005) as box:
        key = {"WOODPECKER_API_KEY": box.hq_key, "WOODPECKER_BASE_URL": box.base_url}
        with serving(request.param, log, workers=WORKERS, env=key) as app:
            wait_until_it_answers(app)
            yield Site(app, box)
            assert app.stop() in (0, -signal.SIGTERM)
        # uvicorn's parent process keeps its listening socket open until it exits.
        own = f"ResourceWarning: unclosed <socket.socket fd=3, family=2, type=1, proto=0, laddr=('127.0.0.1', {app.port})>"
        told = log.read_text().replace(own, "")
        assert "Traceback" not in told
        assert "Warning" not in told


@pytest.fixture
async def http(site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser that does not reuse connections, so that each request may reach a different worker."""
    site.box.faults.clear()
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(site.app.url, connector=connector) as session:
        yield session
    site.box.faults.clear()


async def get(http: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    async with http.get(path) as answer:
        return answer.status, await answer.json()


async def events(http: aiohttp.ClientSession) -> AsyncIterator[tuple[str, Any]]:
    """The events of the stream, as a browser would see them."""
    async with http.get("/api-keys") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        name = ""
        async for line in answer.content:
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)


async def all_processes_answer(site: Site, http: aiohttp.ClientSession, count: int = WORKERS) -> None:
    """Send requests until every worker process has handled one, which takes a while after a start."""
    since, path = len(site.box.journal), f"/companies/{site.box.company_ids[0]}/me"
    for _ in range(400):
        answers = await asyncio.gather(*(get(http, path) for _ in range(8)))
        assert {status for status, _ in answers} == {200}
        if len(site.processes(since)) >= count:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"only {site.processes(since)} answered")


def keys_of(site: Site, company_id: int) -> list[tuple[str, str]]:
    """What the application should return for the company's keys."""
    return sorted((key.label or "", key.secret[-4:]) for key in site.box.state.listed(company_id))


async def standstill(site: Site) -> int:
    """Wait until no request has arrived for half a second, and return how many there were."""
    for _ in range(100):
        count = len(site.box.journal)
        await asyncio.sleep(0.5)
        if len(site.box.journal) == count:
            return count
    raise AssertionError("the requests do not end")


async def many_clients_over_all_processes(site: Site, http: aiohttp.ClientSession):
    """Every response is for the right company, and the server refused nothing."""
    await all_processes_answer(site, http)
    since = len(site.box.journal)
    companies = site.box.company_ids[:12]

    async def client(company_id: int) -> None:
        status, me = await get(http, f"/companies/{company_id}/me")
        assert (status, me["company"]["id"]) == (200, company_id)
        path = f"/companies/{company_id}/api-keys"
        async with http.put(f"{path}/web%20{company_id}") as answer:
            made = await answer.json()
            assert answer.status == 201
        async with http.put(f"{path}/web%20{company_id}") as answer:
            assert (answer.status, await answer.json()) == (200, made)
        status, listed = await get(http, path)
        assert status == 200
        assert made in listed
        assert sorted((key["label"] or "", key["masked"][-4:]) for key in listed) == keys_of(site, company_id)

    async def watcher() -> None:
        seen = [(name, data) async for name, data in events(http)]
        *companies, (last, totals) = seen
        assert {data["company_id"] for _, data in companies} == set(site.box.company_ids)
        assert {name for name, _ in companies} == {"company"}
        assert len(companies) == len(site.box.company_ids)
        assert (last, totals["ok"], totals["failed"]) == ("done", 40, 0)

    await asyncio.gather(*map(client, companies), watcher())
    assert site.box.stats.refused == 0
    assert max(site.box.stats.peak_queued.values()) <= 7
    assert len(site.processes(since)) >= 2
    posts = [record.company_id for record in site.box.journal[since:] if record.method == "POST"]
    assert sorted(posts) == sorted(companies)
    assert all(record.company_header == str(record.company_id) for record in site.box.journal if "me" in record.path)


async def no_answer_holds_a_key(site: Site, http: aiohttp.ClientSession):
    company_id = site.box.company_ids[30]
    seen = ""
    for method, path in [("GET", "me"), ("PUT", "api-keys/secret"), ("GET", "api-keys")]:
        async with http.request(method, f"/companies/{company_id}/{path}") as answer:
            seen += await answer.text()
    async with http.get("/api-keys") as answer:
        seen += await answer.text()
    secrets = [key.secret for company in site.box.company_ids for key in site.box.state.listed(company)]
    assert len(secrets) >= 120
    log = site.app.log.read_text()
    assert [secret for secret in [*secrets, site.box.hq_key] if secret in seen or secret in log] == []


async def a_browser_that_leaves_ends_the_run(site: Site, http: aiohttp.ClientSession):
    site.box.faults.add(Fault.wait(0.03, times=None))
    before = await standstill(site)
    stream = events(http)
    async with asyncio.timeout(30):
        for _ in range(3):
            assert (await anext(stream))[0] == "company"
        await stream.aclose()
    after = await standstill(site)
    assert 4 <= after - before < 30  # of the 41 that a whole run takes
    site.box.faults.clear()
    await all_processes_answer(site, http)  # no permit of the lane was leaked
    assert [name async for name, _ in events(http)].count("company") == 40


async def the_errors_of_the_sdk_as_statuses(site: Site, http: aiohttp.ClientSession):
    known, inactive = site.box.company_ids[0], site.box.company_ids[-1]
    assert (await get(http, "/companies/1/me"))[0] == 404
    status, body = await get(http, f"/companies/{inactive}/me")
    assert (status, body["error"]) == (409, "CompanyInactiveError")
    status, body = await get(http, "/companies/0/me")
    assert (status, body["error"]) == (422, "ConfigError")
    async with http.put(f"/companies/{known}/api-keys/%20blank") as answer:
        assert answer.status == 422

    site.box.faults.add(Fault.status(429, headers={"Retry-After": "300"}, path=re.compile(r"/me$")))
    async with http.get(f"/companies/{known}/me") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "300")
        assert (await answer.json())["error"] == "RateLimitedError"

    for _ in range(2):
        site.box.state.add_key(known, "twice")
    async with http.put(f"/companies/{known}/api-keys/twice") as answer:
        assert (answer.status, (await answer.json())["error"]) == (502, "KeyOutcomeUnknownError")


async def a_lost_answer_makes_one_key(site: Site, http: aiohttp.ClientSession):
    company_id = site.box.company_ids[35]
    site.box.faults.add(Fault.close(method="POST", at="after_commit"))
    async with http.put(f"/companies/{company_id}/api-keys/once") as answer:
        assert answer.status in (200, 201)
    assert [key.label for key in site.box.state.listed(company_id)].count("once") == 1


# Four processes take a while to start, so all of these share one start.
PROOFS = (
    many_clients_over_all_processes,
    no_answer_holds_a_key,
    a_browser_that_leaves_ends_the_run,
    the_errors_of_the_sdk_as_statuses,
    a_lost_answer_makes_one_key,
)


async def test_with_four_processes(site: Site, http: aiohttp.ClientSession):
    for proof in PROOFS:
        await proof(site, http)
        site.box.faults.clear()


async def test_a_worker_that_is_killed_is_replaced(site: Site, http: aiohttp.ClientSession):
    """Only what it had in flight is lost, with its connections."""
    await all_processes_answer(site, http)
    victim = min(site.processes(len(site.box.journal) - WORKERS))
    pid = int(victim.removeprefix("keys-app/"))
    site.box.faults.add(Fault.wait(0.05, times=None))
    streams = [asyncio.create_task(watched(http)) for _ in range(WORKERS)]
    await asyncio.sleep(0.3)
    os.kill(pid, signal.SIGKILL)
    site.box.faults.clear()
    await asyncio.gather(*streams)
    since = len(site.box.journal)
    await all_processes_answer(site, http)
    assert victim not in site.processes(since)


@pytest.fixture(params=EXAMPLES)
def example(request: pytest.FixtureRequest) -> str:
    if request.param == "fastapi_app.py":
        needs_fastapi()
    return str(request.param)


async def test_without_a_key_it_is_a_sandbox(example: str, tmp_path: Path):
    with serving(example, tmp_path / "log.txt") as app:
        wait_until_it_answers(app)
        told = re.search(r"not set: using a sandbox\. One of its companies is (\d+)", app.log.read_text())
        assert told is not None
        async with aiohttp.ClientSession(app.url) as http:
            status, me = await get(http, f"/companies/{told[1]}/me")
            assert (status, me["company"]["id"]) == (200, int(told[1]))

        with serving(example, tmp_path / "second.txt", port=app.port) as second:
            assert second.process.wait(timeout=30) in (1, 3)
            assert (
                "Address already in use" in second.log.read_text() or "address already in use" in second.log.read_text()
            )
            assert "Traceback" not in second.log.read_text()

        assert app.stop(signal.SIGINT) == 0
    assert "Traceback" not in app.log.read_text()


async def test_with_a_wrong_key(example: str, box: Sandbox, tmp_path: Path):
    """A client cannot fix the program's own key: it gets 502, and the reason is in the log."""
    key = {"WOODPECKER_API_KEY": "1.wrong", "WOODPECKER_BASE_URL": box.base_url}
    with serving(example, tmp_path / "log.txt", env=key) as app:
        await asyncio.to_thread(wait_until_it_answers, app)
        async with aiohttp.ClientSession(app.url) as http:
            assert (await get(http, f"/companies/{box.company_ids[0]}/me"))[0] == 502
            assert [name async for name, _ in events(http)] == ["stopped"]
    assert "401" in app.log.read_text()
    assert "Traceback" not in app.log.read_text()


async def watched(http: aiohttp.ClientSession) -> None:
    """Read the stream until it ends in any way."""
    with contextlib.suppress(aiohttp.ClientError):
        async for _ in events(http):
            pass
