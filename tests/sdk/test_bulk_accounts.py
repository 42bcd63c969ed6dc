"""Every company ends as an outcome or as an exception, whatever comes out of the caller's code or the network."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from itertools import product

import pytest

from woodpecker_async import ConfigError, RetryPolicy, Secret, WoodpeckerSession, bulk, errors
from woodpecker_async.counting import counting_requests
from woodpecker_async.models import Company
from woodpecker_async.sandbox import Fault, Sandbox

COMPANIES = 14
QUICK = RetryPolicy(attempts=3, initial_backoff=0.001, max_backoff=0.01)


class Odd(BaseException):
    """Like the exceptions of test runners and other frameworks."""


class MuteError(Exception):
    def __str__(self) -> str:
        raise Odd

    __repr__ = __str__


async def cancelled_elsewhere() -> None:
    """Like a pool or a shared refresh whose own task was cancelled."""
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await task


ODD = [
    asyncio.CancelledError,
    GeneratorExit,
    Odd,
    MuteError,
    StopIteration,
    StopAsyncIteration,
    LookupError,
    MemoryError,
]
# What `except Exception`, a task group or an `async for` would overlook.
OVERLOOKED = [asyncio.CancelledError, GeneratorExit, Odd, StopAsyncIteration]


async def outcomes(run: bulk.Run) -> list[bulk.Outcome]:
    async with asyncio.timeout(20):  # never a hang
        async with run:
            return [outcome async for outcome in run]


async def failure(run: bulk.Run) -> Exception:
    """What the run raises; a task group must see it, so it is not a `CancelledError`."""
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(outcomes(run))
    [error] = caught.value.exceptions
    return error


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    async with Sandbox(companies=COMPANIES, keys_per_company=1, service_time=0) as sandbox:
        yield sandbox


@pytest.fixture
async def woodpecker(box: Sandbox) -> AsyncIterator[WoodpeckerSession]:
    async with box.session(retry=QUICK) as session:
        yield session


@pytest.fixture(autouse=True)
async def _no_tasks_left(no_tasks_left: None) -> None:
    """Every test here."""


# ---- the sink


@pytest.mark.parametrize("kind", ODD, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("is_async", "ordered"), [(False, True), (True, False)])
async def test_what_comes_out_of_a_sink_is_that_companys_outcome(box, woodpecker, kind, is_async, ordered) -> None:
    bad = box.company_ids[3]

    def sink(issued):
        if issued.company_id == bad:
            raise kind

    async def asynchronous(issued):
        await asyncio.sleep(0)
        sink(issued)

    taker = asynchronous if is_async else sink
    run = bulk.ensure_api_keys(woodpecker, label="crm", sink=taker, ordered=ordered)
    found = {outcome.company_id: outcome for outcome in await outcomes(run)}
    assert set(found) == set(box.company_ids)
    assert [company for company, outcome in found.items() if not outcome.ok] == [bad]
    error = found[bad].error
    assert isinstance(error, errors.KeyNotStoredError)
    assert error.api_key.reveal() in [key.secret for key in box.state.listed(bad)]
    # Python itself turns a StopIteration that leaves a coroutine into a RuntimeError.
    assert kind.__name__ in str(error)
    assert run.report.total == COMPANIES
    assert bulk.Report.from_json(run.report.to_json()) == rounded(run.report)


def rounded(report: bulk.Report) -> bulk.Report:
    report.seconds = round(report.seconds, 3)
    return report


@pytest.mark.parametrize("ordered", [False, True])
async def test_a_pool_that_was_cancelled_elsewhere_is_a_failure_like_any_other(box, woodpecker, ordered) -> None:
    async def sink(issued):
        if issued.company_id == box.company_ids[3]:
            await cancelled_elsewhere()

    found = await outcomes(bulk.ensure_api_keys(woodpecker, label="crm", sink=sink, ordered=ordered))
    assert [type(outcome.error) for outcome in found if not outcome.ok] == [errors.KeyNotStoredError]
    assert len(found) == COMPANIES


# ---- the companies handed in


def a_generator(ids: list[int], error: type[BaseException]) -> Iterator[int]:
    yield from ids
    raise error


class AnIterator:
    def __init__(self, ids: list[int], error: type[BaseException]) -> None:
        self._ids, self._error = iter(ids), error

    def __iter__(self) -> "AnIterator":
        return self

    def __next__(self) -> int:
        for company in self._ids:
            return company
        raise self._error


async def an_async_generator(ids: list[int], error: type[BaseException]) -> AsyncIterator[int]:
    for company in ids:
        yield company
    raise error


class AnAsyncIterator(AnIterator):
    def __aiter__(self) -> "AnAsyncIterator":
        return self

    async def __anext__(self) -> int:
        await asyncio.sleep(0)
        return self.__next__()


AnAsyncIterator.__iter__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("kind", [*OVERLOOKED, LookupError], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("source", [a_generator, AnIterator, an_async_generator, AnAsyncIterator])
async def test_an_input_that_fails_in_any_way_is_raised(box, woodpecker, source, kind, ordered) -> None:
    if kind is StopAsyncIteration and source is AnAsyncIterator:
        pytest.skip("this is its end")
    run = bulk.list_api_keys(woodpecker, source(list(box.company_ids[:9]), kind), ordered=ordered)
    error = await failure(run)
    # Python itself turns a StopAsyncIteration that leaves an asynchronous generator into a RuntimeError.
    by_python = kind is StopAsyncIteration and source is an_async_generator
    expected = RuntimeError if by_python else errors.UnexpectedError if kind in OVERLOOKED else kind
    assert isinstance(error, expected)
    assert run.report.stopped_by == type(error).__name__
    assert run.report.done <= set(box.company_ids[:9])
    rest = bulk.list_api_keys(woodpecker, box.company_ids, resume=run.report)
    await outcomes(rest)
    assert rest.report.done == set(box.company_ids)


async def test_an_input_whose_end_fails_is_raised(box, woodpecker) -> None:
    async def companies():
        try:
            for company in box.company_ids:
                yield company
        finally:
            await cancelled_elsewhere()

    async def left_early() -> None:
        async with bulk.list_api_keys(woodpecker, companies(), concurrency=2) as run:
            async for _ in run:
                break

    with pytest.raises(errors.UnexpectedError, match="could not be closed: CancelledError"):
        await asyncio.wait_for(left_early(), 10)


async def test_an_input_that_swallows_its_cancellation_does_not_keep_the_run_alive(box, woodpecker) -> None:
    class Stubborn:
        given = 0

        def __aiter__(self):
            return self

        async def __anext__(self):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)
            self.given += 1
            return box.company_ids[self.given % COMPANIES]

    async with asyncio.timeout(10):
        async with bulk.list_api_keys(woodpecker, Stubborn()) as run:
            async for _ in run:
                break
    await asyncio.sleep(0.1)  # what was in flight has arrived
    requests = box.stats.requests
    await asyncio.sleep(0.1)
    assert box.stats.requests == requests


# ---- other code of the caller


@pytest.mark.parametrize("kind", OVERLOOKED, ids=lambda kind: kind.__name__)
async def test_on_progress_that_raises_is_raised(box, woodpecker, kind) -> None:
    def on_progress(report: bulk.Report) -> None:
        if report.total == 5:
            raise kind

    run = bulk.list_api_keys(woodpecker, on_progress=on_progress)
    assert isinstance(await failure(run), errors.UnexpectedError)
    assert run.report.total == 5


@pytest.mark.parametrize("kind", [*OVERLOOKED, LookupError], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("ordered", [False, True])
async def test_a_key_function_that_fails(box, kind, always, ordered) -> None:
    calls = 0

    async def key() -> str:
        nonlocal calls
        calls += 1
        if calls == 8 or (always and calls > 8):
            raise kind
        return box.hq_key

    async with WoodpeckerSession(key, base_url=box.base_url) as woodpecker:
        run = bulk.list_api_keys(woodpecker, box.company_ids, concurrency=2, ordered=ordered)
        if always:
            assert isinstance(await failure(run), errors.UnexpectedError)
            assert run.report.stopped_by == "UnexpectedError"
        else:
            found = await outcomes(run)
            assert [type(outcome.error) for outcome in found if not outcome.ok] == [errors.UnexpectedError]
            assert len(found) == COMPANIES
        assert box.hq_key not in run.report.to_json()


@pytest.mark.parametrize("ordered", [False, True])
async def test_a_worker_that_somebody_cancels_stops_the_run(box, woodpecker, ordered) -> None:
    box.faults.add(Fault.wait(0.3, company=box.company_ids[0]))
    run = bulk.list_api_keys(woodpecker, box.company_ids, ordered=ordered)

    async def meddle() -> None:
        while not box.stats.requests:
            await asyncio.sleep(0.001)
        for task in asyncio.all_tasks():
            if task.get_name() == "woodpecker-bulk-0":
                task.cancel()

    meddling = asyncio.create_task(meddle())
    assert isinstance(await failure(run), errors.UnexpectedError)
    await meddling


async def test_a_run_that_ends_counts_once_more(box, woodpecker, monkeypatch) -> None:
    hand_over = bulk.Run._deliver

    def forgetful(run: bulk.Run, outcome: bulk.Outcome) -> None:
        if outcome.company_id != box.company_ids[4]:
            hand_over(run, outcome)

    monkeypatch.setattr(bulk.Run, "_deliver", forgetful)
    run = bulk.list_api_keys(woodpecker, box.company_ids)
    error = await failure(run)
    assert isinstance(error, errors.RunIncompleteError)
    assert error.companies == (box.company_ids[4],)
    assert str(box.company_ids[4]) in str(error)
    assert (run.report.ok, run.report.stopped_by) == (COMPANIES - 1, "RunIncompleteError")


async def test_our_own_cancellation_is_let_through(box, woodpecker) -> None:
    async def sink(issued):
        await asyncio.sleep(60)

    run = bulk.ensure_api_keys(woodpecker, label="crm", sink=sink, grace=0)
    task = asyncio.create_task(outcomes(run))
    while box.stats.requests < 3:
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("ordered", [False, True])
def test_the_end_of_the_process_is_let_through(kind, ordered) -> None:
    async def main() -> None:
        def sink(issued):
            if issued.company_id == box.company_ids[3]:
                raise kind

        async with box.session() as woodpecker:
            await outcomes(bulk.ensure_api_keys(woodpecker, label="crm", sink=sink, ordered=ordered))

    with Sandbox(companies=COMPANIES, service_time=0) as box, pytest.raises(kind):
        asyncio.run(main())


@pytest.mark.parametrize("ordered", [False, True])
async def test_a_sink_that_cancels_the_task_it_runs_in_stops_the_run(box, woodpecker, ordered) -> None:
    async def sink(issued):
        if issued.company_id == box.company_ids[3]:
            asyncio.current_task().cancel()
            await asyncio.sleep(0)

    run = bulk.ensure_api_keys(woodpecker, label="crm", sink=sink, ordered=ordered)
    assert isinstance(await failure(run), errors.UnexpectedError)


@pytest.mark.parametrize("bad", [{"on_progress": 7}, {"on_progress": cancelled_elsewhere}])
async def test_a_callback_that_could_not_be_called_is_refused(box, woodpecker, bad) -> None:
    with pytest.raises(ConfigError, match="on_progress must be a plain function"):
        bulk.list_api_keys(woodpecker, **bad)
    with pytest.raises(ConfigError, match="before_send must be a plain function"):
        bulk.ensure_api_keys(woodpecker, label="crm", sink=print, before_send=cancelled_elsewhere)


# ---- the server


@pytest.mark.parametrize("odd", [0, -1, 2**63, 10**30])
@pytest.mark.parametrize("task", ["list", "ensure"])
async def test_an_id_that_no_company_can_have_is_one_outcome(box, woodpecker, odd, task) -> None:
    def rename(_, answer):
        data = answer.json()
        data["content"][2]["id"] = odd
        return answer.with_json(data)

    box.faults.add(Fault.rewriting(rename, path="/v2/agency/companies", times=None))
    run = bulk.list_api_keys(woodpecker)
    if task == "ensure":
        run = bulk.ensure_api_keys(woodpecker, label="crm", sink=lambda issued: None)
    found = {outcome.company_id: outcome for outcome in await outcomes(run)}
    assert (len(found), run.report.ok, set(run.report.failures)) == (COMPANIES, COMPANIES - 1, {odd})
    assert isinstance(found[odd].error, ConfigError)
    assert bulk.Report.from_json(run.report.to_json()).failures == run.report.failures


async def test_an_odd_id_is_an_outcome_in_whatever_form_it_is_handed_in(box, woodpecker) -> None:
    for companies in ([Company(id=0, name="x"), box.company_ids[0]], iter([0, box.company_ids[0]])):
        found = await outcomes(bulk.list_api_keys(woodpecker, companies, ordered=True))
        assert [outcome.ok for outcome in found] == [False, True]
    for companies in (iter([None, box.company_ids[0]]), iter([True])):
        with pytest.raises(ConfigError, match="a company must be"):
            await outcomes(bulk.list_api_keys(woodpecker, companies))


PAGES: list[Callable[..., Fault]] = [
    lambda **when: Fault.html(401, **when),
    lambda **when: Fault.html(403, **when),
    lambda **when: Fault.status(401, body="", **when),
    lambda **when: Fault.status(403, body={"message": "Request blocked"}, **when),
]


@pytest.mark.parametrize("page", PAGES)
async def test_what_a_proxy_refuses_at_one_company_is_its_outcome(box, woodpecker, page) -> None:
    bad = box.company_ids[3]
    box.faults.add(page(company=bad, times=None))
    run = bulk.list_api_keys(woodpecker)
    found = await outcomes(run)
    assert len(found) == COMPANIES
    assert [outcome.company_id for outcome in found if not outcome.ok] == [bad]
    assert run.report.stopped_by is None


@pytest.mark.parametrize("page", PAGES)
async def test_what_a_proxy_refuses_everywhere_stops_the_run(box, woodpecker, page) -> None:
    box.faults.add(page(times=None))
    run = bulk.list_api_keys(woodpecker, range(1, 10_000))
    assert isinstance(await failure(run), errors.AuthenticationError | errors.PermissionDeniedError)
    assert run.report.failed < 100


@pytest.mark.parametrize("status", [401, 403])
async def test_what_the_api_itself_refuses_stops_the_run_at_once(box, woodpecker, status) -> None:
    box.faults.add(Fault.status(status, times=None))
    run = bulk.list_api_keys(woodpecker, range(1, 10_000))
    error = await failure(run)
    assert isinstance(error, errors.AuthenticationError | errors.PermissionDeniedError)
    assert error.body_kind == ("api" if status == 401 else "empty")
    assert (run.report.failed, len(box.journal)) == (0, pytest.approx(4, abs=4))


async def test_a_list_of_companies_that_never_settles_is_marked(box, woodpecker) -> None:
    def announce(most):
        def more(_, answer):
            nonlocal readings
            readings += 1
            data = answer.json()
            data["pagination_data"]["total_elements"] += readings <= most
            return answer.with_json(data)

        return more

    everything: list[bulk.Companies | None] = [None, woodpecker.agency.companies.list(active=True)]
    for companies, (most, unsettled, read) in product(everything, ((0, False, 1), (1, False, 2), (9, True, 3))):
        readings = 0
        box.faults.clear()
        box.faults.add(Fault.rewriting(announce(most), path="/v2/agency/companies", times=None))
        run = bulk.list_api_keys(woodpecker, companies)
        assert len(await outcomes(run)) == COMPANIES
        assert (run.report.unsettled, readings) == (unsettled, read)
        saved = bulk.Report.from_json(run.report.to_json())
        assert saved.unsettled is unsettled
        whole = bulk.Report(task="list")
        whole.merge(saved)
        assert whole.unsettled is unsettled
    box.faults.clear()
    settled = bulk.list_api_keys(woodpecker, resume=saved)
    await outcomes(settled)
    assert not settled.report.unsettled  # this time the list did not change


# ---- what the report counts


@pytest.mark.parametrize("task", ["list", "ensure"])
async def test_the_report_counts_requests_and_does_not_guess(task) -> None:
    async with Sandbox(companies=40, keys_per_company=1, service_time=0, seed=3) as box:
        box.faults.add(
            Fault.status(500, probability=0.1, times=None),
            Fault.status(429, at="arrival", probability=0.1, times=None),
            Fault.close(at="after_commit", probability=0.1, times=None),
            Fault.commit_then(500, method="POST", probability=0.2, times=None),
        )
        async with box.session(retry=RetryPolicy(initial_backoff=0.001, max_backoff=0.01)) as woodpecker:
            run = bulk.list_api_keys(woodpecker)
            if task == "ensure":
                run = bulk.ensure_api_keys(woodpecker, label="crm", sink=lambda issued: None, settle=0.05)
            found = await outcomes(run)
            assert run.report.requests == box.stats.requests
            listing = run.report.requests - sum(outcome.attempts for outcome in found)
            assert 1 <= listing < 20


async def test_requests_of_companies_that_were_cut_off_count_too(box, woodpecker) -> None:
    box.faults.add(Fault.wait(5, times=None, skip=5))
    run = bulk.list_api_keys(woodpecker, box.company_ids)
    async with run:
        await anext(run)
        before = 0
        while before != (before := box.stats.requests):  # all of those waiting have arrived
            await asyncio.sleep(0.05)
    assert run.report.total == 1
    assert run.report.requests == box.stats.requests > 5


async def test_requests_of_the_callers_own_do_not_count(box, woodpecker) -> None:
    async def companies():
        async for company in woodpecker.agency.companies.list():
            yield company

    async def sink(issued):
        await woodpecker.account.me()

    with counting_requests() as all_of_them:
        run = bulk.ensure_api_keys(woodpecker, companies(), label="crm", sink=sink)
        await outcomes(run)
    assert run.report.requests == box.stats.requests - COMPANIES - 1
    assert all_of_them.requests == box.stats.requests


# ---- whose report it is


async def test_a_report_is_of_one_account(box, woodpecker) -> None:
    run = bulk.list_api_keys(woodpecker, box.company_ids[:3])
    await outcomes(run)
    saved = bulk.Report.from_json(run.report.to_json())
    assert saved.account == woodpecker.account_name
    assert saved.account.endswith(f":{box.base_url.rpartition(':')[2]} {Secret(box.hq_key).fingerprint}")
    async with Sandbox(companies=3) as other, other.session() as elsewhere:
        with pytest.raises(ConfigError, match=r"belongs to another account: .*, not .*report.account = None"):
            bulk.list_api_keys(elsewhere, resume=saved)
        assert other.journal == []
        by_function = WoodpeckerSession(lambda: other.hq_key, base_url=other.base_url)
        async with by_function:
            with pytest.raises(ConfigError, match="belongs to another account"):
                await outcomes(bulk.list_api_keys(by_function, resume=saved))
        assert other.journal == []
        second = bulk.list_api_keys(elsewhere)
        await outcomes(second)
        with pytest.raises(ConfigError, match="belongs to another account"):
            saved.merge(second.report)
        assert saved.ok == 3
        saved.account = None
        assert await outcomes(bulk.list_api_keys(elsewhere, resume=saved)) == []  # accepted: the ids are the same
    async with WoodpeckerSession("1.another-key", base_url=box.base_url) as stranger:
        with pytest.raises(ConfigError, match="belongs to another account"):
            bulk.list_api_keys(stranger, resume=run.report)


async def test_the_account_does_not_depend_on_how_its_url_is_written(box, woodpecker) -> None:
    run = bulk.list_api_keys(woodpecker, box.company_ids[:3])
    await outcomes(run)
    shouted = box.base_url.replace("http://", "HTTP://") + "/"
    async with WoodpeckerSession(box.hq_key, base_url=shouted) as same:
        assert len(await outcomes(bulk.list_api_keys(same, box.company_ids, resume=run.report))) == COMPANIES - 3


async def test_a_report_saved_before_it_named_its_account_is_resumed_and_named(box, woodpecker) -> None:
    old = json.loads(bulk.Report(task="list", done={box.company_ids[0]}, keys=1).to_json())
    del old["account"], old["unsettled"]
    loaded = bulk.Report.from_json(json.dumps(old))
    assert (loaded.account, loaded.unsettled) == (None, False)
    run = bulk.list_api_keys(woodpecker, resume=loaded)
    assert len(await outcomes(run)) == COMPANIES - 1
    assert run.report.account == woodpecker.account_name
    assert loaded.account is None
