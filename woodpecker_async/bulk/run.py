"""A run over many companies.

The `async with` block owns a fixed set of workers. Each takes a ticket, then the next company, then does the work.
A ticket is returned when the caller takes an outcome, so a slow caller pauses the workers, and an iterator is read only
as far as needed. A failure at one company is that company's outcome. A failure that would occur at every company (the
key is invalid, or not the agency's; the server is down) stops the run and is raised where the outcomes are read.

Every company read from the input is kept in a table until its outcome is returned to the caller. When a run ends and
the table is not empty, something was lost, and that is raised.

Exceptions that are not addressed to the tasks of the run are failures, whatever their class: a `CancelledError` raised
by a connection pool says nothing about the run.

When creating keys, a company's work ends when the sink has its key; only then is there an outcome, and the worker goes
on. So a kill at any moment leaves at most one key per worker that is created but not stored, and the next run finds
those keys by their label.

The module is long because everything that can end a run early is decided here, in one place.
"""

import asyncio
import time
from collections import deque
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

from woodpecker_async import checks
from woodpecker_async._async_only import AsyncForOnly, AsyncOnly
from woodpecker_async.bulk.failures import as_exception, fails_everywhere, meant_for, protected, unexpected
from woodpecker_async.bulk.report import Failed, Outcome, Report, Succeeded
from woodpecker_async.counting import RequestCount
from woodpecker_async.errors import (
    AuthenticationError,
    ConfigError,
    KeyNotStoredError,
    PermissionDeniedError,
    RunIncompleteError,
    TransportError,
    UnexpectedError,
    WoodpeckerError,
)
from woodpecker_async.models import ApiKey, Company

Companies = Iterable[int | Company] | AsyncIterable[int | Company]

# Errors that stop a run if company after company fails with them.
_CONTAGIOUS: Final = (TransportError, KeyNotStoredError, UnexpectedError, AuthenticationError, PermissionDeniedError)
_NAMED: Final = 5  # companies in a message


@attrs.define
class WorkStats:
    """The statistics of one company so far, kept even if it fails.

    Attributes:
        requests: how many requests were made.
        drifted: see `Outcome.drifted`.
        created: see `Outcome.created`.
        stop: why the run has to end after this company.
    """

    requests: RequestCount = attrs.field(factory=RequestCount)
    drifted: bool = False
    created: bool | None = None
    stop: Exception | None = None


@attrs.define
class Listing:
    """The statistics of listing the companies so far.

    Attributes:
        requests: how many requests were made.
        unsettled: see `Report.unsettled`; `None` until the list has been read to its end.
    """

    requests: RequestCount = attrs.field(factory=RequestCount)
    unsettled: bool | None = None


# An outcome, and why the run has to end after it, if it has to.
_Done = tuple[Outcome, Exception | None]

Work = Callable[[int, WorkStats], Awaitable[tuple[ApiKey, ...]]]


class Run(AsyncOnly, AsyncForOnly, AsyncIterator[Outcome]):
    """A run over many companies. `async with` owns the workers; iterate over the run to get the outcomes.

    Attributes:
        report: the results so far, including those of earlier runs if you passed `resume=`. An outcome is counted when
            you ask for the next one, or leave the block without an error.
        this_run: the results of this run alone.
    """

    _how_to_read = "a run is read with `async for outcome in run`, inside its `async with`"

    def __init__(
        self,
        work: Work,
        companies: Companies,
        listing: Listing,
        *,
        workers: int,
        ordered: bool,
        report: Report,
        on_progress: Callable[[Report], object] | None,
        opening: Callable[[], Awaitable[None]] | None = None,
        grace: float = 0.0,
    ) -> None:
        self.report = report
        self.this_run = Report(task=report.task, account=report.account)
        self._work = work
        self._listing = listing
        self._input = _Input(companies, skip=frozenset(self.report.done))
        self._count = workers
        self._on_progress = on_progress
        self._ordered = ordered
        self._finished: deque[Outcome] = deque()
        self._buffered: dict[int, Outcome] = {}
        self._open: dict[int, int] = {}  # by index, the companies without a returned outcome
        self._next_index = 0
        self._opening = opening
        self._grace = grace
        self._tasks: set[asyncio.Task[None]] = set()
        self._steps: set[asyncio.Task[_Done]] = set()
        self._wakeup = asyncio.Event()
        self._tickets = asyncio.Semaphore(2 * workers)
        self._stop: Exception | None = None
        self._streak: tuple[type[BaseException] | None, int] = (None, 0)
        self._began: float | None = None
        self._left = False
        self._taken: Outcome | None = None
        self._seconds_before = self.report.seconds
        self._requests_before = self.report.requests
        self._requests = 0

    def __repr__(self) -> str:
        return f"<Run {self.report.task}: {self.report.ok} ok, {self.report.failed} failed>"

    async def __aenter__(self) -> Self:
        if self._began is not None:
            raise ConfigError("a run can be used only once: create another one, with resume=run.report to continue")
        self._began = time.monotonic()
        self.report.stopped_by = None
        if self._opening is not None:
            await protected("the run could not be opened", self._opening())
        self.this_run.account = self.report.account
        for number in range(self._count):
            task = asyncio.create_task(self._worker(), name=f"woodpecker-bulk-{number}")
            self._tasks.add(task)
            task.add_done_callback(self._on_worker_done)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True
        try:
            await self._end()
        finally:
            if kind is None:
                await self._count_taken()
            elif self._stop is None:
                self._stopped_by(kind)
            self._update_totals()

    def _stopped_by(self, kind: type[BaseException]) -> None:
        self.report.stopped_by = self.this_run.stopped_by = kind.__name__

    async def _end(self) -> None:
        """Stop the workers, let companies in flight finish within the grace period, and close the input.

        A second cancellation ends the grace period; it may arrive at any `await`, because some frameworks keep
        cancelling a task until it ends.
        """
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
            try:
                await asyncio.gather(*self._steps, return_exceptions=True)
            finally:
                await protected("the companies handed in could not be closed", self._input.aclose())

    def __aiter__(self) -> Self:
        if self._began is None:
            raise ConfigError("enter the run first: `async with run:`")
        return self

    async def __anext__(self) -> Outcome:
        if self._left:
            raise ConfigError("the run has been left: read its outcomes inside the `async with` block")
        await self._count_taken()
        while not self._finished:
            if not self._tasks:
                if self._stop is None and self._open:
                    self._abort(self._incomplete())
                if self._stop is not None:
                    raise self._stop
                raise StopAsyncIteration
            self._wakeup.clear()
            await self._wakeup.wait()
        outcome = self._finished.popleft()
        del self._open[outcome.index]
        self._tickets.release()
        self._taken = outcome
        return outcome

    async def _count_taken(self) -> None:
        """Count the latest outcome, now that the caller asks for the next one or leaves without an error.

        If the caller fails while processing an outcome, it is not counted, and `resume` returns it again.
        """
        if self._taken is None:
            return
        self.report.add(self._taken)
        self.this_run.add(self._taken)
        self._taken = None
        self._update_totals()
        await protected("on_progress failed", self._tell())

    async def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.report)

    def _update_totals(self) -> None:
        """Update the totals; the requests include those of companies in flight."""
        assert self._began is not None
        self.this_run.seconds = time.monotonic() - self._began
        self.this_run.requests = self._listing.requests.requests + self._requests
        self.report.seconds = self._seconds_before + self.this_run.seconds
        self.report.requests = self._requests_before + self.this_run.requests
        if self._listing.unsettled is not None:
            self.report.unsettled = self.this_run.unsettled = self._listing.unsettled

    def _incomplete(self) -> RunIncompleteError:
        missing = list(self._open.values())
        named = ", ".join(map(str, missing[:_NAMED])) + (", ..." if len(missing) > _NAMED else "")
        return RunIncompleteError(
            f"the run ended, and {len(missing)} of the companies handed in have no outcome: {named}; go on with "
            "resume=run.report",
            companies=missing,
        )

    def _on_worker_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._ending:  # it was not stopped by the run
            if task.cancelled():
                self._abort(UnexpectedError("a worker of the run was cancelled from outside"))
            elif (error := task.exception()) is not None:
                self._abort(as_exception("a worker of the run failed", error))
        self._wakeup.set()

    @property
    def _ending(self) -> bool:
        return self._left or self._stop is not None

    async def _worker(self) -> None:
        task = asyncio.current_task()
        while not self._ending:
            await self._tickets.acquire()
            try:
                entry = await self._input.next()
            except BaseException as error:  # the input itself failed: the run cannot continue
                if meant_for(task, error):
                    raise
                self._abort(as_exception("the companies handed in could not be read on", error))
                return
            if entry is None or self._ending:  # the input may have swallowed our cancellation
                return
            index, company_id, company = entry
            self._open[index] = company_id
            try:
                outcome, stop = await self._step(self._one(index, company_id, company))
            except BaseException as error:
                if meant_for(task, error):
                    raise
                self._abort(as_exception(f"company {company_id}", error))
                return
            self._deliver(outcome)
            if stop is not None:
                self._abort(stop)

    async def _step(self, one: Coroutine[Any, Any, _Done]) -> _Done:
        """Process one company; if there is a grace period, it is not cancelled along with its worker."""
        if not self._grace:
            return await one
        step = asyncio.create_task(one, name="woodpecker-bulk-step")
        self._steps.add(step)
        await asyncio.wait({step})  # unlike `await step`, does not cancel the step when cancelled
        self._steps.discard(step)
        return step.result()

    async def _one(self, index: int, company_id: int, company: Company | None) -> _Done:
        task = asyncio.current_task()
        began = time.monotonic()
        keys: tuple[ApiKey, ...] = ()
        error: WoodpeckerError | None = None
        stats = WorkStats()
        try:
            keys = await self._work(company_id, stats)
        except WoodpeckerError as failure:
            if fails_everywhere(failure):
                raise
            error = failure
        except BaseException as failure:
            if meant_for(task, failure):
                raise
            error = unexpected(f"the work at company {company_id} failed", failure)
        finally:
            self._requests += stats.requests.requests
        self._check_failure_streak(error)
        told: dict[str, Any] = {
            "company_id": company_id,
            "company": company,
            "index": index,
            "created": stats.created,
            "drifted": stats.drifted,
            "attempts": stats.requests.requests,
            "seconds": time.monotonic() - began,
        }
        if error is None:
            return Succeeded(keys=keys, **told), stats.stop
        return Failed(error=error, **told), stats.stop

    def _check_failure_streak(self, error: WoodpeckerError | None) -> None:
        """Stop the run if company after company fails for a reason that has nothing to do with the company."""
        kind, count = self._streak
        if not isinstance(error, _CONTAGIOUS):
            self._streak = (None, 0)
            return
        count = count + 1 if kind is type(error) else 1
        self._streak = (type(error), count)
        if count >= 3 * self._count:
            raise error

    def _abort(self, error: Exception) -> None:
        if self._stop is None:
            self._stop = error
            self._stopped_by(type(error))
        for task in self._tasks:
            if task is not _current_task():
                task.cancel()
        # Deliver what had finished out of order as well, so that no work is lost.
        self._finished.extend(self._buffered.pop(index) for index in sorted(self._buffered))

    def _deliver(self, outcome: Outcome) -> None:
        if not self._ordered:
            self._finished.append(outcome)
        else:
            # Workers take a ticket before a company, so the company that the others wait for is always in flight.
            self._buffered[outcome.index] = outcome
            while (ready := self._buffered.pop(self._next_index, None)) is not None:
                self._finished.append(ready)
                self._next_index += 1
        self._wakeup.set()


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # called by a loop that is being closed
        return None


class _Input:
    """The input: returns one company at a time to whichever worker asks next."""

    def __init__(self, companies: Companies, skip: frozenset[int]) -> None:
        self._skip = skip
        self._index = 0
        self._over = False
        self._lock = asyncio.Lock()
        self._sync: Iterator[Any] | None = None
        self._async: AsyncIterator[Any] | None = None
        if isinstance(companies, Collection):
            for given in companies:  # complete already: check every one before anything is sent
                if not isinstance(given, Company):
                    checks.company_id(given)
        if isinstance(companies, AsyncIterable):
            self._async = aiter(companies)
        elif isinstance(companies, Iterable) and not isinstance(companies, str | bytes):
            self._sync = iter(companies)
        else:
            raise ConfigError(
                f"companies must be an iterable or async iterable of ids or Companies, not {type(companies).__name__}"
            )

    async def aclose(self) -> None:
        """Close the input if it is a generator, which leaving a loop over it would not do."""
        if isinstance(self._async, AsyncGenerator):
            await self._async.aclose()
        elif isinstance(self._sync, Generator):
            self._sync.close()

    async def next(self) -> tuple[int, int, Company | None] | None:
        """Return the index in the input, the id, and the `Company` if one was given; `None` at the end."""
        if self._sync is not None:
            return next(filter(None, map(self._entry, self._sync)), None)
        assert self._async is not None
        async with self._lock:
            while not self._over:
                try:
                    entry = self._entry(await anext(self._async))
                except StopAsyncIteration:
                    self._over = True
                    return None
                if entry is not None:
                    return entry
            return None

    def _entry(self, given: object) -> tuple[int, int, Company | None] | None:
        """Return an entry for `next`, or `None` if the company is to be skipped."""
        company_id = _id_of(given)
        if company_id in self._skip:
            return None
        self._index += 1
        return self._index - 1, company_id, given if isinstance(given, Company) else None


def _id_of(given: object) -> int:
    """Return the id of an item of the input. The work itself finds out whether a company can have that id."""
    company_id = given.id if isinstance(given, Company) else given
    if isinstance(company_id, bool) or not isinstance(company_id, int):
        raise ConfigError(f"a company must be a Company or its id, an integer >= 1, not {type(given).__name__}")
    return company_id
