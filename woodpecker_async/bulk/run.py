"""A run over many companies.

A fixed set of workers belongs to the `async with` block. Each takes a ticket, then the next company, then
works. Tickets come back when the caller takes an outcome, so a slow caller stops the workers, and an input
that is an iterator is read only as far as needed. What goes wrong at one company is that company's outcome.
What would go wrong at all of them (the key is not valid, or not of the agency; the server is gone) stops the
run and is raised where the outcomes are read.

Every company that is read from the input is kept in a table until its outcome is handed out. A run that ends
looks whether the table is empty; if it is not, something was lost, and that is raised.

Exceptions that are not meant for the tasks of the run are failures, whatever their class: a `CancelledError`
out of a connection pool says nothing about the run.

Where keys are made, the work at a company ends when its key is with the sink, and only then there is an
outcome and the worker goes on. So a kill at any moment leaves at most one key for each worker that is made and
not stored, and the next run finds those by their label.

The module is long because all that can end a run early is decided here, in one place.
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
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

import attrs

from woodpecker_async import checks
from woodpecker_async._async_only import AsyncOnly
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

# What stops a run if company after company fails with it.
_CONTAGIOUS: Final = (TransportError, KeyNotStoredError, UnexpectedError, AuthenticationError, PermissionDeniedError)
_NAMED: Final = 5  # companies in a message


@attrs.define
class WorkStats:
    """What one company has taken so far, also if it fails in the end.

    Attributes:
        requests: how many requests.
        drifted: see `Outcome.drifted`.
        created: see `Outcome.created`.
        stop: why the run is to end after this company.
    """

    requests: RequestCount = attrs.field(factory=RequestCount)
    drifted: bool = False
    created: bool | None = None
    stop: Exception | None = None


@attrs.define
class Listing:
    """What naming the companies has taken so far.

    Attributes:
        requests: how many requests.
        unsettled: see `Report.unsettled`; `None` until the list has been read to its end.
    """

    requests: RequestCount = attrs.field(factory=RequestCount)
    unsettled: bool | None = None


# An outcome, and why the run is to end after it.
_Done = tuple[Outcome, Exception | None]

Work = Callable[[int, WorkStats], Awaitable[tuple[ApiKey, ...]]]


class Run(AsyncOnly, AsyncIterator[Outcome]):
    """A run over many companies. `async with` owns the workers; iterate over it for the outcomes.

    Attributes:
        report: what came of it so far, and with `resume=` of the runs before it. An outcome is counted when the
            caller comes back for the next one, or leaves the block without an error.
        this_run: the same of this run alone.
    """

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
        self._open: dict[int, int] = {}  # by index, the companies that were read and not handed out
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

    if not TYPE_CHECKING:

        def __iter__(self) -> NoReturn:
            raise TypeError("a run is read with `async for outcome in run`, inside its `async with`")

    async def __aenter__(self) -> Self:
        if self._began is not None:
            raise ConfigError("a run can be used only once: make another, with resume=run.report to continue")
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
        """End the workers, let companies in flight finish within the grace, close the input.

        A second cancellation ends the grace; it may come at every `await`, for some frameworks cancel again and
        again until one is gone.
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
        """Count the outcome that the caller has had, now that it comes back for more or leaves in peace.

        A caller that fails in the middle of one has not done with it: `resume` gives it again.
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
        """Bring the totals up to date: the requests are all that were made, of companies in flight too."""
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
        if not self._ending:  # it ended by itself
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
            except BaseException as error:  # the input itself failed: there is no going on
                if meant_for(task, error):
                    raise
                self._abort(as_exception("the companies handed in could not be read on", error))
                return
            if entry is None or self._ending:  # an input may have swallowed our cancellation
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
        """A company from beginning to end; if there is a grace, it is not cancelled with its worker."""
        if not self._grace:
            return await one
        step = asyncio.create_task(one, name="woodpecker-bulk-step")
        self._steps.add(step)
        await asyncio.wait({step})  # which, other than `await step`, leaves it alone when cancelled
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
        """Stop when company after company fails for want of a server, or of a place for its key."""
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
        # What had finished out of order is handed over too: nothing that was done is lost.
        self._finished.extend(self._buffered.pop(index) for index in sorted(self._buffered))

    def _deliver(self, outcome: Outcome) -> None:
        if not self._ordered:
            self._finished.append(outcome)
        else:
            # A ticket is taken before a company is, so the one that all wait for is always in flight.
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
        """End the reading. A generator is closed, as leaving a loop over it would not do."""
        if isinstance(self._async, AsyncGenerator):
            await self._async.aclose()
        elif isinstance(self._sync, Generator):
            self._sync.close()

    async def next(self) -> tuple[int, int, Company | None] | None:
        """Place in the input, id, and the company itself if that was given; `None` at the end."""
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
        """What `next` says of it, or `None` if it is to be skipped."""
        company_id = _id_of(given)
        if company_id in self._skip:
            return None
        self._index += 1
        return self._index - 1, company_id, given if isinstance(given, Company) else None


def _id_of(given: object) -> int:
    """The id of what was handed in. Whether it is one that a company can have is found out by the work."""
    company_id = given.id if isinstance(given, Company) else given
    if isinstance(company_id, bool) or not isinstance(company_id, int):
        raise ConfigError(f"a company must be a Company or its id, an integer >= 1, not {type(given).__name__}")
    return company_id
