"""Runs over many companies on the command line: listing keys, or creating them.

Whatever ends a run early, the work done so far is printed, then the report is saved, then a message says how to
continue.
"""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from woodpecker_async.cli import files, process, terminal
from woodpecker_async.cli.chosen import Chosen, check_report, read_report
from woodpecker_async.cli.companies import UNSETTLED, AllCompanies
from woodpecker_async.cli.connection import Connection
from woodpecker_async.cli.failures import exit_code, tell_failures
from woodpecker_async.cli.layout import Record
from woodpecker_async.cli.output import Output
from woodpecker_async.cli.printers import Printer
from woodpecker_async.cli.progress import Bar, progress

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.bulk import Outcome, Report, Run
    from woodpecker_async.cli.selection import SelectingPrinter
    from woodpecker_async.models import Company

C = TypeVar("C", bound=Callable[..., Any])

_OPTIONS: Final = (
    click.option(
        "--report",
        "report_file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Save a report of the run (mode 0600, without keys), even if it is interrupted.",
    ),
    click.option(
        "--resume",
        "resume_file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Skip companies that are already done according to a saved report.",
    ),
)


def run_options(command: C) -> C:
    """Add the options that save and read reports to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, kw_only=True)
class Saved:
    """The reports that a run reads and writes.

    Attributes:
        task: what the run does, as its report names it.
        report_file: where to save the run's report.
        resume_file: the path of the report to resume from.
        resume: that report.
    """

    task: str
    report_file: Path | None
    resume_file: Path | None
    resume: "Report | None"

    @classmethod
    def read(cls, task: str, report_file: Path | None, resume_file: Path | None, output_file: Path | None) -> "Saved":
        """Read what the options name.

        Raises:
            UsageError: it cannot be used.
        """
        for option, file in (("--report", report_file), ("--resume", resume_file)):
            if _same_file(file, output_file):
                raise process.UsageError(f"{option} and --output both name {file}")
        resume = None if resume_file is None else read_report(resume_file)
        return cls(task=task, report_file=report_file, resume_file=resume_file, resume=resume)

    def opened(self) -> "AbstractContextManager[Callable[[str], None] | None]":
        """A context manager for the function that saves the report; fails early if that cannot work."""
        return nullcontext() if self.report_file is None else files.saved_to(self.report_file)

    async def check(self, woodpecker: "WoodpeckerSession", chosen: Chosen) -> None:
        """Check that the reports to read are of this task and account.

        Raises:
            UsageError: they are not.
        """
        account = await woodpecker.identify()
        chosen.check(self.task, account)
        if self.resume is not None and self.resume_file is not None:
            check_report(self.resume, self.resume_file, self.task, account)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What to do at each company.

    Attributes:
        title: the title of the progress bar.
        done: what cannot be done to inactive companies, such as "listed".
        start: starts the run over the given companies.
        records: the records to print for an outcome.
        summary: the parts of the line that summarizes a run.
        again: how to continue without a report; empty if that is not possible.
        receipt: prints an outcome on stdout if the data goes elsewhere.
        noun: what one item of a company is called.
        remark: a note to print about the file that was written, with `{}` for its name.
    """

    title: str
    done: str
    start: "Callable[[Any], Run]"
    records: "Callable[[Outcome], Iterable[Record]]"
    summary: "Callable[[Report], list[str]]"
    again: str = ""
    receipt: "Callable[[Outcome], None] | None" = None
    noun: str = "key"
    remark: str = ""

    def show(self, outcome: "Outcome", printer: "Printer | SelectingPrinter") -> None:
        """Print an outcome."""
        for record in self.records(outcome):
            printer.add(record, outcome.index)
        if self.receipt is not None:
            self.receipt(outcome)


def summary(report: "Report", noun: str = "key") -> list[str]:
    """The parts of the line that summarizes a run that lists."""
    failed = report.failed - len(report.inactive)
    parts = [terminal.companies(report.total), terminal.count(report.keys, noun), f"{failed} failed"]
    if report.inactive:
        parts.append(f"{len(report.inactive)} inactive")
    return [*parts, terminal.count(report.requests, "request"), f"{report.seconds:.2f} s"]


def _same_file(one: Path | None, other: Path | None) -> bool:
    """Whether two paths name the same file. A device may be named twice."""
    return one is not None and other is not None and not one.is_char_device() and one.resolve() == other.resolve()


async def perform(
    work: Work,
    source: "Source",
    saved: Saved,
    save: Callable[[str], None] | None,
    out: Output,
    printer: "Printer | SelectingPrinter",
    connection: Connection,
) -> int:
    """Do the work at all companies, and return the exit code."""
    from asyncio import CancelledError  # noqa: PLC0415 - not for --help

    if saved.resume is not None:
        connection.note(f"Resuming: skipping {terminal.companies(saved.resume.ok)} already {work.done}.")
    stopped: Exception | CancelledError | None = None
    with progress(work.title, "companies", wanted=connection.shows_progress(out)) as bar:
        companies = source.companies(bar)
        run = work.start(companies)
        try:
            async with aclosing(companies), run:
                async for outcome in run:
                    work.show(outcome, printer)
                    bar.advance(failed=not (outcome.ok or outcome.inactive))
        except click.exceptions.Exit:  # nobody reads the output, so a report must not call these companies done
            raise
        except (Exception, CancelledError) as error:
            stopped = error
    total, this_run = run.report, run.this_run
    for report in (total, this_run):
        report.unsettled = source.unsettled
        report.requests += source.requests
    if isinstance(stopped, CancelledError):
        total.stopped_by = process.cause()
    # --resume will skip companies that are done, so print them before a report says so.
    if stopped is None or not printer.empty:
        printer.finish()
    was_saved = _save(total, saved, save)
    if stopped is not None:
        return _tell_stop(stopped, run, work, source, saved if was_saved else None)
    _tell_missed(this_run, work, saved if was_saved else None, connection)
    if out.path is not None and work.remark:
        connection.note(work.remark.format(out.path))
    if saved.resume is not None:
        connection.note(f"This run: {', '.join(work.summary(this_run))}")
    in_all = "" if saved.resume is None else " in all"
    written = "" if out.path is None else f", written to {out.path}"
    connection.note(", ".join(work.summary(total)) + in_all + written)
    return exit_code(this_run) if was_saved else process.FAILED


def _tell_missed(report: "Report", work: Work, saved: Saved | None, connection: Connection) -> None:
    """Report what failed or may be missing, and how to retry it.

    Args:
        report: the report of this run.
        work: the work it did.
        saved: where its report is; `None` if it could not be saved.
        connection: says whether to be quiet.
    """
    path = None if saved is None else saved.report_file
    rest = "use --report FILE to get all of them" if path is None else f"see {path}"
    tell_failures(report, connection, work.done, rest, work.noun)
    if path is not None and report.failed > len(report.inactive):
        connection.note(f"To retry the failed companies, add: --resume {path}")
    if report.unsettled:
        terminal.echo_err(UNSETTLED)


def _save(report: "Report", saved: Saved, save: Callable[[str], None] | None) -> bool:
    """Save the report if requested. Returns whether that worked, or was not requested."""
    if save is not None:
        try:
            save(report.to_json() + "\n")
        except OSError as error:
            terminal.echo_err(f"Error: the report was not saved: {saved.report_file}: {error.strerror}")
            return False
    return True


def _tell_stop(stopped: BaseException, run: "Run", work: Work, source: "Source", saved: Saved | None) -> int:
    """Say what ended the run early and how to continue, and return the exit code."""
    from asyncio import CancelledError  # noqa: PLC0415 - not for --help

    interrupted, report = isinstance(stopped, CancelledError), run.report
    code = process.INTERRUPTED if interrupted else process.tell_error(stopped)
    if not interrupted and not report.total:
        return code
    total = source.total
    done = source.done_before + run.this_run.total  # companies that failed before and were not retried are not done
    after = terminal.companies(done) if total is None else f"{done} of {total} companies"
    if source.done:
        after += f" ({run.this_run.total} in this run)"
    word = "Interrupted" if interrupted else "Stopped"
    if saved is not None and saved.report_file is not None:
        rest = f". To continue, add: --resume {saved.report_file}"
    elif work.again:
        rest = work.again
    else:
        rest = ". To be able to continue an interrupted run, use --report FILE."
    terminal.echo_err(f"{word} after {after}, {terminal.count(report.keys, work.noun)}{rest}")
    return code


class Source:
    """The companies to work on: those that were named, or all of them.

    Attributes:
        done: ids of the companies done in an earlier run.
        done_before: how many of those there are.
    """

    def __init__(self, woodpecker: "WoodpeckerSession", chosen: Chosen, saved: Saved) -> None:
        self.done: set[int] = set() if saved.resume is None else saved.resume.done
        self.done_before = len(self.done)
        self._ids = chosen.ids
        self._everything = AllCompanies(woodpecker, chosen.active)
        self._found: list[Company] | None = None

    @property
    def total(self) -> int | None:
        """How many there are, once known."""
        if self._ids is not None:
            return len(self._ids)
        return self._everything.total if self._found is None else len(self._found)

    @property
    def requests(self) -> int:
        """How many requests it took to list them."""
        return self._everything.requests

    @property
    def unsettled(self) -> bool:
        """Whether a company may be missing."""
        return self._everything.unsettled

    async def read(self) -> "list[int] | list[Company]":
        """The companies still to do. From this call on, the list stays the same."""
        if self._ids is not None:
            return [company for company in self._ids if company not in self.done]
        if self._found is None:
            with progress("Listing companies", "companies", wanted=False) as bar:
                self._found = [company async for company in self._everything.read(bar)]
        return [company for company in self._found if company.id not in self.done]

    async def companies(self, bar: Bar) -> "AsyncGenerator[int | Company, None]":
        """All of them, including those already done; the bar is told how many are still to do."""
        if self._ids is not None or self._found is not None:
            bar.expect(len(await self.read()))
            for company in self._ids or self._found or ():
                yield company
            return
        async with aclosing(self._everything.read(bar, done=len(self.done))) as found:
            async for company in found:
                yield company
