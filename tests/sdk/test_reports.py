"""Reports: started, waited for and fetched, in one call or in steps."""

import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.calls.reports import DAYS, HASH, READY
from tests.fakes import VirtualClock
from tests.raw import answer, raw_server
from woodpecker_async import RetryPolicy, WoodpeckerSession, errors
from woodpecker_async.models import Report, ReportKind
from woodpecker_async.sandbox import Fault, Sandbox

PATHS = {
    "campaigns": "campaigns",
    "messages": "messages",
    "open_rate": "open_rate",
    "complete": "complete_statistics_for_each_level_of_campaign",
}


async def test_each_report_is_one_awaitable() -> None:
    clock = VirtualClock()
    async with Sandbox(companies=1, ready_after=2) as box, box.session(clock=clock) as woodpecker:
        for reports in (woodpecker.account.reports, woodpecker.company(box.company_ids[0]).reports):
            for kind, path in PATHS.items():
                box.journal.clear()
                clock.slept.clear()
                told: list[tuple[str, float]] = []
                report = await getattr(reports, kind)(
                    dt.date(2026, 11, 1), "2026-12-01", on_progress=lambda *seen, told=told: told.append(seen)
                )
                assert report.description == f"{path} from 2026-11-01 to 2026-12-01"
                assert report.rows
                assert all(row["open_rate"].endswith("%") for row in report.rows)
                start, *looks = box.journal
                assert (start.path, json.loads(start.body)) == (
                    f"/rest/v2/reports/{path}",
                    {"from": "2026-11-01", "to": "2026-12-01"},
                )
                assert [look.method for look in looks] == ["GET"] * 3
                assert len({record.company_header for record in box.journal}) == 1
                assert told == [("IN_PROGRESS", 0), ("IN_PROGRESS", 0.5), ("READY", 1.25)]
                assert clock.slept == [0.5, 0.75]


async def test_a_report_in_two_steps() -> None:
    async with Sandbox(companies=1, ready_after=1) as box, box.session(clock=VirtualClock()) as woodpecker:
        reports = woodpecker.account.reports
        for kind in ReportKind:
            report_hash = await reports.start(kind, *DAYS)
            assert await reports.get(report_hash) is None
            report = await reports.get(report_hash)
            assert isinstance(report, Report)
            assert await reports.wait(report_hash) == report
        with pytest.raises(errors.NotFoundError):
            await reports.get("nothing")
        with pytest.raises(errors.NotFoundError) as unknown:
            await reports.wait("nothing")
        assert unknown.value.job == "nothing"


async def test_a_report_that_takes_too_long_can_be_fetched_later() -> None:
    async with Sandbox(companies=1, ready_after=30) as box, box.session(clock=VirtualClock()) as woodpecker:
        reports = woodpecker.account.reports
        late_after = r"within 10 s; last seen: IN_PROGRESS; .* reports\.wait\('(\w+)'\)"
        with pytest.raises(errors.DeadlineExceededError, match=late_after) as late:
            await reports.campaigns(*DAYS, deadline=10)
        assert re.search(late_after, str(late.value))[1] == late.value.job  # type: ignore[index]
        assert (await reports.wait(late.value.job, deadline=1000)).rows
        assert sum(record.method == "POST" for record in box.journal) == 1


async def test_a_start_without_an_answer_is_said_as_such() -> None:
    async with Sandbox(companies=1) as box, box.session() as woodpecker:
        box.faults.add(Fault.wait(30, method="POST", times=None))
        with pytest.raises(errors.DeadlineExceededError, match="no response to the start of the report") as late:
            await woodpecker.account.reports.messages(*DAYS, deadline=0.2)
        assert late.value.job is None


async def test_a_lost_start_is_sent_again_and_a_look_that_fails_names_the_report() -> None:
    policy = RetryPolicy(attempts=2, initial_backoff=0.01)
    async with Sandbox(companies=1) as box, box.session(clock=VirtualClock(), retry=policy) as woodpecker:
        box.faults.add(Fault.close(at="after_commit", method="POST"))
        assert (await woodpecker.account.reports.campaigns(*DAYS)).rows
        assert sum(record.method == "POST" for record in box.journal) == 2
        box.faults.add(Fault.status(503, method="GET", times=None))
        with pytest.raises(errors.ServerError) as down:
            await woodpecker.account.reports.campaigns(*DAYS)
        box.faults.clear()
        assert isinstance(down.value.job, str)
        assert (await woodpecker.account.reports.wait(down.value.job)).rows


async def got(body: object) -> Any:
    async def handle(server, number, head):
        return answer(json.dumps(body).encode())

    async with raw_server(handle) as server:
        async with WoodpeckerSession("1.key", base_url=server.url) as woodpecker:
            return await woodpecker.account.reports.get(HASH)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "IN_PROGRESS"},
        {"status": "TOMORROW", "report": None},
        {"status": "NEW", "report": {"description": None, "data": None}, "extra": 1},
    ],
)
async def test_any_other_status_means_not_ready(body: object) -> None:
    assert await got(body) is None


async def test_what_is_ready() -> None:
    assert await got(READY) == Report(description="d", rows=({"rate": "5.2%"},))
    assert await got({"status": "READY", "report": {"data": []}}) == Report(description=None, rows=())
    odd = {"status": "READY", "report": {"description": {"a": "A"}, "data": [{"x": None, "y": [1], "fields": {}}]}}
    assert await got(odd) == Report(description={"a": "A"}, rows=({"x": None, "y": [1], "fields": {}},))


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"status": "READY"}, r"\$\.report"),
        ({"status": "READY", "report": {"data": None}}, r"\$\.report\.data"),
        ({"status": "READY", "report": {"data": {}}}, "data"),
        ({"status": "READY", "report": {"data": [7]}}, "data"),
        ({"status": None}, "status"),
        ({}, "status"),
        ([], "object"),
    ],
)
async def test_what_is_no_report_is_not_taken_for_an_empty_one(body: object, path: str) -> None:
    with pytest.raises(errors.ResponseDecodeError, match=path):
        await got(body)


REFUSED: dict[str, tuple[Callable[[WoodpeckerSession], Any], str]] = {
    "31 days": (lambda w: w.account.reports.campaigns("2026-10-01", "2026-11-01"), "at most 30 days"),
    "a year": (lambda w: w.account.reports.complete("2026-01-01", "2026-12-31"), "at most 30 days"),
    "reversed": (lambda w: w.account.reports.messages("2026-11-02", "2026-11-01"), "must not be after"),
    "no date": (lambda w: w.account.reports.open_rate("yesterday", "2026-11-01"), "from_date must be"),
    "None": (lambda w: w.account.reports.campaigns("2026-11-01", None), "to_date must be"),
    "a moment": (
        lambda w: w.account.reports.campaigns(dt.datetime(2026, 11, 1, tzinfo=dt.UTC), "2026-11-02"),
        "time zone",
    ),
    "unknown kind": (lambda w: w.account.reports.start("campaign", *DAYS), "did you mean 'campaigns'"),
    "kind 7": (lambda w: w.account.reports.start(7, *DAYS), "kind must be one of"),
    "no hash": (lambda w: w.account.reports.get(""), "report_hash is empty"),
    "hash 7": (lambda w: w.account.reports.wait(7), "report_hash must be a str"),
    "a hash that climbs": (lambda w: w.account.reports.get(".."), "one segment of a path"),
    "no deadline": (
        lambda w: w.account.reports.campaigns(*DAYS, deadline=None),
        "deadline must be a number of seconds",
    ),
    "no callback": (
        lambda w: w.account.reports.campaigns(*DAYS, on_progress=7),
        "on_progress must be a plain function",
    ),
}


async def test_bad_input_is_refused_before_anything_is_sent() -> None:
    async with WoodpeckerSession("1.key", base_url="http://127.0.0.1:9/rest") as woodpecker:
        for name, (call, message) in REFUSED.items():
            with pytest.raises(errors.ConfigError, match=message):
                await call(woodpecker)
                pytest.fail(name)


async def test_a_start_that_names_no_report_is_no_fault_of_the_caller(
    box: Sandbox, woodpecker: WoodpeckerSession
) -> None:
    box.faults.add(Fault.body({"hash": ""}, path="/v2/reports/messages"))
    with pytest.raises(errors.ResponseDecodeError, match=r"\$\.hash"):
        await woodpecker.account.reports.messages(*DAYS)
