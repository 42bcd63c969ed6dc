"""The same thing at many companies: bounded workers, one outcome for each company, a report.

It uses nothing but the public names of the SDK; read it as an example of what can be built on them.

`run` says how a run goes, `report` what comes of it, `sinks` where keys that are made are put.
"""

import copy
import math
from collections.abc import AsyncGenerator, Callable
from typing import Final

from woodpecker_async.bulk import sinks
from woodpecker_async.bulk.report import Outcome, Report
from woodpecker_async.bulk.run import Companies, Effort, Run
from woodpecker_async.bulk.sinks import Sink
from woodpecker_async.errors import ConfigError
from woodpecker_async.models import ApiKey, Company
from woodpecker_async.options import CallOptions
from woodpecker_async.session import WoodpeckerSession

__all__ = ["Companies", "Outcome", "Report", "Run", "Sink", "ensure_api_keys", "list_api_keys"]

_BULK: Final = CallOptions(priority="bulk", skip_bad_items=False)  # an outcome is whole or failed

# How often a list that changes while it is read is read anew.
_READINGS: Final = 3


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
        companies: ids or `Company` objects, as a list, an iterator or an async iterator, read lazily; by
            default all companies of the agency, inactive ones included.
        ordered: give outcomes in the order of the input rather than as they finish.
        concurrency: workers, 1 to 256; by default as many as the session's limits can use.
        resume: the report of an earlier run: its done companies are skipped, and it is counted on.
        on_progress: a plain function that is given the report after each outcome.

    Returns:
        A run: `async with` it, and iterate over it.

    Raises:
        ConfigError: an argument is not usable.

    Example:
        ::

            async with bulk.list_api_keys(woodpecker) as run:
                async for outcome in run:
                    print(outcome.company_id, len(outcome.keys), outcome.error)
            print(run.report.ok, run.report.failures_by_type)
    """
    report = _report(session, resume, "list")

    async def work(company_id: int, effort: Effort) -> tuple[ApiKey, ...]:
        pager = session.agency.api_keys.list(company_id, options=_BULK)
        keys: list[ApiKey] = []
        for _ in range(_READINGS):
            keys.clear()
            async for page in pager.pages():
                keys.extend(page.items)
                effort.attempts += page.attempts
            effort.drifted = pager.drifted
            if not pager.drifted:
                break
        return tuple(keys)

    listing = Effort()
    return Run(
        work,
        _all_companies(session, listing) if companies is None else companies,
        listing,
        workers=_workers(session, concurrency),
        ordered=ordered,
        report=report,
        on_progress=on_progress,
    )


def ensure_api_keys(
    session: WoodpeckerSession,
    companies: Companies | None = None,
    *,
    label: str,
    sink: Sink,
    settle: float = 20.0,
    grace: float = 5.0,
    ordered: bool = False,
    concurrency: int | None = None,
    resume: Report | None = None,
    on_progress: Callable[[Report], object] | None = None,
) -> Run:
    """See to it that every company has one key of this label, and that each key is stored.

    Each company gets `session.agency.api_keys.ensure`, then its key goes to the sink, and only then there is
    an outcome. Run it again after whatever ended it: keys that are there are found by their label, none is
    made twice, and those that had not been stored are stored then.

    Leaving the run (also by cancellation) waits for the companies under way, so that their keys reach the
    sink, for `grace` seconds; what is not done by then is cancelled.

    Args:
        session: an open session with an HQ key.
        companies: as for `list_api_keys`; by default all active companies.
        label: the label; not empty, no blanks at its ends.
        sink: where each key goes: a function, plain or async, that takes an `IssuedKey` and has stored it when
            it returns; or the path of a file of JSON lines, see `woodpecker_async.bulk.sinks`.
        settle: see `ApiKeys.create`.
        grace: seconds.
        ordered: as for `list_api_keys`.
        concurrency: as for `list_api_keys`.
        resume: as for `list_api_keys`; not needed for safety, but saves a request for each company.
        on_progress: as for `list_api_keys`.

    Returns:
        A run: `async with` it, and iterate over it. Entering it raises `ConfigError` if the file cannot be
        used. An outcome's error is a `KeyNotStoredError` where the sink failed.

    Raises:
        ConfigError: an argument is not usable.

    Example:
        ::

            async with bulk.ensure_api_keys(woodpecker, label="crm", sink="crm-keys.jsonl") as run:
                async for outcome in run:
                    print(outcome.company_id, outcome.created, outcome.error)
    """
    report = _report(session, resume, f"ensure {label}")
    if not isinstance(label, str) or not label or label != label.strip():
        raise ConfigError(f"a label is a text that is not empty and has no blanks at its ends, not {label!r}")
    settle, grace = _seconds("settle", settle), _seconds("grace", grace)
    taker = sinks.checked(sink)

    async def work(company_id: int, effort: Effort) -> tuple[ApiKey, ...]:
        issued = await session.agency.api_keys.ensure(company_id, label, settle=settle, options=_BULK)
        effort.created = issued.created
        effort.attempts += 2 if issued.created else 1
        await sinks.store(issued, taker)
        return (ApiKey(api_key=issued.api_key, label=issued.label),)

    listing = Effort()
    return Run(
        work,
        _all_companies(session, listing, active=True) if companies is None else companies,
        listing,
        workers=_workers(session, concurrency),
        ordered=ordered,
        report=report,
        on_progress=on_progress,
        opening=sinks.opening(taker),
        grace=grace,
    )


def _report(session: object, resume: object, task: str) -> Report:
    """The report to count on. What was saved stays as it was saved."""
    if not isinstance(session, WoodpeckerSession):
        raise ConfigError(f"session is a WoodpeckerSession, not {type(session).__name__}")
    if resume is None:
        return Report(task=task)
    if not isinstance(resume, Report):
        raise ConfigError(f"resume is a Report (see Report.from_json), not {type(resume).__name__}")
    if resume.task != task:
        raise ConfigError(f"the report to resume from is of another task: {resume.task!r}, not {task!r}")
    return copy.deepcopy(resume)


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ConfigError(f"{name} is a number of seconds, 0 or more, not {value!r}")
    return float(value)


async def _all_companies(
    session: WoodpeckerSession, effort: Effort, active: bool | None = None
) -> AsyncGenerator[Company, None]:
    """Every company once; when the list moved while it was read, what a second reading adds."""
    seen: set[int] = set()
    for _ in range(_READINGS):
        pager = session.agency.companies.list(active=active, options=_BULK)
        async for page in pager.pages():
            effort.attempts += page.attempts
            for company in page:
                if company.id not in seen:
                    seen.add(company.id)
                    yield company
        if not pager.drifted:
            return


def _workers(session: WoodpeckerSession, concurrency: int | None) -> int:
    if concurrency is None:
        limits = session.limits
        # One more than the lane lets through, so that there is always one ready to go.
        return 1 + (limits.max_in_flight if limits.lanes == "account" else limits.total)
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or not 1 <= concurrency <= 256:
        raise ConfigError(f"concurrency is a whole number from 1 to 256, not {concurrency!r}")
    return concurrency
