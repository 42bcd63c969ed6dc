"""Forty natural uses of the SDK. Type checkers read this file; nothing runs it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Literal, assert_type

from woodpecker_async import (
    CallOptions,
    CompanyInactiveError,
    CompanyNotFoundError,
    ConfigError,
    KeyOutcomeUnknownError,
    Limits,
    Page,
    Pager,
    RateLimitedError,
    RawResponse,
    RetryPolicy,
    Secret,
    SetupError,
    Timeouts,
    WoodpeckerError,
    WoodpeckerSession,
    bulk,
    errors,
    models,
    telemetry,
)
from woodpecker_async.engine.observe import Event
from woodpecker_async.feldera import FelderaSession
from woodpecker_async.sandbox import Fault, Sandbox
from woodpecker_async.scope import CompanyClient
from woodpecker_async.testing import Clock
from woodpecker_async.workers import Sweep
from woodpecker_async.workers.sweep import sweep


async def lists(woodpecker: WoodpeckerSession) -> None:
    pager = woodpecker.agency.companies.list(active=True)
    assert_type(pager, Pager[models.Company])
    assert_type(await pager, Page[models.Company])
    assert_type(await pager.collect(limit=10), list[models.Company])
    async for company in pager:
        assert_type(company.id, int)
        assert_type(company.active, bool | None)
    async for page in pager.pages(start=2, prefetch=1):
        assert_type(page[0], models.Company)
        assert_type(page.total_pages, int | None)
    several = await asyncio.gather(*(woodpecker.agency.api_keys.list(company).collect() for company in (1, 2)))
    assert_type(several, list[list[models.ApiKey]])
    task = asyncio.create_task(pager.collect())
    assert_type(await task, list[models.Company])
    names = {company.id: company.name async for company in pager}
    assert_type(names, dict[int, str])


async def keys(woodpecker: WoodpeckerSession) -> str:
    made = await woodpecker.agency.api_keys.create(company_id=123, label="crm")
    assert_type(made, models.IssuedKey)
    kept = await woodpecker.agency.api_keys.ensure(123, "crm", options=CallOptions(deadline=30))
    assert_type(kept.created, bool)
    assert_type(made.api_key, Secret)
    try:
        await woodpecker.agency.api_keys.create_once(123, "crm")
    except KeyOutcomeUnknownError as error:
        assert_type(error.candidates, tuple[Secret, ...])
        fingerprints = [candidate.fingerprint for candidate in error.candidates]
        assert_type(fingerprints, list[str])
        if error.kind == "several_keys":
            print(error.settles_at)
        assert_type(error.settles_at, datetime | None)
        found = await woodpecker.agency.api_keys.resolve(error)
        assert_type(found, models.IssuedKey | None)
    return made.api_key.reveal()


async def scope(woodpecker: WoodpeckerSession) -> None:
    async with woodpecker.company(123) as client:
        assert_type(client, CompanyClient)
        me = await client.me()
        assert_type(me, models.Me)
        async for mailbox in client.mailboxes.list():
            assert_type(mailbox, models.Mailbox)
            assert_type(mailbox.details.email, str | None)
            if mailbox.type == "SMTP" or mailbox.type is models.MailboxType.IMAP:
                print(mailbox.id)
        print([key.label or "(none)" async for key in client.api_keys.list()])


async def failures(woodpecker: WoodpeckerSession) -> Literal["gone", "busy", "ours", "theirs", "later", "ok"]:
    try:
        await woodpecker.agency.api_keys.list(123).collect()
    except (CompanyNotFoundError, CompanyInactiveError):
        return "gone"
    except RateLimitedError as error:
        assert_type(error.retry_after, float | None)
        for attempt in error.attempts:
            assert_type(attempt.status, int | None)
        return "busy"
    except SetupError:
        return "ours"
    except ConfigError:
        return "theirs"
    except WoodpeckerError as error:
        assert_type(error.retryable, bool)
        if isinstance(error, errors.ApiError):
            assert_type(error.status, int)
        return "later"
    return "ok"


async def many(woodpecker: WoodpeckerSession, ids: AsyncIterator[int]) -> None:
    async with bulk.list_api_keys(woodpecker, ids, ordered=True) as run:
        async for outcome in run:
            assert_type(outcome.keys, tuple[models.ApiKey, ...])
            if isinstance(outcome, bulk.Failed):
                assert_type(outcome.error, WoodpeckerError)
                print(outcome.error.retryable, outcome.inactive)
            if outcome.error is not None:
                print(outcome.error.retryable)
            else:
                print(len(outcome.keys))
            match outcome:
                case bulk.Succeeded(keys=keys):
                    print(len(keys))
                case bulk.Failed(error=errors.ApiError() as error):
                    print(error.status)
                case bulk.Failed():
                    pass
        report = run.report
    assert_type(report.failures, dict[int, bulk.Failure])
    for company_id, failure in report.failures.items():
        print(company_id, failure.kind, failure.text)
    kind, text = report.failures[123]
    print(kind + text)
    again = bulk.Report.from_json(report.to_json())
    Path("report.json").write_text(again.to_json())

    async def store(issued: models.IssuedKey) -> None:
        print(issued.company_id, issued.label)

    async with bulk.ensure_api_keys(woodpecker, [1, 2], label="crm", sink=store, resume=again) as ensuring:
        print([outcome.company_id async for outcome in ensuring if outcome.ok])


def hook(event: Event) -> None:
    if event.kind == "end" and event.failure == "refused":
        print(event.milliseconds)


def sessions() -> WoodpeckerSession:
    return WoodpeckerSession(
        lambda: "1.key",
        retry=RetryPolicy(attempts=3),
        timeouts=Timeouts(attempt=10),
        limits=Limits(lanes="company"),
        hooks=[hook],
    )


async def sandbox() -> None:
    async with Sandbox(companies=2) as box, box.session(retry=RetryPolicy(attempts=1), hooks=[hook]) as woodpecker:
        box.faults.add(Fault.status(500, times=1))
        assert_type(box.company_ids, tuple[int, ...])
        print(await woodpecker.account.me(), [record.path for record in box.journal])


async def workers() -> None:
    swept = await sweep("redis://127.0.0.1:6379/0", Sweep(task="list"))
    for company_id, found in swept.found.items():
        print(company_id, [key["label"] for key in found], found[0]["fingerprint"])


async def feldera() -> None:
    async with FelderaSession("http://localhost:8080", token="...") as session:
        print((await session.api_keys.create(name="ci")).api_key.masked)


async def raw_answers(woodpecker: WoodpeckerSession) -> None:
    answer = await woodpecker.raw("GET", "/v1/me", company_id=123)
    assert_type(answer, RawResponse)
    if answer.error is not None and answer.error.retryable:
        print(answer.headers.get("retry-after"), [attempt.wait for attempt in answer.attempts], answer.read()[:10])


async def telemetry_of_sessions() -> None:
    async with telemetry.instrument(WoodpeckerSession()) as woodpecker:
        assert_type(woodpecker, WoodpeckerSession)
    assert_type(telemetry.instrument(FelderaSession("http://localhost:8080", token="...")), FelderaSession)


async def kit(woodpecker_sandbox: Sandbox, woodpecker_session: WoodpeckerSession, woodpecker_clock: Clock) -> None:
    woodpecker_sandbox.faults.add("status 503 times=2", Fault.named("down skip=2"), Fault.down(method="POST"))
    began = woodpecker_clock.now()
    await woodpecker_session.agency.companies.list().collect()
    assert_type(woodpecker_clock.now() - began, float)
    assert_type(woodpecker_clock.skipped, float)
    woodpecker_clock.advance(900)
    clock = Clock(seed=3)
    async with Sandbox(clock=clock) as box, box.session() as session, WoodpeckerSession("1.key", clock=clock) as other:
        assert_type(session.clock.utcnow(), datetime)
        assert_type(other, WoodpeckerSession)
