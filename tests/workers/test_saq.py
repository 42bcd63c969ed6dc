"""Jobs on SAQ and Redis: killed, stopped, frozen, withdrawn, refused; each company counts once, no key is lost."""

import asyncio
import json
import signal
import traceback
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.shared.redis_server import running_redis
from tests.waiting import until_async
from tests.workers.worker_process import HEARTBEAT
from woodpecker_async import ConfigError, WoodpeckerSession, errors
from woodpecker_async.sandbox import Fault, Sandbox
from woodpecker_async.workers import Context, Sweep, chunks, gather, perform
from woodpecker_async.workers.redis import RedisClaims, RedisLedger, connect
from woodpecker_async.workers.saq import Delivery, State, work
from woodpecker_async.workers.sweep import sweep

pytestmark = pytest.mark.system

ENSURE = {"task": "ensure", "label": "crm", "sink": "vault"}


@pytest.fixture(autouse=True)
async def _no_tasks_left(no_tasks_left: None) -> None:
    """Every test here."""


@asynccontextmanager
async def working(box, redis, **settings):
    """A worker in this process; yields its messages."""
    said, stop = [], asyncio.Event()
    async with box.session() as session:
        worker = asyncio.create_task(
            work(session, redis.url, stop=stop, on_news=said.append, heartbeat=HEARTBEAT, **settings)
        )
        try:
            yield said
        finally:
            stop.set()
            await worker


def swept(redis, **order):
    return sweep(redis.url, Sweep(**order), heartbeat=HEARTBEAT)


def asked(box):
    """How often the keys of each company were requested."""
    return Counter(
        record.company_id for record in box.journal if record.method == "GET" and record.path.endswith("/api_keys")
    )


def made(box):
    """The keys with the label, by company."""
    return {
        company: [key.secret for key in box.state.listed(company) if key.label == "crm"] for company in box.company_ids
    }


def posts(box):
    return Counter(record.company_id for record in box.journal if record.method == "POST")


def stored(path: Path):
    return [json.loads(line)["api_key"] for line in path.read_text().splitlines()]


def one_key_each(box, path):
    """One key at each company, and all of them in the sink."""
    keys = made(box)
    assert {len(each) for each in keys.values()} == {1}
    assert set(stored(path)) == {key for each in keys.values() for key in each}


async def test_a_sweep_over_two_workers(redis, tmp_path) -> None:
    async with Sandbox(companies=30, keys_per_company=2, inactive=2, service_time=0) as box:
        path = tmp_path / "keys.jsonl"
        seen = []
        async with working(box, redis, sinks={"vault": path}), working(box, redis, sinks={"vault": path}):
            listed = await sweep(redis.url, Sweep(chunk_size=7), on_progress=seen.append)
            assert asked(box) == dict.fromkeys(box.company_ids, 1)
            ensured = await swept(redis, **ENSURE)
        assert (listed.report.done, listed.report.keys, listed.failed_jobs) == (set(box.company_ids), 60, {})
        assert set(listed.found) == set(box.company_ids)
        assert (seen[-1].done, seen[-1].total) == (30, 30)
        assert [each.done for each in seen] == sorted(each.done for each in seen)
        assert (ensured.report.ok, ensured.report.created) == (28, 28)
        assert set(posts(box).values()) == {1}
        assert box.stats.refused == 0


@pytest.mark.parametrize("task", [{}, ENSURE], ids=["list", "ensure"])
async def test_a_worker_is_killed(redis, start_worker, tmp_path, task) -> None:
    path = tmp_path / "keys.jsonl"
    async with Sandbox(companies=40, keys_per_company=1, service_time=0.02) as box:
        first = start_worker(box, sinks={"vault": str(path)})
        await first.ready()
        run = asyncio.create_task(swept(redis, run="r", chunk_size=20, **task))
        await until_async(lambda: len(posts(box) if task else asked(box)) > 8)
        first.send(signal.SIGKILL)
        await first.ended()
        async with connect(redis.url) as client:
            kept = await RedisLedger(client, "woodpecker").results("r:ensure:plan" if task else "r:list:plan")
        before = asked(box)
        done_before = gather(kept.values()).done
        assert 0 < len(done_before) < 40
        await asyncio.gather(start_worker(box, sinks={"vault": str(path)}).ready(), run)
        report = run.result().report
        assert (report.done, report.failures, run.result().failed_jobs) == (set(box.company_ids), {}, {})
        assert report.keys == 40
        # What was done before the kill was not done again; at most what was in flight was.
        again = asked(box) - before
        assert not done_before & set(again)
        assert not set(before - asked(box))
        if task:
            assert set(posts(box).values()) == {1}
            one_key_each(box, path)
            assert len(stored(path)) == 40


async def test_a_worker_that_freezes_comes_back_too_late(redis, start_worker) -> None:
    async with Sandbox(companies=20, service_time=0.02) as box:
        frozen = start_worker(box)
        await frozen.ready()
        run = asyncio.create_task(swept(redis, run="r"))
        await until_async(lambda: len(asked(box)) > 8)
        frozen.send(signal.SIGSTOP)
        start_worker(box)
        result = await run
        frozen.send(signal.SIGCONT)
        await until_async(lambda: "20 companies done" in frozen.said)
        assert (result.report.ok, result.report.keys, result.failed_jobs) == (20, 60, {})
        assert await swept(redis, run="r") == result


@pytest.mark.parametrize("after", [2, 9, 17])
async def test_a_worker_that_was_frozen_makes_no_second_key(redis, start_worker, tmp_path, after) -> None:
    """It has listed the keys, and others have created the key by the time it wakes: it does not send its request."""
    path = tmp_path / "keys.jsonl"
    async with Sandbox(companies=30, service_time=0.02) as box:
        frozen = start_worker(box, sinks={"vault": str(path)})
        await frozen.ready()
        run = asyncio.create_task(swept(redis, run="r", chunk_size=30, **ENSURE))
        await until_async(lambda: len(posts(box)) >= after)
        frozen.send(signal.SIGSTOP)
        start_worker(box, sinks={"vault": str(path)})
        result = await run
        frozen.send(signal.SIGCONT)
        await until_async(lambda: "Job r:ensure:0: " in frozen.said)
        assert result.report.done | set(result.report.failures) == set(box.company_ids)
        assert set(posts(box).values()) == {1}
        one_key_each(box, path)


async def test_a_claim_that_may_have_expired_is_no_claim(redis) -> None:
    async with connect(redis.url) as client:
        ours, theirs = RedisClaims(client, lasting=0.3), RedisClaims(client, lasting=5)
        await ours.take(7)
        await ours.take(8)
        ours.check(7)
        await asyncio.sleep(0.35)  # as if frozen: nothing was renewed
        await theirs.take(7)
        for company in (7, 8):  # whether or not another worker has taken it
            with pytest.raises(errors.ClaimLostError, match=f"the claim on company {company} has expired"):
                ours.check(company)
            with pytest.raises(errors.ClaimLostError, match="ensuring it again"):
                await ours.give_back(company)
        theirs.check(7)
        await theirs.give_back(7)


async def test_a_claim_that_is_kept_lasts_and_a_lost_one_stays_lost(redis) -> None:
    async with connect(redis.url) as client:
        claims = RedisClaims(client, lasting=0.5)
        keeping = asyncio.create_task(claims.keep(0.1))
        await claims.take(7)
        await claims.take(8)
        await asyncio.sleep(0.8)
        claims.check(7)
        await client.delete("woodpecker:claim:8")
        await asyncio.sleep(0.3)
        with pytest.raises(errors.ClaimLostError):
            claims.check(8)
        claims.check(7)
        await claims.give_back(7)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_what_a_ledger_in_redis_is_written_grows_with_the_companies_and_no_faster(redis) -> None:
    async with Sandbox(companies=300, keys_per_company=1, service_time=0) as box, box.session() as session:
        async with connect(redis.url) as client:
            context = Context(session=session, ledger=RedisLedger(client, "woodpecker"))
            planned = await perform(Sweep(run="r", chunk_size=300).plan(), context)
            before = int((await client.info("stats"))["total_net_input_bytes"])
            [payload] = chunks(planned)
            result = await perform(payload, context)
            written = int((await client.info("stats"))["total_net_input_bytes"]) - before
            assert (result["whole"], gather([result]).ok) == (True, 300)
            assert await perform(payload, context) == result
            assert not [key for key in await client.keys() if b":parts:" in key]
            assert (await context.ledger.progress("r:list:plan"))[1] == 300
    assert written < 300 * 2_000


async def test_a_list_that_never_settles_is_said_of_the_sweep(redis) -> None:
    async with Sandbox(companies=6) as box, working(box, redis):
        await until_async(lambda: box.stats.requests)

        def announce_one_more(_, answer):
            data = answer.json()
            data["pagination_data"]["total_elements"] += 1
            return answer.with_json(data)

        box.faults.add(Fault.rewriting(announce_one_more, path="/v2/agency/companies", times=None))
        result = await swept(redis)
        assert (result.report.ok, result.report.unsettled, result.missing) == (6, True, frozenset())


async def test_a_proxys_page_does_not_end_the_worker(redis) -> None:
    async with Sandbox(companies=5, service_time=0) as box:
        box.faults.add(Fault.html(403, path="/v2/agency/companies"))
        async with working(box, redis) as said:
            box.faults.add(Fault.html(401, company=box.company_ids[1], times=None))
            result = await swept(redis)
            assert (result.report.ok, result.report.failures_by_type) == (4, {"AuthenticationError": 1})
        assert said[0].startswith("The server does not answer yet: PermissionDeniedError")


async def test_all_workers_together_keep_the_limit(redis, start_worker) -> None:
    async with Sandbox(companies=60, keys_per_company=1, service_time=0.01) as box:
        workers = [start_worker(box, concurrency=2, shared=True) for _ in range(3)]
        await asyncio.gather(*[worker.ready() for worker in workers])
        result = await swept(redis, chunk_size=4)
        assert (result.report.ok, result.report.keys) == (60, 60)
        assert all("companies done" in worker.said for worker in workers)
        assert set(asked(box).values()) == {1}
        assert box.stats.refused == 0


async def test_two_runs_ensure_the_same_at_the_same_time(redis, start_worker, tmp_path) -> None:
    path = tmp_path / "keys.jsonl"
    async with Sandbox(companies=25, service_time=0.02) as box:
        workers = [start_worker(box, sinks={"vault": str(path)}) for _ in range(2)]
        await asyncio.gather(*[worker.ready() for worker in workers])
        results = await asyncio.gather(swept(redis, **ENSURE), swept(redis, **ENSURE))
        assert [result.report.ok for result in results] == [25, 25]
        assert sum(result.report.created for result in results) == 25
        # A job lasts a second, so that the other worker has time to take the other run's job.
        await until_async(lambda: all("25 companies done" in worker.said for worker in workers))
        one_key_each(box, path)


async def test_sigterm_finishes_what_is_under_way_and_hands_over_the_rest(redis, start_worker, tmp_path) -> None:
    path = tmp_path / "keys.jsonl"
    async with Sandbox(companies=30, service_time=0.02) as box:
        first = start_worker(box, sinks={"vault": str(path)})
        await first.ready()
        run = asyncio.create_task(swept(redis, chunk_size=30, run="r", **ENSURE))
        await until_async(lambda: len(posts(box)) > 5)
        first.send(signal.SIGTERM)
        assert await first.ended() == 0
        assert 5 < len(posts(box)) < 30
        # Whatever was created is stored, and incomplete jobs are back on the queue.
        assert set(stored(path)) == {key for each in made(box).values() for key in each}
        async with connect(redis.url) as client:
            assert (await Delivery(client).look(["r:ensure:0"]))["r:ensure:0"] == (State.UNDER_WAY, "")
            assert await client.llen("saq:woodpecker:queued") == 1
            assert await client.llen("saq:woodpecker:active") == 0
        start_worker(box, sinks={"vault": str(path)})
        report = (await run).report
        assert (report.ok, report.created, report.failures) == (30, 30, {})
        assert set(posts(box).values()) == {1}
        one_key_each(box, path)


async def test_sigterm_ends_within_grace_whatever_the_server_does(redis, start_worker, tmp_path) -> None:
    path = tmp_path / "keys.jsonl"
    async with Sandbox(companies=3, service_time=0) as box:
        box.faults.add(Fault.wait(60, method="POST", at="after_commit", times=None))
        worker = start_worker(box, sinks={"vault": str(path)}, grace=0.5)
        await worker.ready()
        run = asyncio.create_task(swept(redis, run="r", **ENSURE))
        await until_async(lambda: any(made(box).values()))
        worker.send(signal.SIGTERM)
        assert await worker.ended() == 0
        box.faults.clear()
        start_worker(box, sinks={"vault": str(path)})
        report = (await run).report
        assert (report.ok, report.failures) == (3, {})
        one_key_each(box, path)


async def test_withdrawn_and_gone_on_with(redis, tmp_path) -> None:
    path = tmp_path / "keys.jsonl"
    async with Sandbox(companies=20, service_time=0.01) as box, working(box, redis, sinks={"vault": path}):
        first = asyncio.create_task(swept(redis, run="r", chunk_size=3, **ENSURE))
        await until_async(lambda: len(posts(box)) > 6)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = await swept(redis, run="r", chunk_size=3, **ENSURE)
        assert (second.report.ok, second.failed_jobs) == (20, {})
        assert set(posts(box).values()) == {1}
        one_key_each(box, path)
        requests = box.stats.requests
        third = await swept(redis, run="r", chunk_size=3, **ENSURE)
        assert third == second
        assert box.stats.requests == requests


async def test_after_a_withdrawal_nothing_is_begun(redis) -> None:
    async with Sandbox(companies=40, service_time=0.01) as box, working(box, redis):
        first = asyncio.create_task(swept(redis, chunk_size=2))
        await until_async(lambda: len(asked(box)) > 4)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        async with connect(redis.url) as client:
            assert await client.llen("saq:woodpecker:queued") == 0
            await asyncio.sleep(0.5)  # the jobs in flight, of two companies each, are long done
            requests = box.stats.requests
            await asyncio.sleep(0.3)
        assert box.stats.requests == requests < 42


async def test_going_on_tries_once_more_what_failed(redis) -> None:
    async with Sandbox(companies=10, service_time=0) as box, working(box, redis):
        bad = box.company_ids[3]
        box.faults.add(Fault.status(404, company=bad))
        first = await swept(redis, run="r")
        assert (first.report.ok, set(first.report.failures)) == (9, {bad})
        second = await swept(redis, run="r")
        assert (second.report.ok, second.report.failures, second.report.keys) == (10, {}, 30)
        assert asked(box) == {company: 2 if company == bad else 1 for company in box.company_ids}


async def test_a_run_id_is_of_one_sweep(redis, box, tmp_path) -> None:
    async with working(box, redis, sinks={"vault": tmp_path / "keys.jsonl"}):
        await swept(redis, run="r")
        with pytest.raises(ConfigError, match="run id 'r' was used for another sweep"):
            await swept(redis, run="r", active=True)
        seen = []
        await sweep(redis.url, Sweep(run="r", **ENSURE), on_progress=seen.append)  # another task: no mix-up
        assert seen[0].done == 0
        assert (seen[-1].done, seen[-1].total) == (11, 11)


async def test_several_runs_at_once_and_several_senders_of_one(redis) -> None:
    async with Sandbox(companies=30, service_time=0) as box, working(box, redis):
        results = await asyncio.gather(
            *[swept(redis, run=run, chunk_size=4) for run in ("a", "a", "b")],
        )
        assert results[0] == results[1]
        assert [result.report.ok for result in results] == [30, 30, 30]
        assert set(asked(box).values()) == {2}


async def test_a_worker_without_the_sink(redis, tmp_path) -> None:
    async with Sandbox(companies=3) as box, working(box, redis, sinks={"other": tmp_path / "x"}) as said:
        before = box.stats.requests
        with pytest.raises(errors.QueueError, match=r"no sink named 'vault' \(it has: other\)"):
            await swept(redis, run="r", **ENSURE)
        assert box.stats.requests - before <= 1  # the worker's own check of its key
        assert any("Job r:ensure:plan failed: ConfigError" in line for line in said)


async def test_jobs_of_another_version_fail_visibly_and_can_be_done_later(redis, start_worker) -> None:
    async with Sandbox(companies=5) as box:
        other = start_worker(box, version=99)
        await other.ready()
        with pytest.raises(
            errors.QueueError, match=r"the job has version 1, and this SDK runs jobs of version 99: use the same"
        ):
            await swept(redis, run="r")
        assert other.said.count("\n") == 2
        assert "Traceback" not in other.said
        async with connect(redis.url) as client:
            state, why = (await Delivery(client).look(["r:list:plan"]))["r:list:plan"]
            assert state is State.FAILED
            assert why.startswith("ConfigError: the job has version 1")
        other.send(signal.SIGTERM)
        assert await other.ended() == 0
        async with working(box, redis):
            assert (await swept(redis, run="r")).report.ok == 5


async def test_a_key_that_is_refused_ends_the_worker_and_not_the_job(redis) -> None:
    async with Sandbox(companies=5, service_time=0) as box:
        async with WoodpeckerSession("wrong", base_url=box.base_url) as session:
            with pytest.raises(errors.AuthenticationError):
                await work(session, redis.url)
        run = asyncio.create_task(swept(redis))
        async with box.session() as session:
            worker = asyncio.create_task(work(session, redis.url, heartbeat=HEARTBEAT))
            await until_async(lambda: box.stats.requests >= 2)
            box.faults.add(Fault.status(401, times=None))  # the key is withdrawn, once the worker is at work
            second = asyncio.create_task(swept(redis, run="later"))
            with pytest.raises(errors.AuthenticationError):
                await worker
        box.faults.clear()
        async with working(box, redis):
            results = await asyncio.gather(run, second)
        assert [(result.report.ok, result.failed_jobs) for result in results] == [(5, {}), (5, {})]


async def test_a_server_that_does_not_answer_yet_is_waited_for(redis) -> None:
    async with Sandbox(companies=5, service_time=0) as box:
        box.faults.add(Fault.status(409, path="/v2/agency/companies"))
        async with working(box, redis) as said:
            assert (await swept(redis)).report.ok == 5
        assert said[0].startswith("The server does not answer yet: CompanyInactiveError")


async def test_what_fails_for_a_while_is_tried_again(redis) -> None:
    async with Sandbox(companies=5, service_time=0) as box:
        async with working(box, redis) as said:
            await until_async(lambda: box.stats.requests)
            box.faults.add(Fault.status(409, path="/v2/agency/companies", times=2))
            result = await swept(redis)
        assert result.report.ok == 5
        assert sum("plan failed: CompanyInactiveError" in line for line in said) == 2


async def test_redis_goes_away_and_comes_back_empty(redis) -> None:
    async with Sandbox(companies=30, service_time=0.01) as box, working(box, redis) as said:
        run = asyncio.create_task(swept(redis, run="r", chunk_size=5))
        await until_async(lambda: len(asked(box)) > 8)
        redis.stop()
        with pytest.raises(errors.QueueError, match=rf"Redis at 127.0.0.1:{redis.port}: ConnectionError"):
            await run
        await until_async(lambda: any("is gone" in line for line in said))
        redis.start()
        assert (await swept(redis, run="r", chunk_size=5)).report.ok == 30
        await until_async(lambda: "Redis is back." in said)


async def test_jobs_that_the_queue_forgot_are_sent_again(redis, monkeypatch) -> None:
    monkeypatch.setattr("woodpecker_async.workers.sweep._NOWHERE", 0.5)
    async with Sandbox(companies=10) as box:
        run = asyncio.create_task(swept(redis, run="r"))
        async with connect(redis.url) as client:

            async def forget() -> None:
                while not await client.llen("saq:woodpecker:queued"):
                    await asyncio.sleep(0.01)
                await client.flushdb()

            await asyncio.wait_for(forget(), 10)
            async with working(box, redis):
                assert (await run).report.ok == 10


@pytest.mark.parametrize("url", ["http://user:pa55word@localhost", "localhost:6379", "", "redis://:pa55word@h:port/x"])
async def test_a_url_that_is_none(url, box) -> None:
    async with box.session() as session:
        for use in (lambda: sweep(url, Sweep()), lambda: work(session, url)):
            with pytest.raises(ConfigError, match="this is not the URL of a Redis") as caught:
                await use()
            assert "pa55word" not in shown(caught.value)
    assert box.journal == []


async def test_redis_cannot_be_reached_or_wants_another_password(box) -> None:
    with running_redis("right") as redis:
        for userinfo in (":pa55word@", "somebody:pa55word@", ""):
            await refused(f"redis://{userinfo}127.0.0.1:{redis.port}", box, "wants another user or password")
    await refused(f"redis://:pa55word@127.0.0.1:{redis.port}", box, "Connect")
    assert box.journal == []


async def refused(url, box, message):
    async with box.session() as session:
        for use in (lambda: sweep(url, Sweep()), lambda: work(session, url)):
            with pytest.raises(errors.QueueError, match=message) as caught:
                await use()
            assert "pa55word" not in shown(caught.value)


def shown(error):
    """Everything that a traceback with locals can show, except for this file's own."""
    assert error.__cause__ is None
    assert error.__context__ is None
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    assert trace is not None
    return "".join(traceback.TracebackException(type(error), error, trace, capture_locals=True).format())


async def test_a_password(box) -> None:
    with running_redis("pa55word") as redis:
        async with working(box, redis) as said:
            assert (await swept(redis)).report.ok == 12
        assert "pa55word" not in "".join(said)


async def test_no_secret_in_redis(redis, tmp_path) -> None:
    async with Sandbox(companies=10, keys_per_company=2, service_time=0) as box:
        path = tmp_path / "keys.jsonl"
        async with working(box, redis, sinks={"vault": path}):
            box.faults.add(Fault.status(404, company=box.company_ids[3]))
            await swept(redis)
            await swept(redis, **ENSURE)
        secrets = {box.hq_key, str(path)}
        secrets |= {key.secret for company in box.company_ids for key in box.state.listed(company)}
        async with connect(redis.url) as client:
            everything = await dumped(client)
        assert "crm" in everything
        assert len(secrets) > 30
        assert not [secret for secret in secrets if secret in everything]


async def dumped(client: Redis) -> str:
    parts = []
    for key in await client.keys():
        kind = (await client.type(key)).decode()
        if kind == "none":
            continue  # it has expired in the meantime
        read = {
            "string": lambda key=key: client.get(key),
            "hash": lambda key=key: client.hgetall(key),
            "list": lambda key=key: client.lrange(key, 0, -1),
            "zset": lambda key=key: client.zrange(key, 0, -1),
        }[kind]
        parts.append(f"{key!r} {await read()!r}")
    return "\n".join(parts)


async def test_runs_are_forgotten_in_the_end(redis, box) -> None:
    async with working(box, redis):
        await swept(redis, run="r")
    async with connect(redis.url) as client:
        ends = {key.decode(): await client.ttl(key) for key in await client.keys()}
    ours = {key: ttl for key, ttl in ends.items() if key.startswith(("woodpecker:", "saq:job:"))}
    assert len(ours) >= 4
    assert all(0 < ttl <= 7 * 24 * 3600 for ttl in ours.values())


@pytest.mark.parametrize("concurrency", [0, 65, True, 1.5])
async def test_what_makes_no_sense(box, concurrency) -> None:
    async with box.session() as session:
        with pytest.raises(ConfigError, match="concurrency must be an integer from 1 to 64"):
            await work(session, "redis://127.0.0.1:1", concurrency=concurrency)


async def test_a_sink_that_cannot_be_used_is_said_at_once(box, tmp_path) -> None:
    path = tmp_path / "keys.jsonl"
    path.write_text("")
    path.chmod(0o644)
    async with box.session() as session:
        with pytest.raises(ConfigError, match="can be read by others"):
            await work(session, "redis://127.0.0.1:1", sinks={"vault": path})
