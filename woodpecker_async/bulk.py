"""The same thing at many companies: bounded workers, one outcome for each company, a report.

It uses nothing but the public names of the SDK; read it as an example of what can be built on them.

A fixed set of workers belongs to the `async with` block. Each takes a ticket, then the next company, then
works. Tickets come back when the caller takes an outcome, so a slow caller stops the workers, and an input
that is an iterator is read only as far as needed. What goes wrong at one company is that company's outcome.
What would go wrong at all of them (the key is not valid, or not of the agency; the server is gone) stops the
run and is raised where the outcomes are read.

Where keys are made, the work at a company ends when its key is with the sink, and only then there is an
outcome and the worker goes on. So a kill at any moment leaves at most one key for each worker that is made and
not stored, and the next run finds those by their label.
"""

import asyncio
import copy
import json
import math
import time
from collections import Counter, deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from types import TracebackType
from typing import Any, Final, Self

import attrs

from woodpecker_async import sinks
from woodpecker_async.errors import (
    AuthenticationError,
    CompanyInactiveError,
    CompanyNotFoundError,
    ConfigError,
    KeyNotStoredError,
    PermissionDeniedError,
    SessionClosedError,
    TransportError,
    WoodpeckerError,
    WrongLoopError,
)
from woodpecker_async.models import ApiKey, Company
from woodpecker_async.options import CallOptions
from woodpecker_async.session import WoodpeckerSession
from woodpecker_async.sinks import Sink

__all__ = [
    "Companies",
    "Outcome",
    "Report",
    "Run",
    "Sink",
    "ensure_api_keys",
    "list_api_keys",
]

Companies = Iterable[int | Company] | AsyncIterable[int | Company]

_BULK: Final = CallOptions(priority="bulk", skip_bad_items=False)  # an outcome is whole or failed
_VERSION: Final = 1

# How often a list that changes while it is read is read anew.
_READINGS: Final = 3

# What one company's call raises and every other company's would.
_FOR_ALL: Final = (AuthenticationError, PermissionDeniedError, SessionClosedError, WrongLoopError)


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of one company.

    Attributes:
        company_id: the company's id.
        company: the company, where the run knows it (it listed them itself, or was given `Company` objects).
        index: its place in the input, from 0.
        keys: its API keys, or the one that was ensured; empty if it failed.
        created: whether that one is new; `None` where no key was to be made, or that is not known.
        error: why it failed; `None` if it did not.
        drifted: the list changed each time it was read, so a key may be missing; see `Pager.drifted`.
        attempts: how many requests it took; where a key was ensured, at least so many.
        seconds: how long it took, waiting for turns included.
    """

    company_id: int
    company: Company | None = None
    index: int
    keys: tuple[ApiKey, ...] = ()
    created: bool | None = None
    error: WoodpeckerError | None = None
    drifted: bool = False
    attempts: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.error is None

    @property
    def inactive(self) -> bool:
        """Whether it failed because the company is inactive, as far as the server says."""
        if isinstance(self.error, CompanyInactiveError):
            return True
        known_inactive = self.company is not None and self.company.active is False
        return known_inactive and isinstance(self.error, CompanyNotFoundError)


@attrs.define(kw_only=True)
class Report:
    """What came of a run. Holds no keys; can be saved, loaded, and continued from with `resume=`.

    Attributes:
        task: what the run does; only a run that does the same can be resumed from it.
        done: ids of the companies that succeeded.
        failures: by id, the error's type and its text, of the companies that failed.
        inactive: ids of those among the failed that failed for being inactive.
        keys: how many keys were seen.
        created: how many keys were made, those included that the sink did not take.
        drifted: ids of the companies whose list of keys never held still, so that a key may be missing.
        requests: how many requests it took, listing the companies included.
        seconds: how long the run took so far.
        stopped_by: the type of the error that stopped the run, if one did.
    """

    task: str = ""
    done: set[int] = attrs.field(factory=set)
    failures: dict[int, tuple[str, str]] = attrs.field(factory=dict)
    inactive: set[int] = attrs.field(factory=set)
    drifted: set[int] = attrs.field(factory=set)
    keys: int = 0
    created: int = 0
    requests: int = 0
    seconds: float = 0.0
    stopped_by: str | None = None

    @property
    def ok(self) -> int:
        """How many companies succeeded."""
        return len(self.done)

    @property
    def failed(self) -> int:
        """How many companies failed."""
        return len(self.failures)

    @property
    def total(self) -> int:
        """How many companies have an outcome."""
        return self.ok + self.failed

    @property
    def failures_by_type(self) -> dict[str, int]:
        """How many companies failed, by the type of the error, most frequent first."""
        return dict(Counter(kind for kind, _ in self.failures.values()).most_common())

    def to_json(self) -> str:
        """The report as JSON, without any key."""
        return json.dumps(
            {
                "version": _VERSION,
                "task": self.task,
                "done": sorted(self.done),
                "failures": {str(company): list(failure) for company, failure in sorted(self.failures.items())},
                "inactive": sorted(self.inactive),
                "drifted": sorted(self.drifted),
                "keys": self.keys,
                "created": self.created,
                "requests": self.requests,
                "seconds": round(self.seconds, 3),
                "stopped_by": self.stopped_by,
            }
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """A report from what `to_json` gave.

        Raises:
            ConfigError: it is not one.
        """
        try:
            saved = json.loads(text)
            if saved["version"] != _VERSION:
                raise ConfigError(f"the report is of version {saved['version']!r}; this SDK reads version {_VERSION}")
            return cls(
                task=str(saved["task"]),
                done={int(company) for company in saved["done"]},
                failures={int(company): (str(kind), str(why)) for company, (kind, why) in saved["failures"].items()},
                inactive={int(company) for company in saved["inactive"]},
                drifted={int(company) for company in saved["drifted"]},
                keys=int(saved["keys"]),
                created=int(saved.get("created", 0)),
                requests=int(saved["requests"]),
                seconds=float(saved["seconds"]),
                stopped_by=saved["stopped_by"],
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"this is not a saved report ({type(error).__name__})") from None

    def add(self, outcome: Outcome) -> None:
        """Count an outcome; the company's earlier failure, if there was one, is forgotten."""
        self.requests += outcome.attempts
        self.created += outcome.created is True
        self.failures.pop(outcome.company_id, None)
        self.inactive.discard(outcome.company_id)
        self.drifted.discard(outcome.company_id)
        if outcome.drifted:
            self.drifted.add(outcome.company_id)
        if outcome.error is None:
            self.done.add(outcome.company_id)
            self.keys += len(outcome.keys)
            return
        self.failures[outcome.company_id] = (type(outcome.error).__name__, str(outcome.error))
        if outcome.inactive:
            self.inactive.add(outcome.company_id)


@attrs.define
class Effort:
    """What one company has taken so far, also if it fails in the end."""

    attempts: int = 0
    drifted: bool = False
    created: bool | None = None


def list_api_keys(
    session: WoodpeckerSession,
    companies: Companies | None = None,
    *,
    ordered: bool = False,
    concurrency: int | None = None,
    resume: Report | None = None,
    on_progress: Callable[[Report], object] | None = None,
) -> "Run":
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
) -> "Run":
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
            it returns; or the path of a file of JSON lines, see `woodpecker_async.sinks`.
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


Work = Callable[[int, Effort], Awaitable[tuple[ApiKey, ...]]]


class Run(AsyncIterator[Outcome]):
    """A run over many companies. `async with` owns the workers; iterating gives the outcomes.

    Attributes:
        report: what came of it so far. An outcome is counted when the caller comes back for the next one, or
            leaves the block without an error.
    """

    def __init__(
        self,
        work: Work,
        companies: Companies,
        listing: Effort,
        *,
        workers: int,
        ordered: bool,
        report: Report,
        on_progress: Callable[[Report], object] | None,
        opening: Callable[[], Awaitable[None]] | None = None,
        grace: float = 0.0,
    ) -> None:
        self.report = report
        self._work = work
        self._listing = listing
        self._input = _Input(companies, skip=frozenset(self.report.done))
        self._count = workers
        self._on_progress = on_progress
        self._ordered = ordered
        self._finished: deque[Outcome] = deque()
        self._early: dict[int, Outcome] = {}
        self._next_index = 0
        self._opening = opening
        self._grace = grace
        self._tasks: set[asyncio.Task[None]] = set()
        self._steps: set[asyncio.Task[Outcome]] = set()
        self._news = asyncio.Event()
        self._tickets = asyncio.Semaphore(2 * workers)
        self._stop: BaseException | None = None
        self._streak: tuple[type[BaseException] | None, int] = (None, 0)
        self._began: float | None = None
        self._left = False
        self._taken: Outcome | None = None
        self._before = self.report.seconds

    async def __aenter__(self) -> Self:
        if self._began is not None:
            raise ConfigError("a run is used once: make another one, with resume=run.report to go on")
        self._began = time.monotonic()
        self.report.stopped_by = None
        if self._opening is not None:
            await self._opening()
        for number in range(self._count):
            task = asyncio.create_task(self._worker(), name=f"woodpecker-bulk-{number}")
            self._tasks.add(task)
            task.add_done_callback(self._gone)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._steps:
                await asyncio.wait(self._steps, timeout=self._grace)
        finally:
            for step in self._steps:
                step.cancel()
            await asyncio.gather(*self._steps, return_exceptions=True)
            await self._input.aclose()
            self._left = True
        if kind is None:
            self._count_taken()
        self._clock()

    def __aiter__(self) -> Self:
        if self._began is None:
            raise ConfigError("enter the run first: `async with run:`")
        return self

    async def __anext__(self) -> Outcome:
        if self._left:
            raise ConfigError("the run has been left: read its outcomes inside the `async with` block")
        self._count_taken()
        while not self._finished:
            if not self._tasks:
                if self._stop is not None:
                    raise self._stop
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        outcome = self._finished.popleft()
        self._tickets.release()
        self._taken = outcome
        return outcome

    def _count_taken(self) -> None:
        """Count the outcome that the caller has had, now that it comes back for more or leaves in peace.

        A caller that fails in the middle of one has not done with it: `resume` gives it again.
        """
        if self._taken is None:
            return
        self.report.add(self._taken)
        self._taken = None
        self._clock()
        if self._on_progress is not None:
            self._on_progress(self.report)

    def _clock(self) -> None:
        assert self._began is not None
        self.report.seconds = self._before + time.monotonic() - self._began
        self.report.requests += self._listing.attempts
        self._listing.attempts = 0

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._news.set()

    async def _worker(self) -> None:
        while self._stop is None:
            await self._tickets.acquire()
            try:
                entry = await self._input.next()
            except Exception as error:  # the input itself failed: there is no going on
                self._halt(error)
                return
            if entry is None:
                return
            index, given = entry
            try:
                outcome = await self._step(self._one(index, given))
            except Exception as error:
                self._halt(error)
                return
            self._hand_over(outcome)

    async def _step(self, one: Coroutine[Any, Any, Outcome]) -> Outcome:
        """A company from beginning to end; if there is a grace, it is not cancelled with its worker."""
        if not self._grace:
            return await one
        step = asyncio.create_task(one, name="woodpecker-bulk-step")
        self._steps.add(step)
        await asyncio.wait({step})  # which, other than `await step`, leaves it alone when cancelled
        self._steps.discard(step)
        return step.result()

    async def _one(self, index: int, given: object) -> Outcome:
        company, company_id = given if isinstance(given, Company) else None, _id_of(given)
        began = time.monotonic()
        keys: tuple[ApiKey, ...] = ()
        error: WoodpeckerError | None = None
        effort = Effort()
        try:
            keys = await self._work(company_id, effort)
        except _FOR_ALL:
            raise
        except WoodpeckerError as failure:
            error = failure
            effort.attempts += len(getattr(failure, "attempts", ()))
        self._watch(error)
        return Outcome(
            company_id=company_id,
            company=company,
            index=index,
            keys=keys,
            created=effort.created,
            error=error,
            drifted=effort.drifted,
            attempts=effort.attempts,
            seconds=time.monotonic() - began,
        )

    def _watch(self, error: WoodpeckerError | None) -> None:
        """Stop when company after company fails for want of a server, or of a place for its key."""
        kind, count = self._streak
        if not isinstance(error, TransportError | KeyNotStoredError):
            self._streak = (None, 0)
            return
        count = count + 1 if kind is type(error) else 1
        self._streak = (type(error), count)
        if count >= 3 * self._count:
            raise error

    def _halt(self, error: Exception) -> None:
        if self._stop is None:
            self._stop = error
            self.report.stopped_by = type(error).__name__
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        # What had finished out of order is handed over too: nothing that was done is lost.
        self._finished.extend(self._early.pop(index) for index in sorted(self._early))

    def _hand_over(self, outcome: Outcome) -> None:
        if not self._ordered:
            self._finished.append(outcome)
        else:
            # A ticket is taken before a company is, so the one that all wait for is always under way.
            self._early[outcome.index] = outcome
            while (ready := self._early.pop(self._next_index, None)) is not None:
                self._finished.append(ready)
                self._next_index += 1
        self._news.set()


class _Input:
    """The companies, one at a time, to whichever worker asks next."""

    def __init__(self, companies: Companies, skip: frozenset[int]) -> None:
        self._skip = skip
        self._index = 0
        self._over = False
        self._lock = asyncio.Lock()
        self._sync: Iterator[Any] | None = None
        self._async: AsyncIterator[Any] | None = None
        if isinstance(companies, Collection):
            for given in companies:  # all there already: look at each before anything is sent
                _id_of(given)
        if isinstance(companies, AsyncIterable):
            self._async = aiter(companies)
        elif isinstance(companies, Iterable) and not isinstance(companies, str | bytes):
            self._sync = iter(companies)
        else:
            raise ConfigError(
                f"companies is an iterable or async iterable of ids or Companies, not {type(companies).__name__}"
            )

    async def aclose(self) -> None:
        """End the reading. A generator is closed, as leaving a loop over it would not do."""
        if isinstance(self._async, AsyncGenerator):
            await self._async.aclose()
        elif isinstance(self._sync, Generator):
            self._sync.close()

    async def next(self) -> tuple[int, Any] | None:
        async with self._lock:
            while not self._over:
                try:
                    given = next(self._sync) if self._sync is not None else await anext(self._async)  # type: ignore[arg-type]
                except (StopIteration, StopAsyncIteration):
                    self._over = True
                    return None
                if _id_of(given) in self._skip:
                    continue
                index = self._index
                self._index += 1
                return index, given
            return None


def _id_of(given: object) -> int:
    company_id = given.id if isinstance(given, Company) else given
    if isinstance(company_id, bool) or not isinstance(company_id, int) or company_id < 1:
        raise ConfigError(f"a company is given as a Company or by its id, a whole number from 1 on; not {given!r}")
    return company_id
