"""The jobs themselves: plain async functions, JSON in and JSON out, for whatever queue delivers them.

Doing a job once more does no harm: keys are found by their label, and with a ledger the companies that are
done are skipped, after a kill in the middle too. A result holds counts, labels and fingerprints, no keys.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from woodpecker_async import bulk
from woodpecker_async.errors import ConfigError
from woodpecker_async.models import Company
from woodpecker_async.options import CallOptions
from woodpecker_async.session import WoodpeckerSession
from woodpecker_async.workers.ledger import Claims, Ledger
from woodpecker_async.workers.payload import Job, Payload, Result


def _never() -> bool:
    return False


@attrs.frozen(kw_only=True)
class Context:
    """What a worker has to do jobs with.

    Attributes:
        session: an open session with an HQ key. One for all jobs of a worker: they share its connections and
            its lane.
        sinks: by name, where made keys go: paths or functions, see `bulk.ensure_api_keys`.
        ledger: where results are kept; without one a job that is done again is done from its beginning.
        claims: which companies other processes work on; without them two processes that ensure a key at the
            same company at the same moment may make two.
        stopping: whether the worker is about to stop; a job then begins no other company, finishes those
            under way, and gives a result that is not whole.
        settle: seconds, see `ApiKeys.create`.
        grace: seconds for which a job that is cancelled lets creations under way finish.
    """

    session: WoodpeckerSession
    sinks: Mapping[str, bulk.Sink] = attrs.field(factory=dict)
    ledger: Ledger | None = None
    claims: Claims | None = None
    stopping: Callable[[], bool] = _never
    settle: float = 20.0
    grace: float = 5.0


async def perform(payload: Mapping[str, Any], context: Context) -> Result:
    """Do a job, or what is left of it.

    What fails at one company is in the result. What would fail at all of them (the key is refused, the server
    is gone) is raised, and so is everything that is wrong with the job itself.

    Args:
        payload: from `Sweep.plan`, `Sweep.chunk` or `chunks`.
        context: what the worker has.

    Returns:
        A JSON object: `job`, the payload; `whole`, false if the worker was about to stop; `report`, see
        `bulk.Report`; `found`, by company id, the label and fingerprint of each key; of a plan, `companies`
        and `inactive`, ids.

    Raises:
        ConfigError: the job is of another version, or its sink has no such name here, or its key was used for
            another job; nothing was sent.
        WoodpeckerError: the server is gone, or does not let this key in. Do the job again later: what is done
            is not done again.
    """
    job = Job.from_payload(payload)
    _sink(job, context)
    known = None if context.ledger is None else await context.ledger.load(job.key)
    if known is not None:
        if known["job"] != job.to_payload():
            raise ConfigError(f"run id {job.sweep.run!r} was used for another sweep: use another")
        if known["whole"]:
            return known
    result = await (_plan(job, context) if job.chunk is None else _chunk(job, context, known))
    return await _save(result, job, context)


def chunks(planned: Result) -> Iterator[Payload]:
    """The jobs that come out of a plan.

    Args:
        planned: the result of a job from `Sweep.plan`.
    """
    sweep = Job.from_payload(planned["job"]).sweep
    companies, inactive = planned["companies"], frozenset(planned["inactive"])
    for number, start in enumerate(range(0, len(companies), sweep.chunk_size)):
        chunk = companies[start : start + sweep.chunk_size]
        yield sweep.chunk(number, chunk, inactive=inactive.intersection(chunk))


def gather(results: Iterable[Result]) -> bulk.Report:
    """One report of the results of a run, plan and chunks; a job that was done twice counts once.

    Raises:
        ConfigError: they are not of one run.
    """
    kept: dict[str, Result] = {}
    for result in results:
        key = Job.from_payload(result["job"]).key
        if key not in kept or result["whole"] or not kept[key]["whole"]:
            kept[key] = result
    if len({result["job"]["sweep"]["run"] for result in kept.values()}) > 1:
        raise ConfigError("these are results of several runs")
    report = bulk.Report()
    for result in kept.values():
        part = _report(result)
        report.task = report.task or part.task
        report.merge(part)
    return report


def found_keys(results: Iterable[Result]) -> dict[int, list[dict[str, str | None]]]:
    """By company id, the label and the fingerprint of each key that the results tell of."""
    found = {int(company): keys for result in results for company, keys in result.get("found", {}).items()}
    return dict(sorted(found.items()))


async def _plan(job: Job, context: Context) -> Result:
    pager = context.session.agency.companies.list(active=job.sweep.active, options=CallOptions(priority="bulk"))
    report = bulk.Report(task=job.sweep.report_task)
    companies: dict[int, bool] = {}
    # A list that moved while it was read may have hidden one; three readings, as in a run of `bulk`.
    for _ in range(3):
        async for page in pager.pages():
            report.requests += page.attempts
            companies |= {company.id: company.active is False for company in page}
        if not pager.drifted:
            break
    return {
        "job": job.to_payload(),
        "whole": True,
        "report": json.loads(report.to_json()),
        "companies": list(companies),
        "inactive": [company for company, inactive in companies.items() if inactive],
    }


async def _chunk(job: Job, context: Context, known: Result | None) -> Result:
    found: dict[str, list[dict[str, str | None]]] = {} if known is None else known["found"]
    resume = None if known is None else _report(known)
    companies = _Companies(job, context, done=frozenset() if resume is None else frozenset(resume.done))
    run = _run(job, companies, context, resume)

    def result(*, whole: bool) -> Result:
        return {
            "job": job.to_payload(),
            "whole": whole,
            "report": json.loads(run.report.to_json()),
            # An outcome is in the report from the next turn on; until then its company is not done.
            "found": {company: keys for company, keys in found.items() if int(company) in run.report.done},
        }

    try:
        async with run:
            async for outcome in run:
                await companies.give_back(outcome.company_id)
                found[str(outcome.company_id)] = [
                    {"label": key.label, "fingerprint": key.api_key.fingerprint} for key in outcome.keys
                ]
                await _save(result(whole=False), job, context)
    finally:
        await companies.give_back_all()
    return result(whole=not companies.cut)


class _Companies(AsyncIterator[int | Company]):
    """The companies of a chunk, each claimed where keys are made, until the worker is about to stop.

    Attributes:
        cut: whether it stopped before the last one.
    """

    def __init__(self, job: Job, context: Context, done: frozenset[int]) -> None:
        self.cut = False
        self._inactive = job.inactive
        self._left = iter([company for company in job.companies if company not in done])
        self._stopping = context.stopping
        self._claims = context.claims if job.sweep.task == "ensure" else None
        self._claimed: set[int] = set()

    async def __anext__(self) -> int | Company:
        company = next(self._left, None)
        self.cut = self.cut or (company is not None and self._stopping())
        if company is None or self.cut:
            raise StopAsyncIteration
        if self._claims is not None:
            await self._claims.take(company)
            self._claimed.add(company)
        # What is known to be inactive is said, so that its failure can be told from one that matters.
        return Company(id=company, name="", active=False) if company in self._inactive else company

    async def give_back(self, company: int) -> None:
        if self._claims is not None and company in self._claimed:
            self._claimed.discard(company)
            await self._claims.give_back(company)

    async def give_back_all(self) -> None:
        for company in tuple(self._claimed):
            await self.give_back(company)


def _run(job: Job, companies: AsyncIterator[int | Company], context: Context, resume: bulk.Report | None) -> bulk.Run:
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
        resume=resume,
    )


def _sink(job: Job, context: Context) -> Any:
    """The sink that the job names.

    Raises:
        ConfigError: there is none of that name here.
    """
    if job.sweep.sink is None:
        return None
    try:
        return context.sinks[job.sweep.sink]
    except KeyError:
        known = ", ".join(sorted(context.sinks)) or "none"
        raise ConfigError(
            f"this worker has no sink named {job.sweep.sink!r} (it has: {known}), so the keys would be lost; "
            "nothing was made"
        ) from None


async def _save(result: Result, job: Job, context: Context) -> Result:
    return result if context.ledger is None else await context.ledger.save(job.key, result)


def _report(result: Result) -> bulk.Report:
    return bulk.Report.from_json(json.dumps(result["report"]))
