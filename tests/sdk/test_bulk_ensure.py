"""One key with a label at every company, each delivered to the caller before it is reported."""

import asyncio
import json
import os
import pickle
import random
import stat
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest

from woodpecker_async import RetryPolicy, bulk, errors
from woodpecker_async.models import IssuedKey
from woodpecker_async.sandbox import Fault, Sandbox

QUICK = RetryPolicy(initial_backoff=0.01, max_backoff=0.05)


def on_server(box: Sandbox, label: str = "crm") -> dict[int, list[str]]:
    """The keys with that label, by company; companies without one are left out."""
    found = {
        company: [key.secret for key in box.state.listed(company) if key.label == label] for company in box.company_ids
    }
    return {company: secrets for company, secrets in found.items() if secrets}


def in_file(path: Path) -> dict[int, list[str]]:
    """The keys in a sink, by company; lines that are not JSON are left out."""
    found: dict[int, list[str]] = {}
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        found.setdefault(entry["company_id"], []).append(entry["api_key"])
    return found


def one_each(box: Sandbox) -> dict[int, list[str]]:
    """The keys on the server, which must be one for each active company."""
    keys = on_server(box)
    assert {company: len(secrets) for company, secrets in keys.items()} == {
        company.id: 1 for company in box.state.companies.values() if company.active
    }
    return keys


def posts(box: Sandbox) -> int:
    return sum(record.method == "POST" for record in box.journal)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def outcomes(run: bulk.Run) -> list[bulk.Outcome]:
    async with run:
        return [outcome async for outcome in run]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.jsonl"


# ---- what it is for


async def test_every_active_company_gets_one_key_and_a_second_run_none(path: Path, no_tasks_left: None) -> None:
    before = open_files()
    async with Sandbox(companies=60, inactive=3, service_time=0) as box, box.session() as woodpecker:
        box.state.add_key(box.company_ids[7], "crm")
        run = bulk.ensure_api_keys(woodpecker, label="crm", sink=path)
        found = {outcome.company_id: outcome for outcome in await outcomes(run)}
        assert in_file(path) == one_each(box)
        for company, outcome in found.items():
            assert outcome.ok
            assert [key.api_key.reveal() for key in outcome.keys] == on_server(box)[company]
            assert (outcome.keys[0].label, outcome.created) == ("crm", company != box.company_ids[7])
        assert (run.report.ok, run.report.keys, run.report.created, posts(box)) == (57, 57, 56, 56)
        assert run.report.requests == len(box.journal)
        assert bulk.Report.from_json(run.report.to_json()).created == 56
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for entry in map(json.loads, path.read_text().splitlines()):
            assert list(entry) == ["company_id", "label", "api_key", "fingerprint", "created", "at"]
            assert entry["fingerprint"] == found[entry["company_id"]].keys[0].api_key.fingerprint
            assert entry["at"].endswith("+00:00")

        written = path.read_bytes()
        again = bulk.ensure_api_keys(woodpecker, label="crm", sink=str(path))
        assert {outcome.created for outcome in await outcomes(again)} == {False}
        assert (again.report.created, posts(box), path.read_bytes()) == (0, 56, written)
    assert open_files() == before


async def test_a_report_resumes_and_one_of_an_older_version_is_read(path: Path) -> None:
    async with Sandbox(companies=20, service_time=0) as box, box.session() as woodpecker:
        async with bulk.ensure_api_keys(woodpecker, label="crm", sink=path, concurrency=2) as run:
            async for _ in run:
                if run.report.ok == 7:
                    break
        old = json.loads(run.report.to_json())
        del old["created"]
        assert bulk.Report.from_json(json.dumps(old)).created == 0
        rest = await outcomes(bulk.ensure_api_keys(woodpecker, label="crm", sink=path, resume=run.report))
        assert len(rest) == 20 - run.report.ok
        assert in_file(path) == one_each(box)


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_a_function_has_each_key_before_there_is_an_outcome(kind: str) -> None:
    taken: dict[int, IssuedKey] = {}

    def plain(issued: IssuedKey) -> None:
        taken[issued.company_id] = issued

    async def asynchronous(issued: IssuedKey) -> None:
        await asyncio.sleep(0.002)
        plain(issued)

    async with Sandbox(companies=30, service_time=0) as box, box.session() as woodpecker:
        sink = plain if kind == "plain" else asynchronous
        async with bulk.ensure_api_keys(woodpecker, box.company_ids, label="crm", sink=sink, ordered=True) as run:
            async for outcome in run:
                assert taken[outcome.company_id].api_key == outcome.keys[0].api_key
        assert {company: [issued.api_key.reveal()] for company, issued in taken.items()} == one_each(box)


async def test_a_company_given_twice_has_one_key_and_one_line(path: Path) -> None:
    async with Sandbox(companies=2, service_time=0) as box, box.session() as woodpecker:
        found = await outcomes(bulk.ensure_api_keys(woodpecker, box.company_ids * 5, label="crm", sink=path))
        assert [outcome.created for outcome in found].count(True) == 2
        assert len(found) == 10
        assert in_file(path) == one_each(box)


# ---- a sink that fails


async def test_a_sink_that_fails_is_the_outcome_of_that_company_and_the_key_comes_again() -> None:
    taken: dict[int, str] = {}
    refusing = True

    def sink(issued: IssuedKey) -> None:
        secret = issued.api_key.reveal()
        if refusing and issued.company_id in box.company_ids[3:5]:
            raise LookupError(f"cannot insert row ({issued.company_id}, {secret})")
        taken[issued.company_id] = secret

    async with Sandbox(companies=12, service_time=0) as box, box.session() as woodpecker:
        run = bulk.ensure_api_keys(woodpecker, label="crm", sink=sink)
        failed = [outcome for outcome in await outcomes(run) if not outcome.ok]
        assert {outcome.company_id for outcome in failed} == set(box.company_ids[3:5])
        assert run.report.failures_by_type == {"KeyNotStoredError": 2}
        assert (run.report.ok, run.report.created) == (10, 12)
        for outcome in failed:
            error = outcome.error
            assert isinstance(error, errors.KeyNotStoredError)
            assert (outcome.keys, outcome.created) == ((), True)
            assert [error.api_key.reveal()] == on_server(box)[outcome.company_id]
            assert "has a new API key 'crm'" in str(error)
            assert "LookupError: cannot insert row" in str(error)
            assert "the next run finds it" in str(error)
            shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
            for text in (shown, repr(error), str(pickle.loads(pickle.dumps(error))), run.report.to_json()):
                assert error.api_key.reveal() not in text
            assert error.__context__ is None
        refusing = False
        again = bulk.ensure_api_keys(woodpecker, label="crm", sink=sink, resume=run.report)
        assert [outcome.created for outcome in await outcomes(again)] == [False, False]
        assert (again.report.ok, again.report.failed, again.report.created) == (12, 0, 12)
        assert {company: [secret] for company, secret in taken.items()} == one_each(box)


async def test_a_sink_that_takes_nothing_at_all_stops_the_run(no_tasks_left: None) -> None:
    def sink(issued: IssuedKey) -> None:
        raise OSError("No space left on device")

    async with Sandbox(companies=200, service_time=0) as box, box.session() as woodpecker:
        run = bulk.ensure_api_keys(woodpecker, label="crm", sink=sink)
        with pytest.raises(errors.KeyNotStoredError, match="No space left"):
            await outcomes(run)
        assert run.report.stopped_by == "KeyNotStoredError"
        assert len(on_server(box)) < 50


async def test_a_file_that_is_gone_or_laid_open_in_the_middle_is_noticed(path: Path) -> None:
    async with Sandbox(companies=8, service_time=0) as box, box.session() as woodpecker:
        for harm in (path.unlink, lambda: path.chmod(0o644)):
            found = []
            run = bulk.ensure_api_keys(woodpecker, label="crm", sink=path, ordered=True, concurrency=2)
            async with run:
                found.append(await anext(run))
                async with asyncio.timeout(10):
                    while len(path.read_text().splitlines()) < 5:  # then the workers are waiting for the consumer
                        await asyncio.sleep(0.01)
                harm()
                found += [outcome async for outcome in run]
            assert found[0].ok
            assert {type(outcome.error) for outcome in found[5:]} == {errors.KeyNotStoredError}
            path.unlink(missing_ok=True)
            assert len(await outcomes(bulk.ensure_api_keys(woodpecker, label="crm", sink=path))) == 8
            assert in_file(path) == one_each(box)
            path.unlink()
            path.touch(0o600)


# ---- the file


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o666])
async def test_a_file_that_others_can_read_is_refused(path: Path, mode: int) -> None:
    path.touch()
    path.chmod(mode)
    async with Sandbox(companies=2) as box, box.session() as woodpecker:
        with pytest.raises(errors.ConfigError, match=f"{mode:04o}.*chmod 600 {path}"):
            await outcomes(bulk.ensure_api_keys(woodpecker, label="crm", sink=path))
        assert box.journal == []


async def test_what_is_no_file_is_refused(path: Path, no_tasks_left: None) -> None:
    target = path.with_name("target")
    target.touch(0o600)
    link, pipe = path.with_name("link"), path.with_name("pipe")
    link.symlink_to(target)
    os.mkfifo(pipe, 0o600)
    async with Sandbox(companies=2) as box, box.session() as woodpecker:
        before = open_files()
        for sink, why in (
            (link, "symbolic link"),
            (pipe, "not a regular file"),
            (path.parent, "Is a directory"),
            (path.parent / "nowhere" / "keys", "No such file"),
        ):
            with pytest.raises(errors.ConfigError, match=why):
                await outcomes(bulk.ensure_api_keys(woodpecker, label="crm", sink=sink))
        assert (box.journal, target.read_bytes(), open_files()) == ([], b"", before)


@pytest.mark.parametrize("torn", ["half a line", "whole, but for its end", "garbage"])
async def test_a_torn_line_is_healed(path: Path, torn: str) -> None:
    async with Sandbox(companies=8, service_time=0) as box, box.session() as woodpecker:
        await outcomes(bulk.ensure_api_keys(woodpecker, label="crm", sink=path))
        lines = path.read_bytes().splitlines(keepends=True)
        whole = lines[:5]
        last = {"half a line": lines[5][:60], "whole, but for its end": lines[5][:-1], "garbage": b"\xff\x00{"}[torn]
        path.write_bytes(b"".join([*whole, last]))
        await outcomes(bulk.ensure_api_keys(woodpecker, label="crm", sink=path))
        assert path.read_bytes().startswith(b"".join([*whole, last, b"\n"]))
        healed = [line for line in path.read_bytes().splitlines() if line.startswith(b"{") and line.endswith(b"}")]
        assert len(healed) == 8
        path.write_bytes(b"\n".join(healed) + b"\n")
        assert in_file(path) == one_each(box)


async def test_a_line_is_flushed_to_the_disk_before_its_outcome(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    loop_thread = threading.get_ident()

    def fsync(handle: int) -> None:
        assert threading.get_ident() != loop_thread
        synced.append(os.fstat(handle).st_size if stat.S_ISREG(os.fstat(handle).st_mode) else -1)

    monkeypatch.setattr(os, "fsync", fsync)
    async with Sandbox(companies=5, service_time=0) as box, box.session() as woodpecker:
        async with bulk.ensure_api_keys(woodpecker, label="crm", sink=path, concurrency=1) as run:
            assert synced == [0, -1]  # the file, and the directory it is in
            async for outcome in run:
                line = next(
                    line for line in path.read_bytes().splitlines(True) if str(outcome.company_id).encode() in line
                )
                assert max(synced) >= path.read_bytes().index(line) + len(line)
    assert len(synced) == 2 + 5


@pytest.mark.parametrize(
    "bad",
    [
        {"sink": None}, {"sink": ""}, {"sink": 7}, {"sink": b"keys"}, {"label": ""}, {"label": " crm"}, {"label": None},
        {"settle": -1}, {"settle": "1"}, {"grace": float("inf")}, {"concurrency": 0}, {"resume": "x"},
        {"companies": [0]}, {"companies": "12"},
    ],
    ids=str,
)  # fmt: skip
async def test_bad_arguments_are_refused(path: Path, bad: dict[str, object]) -> None:
    async with Sandbox(companies=1) as box, box.session() as woodpecker:
        with pytest.raises(errors.ConfigError):
            bulk.ensure_api_keys(woodpecker, **{"label": "crm", "sink": path, **bad})
        assert (box.journal, path.exists()) == ([], False)
    with pytest.raises(errors.ConfigError):
        bulk.ensure_api_keys("session", label="crm", sink=path)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        bulk.ensure_api_keys(woodpecker, label="crm")  # type: ignore[call-arg]


# ---- a misbehaving server


async def test_faults_of_every_kind_and_still_one_key_each(path: Path) -> None:
    box = Sandbox(companies=60, service_time=0.001, seed=5)
    async with box, box.session(retry=QUICK) as woodpecker:
        box.faults.add(
            Fault.commit_then(500, method="POST", probability=0.15, times=None),
            Fault.close(at="after_commit", method="POST", probability=0.15, times=None),
            Fault.close(method="POST", probability=0.15, times=None),
            Fault.late_commit(0.2, method="POST", probability=0.1, times=None),
            Fault.status(429, at="arrival", probability=0.1, times=None),
            Fault.half_body(method="POST", probability=0.05, times=None),
        )
        found = []
        for _ in range(4):
            run = bulk.ensure_api_keys(woodpecker, label="crm", sink=path, settle=0.6)
            found = await outcomes(run)
            unknown = [outcome.error for outcome in found if not outcome.ok]
            assert {type(error) for error in unknown} <= {errors.KeyOutcomeUnknownError}
            stored = in_file(path)
            for outcome in found:
                if outcome.ok:
                    assert stored[outcome.company_id] == [outcome.keys[0].api_key.reveal()]
            if not unknown:
                break
        assert all(outcome.ok for outcome in found)
        assert in_file(path) == one_each(box)


async def test_a_key_of_unknown_outcome_and_an_ambiguous_label_are_outcomes(path: Path) -> None:
    async with Sandbox(companies=5, service_time=0) as box, box.session(retry=RetryPolicy(attempts=1)) as woodpecker:
        lost, ambiguous = box.company_ids[:2]
        box.faults.add(Fault.status(500, method="POST", company=lost, times=None))
        for _ in range(2):
            box.state.add_key(ambiguous, "crm")
        run = bulk.ensure_api_keys(woodpecker, label="crm", sink=path, settle=0.1)
        found = {outcome.company_id: outcome for outcome in await outcomes(run)}
        kinds = {company: getattr(outcome.error, "kind", None) for company, outcome in found.items()}
        assert kinds == {lost: "not_seen", ambiguous: "several_keys", **dict.fromkeys(box.company_ids[2:])}
        assert found[lost].created is None
        assert set(in_file(path)) == set(box.company_ids[2:])


async def test_a_key_that_is_no_good_stops_all(path: Path, no_tasks_left: None) -> None:
    async with Sandbox(companies=100, service_time=0.001) as box, box.session() as woodpecker:
        box.faults.add(Fault.status(401, path=None, skip=30, times=None))
        run = bulk.ensure_api_keys(woodpecker, box.company_ids, label="crm", sink=path)
        with pytest.raises(errors.AuthenticationError):
            await outcomes(run)
        assert len(box.journal) <= 30 + 8
        assert in_file(path) == on_server(box)
        box.faults.clear()
        rest = await outcomes(bulk.ensure_api_keys(woodpecker, box.company_ids, label="crm", sink=path))
        assert len(rest) == 100
        assert in_file(path) == one_each(box)


# ---- leaving early


@pytest.mark.parametrize("seed", range(6))
async def test_cancelled_at_any_moment_what_was_made_is_in_the_file(path: Path, seed: int, no_tasks_left: None) -> None:
    chance = random.Random(seed)
    async with Sandbox(companies=200, service_time=0.004, seed=seed) as box, box.session() as woodpecker:
        before = asyncio.all_tasks()
        run = bulk.ensure_api_keys(woodpecker, label="crm", sink=path, grace=60)
        task = asyncio.create_task(outcomes(run))
        await asyncio.sleep(chance.uniform(0.02, 0.4))
        task.cancel()
        left = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - left < 25
        assert not {task for task in asyncio.all_tasks() - before if "bulk" in task.get_name()}
        made = on_server(box)
        assert in_file(path) == made
        assert len(made) < 200
        await asyncio.sleep(0.05)
        assert on_server(box) == made


async def test_the_grace_has_an_end_and_nothing_is_lost_by_it(
    path: Path, no_tasks_left: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("woodpecker_async.bulk.labels._PATIENCE", 0.1)
    async with Sandbox(companies=4, service_time=0) as box, box.session() as woodpecker:
        box.faults.add(Fault.wait(30, at="after_commit", method="POST", company=box.company_ids[0]))
        async with bulk.ensure_api_keys(woodpecker, label="crm", sink=path, grace=0.3, settle=0.5) as run:
            found = [await anext(run) for _ in range(3)]
            left = time.monotonic()
        assert 0.25 < time.monotonic() - left < 25
        assert all(outcome.ok for outcome in found)
        assert len(on_server(box)) == 4
        assert len(in_file(path)) == 3
        again = await outcomes(bulk.ensure_api_keys(woodpecker, label="crm", sink=path))
        assert {outcome.created for outcome in again} == {False}
        assert in_file(path) == one_each(box)


async def test_a_second_cancel_ends_the_grace(path: Path, no_tasks_left: None) -> None:
    async with Sandbox(companies=1, service_time=0) as box, box.session() as woodpecker:
        box.faults.add(Fault.wait(30, at="after_commit", method="POST"))
        run = bulk.ensure_api_keys(woodpecker, label="crm", sink=path, grace=60)
        task = asyncio.create_task(outcomes(run))
        while not on_server(box):
            await asyncio.sleep(0.005)
        began = time.monotonic()
        task.cancel()
        await asyncio.sleep(0.1)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 25


async def test_cancelled_again_and_again_it_is_left_all_the_same(no_tasks_left: None) -> None:
    """Web frameworks cancel like this: in every loop iteration, until the task is gone."""
    closed = []

    async def companies():
        try:
            for company_id in box.company_ids:
                yield company_id
        finally:
            closed.append(True)

    async with Sandbox(companies=12, service_time=0.02) as box, box.session() as session:
        run = bulk.ensure_api_keys(session, companies(), label="crm", sink=lambda issued: None)

        async def caller() -> None:
            async with run:
                async for _ in run:
                    pass

        task = asyncio.create_task(caller())
        while not box.journal:
            await asyncio.sleep(0)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()
        assert closed
        assert run.report.seconds > 0
        with pytest.raises(errors.ConfigError, match="has been left"):
            await anext(run)


# ---- SIGKILL

CHILD = """
import asyncio, sys
from woodpecker_async import WoodpeckerSession, bulk

async def main():
    async with WoodpeckerSession() as woodpecker:
        async with bulk.ensure_api_keys(woodpecker, label="crm", sink=sys.argv[1], settle=0.5) as run:
            async for outcome in run:
                assert outcome.ok, outcome.error

asyncio.run(main())
"""


def run_and_kill(box: Sandbox, path: Path, chance: random.Random, kills: int) -> tuple[int, int]:
    """Run it and kill it repeatedly, then let it finish.

    Returns:
        How many of the kills hit a run at work, and how many keys were made but not stored when they hit.
    """
    env = {**os.environ, "WOODPECKER_API_KEY": box.hq_key, "WOODPECKER_BASE_URL": box.base_url}
    command = [sys.executable, "-W", "error", "-c", CHILD, str(path)]
    hits = orphans = 0
    for number in range(kills + 1):
        with subprocess.Popen(command, env=env, stderr=subprocess.PIPE) as child:
            if number < kills:
                # A little later than the one before, so that kills hit every stage of the work at a company.
                left = len(box.company_ids) - len(on_server(box))
                asked = len(box.journal) + chance.randint(1, max(2, 4 * left // (kills + 1 - number)))
                while child.poll() is None and len(box.journal) < asked:
                    time.sleep(0.0002)
                time.sleep(chance.uniform(0, 0.004))
                child.kill()
            _, said = child.communicate(timeout=60)
            assert child.returncode in (0, -9), said.decode()
            if child.returncode == -9:
                hits += 1
                stored = in_file(path) if path.exists() else {}
                orphans += len(on_server(box).keys() - stored.keys())
    assert child.returncode == 0
    return hits, orphans


@pytest.mark.system
def test_killed_four_times(path: Path) -> None:
    with Sandbox(companies=40, service_time=0.002, seed=1) as box:
        hits, _ = run_and_kill(box, path, random.Random(1), kills=4)
        assert hits == 4
        assert in_file(path) == one_each(box)
        assert posts(box) == 40


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
def test_killed_forty_times(path: Path, seed: int) -> None:
    with Sandbox(companies=300, service_time=0.001, seed=seed) as box:
        box.faults.add(
            Fault.commit_then(500, method="POST", probability=0.05, times=None),
            Fault.close(at="after_commit", method="POST", probability=0.05, times=None),
        )
        hits, orphans = run_and_kill(box, path, random.Random(seed), kills=40)
        print(f"{hits} kills hit, {orphans} keys were made and not stored when they did")
        assert hits >= 20
        assert in_file(path) == one_each(box)
        assert len(box.company_ids) == 300
