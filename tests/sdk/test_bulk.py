"""Many companies: one outcome each, whatever happens."""

import asyncio
import json

import pytest

from woodpecker_async import Limits, RetryPolicy, WoodpeckerSession, bulk, errors
from woodpecker_async.models import Company
from woodpecker_async.sandbox import Fault, Sandbox

QUICK = RetryPolicy(attempts=2, initial_backoff=0.01)


async def outcomes(run: bulk.Run) -> list[bulk.Outcome]:
    async with run:
        return [outcome async for outcome in run]


async def test_every_key_of_every_company() -> None:
    async with Sandbox(companies=130, keys_per_company=3, service_time=0) as box, box.session() as woodpecker:
        box.state.companies[box.company_ids[5]].keys.extend(
            box.state.companies[box.company_ids[5]]
            .keys[0]
            .__class__(secret=f"77.extra{n}", label=f"x{n}", created_by=box.state.user.id)
            for n in range(120)
        )
        run = bulk.list_api_keys(woodpecker)
        found = await outcomes(run)
        assert sorted(outcome.company_id for outcome in found) == sorted(box.company_ids)
        assert all(outcome.ok and isinstance(outcome.company, Company) for outcome in found)
        for outcome in found:
            expected = [key.secret for key in box.state.listed(outcome.company_id)]
            assert [key.api_key.reveal() for key in outcome.keys] == expected
        assert (run.report.ok, run.report.failed, run.report.keys) == (130, 0, 130 * 3 + 120)
        assert run.report.requests == 130 + 2 + 3 == len(box.journal)
        assert box.stats.refused == 0


async def test_one_companys_failure_is_its_outcome() -> None:
    async with Sandbox(companies=40, service_time=0) as box, box.session(retry=QUICK) as woodpecker:
        ids = [*box.company_ids, 999_999]
        box.faults.add(
            Fault.status(500, company=ids[3], times=None),
            Fault.null_api_key(company=ids[4], times=None),
            Fault.close(company=ids[5], times=None),
            Fault.same_page(company=ids[6]),
            Fault.rewriting(lambda _, answer: answer.with_json({**answer.json(), "pagination_data": {"total_pages": 9, "current_page_number": 1}}), company=ids[6], times=None),
        )  # fmt: skip
        run = bulk.list_api_keys(woodpecker, ids)
        found = {outcome.company_id: outcome for outcome in await outcomes(run)}
        assert len(found) == 41
        assert {company: type(outcome.error) for company, outcome in found.items() if not outcome.ok} == {
            ids[3]: errors.ServerError,
            ids[4]: errors.ResponseDecodeError,
            ids[5]: errors.ConnectionLostError,
            ids[6]: errors.PaginationError,
            999_999: errors.CompanyNotFoundError,
        }
        assert found[ids[3]].attempts == 2
        assert found[ids[0]].attempts == 1
        assert run.report.failures_by_type == {
            "ServerError": 1,
            "ResponseDecodeError": 1,
            "ConnectionLostError": 1,
            "PaginationError": 1,
            "CompanyNotFoundError": 1,
        }


async def test_a_run_shows_itself_and_says_how_it_is_read(box: Sandbox) -> None:
    box.faults.add(Fault.status(400, company=box.company_ids[0], times=None))
    async with box.session() as woodpecker:
        run = bulk.list_api_keys(woodpecker)
        assert repr(run) == "<Run list: 0 ok, 0 failed>"
        with pytest.raises(TypeError, match="`async for outcome in run`, inside its `async with`"):
            list(run)  # type: ignore[call-overload]
        total = len(await outcomes(run))
        assert repr(run) == f"<Run list: {total - 1} ok, 1 failed>"


async def test_inactive_companies_are_told_apart() -> None:
    async with Sandbox(companies=6, inactive=2, inactive_lists=False) as box, box.session() as woodpecker:
        run = bulk.list_api_keys(woodpecker)
        found = await outcomes(run)
        assert [outcome.inactive for outcome in found].count(True) == 2
        assert run.report.inactive == set(box.company_ids[-2:])


@pytest.mark.parametrize("status", [401, 403])
async def test_what_fails_for_all_stops_all(status: int, no_tasks_left: None) -> None:
    async with Sandbox(companies=100, service_time=0.001) as box, box.session() as woodpecker:
        box.faults.add(Fault.status(status, path=None, skip=20, times=None))
        run = bulk.list_api_keys(woodpecker, box.company_ids)
        seen = []
        with pytest.raises((errors.AuthenticationError, errors.PermissionDeniedError)):
            async with run:
                async for outcome in run:
                    seen.append(outcome)
        assert all(outcome.ok for outcome in seen)
        assert len(seen) <= 20
        assert len(box.journal) <= 20 + 8
        assert run.report.stopped_by in ("AuthenticationError", "PermissionDeniedError")
        box.faults.clear()
        again = bulk.list_api_keys(woodpecker, box.company_ids, resume=run.report)
        rest = await outcomes(again)
        assert len(seen) + len(rest) == 100
        assert again.report.ok == 100
        assert again.report.stopped_by is None


async def test_a_resumed_run_has_a_report_of_its_own(box: Sandbox) -> None:
    first, struck, *rest = box.company_ids
    async with box.session() as woodpecker:
        box.faults.add(Fault.status(400, company=struck), Fault.status(400, company=rest[0], times=None))
        one = bulk.list_api_keys(woodpecker, [first, struck, rest[0]])
        await outcomes(one)
        assert one.this_run == one.report
        two = bulk.list_api_keys(woodpecker, [first, struck], resume=one.report)
        assert [outcome.company_id for outcome in await outcomes(two)] == [struck]
        assert (two.this_run.done, two.this_run.failures, two.this_run.requests) == ({struck}, {}, 1)
        assert two.this_run.account == two.report.account
        assert (two.report.done, set(two.report.failures)) == ({first, struck}, {rest[0]})
        assert two.report.requests == one.report.requests + 1
        assert two.report.keys == one.report.keys + two.this_run.keys
        assert two.report.seconds == pytest.approx(one.report.seconds + two.this_run.seconds)


@pytest.mark.parametrize("ending", [ValueError, asyncio.CancelledError, KeyboardInterrupt])
async def test_the_report_says_what_ended_the_run(box: Sandbox, ending: type[BaseException]) -> None:
    async with box.session() as woodpecker:
        run = bulk.list_api_keys(woodpecker, box.company_ids)
        with pytest.raises(ending):
            async with run:
                async for _ in run:
                    raise ending
        assert run.report.stopped_by == run.this_run.stopped_by == ending.__name__
        assert bulk.Report.from_json(run.report.to_json()).stopped_by == ending.__name__
        again = bulk.list_api_keys(woodpecker, box.company_ids, resume=run.report)
        await outcomes(again)
        assert again.report.stopped_by is None


async def test_a_server_that_is_gone_stops_all(unused_tcp_port: int) -> None:
    async with WoodpeckerSession(
        "1.key", base_url=f"http://127.0.0.1:{unused_tcp_port}/rest", retry=RetryPolicy(attempts=1)
    ) as woodpecker:
        run = bulk.list_api_keys(woodpecker, range(1, 10_000))
        with pytest.raises(errors.NotSentError):
            await outcomes(run)
        assert run.report.failed < 100


async def test_order_on_request() -> None:
    async with Sandbox(companies=60, service_time=0) as box, box.session() as woodpecker:
        box.faults.add(Fault.wait(0.05, at="after_commit", probability=0.3, times=None))
        ordered = await outcomes(bulk.list_api_keys(woodpecker, box.company_ids, ordered=True))
        assert [outcome.company_id for outcome in ordered] == list(box.company_ids)
        assert [outcome.index for outcome in ordered] == list(range(60))
        unordered = await outcomes(bulk.list_api_keys(woodpecker, box.company_ids))
        assert {outcome.index: outcome.company_id for outcome in unordered} == dict(enumerate(box.company_ids))


async def test_the_input_is_read_only_as_far_as_needed_and_a_slow_caller_stops_the_workers() -> None:
    taken = 0

    async with Sandbox(companies=300, service_time=0) as box, box.session() as woodpecker:

        async def companies():
            nonlocal taken
            for company_id in box.company_ids:
                taken += 1
                yield company_id

        for ordered in (False, True):
            taken = 0
            async with bulk.list_api_keys(woodpecker, companies(), concurrency=4, ordered=ordered) as run:
                await anext(run)
                await asyncio.sleep(0.2)
                assert taken <= 2 * 4 + 1
                assert run.report.total == 0
                await anext(run)
                assert run.report.total == 1


async def test_an_outcome_whose_handling_failed_is_given_again() -> None:
    async with Sandbox(companies=10, service_time=0) as box, box.session() as woodpecker:
        run = bulk.list_api_keys(woodpecker, ordered=True)
        stored = []
        with pytest.raises(OSError, match="disk full"):
            async with run:
                async for outcome in run:
                    if len(stored) == 4:
                        raise OSError("disk full")
                    stored.append(outcome.company_id)
        async with bulk.list_api_keys(woodpecker, resume=run.report) as rest:
            stored += [outcome.company_id async for outcome in rest]
        assert sorted(stored) == sorted(box.company_ids)


async def test_a_break_leaves_nothing_running(no_tasks_left: None) -> None:
    async with Sandbox(companies=50, service_time=0.005) as box, box.session() as woodpecker:
        before = asyncio.all_tasks()
        async with bulk.list_api_keys(woodpecker) as run:
            async for _ in run:
                break
        assert not {task for task in asyncio.all_tasks() - before if "bulk" in task.get_name()}
        with pytest.raises(ZeroDivisionError):
            async with bulk.list_api_keys(woodpecker) as run:
                async for _ in run:
                    raise ZeroDivisionError
        assert not {task for task in asyncio.all_tasks() - before if "bulk" in task.get_name()}
        async with asyncio.timeout(10):
            assert len(await outcomes(bulk.list_api_keys(woodpecker))) == 50


async def test_cancelling_the_caller_ends_the_run(no_tasks_left: None) -> None:
    async with Sandbox(companies=200, service_time=0.01) as box, box.session() as woodpecker:
        run = bulk.list_api_keys(woodpecker)
        task = asyncio.create_task(outcomes(run))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 0 < run.report.ok < 200


async def test_a_run_is_saved_and_resumed_with_each_company_once() -> None:
    async with Sandbox(companies=40, service_time=0) as box, box.session(retry=QUICK) as woodpecker:
        box.faults.add(Fault.status(500, company=box.company_ids[1], times=2))
        first = bulk.list_api_keys(woodpecker)
        seen = []
        async with first:
            async for outcome in first:
                seen.append(outcome)
                if len(seen) == 20:
                    break
        saved = first.report.to_json()
        assert all(key.secret not in saved for company in box.company_ids for key in box.state.listed(company))
        report = bulk.Report.from_json(saved)
        first.report.seconds = round(first.report.seconds, 3)
        assert report == first.report
        assert report.done == {outcome.company_id for outcome in seen if outcome.ok}
        second = bulk.list_api_keys(woodpecker, resume=report)
        rest = await outcomes(second)
        done = [outcome.company_id for outcome in seen + rest if outcome.ok]
        assert sorted(done) == sorted(box.company_ids)
        assert (second.report.ok, second.report.failed) == (40, 0)
        assert report.ok == len([outcome for outcome in seen if outcome.ok])  # the saved report stays unchanged


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "done": 3}', "null"])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(errors.ConfigError, match="report"):
        bulk.Report.from_json(text)


async def test_progress_is_told_after_each_outcome(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    totals = []
    await outcomes(bulk.list_api_keys(woodpecker, on_progress=lambda report: totals.append(report.total)))
    assert totals == list(range(1, 13))


@pytest.mark.parametrize("companies", ["12", 7, b"1", [0], [True], ["7"], [1, None], {1: 2, "a": 3}])
async def test_bad_input_is_refused_before_any_io(box: Sandbox, woodpecker: WoodpeckerSession, companies) -> None:
    with pytest.raises(errors.ConfigError):
        bulk.list_api_keys(woodpecker, companies)
    assert box.journal == []


@pytest.mark.parametrize("bad", [{"concurrency": 0}, {"concurrency": 257}, {"concurrency": True}, {"resume": "x"}])
async def test_bad_settings_are_refused(woodpecker: WoodpeckerSession, bad) -> None:
    with pytest.raises(errors.ConfigError):
        bulk.list_api_keys(woodpecker, **bad)
    with pytest.raises(errors.ConfigError):
        bulk.list_api_keys("session")  # type: ignore[arg-type]


async def test_a_list_that_moves_is_read_again_and_said_if_it_never_rests() -> None:
    async with Sandbox(companies=2, keys_per_company=60, service_time=0) as box, box.session() as woodpecker:
        restless = box.company_ids[0]
        moves = 0

        def shift(info, answer):
            """Between two pages one key moves from the second to the first, and another the other way."""
            nonlocal moves
            moves += 1
            data = answer.json()
            if moves <= most and info.query.get("page") == "2":
                data["content"][0] = {"api_key": box.state.listed(restless)[0].secret, "label": None}
            return answer.with_json(data)

        box.faults.add(Fault.rewriting(shift, company=restless, times=None))
        for most, drifted in ((2, False), (10_000, True)):  # noqa: B007 - `shift` reads `most`
            moves = 0
            found = {outcome.company_id: outcome for outcome in await outcomes(bulk.list_api_keys(woodpecker))}
            assert found[restless].drifted is drifted
            assert len(found[restless].keys) == (59 if drifted else 60)
            assert not found[box.company_ids[1]].drifted


async def test_a_company_that_slips_between_two_pages_is_found_all_the_same() -> None:
    async with Sandbox(companies=60, keys_per_company=0, service_time=0) as box, box.session() as woodpecker:
        first = True

        def slip(info, answer):
            nonlocal first
            data = answer.json()
            if first and info.query.get("page") == "2":
                first = False
                data["content"].pop(0)
            return answer.with_json(data)

        box.faults.add(Fault.rewriting(slip, path="/v2/agency/companies", times=None))
        found = await outcomes(bulk.list_api_keys(woodpecker))
        assert sorted(outcome.company_id for outcome in found) == sorted(box.company_ids)


async def test_a_run_is_entered_first_and_used_once(woodpecker: WoodpeckerSession) -> None:
    run = bulk.list_api_keys(woodpecker)
    with pytest.raises(errors.ConfigError, match="async with"):
        async for _ in run:
            pass
    await outcomes(run)
    with pytest.raises(errors.ConfigError, match="left"):
        await anext(run)
    with pytest.raises(errors.ConfigError, match="once"):
        await outcomes(run)


async def test_an_input_that_fails_is_raised_after_what_was_done(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    def companies():
        yield from box.company_ids[:3]
        raise LookupError("the database is gone")

    run = bulk.list_api_keys(woodpecker, companies(), concurrency=1)
    seen = []
    with pytest.raises(LookupError, match="database"):
        async with run:
            async for outcome in run:
                seen.append(outcome)
    assert len(seen) == 3


async def test_few_tasks_whatever_the_number_of_companies() -> None:
    async with Sandbox(companies=3, service_time=0) as box, box.session(limits=Limits(max_in_flight=5)) as woodpecker:
        most = 0
        before = len(asyncio.all_tasks())
        companies = (box.company_ids[number % 3] for number in range(600))
        async with bulk.list_api_keys(woodpecker, companies) as run:
            async for _ in run:
                most = max(most, sum("bulk" in task.get_name() for task in asyncio.all_tasks()))
        assert most == 16
        assert json.loads(run.report.to_json())["done"] == sorted(box.company_ids)
        assert before
