"""The same operation for many companies: a bounded number of workers, one outcome per company, and a report.

It uses only public names of the SDK, so you can read it as an example of what to build on them.

`run` runs the workers, `report` has the outcomes and the report, `sinks` stores new keys.
"""

import copy
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final, TypeVar

from woodpecker_async import checks
from woodpecker_async.bulk import sinks
from woodpecker_async.bulk.labels import label_check
from woodpecker_async.bulk.report import Failed, Failure, Outcome, Report, Succeeded
from woodpecker_async.bulk.run import Companies, Listing, Run, WorkStats
from woodpecker_async.bulk.sinks import Sink
from woodpecker_async.counting import counting_requests
from woodpecker_async.errors import ConfigError, KeyNotStoredError
from woodpecker_async.exactly_once import PostHooks
from woodpecker_async.models import ApiKey
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.session import WoodpeckerSession
from woodpecker_async.settled import SettledPages, read_settled

__all__ = [
    "Companies",
    "Failed",
    "Failure",
    "Outcome",
    "Report",
    "Run",
    "Sink",
    "Succeeded",
    "ensure_api_keys",
    "list_api_keys",
]

_BULK: Final = CallOptions(priority="bulk", skip_bad_items=False)  # an outcome is complete or a failure

# For one lane. With few more workers than the lane lets through, the last companies would fetch page after page, each
# at the cost of a round trip, with no other company left to keep the server busy.
_WORKERS: Final = 16

T = TypeVar("T")


def list_api_keys(
    session: WoodpeckerSession,
    companies: Companies | None = None,
    *,
    ordered: bool = False,
    concurrency: int | None = None,
    resume: Report | None = None,
    on_progress: Callable[[Report], object] | None = None,
) -> Run:
    """List the API keys of many companies.

    Args:
        session: an open session with an HQ key.
        companies: ids or `Company` objects, as a list, an iterator or an async iterator, read lazily. By default all
            companies of the agency, including inactive ones. A `Pager` of companies that changes while it is being
            read is read again; see `Report.unsettled`.
        ordered: yield the outcomes in the order of the input rather than as they finish.
        concurrency: the number of workers, 1 to 256. By default 16 if all companies share one lane, otherwise
            `Limits.total` plus one.
        resume: the report of an earlier run. Companies that are done in it are skipped, and the new outcomes are added
            to a copy of it.
        on_progress: a plain function, called with the report after each outcome.

    Returns:
        A run: enter it with `async with`, and iterate over it.

    Raises:
        ConfigError: an argument is invalid.

    Example:
        ::

            async with bulk.list_api_keys(woodpecker) as run:
                async for outcome in run:
                    print(outcome.company_id, len(outcome.keys), outcome.error)
            print(run.report.ok, run.report.failures_by_type)
    """
    return list_each(
        session,
        lambda company_id, options: (session.agency.api_keys.list(company_id, options=options),),
        companies,
        task="list",
        ordered=ordered,
        concurrency=concurrency,
        resume=resume,
        on_progress=on_progress,
    )


def list_each(
    session: WoodpeckerSession,
    lister: Callable[[int, CallOptions], Iterable[Pager[Any]]],
    companies: Companies | None = None,
    *,
    task: str,
    ordered: bool = False,
    concurrency: int | None = None,
    resume: Report | None = None,
    on_progress: Callable[[Report], object] | None = None,
) -> Run:
    """List anything for many companies; the items, whatever they are, are in `Outcome.keys`.

    Args:
        session: an open session with an HQ key.
        lister: returns the lists of a company, given its id and the options for each call.
        companies: as for `list_api_keys`.
        task: the task named in the report.
        ordered: as for `list_api_keys`.
        concurrency: as for `list_api_keys`.
        resume: as for `list_api_keys`.
        on_progress: as for `list_api_keys`.
    """
    report = _report(session, resume, task)

    async def work(company_id: int, stats: WorkStats) -> tuple[ApiKey, ...]:
        with counting_requests(stats.requests):
            found = [await read_settled(pager) for pager in lister(company_id, _BULK)]
        stats.drifted = not all(read.settled for read in found)
        return tuple(item for read in found for item in read.items)

    listing = Listing()
    return Run(
        work,
        _source(session, companies, listing),
        listing,
        workers=_workers(session, concurrency, account=_WORKERS),
        ordered=ordered,
        report=report,
        on_progress=_callback(on_progress),
        opening=_opening(session, report),
    )


def ensure_api_keys(
    session: WoodpeckerSession,
    companies: Companies | None = None,
    *,
    label: str,
    sink: Sink,
    settle: float = 20.0,
    grace: float = 5.0,
    before_send: Callable[[int], object] | None = None,
    ordered: bool = False,
    concurrency: int | None = None,
    resume: Report | None = None,
    on_progress: Callable[[Report], object] | None = None,
) -> Run:
    """Make sure that every company has one key with this label, and that each key is stored.

    For each company this calls `session.agency.api_keys.ensure` and passes the key to the sink; only then is there an
    outcome. Whatever ends a run, you can run it again: existing keys are found by their label, no key is created twice,
    and keys that had not been stored yet are stored then.

    After creating the first new key, the run checks that the key can be found again by its label. Until then it creates
    no second key; if the check fails, it creates none at all and stops with a `LabelNotKeptError`.

    Leaving the run (even by cancellation) waits up to `grace` seconds for the companies in flight, so that their keys
    reach the sink. Whatever is not done by then is cancelled.

    Args:
        session: an open session with an HQ key.
        companies: as for `list_api_keys`; by default all active companies.
        label: the label: not empty, no whitespace at either end. Labels are compared in NFC.
        sink: where each key goes: a function (sync or async) that takes an `IssuedKey` and has stored it when it
            returns; or the path of a file of JSON lines, see `woodpecker_async.bulk.sinks`.
        settle: see `ApiKeys.create`.
        grace: how long to wait for the companies in flight, in seconds.
        before_send: a plain function, called with the company's id right before a request that creates a key is sent.
            If it raises, nothing is sent, and the exception is that company's outcome. Use it to check that a lock of
            your own has not expired.
        ordered: as for `list_api_keys`.
        concurrency: the number of workers, 1 to 256; by default one more than the session's limits let through.
        resume: as for `list_api_keys`; not needed for safety, but it saves one request per company.
        on_progress: as for `list_api_keys`.

    Returns:
        A run: enter it with `async with`, and iterate over it. Entering it raises `ConfigError` if the file cannot be
        used. If the sink fails, the outcome's error is a `KeyNotStoredError`.

    Raises:
        ConfigError: an argument is invalid.

    Example:
        ::

            async with bulk.ensure_api_keys(woodpecker, label="crm", sink="crm-keys.jsonl") as run:
                async for outcome in run:
                    print(outcome.company_id, outcome.created, outcome.error)
    """
    label = checks.label(label)
    report = _report(session, resume, f"ensure {label}")
    settle, grace = checks.seconds(settle, "settle"), checks.seconds(grace, "grace")
    taker = sinks.checked(sink)
    before_send = _callback(before_send, "before_send", "a company's id")

    async def work(company_id: int, stats: WorkStats) -> tuple[ApiKey, ...]:
        check = label_check(session, label, _BULK)
        async with check.creation(settle) as creation:
            with counting_requests(stats.requests):
                issued = await session.agency.api_keys._ensure(
                    company_id,
                    label,
                    settle=settle,
                    options=_BULK,
                    hooks=PostHooks(
                        before_queueing=creation.before,
                        before_send=None if before_send is None else partial(before_send, company_id),
                    ),
                )
            stats.created = issued.created
            not_stored: KeyNotStoredError | None = None
            try:
                await sinks.store(issued, taker)
            except KeyNotStoredError as error:
                not_stored = error
            with counting_requests(stats.requests):
                await creation.after(issued)
        stats.stop = check.failed if issued.created else None
        if not_stored is not None:
            raise not_stored
        return (ApiKey(api_key=issued.api_key, label=issued.label),)

    listing = Listing()
    return Run(
        work,
        _source(session, companies, listing, active=True),
        listing,
        workers=_workers(session, concurrency),
        ordered=ordered,
        report=report,
        on_progress=_callback(on_progress),
        opening=_opening(session, report, sinks.opening(taker)),
        grace=grace,
    )


def _report(session: object, resume: object, task: str) -> Report:
    """Return the report to add to: a new one, or a copy of the one to resume."""
    if not isinstance(session, WoodpeckerSession):
        raise ConfigError(f"session must be a WoodpeckerSession, not {type(session).__name__}")
    account = session.account_name
    if resume is None:
        return Report(task=task, account=account)
    if not isinstance(resume, Report):
        raise ConfigError(f"resume must be a Report (see Report.from_json), not {type(resume).__name__}")
    if resume.task != task:
        raise ConfigError(f"the report to resume from belongs to another task: {resume.task!r}, not {task!r}")
    resume.check_account(account)
    report = copy.deepcopy(resume)
    report.account = report.account or account
    return report


def _opening(
    session: WoodpeckerSession, report: Report, more: Callable[[], Awaitable[None]] | None = None
) -> Callable[[], Awaitable[None]]:
    """Return what to do before anything is sent."""

    async def opening() -> None:
        account = await session.identify()  # only now can an async key function be called
        report.check_account(account)
        report.account = account
        if more is not None:
            await more()

    return opening


def _callback(
    function: Callable[[T], object] | None, name: str = "on_progress", takes: str = "a Report"
) -> Callable[[T], object] | None:
    if function is not None and (not callable(function) or inspect.iscoroutinefunction(function)):
        raise ConfigError(f"{name} must be a plain function that takes {takes}, not {type(function).__name__}")
    return function


def _source(
    session: WoodpeckerSession, companies: Companies | None, listing: Listing, active: bool | None = None
) -> Companies:
    """Return the companies to process; a list from the server is read until it settles."""
    if companies is None:
        companies = session.agency.companies.list(active=active, options=_BULK)
    return _settled(companies, listing) if isinstance(companies, Pager) else companies


async def _settled(pager: Pager[T], listing: Listing) -> AsyncGenerator[T, None]:
    """Yield every company once, and read the list again if it changed while it was being read."""
    pages = SettledPages(pager)
    while True:
        with counting_requests(listing.requests):  # not across a yield: the context is the consumer's
            page = await anext(pages, None)
        if page is None:
            break
        for company in page:
            yield company
    listing.unsettled = not pages.settled


def _workers(session: WoodpeckerSession, concurrency: int | None, *, account: int | None = None) -> int:
    """Return how many companies to process at once; `account` applies if they share one lane."""
    if concurrency is not None:
        return checks.integer(concurrency, "concurrency", 1, 256)
    limits = session.limits
    # More than the lane lets through, so that one is always ready.
    return limits.total + 1 if limits.lanes != "account" else account or limits.max_in_flight + 1
