"""Starting, stopping, storing and describing a sandbox."""

import asyncio
import errno
import gc
import json
import os
import socket
import ssl
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest
import requests
import trustme

from woodpecker_async import AuthenticationError
from woodpecker_async.sandbox import Fault, Sandbox, serve, statefile

COMPANIES = "/v2/agency/companies"


def sent(box, path, method="GET", **kwargs):
    # A closed session leaves no open socket to warn about.
    with requests.Session() as session:
        headers = {"x-api-key": box.hq_key, "Connection": "close"}
        return session.request(method, box.base_url + path, headers=headers, timeout=5, **kwargs)


def test_for_synchronous_code():
    threads = set(threading.enumerate())
    with Sandbox(companies=2) as box:
        got = sent(box, COMPANIES)
        assert [row["id"] for row in got.json()["content"]] == list(box.company_ids)
        assert box.journal[0].status == 200
        url = box.base_url
        assert len(threading.enumerate()) == len(threads) + 1
    assert set(threading.enumerate()) == threads
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=1)
    gc.collect()


def test_faults_and_parallel_requests_from_other_threads():
    with Sandbox(companies=2, service_time=0.2) as box, ThreadPoolExecutor(8) as pool:
        statuses = sorted(got.status_code for got in pool.map(lambda _: sent(box, COMPANIES), range(8)))
        assert statuses == [200] * 7 + [429]
        box.faults.add(Fault.close())
        with pytest.raises(requests.ConnectionError):
            sent(box, COMPANIES, "POST", json={"companies": [{"name": "x"}]})


def test_closing_is_quick_with_a_request_under_way():
    with ThreadPoolExecutor(1) as pool:
        with Sandbox(companies=1) as box:
            box.faults.add(Fault.wait(60))
            under_way = pool.submit(sent, box, COMPANIES)
            while not box.journal:
                time.sleep(0.005)
            before = time.monotonic()
        assert time.monotonic() - before < 50
        assert isinstance(under_way.exception(), requests.ConnectionError)


async def test_closing_forgets_a_late_commit():
    async with Sandbox(companies=1) as box, aiohttp.ClientSession() as http:
        box.faults.add(Fault.late_commit(60))
        url = f"{box.base_url}{COMPANIES}"
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await http.post(url, headers={"x-api-key": box.hq_key}, json={"companies": [{"name": "x"}]})
    assert box.journal[0].finished is not None
    assert not box.journal[0].committed
    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()


async def test_a_client_that_stops_in_the_middle_of_its_request():
    async with Sandbox(companies=1) as box:
        port = int(box.feldera_url.rpartition(":")[2])
        for text in (
            b"",
            b"GET /rest",
            b"POST /rest/v1/me HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1",
        ):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(text)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.05)
        assert box.journal == []


def test_starting_twice():
    with Sandbox(companies=0) as box, pytest.raises(RuntimeError, match="has been started before"), box:
        pass


async def test_not_running_there_is_no_url():
    box = Sandbox(companies=0)
    with pytest.raises(RuntimeError, match="not running"):
        _ = box.base_url
    assert "not running" in repr(box)
    async with box:
        assert box.feldera_url in repr(box)
        assert box.hq_key not in repr(box)
    with pytest.raises(RuntimeError, match="not running"):
        _ = box.feldera_url


def test_a_port_that_is_taken():
    with Sandbox(companies=0) as box:
        port = int(box.feldera_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), Sandbox(port=port):
            pass
    with Sandbox(companies=0, port=port) as box:
        assert box.base_url == f"http://127.0.0.1:{port}/rest"


@pytest.mark.parametrize(
    "arguments",
    [
        {"companies": -1},
        {"keys_per_company": -1},
        {"companies": 2, "inactive": 3},
        {"page_size": 0},
        {"limit_scope": "user"},
        {"service_time": -0.1},
        {"queued": -1},
        {"queue_wait": -1},
    ],
)
def test_arguments_without_sense(arguments):
    with pytest.raises(ValueError, match=next(reversed(arguments))):
        Sandbox(**arguments)


def test_the_data_follow_from_the_seed():
    one, same, other = (Sandbox(companies=600, seed=seed).state for seed in (5, 5, 6))
    assert one == same
    assert (one.hq_key, one.feldera_token) == (same.hq_key, same.feldera_token)
    assert one.hq_key != other.hq_key
    assert list(one.companies) != list(other.companies)
    rows = list(one.companies.values())
    assert len({row.name for row in rows}) == 600
    secrets = [key.secret for row in rows for key in row.keys]
    assert len(set(secrets)) == 1800
    labels = [key.label for row in rows for key in row.keys]
    assert 0 < labels.count(None) < 600
    assert len(set(labels)) > 8
    assert all(row.keys[0].label is not None for row in rows)
    assert all(row.active for row in rows)


def test_secrets_do_not_depend_on_what_other_companies_received():
    one, other = Sandbox(companies=2), Sandbox(companies=2)
    first, second = one.company_ids
    one.state.add_key(first, "x")
    assert one.state.add_key(second, "y") == other.state.add_key(second, "y")


def test_a_company_without_keys_still_has_a_client_key():
    box = Sandbox(companies=1, keys_per_company=0)
    (company,) = box.company_ids
    key = box.client_key(company)
    assert key == box.client_key(company)
    assert box.state.listed(company) == []
    assert box.state.account_of(key)[0].id == company


def test_the_state_file_survives_a_restart(tmp_path):
    path = tmp_path / "state.json"
    with Sandbox(companies=2, state_file=path, seed=3) as box:
        company = box.company_ids[0]
        made = sent(box, f"{COMPANIES}/{company}/api_keys", "POST", json={"label": "kept ✓"}).json()
        bearer = {"Authorization": f"Bearer {box.feldera_token}"}
        requests.post(f"{box.feldera_url}/v0/api_keys", json={"name": "ci"}, headers=bearer, timeout=5)
        before = box.state
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]
    with Sandbox(companies=9, state_file=str(path)) as box:
        assert box.state == before
        rows = sent(box, f"{COMPANIES}/{company}/api_keys").json()["content"]
        assert rows[-1] == {"api_key": made["api_key"], "label": "kept ✓"}
        assert list(box.state.feldera_keys) == ["ci"]


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"format": 99})])
def test_a_file_that_is_no_state_file(tmp_path, text):
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="not a state file"):
        Sandbox(state_file=path)
    assert path.read_text() == text


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"\x00", b"[" * 5000, b"null", b'{"format": 1, "hq": [], "companies": 1}']
)
def test_state_files_that_are_broken(tmp_path, text):
    path = tmp_path / "state.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"state\.json is not a state file of the sandbox"):
        Sandbox(state_file=path)
    assert path.read_bytes() == text


def test_the_state_goes_through_links_and_keeps_permissions(tmp_path):
    path, link = tmp_path / "state.json", tmp_path / "link"
    link.symlink_to("state.json")
    for mode in (0o600, 0o640):
        with Sandbox(companies=1, state_file=link) as box:
            sent(box, f"{COMPANIES}/{box.company_ids[0]}/api_keys", "POST", json={"label": "\u2028\U0001f426"})
        assert link.is_symlink()
        assert stat.S_IMODE(path.stat().st_mode) == mode
        path.chmod(0o640)
    assert len(Sandbox(state_file=path).state.companies[box.company_ids[0]].keys) == 5
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link", "state.json"]


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/proc/self/fd"), lambda path: path.symlink_to("no/state")],
    ids=["directory", "FIFO", "link to a directory", "nowhere"],
)
def test_what_is_no_place_for_the_state(tmp_path, make):
    path = tmp_path / "state"
    make(path)
    before = path.lstat()
    with pytest.raises(ValueError, match=f"state_file {path}"):
        Sandbox(state_file=path)
    assert path.lstat() == before


def test_a_full_disk_leaves_the_old_state(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    box = Sandbox(companies=1, state_file=path)
    before = path.read_text()
    box.state.add_key(box.company_ids[0], "new")

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(OSError, match="No space left"):
        statefile.save(box.state, path)
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


def test_the_state_can_be_changed_from_outside():
    with Sandbox(companies=2) as box:
        box.state.set_active(box.company_ids[1], active=False)
        rows = sent(box, COMPANIES).json()["content"]
        assert [row["active"] for row in rows] == [True, False]


def test_the_journal_shows_what_came_and_is_bounded():
    with Sandbox(companies=1, journal_limit=2) as box:
        for number in range(4):
            sent(box, f"{COMPANIES}?page={number + 1}")
        assert [record.index for record in box.journal] == [2, 3]
        record = box.journal[-1]
        assert (record.method, record.path, record.query) == ("GET", "/rest" + COMPANIES, {"page": "4"})
        assert record.headers["x-api-key"] == box.hq_key
        assert record.body == b""
        assert record.received <= record.started <= record.finished
        assert box.stats.requests == 4


def test_https():
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Sandbox(companies=1, ssl_context=context) as box, authority.cert_pem.tempfile() as pem:
        assert box.base_url.startswith("https://127.0.0.1:")
        assert sent(box, "/v1/me", verify=pem).status_code == 200


async def test_serving_until_cancelled():
    ready = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(ready.set_result, companies=1))
    box = await ready
    port = int(box.feldera_url.rpartition(":")[2])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_many_sandboxes_leave_no_task():
    async with aiohttp.ClientSession() as http:
        for _ in range(5):
            async with Sandbox(companies=1) as box:
                got = await http.get(f"{box.base_url}/v1/me", headers={"x-api-key": box.hq_key})
                assert (await got.json())["hq"] is True
    assert asyncio.all_tasks() == {asyncio.current_task()}
    gc.collect()


async def test_the_sessions_of_the_sdk_are_at_hand():
    async with Sandbox(companies=1) as box:
        async with box.session():
            pass
        async with box.feldera_session():
            pass


async def test_a_session_with_another_key():
    async with Sandbox(companies=1) as box:
        async with box.session("1.wrong") as refused:
            with pytest.raises(AuthenticationError):
                await refused.account.me()
        async with box.session(api_key=box.client_key(box.company_ids[0])) as client:
            assert (await client.account.me())["company"]["id"] == box.company_ids[0]
        async with box.session(lambda: box.hq_key) as rotating:
            assert (await rotating.account.me())["hq"]
