"""`woodpecker-async keys`: the API keys of client companies."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from woodpecker_async.cli import files, issue, output, process, progress, terminal
from woodpecker_async.cli.audit import audit
from woodpecker_async.cli.companies import AllCompanies
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.failures import exit_code, tell_failures
from woodpecker_async.cli.groups import Group
from woodpecker_async.cli.layout import Column, Layout, Record
from woodpecker_async.cli.report import report
from woodpecker_async.cli.sweep import sweep

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.bulk import Outcome, Report
    from woodpecker_async.models import Company

C = TypeVar("C", bound=Callable[..., Any])


@click.group(cls=Group)
def keys() -> None:
    """API keys of client companies.

    Keys are shown masked unless --reveal asks for them in full.
    """


keys.add_command(issue.create)
keys.add_command(issue.ensure)
keys.add_command(sweep)
keys.add_command(audit)
keys.add_command(report)


# ---- list


@dataclass(frozen=True, kw_only=True)
class ListArgs:
    """What `keys list` was asked for.

    Attributes:
        companies: ids; empty for all companies.
        active: of all companies, only the active or the inactive ones.
        format_: how to print them.
        reveal: print the keys in full.
        report_file: where to save the report.
        save: saves its text there.
        resume: the report of an earlier run.
    """

    companies: tuple[int, ...]
    active: bool | None
    format_: str
    reveal: bool
    report_file: Path | None
    save: Callable[[str], None] | None
    resume: "Report | None"


@keys.command("list")
@click.option("--all", "everything", is_flag=True, help="All companies of the agency.")
@click.option(
    "--company", "companies", type=click.IntRange(min=1), metavar="ID", multiple=True, help="A company; repeatable."
)
@click.option("--active/--inactive", default=None, help="Of --all, only the active companies, or only the others.")
@output.format_option
@click.option("--reveal", is_flag=True, help="Show the keys in full.")
@click.option(
    "--report",
    "report_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Save what came of it (mode 0600, without keys), also when interrupted.",
)
@click.option(
    "--resume",
    "resume_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Skip the companies that a saved report says are done.",
)
@connection_options
@click.pass_obj
def list_(
    connection: Connection,
    everything: bool,
    companies: tuple[int, ...],
    active: bool | None,
    format_: str,
    reveal: bool,
    report_file: Path | None,
    resume_file: Path | None,
) -> int:
    """List the API keys of many companies.

    One company's failure does not end the run: it is named on stderr, and the exit code is 3. Companies that
    cannot be listed because they are inactive are named too, and do not count as failed.

    A list that changes while it is read is read again, three times at most. If it still changes then, a company
    or a key may be missing: that is said on stderr, and the exit code is 3.
    """
    if everything == bool(companies):
        raise click.UsageError("say which companies: either --all, or --company ID as often as you like")
    if companies and active is not None:
        raise click.UsageError("--active and --inactive choose among --all")
    resume = None if resume_file is None else _saved(resume_file)
    with nullcontext() if report_file is None else files.saved_to(report_file) as save:
        args = ListArgs(
            companies=tuple(dict.fromkeys(companies)),
            active=active,
            format_=format_,
            reveal=reveal,
            report_file=report_file,
            save=save,
            resume=resume,
        )
        return connected(connection, lambda woodpecker: _list(woodpecker, args, connection))


async def _list(woodpecker: "WoodpeckerSession", args: ListArgs, connection: Connection) -> int:
    from asyncio import CancelledError  # noqa: PLC0415 - not for --help

    from woodpecker_async import bulk  # noqa: PLC0415

    if args.resume is not None:
        connection.note(f"Resuming: {terminal.companies(args.resume.ok)} done before, not listed again.")
    printer = output.Printer(args.format_, _LAYOUT)
    stopped: Exception | CancelledError | None = None
    with progress.progress("Listing keys", "companies", wanted=connection.shows_progress(args.format_)) as bar:
        source = _Source(woodpecker, args, bar)
        companies = source.companies()
        run = bulk.list_api_keys(woodpecker, companies, resume=args.resume)
        try:
            async with aclosing(companies), run:
                async for outcome in run:
                    printer.add(_record(outcome, reveal=args.reveal), outcome.index)
                    bar.advance()
        except click.exceptions.Exit:  # stdout is gone, and with it what a report would call done
            raise
        except (Exception, CancelledError) as error:
            stopped = error
    run.report.unsettled = source.unsettled
    run.report.requests += source.requests
    # What is done will be skipped by --resume, so it is printed before a report says that it is done.
    if stopped is None or not printer.empty:
        printer.finish()
    saved = _save(run.report, args)
    if isinstance(stopped, CancelledError):
        terminal.echo_err(_interrupted(run.report, source.total, args.report_file if saved else None))
        return process.INTERRUPTED
    if stopped is not None:
        raise stopped
    tell_failures(run.report, connection, "listed", "--report FILE keeps them all", unsettled=source.unsettled)
    connection.note(_summary(run.report))
    return exit_code(run.report, unsettled=source.unsettled) if saved else process.FAILED


def _save(report: "Report", args: ListArgs) -> bool:
    """Save the report, if that was asked for; tells whether it is where it was to be."""
    if args.save is not None:
        try:
            args.save(report.to_json() + "\n")
        except OSError as error:
            terminal.echo_err(f"Error: the report was not saved: {args.report_file}: {error.strerror}")
            return False
    return True


class _Source:
    """The companies to list: those that were named, or all."""

    def __init__(self, woodpecker: "WoodpeckerSession", args: ListArgs, bar: progress.Bar) -> None:
        self._wish = args
        self._bar = bar
        self._everything = AllCompanies(woodpecker, args.active, bar)

    @property
    def total(self) -> int | None:
        """How many there are, once that is known."""
        return len(self._wish.companies) or self._everything.total

    @property
    def requests(self) -> int:
        """How many requests it took to list them."""
        return self._everything.requests

    @property
    def unsettled(self) -> bool:
        """Whether one may be missing."""
        return self._everything.unsettled

    async def companies(self) -> "AsyncGenerator[int | Company, None]":
        done = set() if self._wish.resume is None else self._wish.resume.done
        if self._wish.companies:
            self._bar.expect(len(self._wish.companies))
            self._bar.advance(len(done.intersection(self._wish.companies)))
            for company_id in self._wish.companies:
                yield company_id
            return
        async with aclosing(self._everything.read()) as found:
            async for company in found:
                self._bar.advance(company.id in done)
                yield company


def _record(outcome: "Outcome", *, reveal: bool) -> Record:
    company, error = outcome.company, outcome.error
    return {
        "company_id": outcome.company_id,
        "company_name": None if company is None else company.name,
        "active": None if company is None else company.active,
        "ok": outcome.ok,
        "keys": [
            {
                "label": key.label,
                "api_key": output.shown(key.api_key, reveal=reveal),
                "fingerprint": key.api_key.fingerprint,
            }
            for key in outcome.keys
        ],
        "error": None
        if error is None
        else {"type": type(error).__name__, "message": str(error), "inactive": outcome.inactive},
    }


def _csv_rows(record: Record) -> Iterator[Record]:
    # A failed company has no row: it would look like one without keys.
    if record["ok"]:
        yield from ({**record, **key} for key in record["keys"] or [{}])


def _table_rows(record: Record) -> Iterator[Record]:
    if record["error"] is not None:
        yield {**record, "api_key": "(inactive)" if record["error"]["inactive"] else "(failed)"}
    elif not record["keys"]:
        yield {**record, "api_key": "(no keys)"}
    for key in record["keys"]:
        yield {**record, **key, "label": key["label"] or "(no label)"}


_LAYOUT: Final = Layout(
    (
        Column("company_id", "Company", whole=True, once=True),
        Column("company_name", "Name", once=True),
        Column("active", "Active", whole=True, once=True),
        Column("label", "Label"),
        Column("api_key", "API key", whole=True),
        Column("fingerprint"),
    ),
    table_rows=_table_rows,
    csv_rows=_csv_rows,
)


def _summary(report: "Report") -> str:
    failed = report.failed - len(report.inactive)
    parts = [terminal.companies(report.total), terminal.count(report.keys, "key"), f"{failed} failed"]
    if report.inactive:
        parts.append(f"{len(report.inactive)} inactive")
    parts += [terminal.count(report.requests, "request"), f"{report.seconds:.2f} s"]
    return ", ".join(parts)


def _interrupted(report: "Report", total: int | None, report_file: Path | None) -> str:
    of = f"{report.total} of {total} companies" if total is not None else terminal.companies(report.total)
    text = f"Interrupted after {of}, {terminal.count(report.keys, 'key')}."
    if report_file is not None:
        text += f" To go on, add: --resume {report_file}"
    return text


def _saved(path: Path) -> "Report":
    from woodpecker_async.bulk import Report  # noqa: PLC0415 - not for --help
    from woodpecker_async.errors import ConfigError  # noqa: PLC0415

    try:
        return Report.from_json(files.read_report(path))
    except ConfigError as error:
        raise process.UsageError(f"{path}: {error}") from None
