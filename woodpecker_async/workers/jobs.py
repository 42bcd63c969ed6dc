"""The jobs themselves: plain async functions, JSON in and JSON out, for any queue.

Running a job again does no harm: keys are found by their label, and with a ledger, companies that are done are skipped,
even after a kill in the middle. A result contains counts, labels and fingerprints, but no keys.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypedDict

import attrs

from woodpecker_async import bulk, checks
from woodpecker_async.counting import counting_requests
from woodpecker_async.errors import ClaimLostError, ConfigError
from woodpecker_async.models import Company
from woodpecker_async.options import CallOptions
from woodpecker_async.session import WoodpeckerSession
from woodpecker_async.settled import read_settled
from woodpecker_async.workers.ledger import Claims, Ledger
from woodpecker_async.workers.payload import Job, Payload, Result


class FoundKey(TypedDict):
    """A key found by a sweep.

    Attributes:
        label: its label.
        fingerprint: see `Secret.fingerprint`.
    """

    label: str | None
    fingerprint: str


# The keys found, by company id as a string.
Found = dict[str, list[FoundKey]]


def _never() -> bool:
    return False


@attrs.frozen(kw_only=True)
class Context:
    """What a worker needs to run jobs.

    Attributes:
        session: an open session with an HQ key. Use one session for all jobs of a worker: they share its connections
            and its lane.
        sinks: by name, where new keys go: paths or functions, see `bulk.ensure_api_keys`.
        ledger: where results are stored; without one, a job that is run again starts from the beginning.
        claims: claims on the companies being processed. Without them, two processes that ensure a key for the same
            company at the same time may create two keys.
        stopping: returns whether the worker is about to stop. A job then starts no further companies, finishes those
            in flight, and returns a result that is not whole.
        settle: in seconds; see `ApiKeys.create`.
        grace: how long a cancelled job lets creations in flight finish, in seconds.
    """

    session: WoodpeckerSession
    sinks: Mapping[str, bulk.Sink] = attrs.field(factory=dict)
    ledger: Ledger | None = None
    claims: Claims | None = None
    stopping: Callable[[], bool] = _never
    settle: float = 20.0
    grace: float = 5.0


async def perform(payload: Mapping[str, Any], context: Context) -> Result:
    """Run a job, or what is left of it.

    A failure at one company is part of the result. A failure that would occur at every company (the key is rejected,
    the server is down) is raised, and so is anything wrong with the job itself.

    Args:
        payload: from `Sweep.plan`, `Sweep.chunk` or `chunks`.
        context: what the worker has.

    Returns:
        A JSON object: `job`, the payload; `whole`, true if every company of the job has an outcome; `report`, see
        `bulk.Report`; `found`, by company id, the label and fingerprint of each key; for a plan, `companies` and
        `inactive`, lists of ids. If it is not whole, the worker was about to stop: run the job again.

    Raises:
        ConfigError: the job has another version, this worker has no sink with its name, or its key was used for
            another job; nothing was sent.
        WoodpeckerError: the server is down, or rejects the key. Run the job again later: what is done is not repeated.
    """
    job = Job.from_payload(payload)
    _sink(job, context)
    known = None if context.ledger is None else await context.ledger.load(job.key)
    if known is not None:
        if known["job"] != job.to_payload():
            raise ConfigError(f"run id {job.sweep.run!r} was used for another sweep: choose another id")
        if known["whole"]:
            return known
    result = await (_plan(job, context) if job.chunk is None else _chunk(job, context, known))
    if context.ledger is None or not result["whole"]:  # if not whole, the ledger already has the parts
        return result
    return await context.ledger.save(job.key, result)


def chunks(planned: Result) -> Iterator[Payload]:
    """Yield the jobs that follow from a plan.

    Args:
        planned: the result of a job from `Sweep.plan`.
    """
    sweep = Job.from_payload(planned["job"]).sweep
    companies, inactive = planned["companies"], frozenset(planned["inactive"])
    for number, start in enumerate(range(0, len(companies), sweep.chunk_size)):
        chunk = companies[start : start + sweep.chunk_size]
        yield sweep.chunk(number, chunk, inactive=inactive.intersection(chunk))


def gather(results: Iterable[Result]) -> bulk.Report:
    """Merge the results of a run, plan and chunks, into one report; a job that was run twice counts once.

    Raises:
        ConfigError: the results belong to several runs or accounts.
    """
    kept: dict[str, Result] = {}
    for result in results:
        key = Job.from_payload(result["job"]).key
        if key not in kept or result["whole"] or not kept[key]["whole"]:
            kept[key] = result
    if len({result["job"]["sweep"]["run"] for result in kept.values()}) > 1:
        raise ConfigError("these results are from several runs")
    report = bulk.Report()
    for result in kept.values():
        part = folded(result)[0]
        report.task = report.task or part.task
        report.merge(part)
    return report


def found_keys(results: Iterable[Result]) -> dict[int, list[FoundKey]]:
    """Return by company id the label and fingerprint of each key in the results."""
    found = {int(company): keys for result in results for company, keys in folded(result)[1].items()}
    return dict(sorted(found.items()))


def folded(result: Result) -> tuple[bulk.Report, Found]:
    """Return the report of a result and the keys found, both including its parts."""
    report = bulk.Report.from_json(json.dumps(result["report"]))
    found = dict(result.get("found", {}))
    for company, part in result.get("parts", {}).items():
        if int(company) not in report.done:  # else a slow worker added an outcome that was already known
            report.merge(bulk.Report.from_json(json.dumps(part["report"])))
            found |= part["found"]
    return report, found


async def _plan(job: Job, context: Context) -> Result:
    report = bulk.Report(task=job.sweep.report_task, account=await context.session.identify())
    pager = context.session.agency.companies.list(active=job.sweep.active, options=CallOptions(priority="bulk"))
    with counting_requests() as count:
        listed = await read_settled(pager)
    report.requests = count.requests
    report.unsettled = not listed.settled
    companies = {company.id: company.active is False for company in listed.items}
    for company in tuple(companies):
        try:
            checks.company_id(company)
        except ConfigError as error:  # it cannot be part of a job, so this is its outcome
            del companies[company]
            report.failures[company] = bulk.Failure(type(error).__name__, str(error))
    return {
        "job": job.to_payload(),
        "whole": True,
        "report": json.loads(report.to_json()),
        "companies": list(companies),
        "inactive": [company for company, inactive in companies.items() if inactive],
    }


async def _chunk(job: Job, context: Context, known: Result | None) -> Result:
    progress = _Progress(job, context.ledger, known, await context.session.identify())
    await progress.begin()
    companies = _Companies(job, context, done=frozenset(progress.report.done))
    run = _run(job, companies, context, progress.report)
    try:
        async with run:
            async for outcome in run:
                await progress.add(await companies.concluded(outcome), run.report.seconds)
    finally:
        await companies.give_back_all()
    return progress.result(run.report)


class _Progress:
    """The progress of a chunk and of each of its companies.

    Attributes:
        report: the report at the start.
    """

    def __init__(self, job: Job, ledger: Ledger | None, known: Result | None, account: str) -> None:
        self._job = job
        self._ledger = ledger
        self._is_new = known is None
        self._account = account
        start = known or self._result(bulk.Report(task=job.sweep.report_task, account=account), {}, whole=False)
        self.report, self._found = folded(start)
        self._base = bulk.Report.from_json(json.dumps(start["report"]))
        self._parts = {
            int(company): bulk.Report.from_json(json.dumps(part["report"]))
            for company, part in start.get("parts", {}).items()
        }
        self._known = self._base.done | self._base.failures.keys() | self._parts.keys()
        self._seconds = self.report.seconds

    async def begin(self) -> None:
        """Store in the ledger which job this is; from then on only new results are written."""
        if self._ledger is not None and self._is_new:
            await self._ledger.save(self._job.key, self._result(self._base, {}, whole=False))

    async def add(self, outcome: bulk.Outcome, seconds: float) -> None:
        """Add an outcome to its company's report, and store it."""
        company = outcome.company_id
        part = self._parts.setdefault(company, bulk.Report(task=self.report.task, account=self._account))
        part.add(outcome)
        part.seconds += max(0.0, seconds - self._seconds)
        self._seconds = max(self._seconds, seconds)
        found: list[FoundKey] = [{"label": key.label, "fingerprint": key.api_key.fingerprint} for key in outcome.keys]
        self._found[str(company)] = found
        self._known.add(company)
        if self._ledger is not None:
            kept = {
                "report": json.loads(part.to_json()),
                "found": {str(company): found},
                "outcomes": len(self._known),
            }
            await self._ledger.add(self._job.key, company, kept)

    def result(self, ran: bulk.Report) -> Result:
        """Return the result of the job; whole if every company of the job has an outcome.

        Args:
            ran: the report of the run, which has the totals.
        """
        report = self._base
        for company, part in self._parts.items():
            if company not in report.done:
                report.merge(part)
        report.account, report.requests, report.seconds = ran.account, ran.requests, ran.seconds
        whole = set(self._job.companies) <= report.done | report.failures.keys()
        return self._result(report, self._found, whole=whole)

    def _result(self, report: bulk.Report, found: Found, *, whole: bool) -> Result:
        return {
            "job": self._job.to_payload(),
            "whole": whole,
            "report": json.loads(report.to_json()),
            "found": found,
        }


class _Companies(AsyncIterator[int | Company]):
    """The companies of a chunk, claimed if keys are created, until the worker is about to stop."""

    def __init__(self, job: Job, context: Context, done: frozenset[int]) -> None:
        self._inactive = job.inactive
        self._left = iter([company for company in job.companies if company not in done])
        self._stopping = context.stopping
        self._claims = context.claims if job.sweep.task == "ensure" else None
        self._claimed: set[int] = set()

    async def __anext__(self) -> int | Company:
        company = next(self._left, None)
        if company is None or self._stopping():
            raise StopAsyncIteration
        if self._claims is not None:
            await self._claims.take(company)
            self._claimed.add(company)
        # Mark companies known to be inactive, so that their failures can be told from ones that matter.
        return Company(id=company, name="", active=False) if company in self._inactive else company

    async def concluded(self, outcome: bulk.Outcome) -> bulk.Outcome:
        """Release the company's claim, and return the outcome: a failure if another worker could have claimed it."""
        try:
            await self._give_back(outcome.company_id)
        except ClaimLostError as error:
            if outcome.ok:
                told = {field.name: getattr(outcome, field.name) for field in attrs.fields(bulk.Failed)}
                return bulk.Failed(**{**told, "keys": (), "error": error})
        return outcome

    async def give_back_all(self) -> None:
        """Release the claims on companies that will have no outcome."""
        for company in tuple(self._claimed):
            with suppress(ClaimLostError):  # the company is not done anyway, so the job is not whole
                await self._give_back(company)

    async def _give_back(self, company: int) -> None:
        if self._claims is not None and company in self._claimed:
            self._claimed.discard(company)
            await self._claims.give_back(company)


def _run(job: Job, companies: AsyncIterator[int | Company], context: Context, resume: bulk.Report) -> bulk.Run:
    if job.sweep.task == "list":
        return bulk.list_api_keys(context.session, companies, resume=resume)
    assert job.sweep.label is not None
    return bulk.ensure_api_keys(
        context.session,
        companies,
        label=job.sweep.label,
        sink=_sink(job, context),
        settle=context.settle,
        grace=context.grace,
        before_send=None if context.claims is None else context.claims.check,
        resume=resume,
    )


def _sink(job: Job, context: Context) -> Any:
    """Return the sink that the job names.

    Raises:
        ConfigError: this worker has no sink with that name.
    """
    if job.sweep.sink is None:
        return None
    try:
        return context.sinks[job.sweep.sink]
    except KeyError:
        known = ", ".join(sorted(context.sinks)) or "none"
        raise ConfigError(
            f"this worker has no sink named {job.sweep.sink!r} (it has: {known}), so the keys would be lost; "
            "no key was created"
        ) from None
