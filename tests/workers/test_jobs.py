"""Jobs for any queue: the same result however often they run, each company once, and no secrets in the payloads."""

import asyncio
import itertools
import json
from collections import Counter
from pathlib import Path

import attrs
import pytest

from woodpecker_async import ConfigError, bulk, errors
from woodpecker_async.sandbox import Fault, Sandbox
from woodpecker_async.workers import Context, Job, MemoryLedger, Sweep, chunks, found_keys, gather, new_run_id, perform

COMPANIES = 30


def keys_gets(box: Sandbox) -> Counter[int]:
    """How often the keys of each company were requested."""
    return Counter(record.company_id for record in box.journal if record.path.endswith("/api_keys"))


def through_json(value):
    return json.loads(json.dumps(value))


async def done(payloads, context):
    return [through_json(await perform(through_json(payload), context)) for payload in payloads]


@pytest.fixture
async def big_box():
    async with Sandbox(companies=COMPANIES, keys_per_company=2, inactive=2, service_time=0) as box:
        yield box


@pytest.fixture
async def session(big_box):
    async with big_box.session() as session:
        yield session


async def test_a_sweep_lists_each_company_once(big_box, session) -> None:
    context = Context(session=session, ledger=MemoryLedger())
    [planned] = await done([Sweep(chunk_size=7).plan()], context)
    payloads = list(chunks(planned))
    assert [len(payload["companies"]) for payload in payloads] == [7, 7, 7, 7, 2]
    results = await done(payloads, context)
    report = gather([planned, *results])
    assert (report.done, report.failures) == (set(big_box.company_ids), {})
    assert (report.keys, report.task, report.stopped_by) == (2 * COMPANIES, "list", None)
    assert report.requests == len(big_box.journal)
    found = found_keys(results)
    assert {company: [key["label"] for key in keys] for company, keys in found.items()} == {
        company: [key.label for key in big_box.state.listed(company)] for company in big_box.company_ids
    }


async def test_one_company(big_box, session) -> None:
    company = big_box.company_ids[3]
    result = await perform(Sweep().chunk(0, [company]), Context(session=session))
    assert [key["label"] for key in found_keys([result])[company]] == [
        key.label for key in big_box.state.listed(company)
    ]


async def test_a_job_done_before_is_not_done_again(big_box, session) -> None:
    context = Context(session=session, ledger=MemoryLedger())
    payload = Sweep().chunk(0, big_box.company_ids)
    first = await perform(payload, context)
    before = len(big_box.journal)
    assert await perform(payload, context) == first
    assert len(big_box.journal) == before
    assert gather([first, first]).keys == 2 * COMPANIES


async def test_without_a_ledger_it_is_done_again_and_counts_once(big_box, session) -> None:
    payload = Sweep().chunk(0, big_box.company_ids)
    results = await done([payload, payload], Context(session=session))
    report = gather(results)
    assert (report.ok, report.keys) == (COMPANIES, 2 * COMPANIES)
    assert set(keys_gets(big_box).values()) == {2}


async def test_the_same_job_twice_at_the_same_time(big_box, session, tmp_path) -> None:
    path = tmp_path / "keys.jsonl"
    context = Context(session=session, ledger=MemoryLedger(), sinks={"vault": path})
    payload = Sweep(task="ensure", label="crm", sink="vault").chunk(0, big_box.company_ids[:20])
    results = await asyncio.gather(*[perform(payload, context) for _ in range(3)])
    assert results[0] == results[1] == results[2]
    assert gather(results).done == set(big_box.company_ids[:20])
    made = [
        key.secret for company in big_box.company_ids for key in big_box.state.listed(company) if key.label == "crm"
    ]
    assert len(made) == 20
    assert {json.loads(line)["api_key"] for line in path.read_text().splitlines()} == set(made)


async def test_after_a_cancellation_the_rest_is_done(big_box, session, no_tasks_left: None) -> None:
    ledger = MemoryLedger()
    payload = Sweep(run="r1").chunk(0, big_box.company_ids)
    enough = asyncio.Event()

    class Watched(MemoryLedger):
        added = 0
        save = ledger.save

        async def add(self, key, company_id, part):
            self.added += 1
            if self.added == 5:
                enough.set()
                await asyncio.sleep(60)  # killed at this point: this one is not stored
            await ledger.add(key, company_id, part)

    job = asyncio.create_task(perform(payload, Context(session=session, ledger=Watched())))
    await asyncio.wait_for(enough.wait(), 20)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    kept = await ledger.load("r1:list:0")
    assert kept is not None
    assert not kept["whole"]
    assert gather([kept]).ok == len(found_keys([kept])) == len(kept["parts"]) == 4
    kept_done = gather([kept]).done
    before = keys_gets(big_box)
    result = await perform(payload, Context(session=session, ledger=ledger))
    assert result["whole"]
    assert gather([kept, result]).keys == gather([result, kept]).keys == 2 * COMPANIES
    again = keys_gets(big_box) - before
    assert not set(again) & kept_done
    assert set(again) == set(big_box.company_ids) - kept_done


async def test_a_worker_that_stops_finishes_what_is_under_way(big_box, session, tmp_path) -> None:
    path, ledger = tmp_path / "keys.jsonl", MemoryLedger()
    payload = Sweep(task="ensure", label="crm", sink="vault").chunk(0, big_box.company_ids[:25])

    def stopping() -> bool:
        return big_box.stats.requests > 12

    first = await perform(payload, Context(session=session, ledger=ledger, sinks={"vault": path}, stopping=stopping))
    assert not first["whole"]
    assert 0 < len(first["report"]["done"]) < 25
    on_server = {
        company for company in big_box.company_ids if any(k.label == "crm" for k in big_box.state.listed(company))
    }
    assert set(first["report"]["done"]) == on_server
    second = await perform(payload, Context(session=session, ledger=ledger, sinks={"vault": path}))
    assert second["whole"]
    assert gather([second]).created == gather([second]).ok == 25
    posts = [record.company_id for record in big_box.journal if record.method == "POST"]
    assert sorted(posts) == sorted(big_box.company_ids[:25])


@pytest.mark.parametrize("size", [25, 400])
async def test_what_is_written_to_the_ledger_grows_with_the_companies_and_no_faster(size) -> None:
    class Counting(MemoryLedger):
        written = 0

        async def save(self, key, result):
            self.written += len(json.dumps(result))
            return await super().save(key, result)

        async def add(self, key, company_id, part):
            self.written += len(json.dumps(part))
            await super().add(key, company_id, part)

    async with Sandbox(companies=400, keys_per_company=2, service_time=0) as box, box.session() as session:
        context = Context(session=session, ledger=Counting())
        planned = await perform(Sweep(chunk_size=size).plan(), context)
        results = [await perform(payload, context) for payload in chunks(planned)]
    assert gather([planned, *results]).ok == 400
    assert context.ledger.written < 400 * 1_000


class OddError(BaseException):
    pass


@pytest.mark.parametrize("kind", [asyncio.CancelledError, GeneratorExit, OddError, LookupError])
async def test_a_company_that_a_sink_lost_is_a_failure_and_done_again_finishes_it(big_box, session, kind) -> None:
    bad, broken = big_box.company_ids[3], True

    async def sink(issued):
        if issued.company_id == bad and broken:
            raise kind

    context = Context(session=session, sinks={"vault": sink}, ledger=MemoryLedger())
    payload = Sweep(task="ensure", label="crm", sink="vault", run="r").chunk(0, big_box.company_ids[:10])
    first = await perform(payload, context)
    assert first["whole"]
    assert set(gather([first]).failures) == {bad}
    assert gather([first]).done == set(big_box.company_ids[:10]) - {bad}
    broken = False
    again = await perform(payload, attrs.evolve(context, ledger=Reopened(first)))
    assert (again["whole"], gather([again]).ok, gather([again]).created) == (True, 10, 10)


class Reopened(MemoryLedger):
    """As `RedisLedger.reopen` leaves it."""

    def __init__(self, result) -> None:
        super().__init__()
        self._kept[Job.from_payload(result["job"]).key] = {**result, "whole": False}


async def test_a_result_that_lacks_a_company_is_not_whole_and_done_again_it_is(big_box, session, monkeypatch) -> None:
    """Whatever a run leaves out: here one that ends early without an error."""
    payload = Sweep(run="r").chunk(0, big_box.company_ids[:10])
    context = Context(session=session, ledger=MemoryLedger())
    complete = bulk.list_api_keys
    with monkeypatch.context() as patched:
        patched.setattr(bulk, "list_api_keys", lambda s, c, resume: complete(s, big_box.company_ids[:7], resume=resume))
        cut = await perform(payload, context)
    assert (cut["whole"], len(cut["report"]["done"])) == (False, 7)
    before = keys_gets(big_box)
    result = await perform(payload, context)
    assert (result["whole"], gather([result]).ok) == (True, 10)
    assert set(keys_gets(big_box) - before) == set(big_box.company_ids[7:10])
    assert await perform(payload, context) == result


async def test_requests_of_all_attempts_at_a_job_are_counted(big_box, session) -> None:
    """A failed company is done again: its earlier requests and created keys are not forgotten."""
    bad = big_box.company_ids[2]
    payload = Sweep(task="ensure", label="crm", sink="vault").chunk(0, big_box.company_ids[:6])
    stop = False

    def sink(issued):
        nonlocal stop
        if issued.company_id == bad and not stop:
            raise OSError("full")

    ledger = MemoryLedger()
    begun = itertools.count(1)
    context = Context(session=session, sinks={"vault": sink}, ledger=ledger, stopping=lambda: next(begun) > 4)
    first = await perform(payload, context)
    assert not first["whole"]
    stop = True
    result = await perform(payload, attrs.evolve(context, stopping=lambda: False))
    report = gather([result])
    assert (report.ok, report.created, report.requests) == (6, 6, len(big_box.journal))


async def test_a_plan_whose_list_never_settles_says_so(big_box, session) -> None:
    readings = 0

    def announce_one_more(_, answer):
        nonlocal readings
        readings += 1
        data = answer.json()
        data["pagination_data"]["total_elements"] += readings <= most
        return answer.with_json(data)

    big_box.faults.add(Fault.rewriting(announce_one_more, path="/v2/agency/companies", times=None))
    for most, unsettled in ((1, False), (9, True)):  # noqa: B007 - `announce_one_more` reads `most`
        readings = 0
        planned = await perform(Sweep().plan(), Context(session=session))
        assert (len(planned["companies"]), planned["report"]["unsettled"]) == (COMPANIES, unsettled)
        assert gather([planned]).unsettled is unsettled
        assert readings == (3 if unsettled else 2)


@pytest.mark.parametrize("odd", [0, -7, 2**63])
async def test_an_id_that_no_company_can_have_is_an_outcome_of_the_plan(big_box, session, odd) -> None:
    def rename(_, answer):
        data = answer.json()
        data["content"][4]["id"] = odd
        return answer.with_json(data)

    big_box.faults.add(Fault.rewriting(rename, path="/v2/agency/companies", times=None))
    context = Context(session=session)
    planned = await perform(Sweep(chunk_size=9).plan(), context)
    report = gather([planned, *await done(chunks(planned), context)])
    assert (report.ok, set(report.failures)) == (COMPANIES - 1, {odd})


async def test_results_of_two_accounts_are_not_one_report(big_box, session) -> None:
    planned = await perform(Sweep(run="r").plan(), Context(session=session))
    async with Sandbox(companies=COMPANIES) as other, other.session() as elsewhere:
        result = await perform(next(iter(chunks(planned))), Context(session=elsewhere))
    with pytest.raises(ConfigError, match="belongs to another account"):
        gather([planned, result])
    unfinished = {**result, "whole": False}
    with pytest.raises(ConfigError, match="belongs to another account"):
        await perform(result["job"], Context(session=session, ledger=Reopened(unfinished)))


class Claimed:
    """Claims that expire at some companies."""

    def __init__(self, *, before=(), after=()) -> None:
        self.before, self.after = before, after

    async def take(self, company_id):
        pass

    def check(self, company_id):
        if company_id in self.before:
            raise errors.ClaimLostError(f"the claim on {company_id} has expired")

    async def give_back(self, company_id):
        if company_id in self.after:
            raise errors.ClaimLostError(f"the claim on {company_id} has expired")


async def test_a_claim_that_was_lost_is_an_outcome(big_box, session, tmp_path) -> None:
    ids = big_box.company_ids[:8]
    claims = Claimed(before={ids[2]}, after={ids[5]})
    context = Context(session=session, sinks={"vault": tmp_path / "keys"}, ledger=MemoryLedger(), claims=claims)
    payload = Sweep(task="ensure", label="crm", sink="vault").chunk(0, ids)
    result = await perform(payload, context)
    report = gather([result])
    assert {company: kind for company, (kind, _) in report.failures.items()} == {
        ids[2]: "ClaimLostError",
        ids[5]: "ClaimLostError",
    }
    assert result["whole"]
    assert sorted(record.company_id for record in big_box.journal if record.method == "POST") == sorted(
        set(ids) - {ids[2]}
    )
    again = await perform(payload, attrs.evolve(context, ledger=Reopened(result), claims=Claimed()))
    assert (gather([again]).ok, gather([again]).created) == (8, 8)


async def test_failures_are_results_and_inactive_ones_are_told_apart(tmp_path) -> None:
    async with Sandbox(companies=6, inactive=2, inactive_lists=False) as box, box.session() as session:
        box.faults.add(Fault.status(404, company=box.company_ids[0]))
        context = Context(session=session)
        planned = await perform(Sweep().plan(), context)
        report = gather([planned, *await done(chunks(planned), context)])
    assert report.ok == 3
    assert set(report.failures) == {box.company_ids[0], *box.company_ids[4:]}
    assert report.inactive == set(box.company_ids[4:])


async def test_a_key_that_is_refused_is_raised(big_box) -> None:
    from woodpecker_async import WoodpeckerSession

    async with WoodpeckerSession("wrong", base_url=big_box.base_url) as session:
        for payload in (Sweep().plan(), Sweep().chunk(0, [1, 2])):
            with pytest.raises(errors.AuthenticationError):
                await perform(payload, Context(session=session, ledger=MemoryLedger()))


async def test_no_secret_in_payloads_and_results(big_box, session, tmp_path) -> None:
    context = Context(session=session, sinks={"vault": tmp_path / "keys.jsonl"})
    texts = []
    for sweep in (Sweep(), Sweep(task="ensure", label="crm", sink="vault")):
        planned = await perform(sweep.plan(), context)
        payloads = list(chunks(planned))
        texts += [json.dumps(each) for each in (planned, *payloads, *await done(payloads, context))]
    everything = "".join(texts)
    secrets = {big_box.hq_key} | {
        key.secret for company in big_box.company_ids for key in big_box.state.listed(company)
    }
    assert len(secrets) > 2 * COMPANIES
    assert not [secret for secret in secrets if secret in everything]
    assert str(tmp_path) not in everything


async def test_without_its_sink_nothing_is_sent(big_box, session) -> None:
    sweep = Sweep(task="ensure", label="crm", sink="vault")
    for payload in (sweep.plan(), sweep.chunk(0, big_box.company_ids)):
        with pytest.raises(ConfigError, match=r"no sink named 'vault' \(it has: other\).*nothing was made"):
            await perform(payload, Context(session=session, sinks={"other": Path("x")}))
    assert big_box.journal == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "the job has version 2, and this SDK runs jobs of version 1"),
        ({"version": None}, "the job has version None"),
        ({"sweep": {"run": "r", "surprise": 1}}, "this is not a job"),
        ({"sweep": None}, "this is not a job"),
        ({"companies": [0]}, "a company id"),
        ({"companies": [True]}, "a company id"),
        ({"companies": [5, 5]}, "none twice"),
        ({"companies": []}, "at least one company"),
        ({"chunk": -1}, "a chunk's number"),
    ],
)
async def test_what_is_no_job_of_ours(big_box, session, change, message) -> None:
    payload = {**Sweep().chunk(0, big_box.company_ids), **change}
    with pytest.raises(ConfigError, match=message):
        await perform(payload, Context(session=session))
    assert big_box.journal == []


async def test_a_run_id_is_of_one_sweep(big_box, session, tmp_path) -> None:
    context = Context(session=session, ledger=MemoryLedger(), sinks={"vault": tmp_path / "keys.jsonl"})
    await perform(Sweep(run="r").plan(), context)
    with pytest.raises(ConfigError, match="run id 'r' was used for another sweep"):
        await perform(Sweep(run="r", active=False).plan(), context)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"run": "a b"}, "run must be 1 to 64"),
        ({"run": ""}, "run must be 1 to 64"),
        ({"run": "a:b"}, "run must be 1 to 64"),
        ({"task": "delete"}, "task must be 'list' or 'ensure'"),
        ({"label": "crm"}, "label and sink are for the task 'ensure'"),
        ({"task": "ensure", "label": " crm", "sink": "s"}, "a label .*' crm'"),
        ({"task": "ensure", "label": "crm \ud800", "sink": "s"}, "lone surrogate"),
        ({"task": "ensure", "sink": "s"}, "a label must be a str"),
        ({"task": "ensure", "label": "crm"}, "name the sink"),
        ({"task": "ensure", "label": "crm", "sink": "/etc/keys"}, "sink must be 1 to 64"),
        ({"chunk_size": 0}, "chunk_size must be an integer from 1 to 1000"),
        ({"chunk_size": True}, "chunk_size must be an integer"),
        ({"active": "yes"}, "active must be True, False or None"),
    ],
)
def test_what_makes_no_sense_is_said_at_once(arguments, message) -> None:
    with pytest.raises(ConfigError, match=message):
        Sweep(**arguments)


def test_run_ids_differ_and_are_names() -> None:
    assert new_run_id() != new_run_id()
    assert Sweep().run != Sweep().run
    assert Sweep(task="ensure", label="x", sink="s").active is True


def test_results_of_several_runs_are_not_one_report() -> None:
    report = json.loads(bulk.Report(task="list").to_json())
    results = [{"job": Sweep(run=run).plan(), "whole": True, "report": report} for run in ("a", "b")]
    with pytest.raises(ConfigError, match="several runs"):
        gather(results)
