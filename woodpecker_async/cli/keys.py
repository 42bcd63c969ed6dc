"""`woodpecker-async keys`: the API keys of client companies."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeVar

import click

from woodpecker_async.cli import files, output, process
from woodpecker_async.cli.companies import AllCompanies
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.failures import exit_code, tell_failures
from woodpecker_async.cli.output import Column, Record
from woodpecker_async.cli.sweep import sweep
from woodpecker_async.errors import KeyOutcomeUnknownError

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.bulk import Outcome, Report
    from woodpecker_async.models import Company, IssuedKey

C = TypeVar("C", bound=Callable[..., Any])


@click.group()
def keys() -> None:
    """API keys of client companies.

    Keys are shown masked unless --reveal asks for them in full.
    """


keys.add_command(sweep)


# ---- list


@dataclass(frozen=True, kw_only=True)
class Wish:
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
        wish = Wish(
            companies=tuple(dict.fromkeys(companies)),
            active=active,
            format_=format_,
            reveal=reveal,
            report_file=report_file,
            save=save,
            resume=resume,
        )
        return connected(connection, lambda woodpecker: _list(woodpecker, wish, connection))


async def _list(woodpecker: "WoodpeckerSession", wish: Wish, connection: Connection) -> int:
    from asyncio import CancelledError  # noqa: PLC0415 - not for --help

    from woodpecker_async import bulk  # noqa: PLC0415

    if wish.resume is not None:
        connection.note(f"Resuming: {output.companies(wish.resume.ok)} done before, not listed again.")
    printer = output.Printer(wish.format_, _LAYOUT)
    stopped: Exception | CancelledError | None = None
    with output.progress("Listing keys", "companies", wanted=connection.shows_progress(wish.format_)) as bar:
        source = _Source(woodpecker, wish, bar)
        companies = source.companies()
        run = bulk.list_api_keys(woodpecker, companies, resume=wish.resume)
        try:
            async with aclosing(companies), run:
                async for outcome in run:
                    printer.add(_record(outcome, reveal=wish.reveal), outcome.index)
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
    saved = _save(run.report, wish)
    if isinstance(stopped, CancelledError):
        output.complain(_interrupted(run.report, source.total, wish.report_file if saved else None))
        return process.INTERRUPTED
    if stopped is not None:
        raise stopped
    tell_failures(run.report, connection, "listed", "--report FILE keeps them all", unsettled=source.unsettled)
    connection.note(_summary(run.report))
    return exit_code(run.report, unsettled=source.unsettled) if saved else process.FAILED


def _save(report: "Report", wish: Wish) -> bool:
    """Save the report, if that was asked for; tells whether it is where it was to be."""
    if wish.save is not None:
        try:
            wish.save(report.to_json() + "\n")
        except OSError as error:
            output.complain(f"Error: the report was not saved: {wish.report_file}: {error.strerror}")
            return False
    return True


class _Source:
    """The companies to list: those that were named, or all."""

    def __init__(self, woodpecker: "WoodpeckerSession", wish: Wish, bar: output.Bar) -> None:
        self._wish = wish
        self._bar = bar
        self._everything = AllCompanies(woodpecker, wish.active, bar)

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


_LAYOUT: Final = output.Layout(
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
    parts = [output.companies(report.total), output.count(report.keys, "key"), f"{failed} failed"]
    if report.inactive:
        parts.append(f"{len(report.inactive)} inactive")
    parts += [output.count(report.requests, "request"), f"{report.seconds:.2f} s"]
    return ", ".join(parts)


def _interrupted(report: "Report", total: int | None, report_file: Path | None) -> str:
    of = f"{report.total} of {total} companies" if total is not None else output.companies(report.total)
    text = f"Interrupted after {of}, {output.count(report.keys, 'key')}."
    if report_file is not None:
        text += f" To go on, add: --resume {report_file}"
    return text


def _saved(path: Path) -> "Report":
    from woodpecker_async.bulk import Report  # noqa: PLC0415 - not for --help
    from woodpecker_async.errors import ConfigError  # noqa: PLC0415

    try:
        return Report.from_json(files.read_report(path))
    except ConfigError as error:
        raise process.Refused(f"{path}: {error}") from None


# ---- create and ensure


@dataclass(frozen=True, kw_only=True)
class Order:
    """Which key `keys create` or `keys ensure` was asked for.

    Attributes:
        company_id: where.
        label: its label.
        settle: see `ApiKeys.create`.
        reveal: print it in full.
        reuse: be content with the one of this label that is there.
        output_file: where to write it in full.
    """

    company_id: int
    label: str
    settle: float
    reveal: bool
    reuse: bool
    output_file: Path | None


def _order_options(command: C) -> C:
    options = (
        click.option("--label", metavar="TEXT", required=True, help="The key's label."),
        click.option("--reveal", is_flag=True, help="Print the key in full."),
        click.option(
            "--output",
            "output_file",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="Write the key in full to a new file (mode 0600); see above for the keys of many companies.",
        ),
        click.option(
            "--settle",
            metavar="SECONDS",
            type=click.FloatRange(min=0),
            default=20.0,
            show_default=True,
            help="After a lost answer, how long to look for the key before it counts as not made.",
        ),
        connection_options,
    )
    for option in reversed(options):
        command = option(command)
    return command


@keys.command()
@click.option("--company", "company_id", type=click.IntRange(min=1), metavar="ID", required=True, help="The company.")
@_order_options
@click.pass_obj
def create(connection: Connection, /, **order: Any) -> int:
    """Make exactly one new API key for a company.

    Prints the key alone on stdout, masked unless --reveal asks for it in full.
    """
    return _issue(connection, Order(reuse=False, **order))


@keys.command()
@click.option("--all", "everything", is_flag=True, help="All active companies of the agency.")
@click.option(
    "--company", "companies", type=click.IntRange(min=1), metavar="ID", multiple=True, help="A company; repeatable."
)
@_order_options
@click.pass_obj
def ensure(connection: Connection, /, *, everything: bool, companies: tuple[int, ...], **order: Any) -> int:
    """Have one API key of this label at a company: the one that is there, or a new one.

    Prints the key alone on stdout, masked unless --reveal asks for it in full.

    For many companies (--all, or --company several times) --output is required: a file of JSON lines to which
    each key is added in full, and flushed to the disk, before the next is made. Lines on stdout are then a
    company's ID, a tab, and the key. Whatever ends the command, run it again: no key is made twice, and none
    is lost. If the list of companies changed each time it was read, one may have been left out: that is said on
    stderr, and the exit code is 3.
    """
    if everything == bool(companies):
        raise click.UsageError("say which companies: either --all, or --company ID as often as you like")
    companies = tuple(dict.fromkeys(companies))
    if len(companies) == 1:
        return _issue(connection, Order(reuse=True, company_id=companies[0], **order))
    if order["output_file"] is None:
        raise click.UsageError("for the keys of many companies say where to write them: --output FILE")
    many = ManyOrder(companies=companies, **order)
    return connected(connection, lambda woodpecker: _ensure_many(woodpecker, many, connection))


def _issue(connection: Connection, order: Order) -> int:
    # The file is there before anything is sent, so that no key is made that cannot be written down.
    with nullcontext() if order.output_file is None else files.new_private(order.output_file) as file:
        return connected(connection, lambda woodpecker: _make(woodpecker, order, file, connection))


async def _make(woodpecker: "WoodpeckerSession", order: Order, file: TextIO | None, connection: Connection) -> int:
    from asyncio import CancelledError  # noqa: PLC0415 - not for --help

    api_keys = woodpecker.agency.api_keys
    verb = api_keys.ensure if order.reuse else api_keys.create
    look = f"woodpecker-async keys list --company {order.company_id}"
    try:
        issued = await verb(order.company_id, order.label, settle=order.settle)
    except KeyOutcomeUnknownError as error:
        output.complain(f"Error: {_unknown(error)} Look again with: {look}")
        return process.FAILED
    except CancelledError:
        output.complain(f"Interrupted; the key may have been made or not. Look with: {look}")
        return process.INTERRUPTED
    if file is not None:
        try:
            file.write(issued.api_key.reveal() + "\n")
            file.flush()
        except OSError as error:
            output.complain(f"Error: {order.output_file}: {error.strerror}. See the key with: {look} --reveal")
            return process.FAILED
    try:
        output.write(output.for_stdout(output.shown(issued.api_key, reveal=order.reveal)) + "\n")
    except click.exceptions.Exit:
        output.complain(_issued(issued, order))  # what was made is said, though nobody reads it there
        raise
    connection.note(_issued(issued, order))
    if connection.sandbox:
        connection.note("The embedded sandbox ends here, and the key with it; `sandbox serve` keeps one running.")
    elif file is None and not order.reveal:
        connection.note(f"It is shown masked; in full: {look} --reveal")
    return process.DONE


def _issued(issued: "IssuedKey", order: Order) -> str:
    done = "Made a new key" if issued.created else "Found the key"
    where = "" if order.output_file is None else f", written to {order.output_file}"
    return f"{done} {issued.label!r} at company {issued.company_id} (fingerprint {issued.api_key.fingerprint}){where}"


def _unknown(error: KeyOutcomeUnknownError) -> str:
    candidates = ", ".join(f"{key.masked} (fingerprint {key.fingerprint})" for key in error.candidates)
    if error.kind == "several_keys" and error.baseline is None:
        return (
            f"company {error.company_id} has {len(error.candidates)} keys of label {error.label!r} already, so none "
            f"is the one meant; nothing was made: {candidates}."
        )
    return (
        f"it is not known which key, if any, was made for label {error.label!r} at company {error.company_id} "
        f"({error.kind.replace('_', ' ')}); it may be one of these: {candidates or 'none seen so far'}."
    )


# ---- ensure at many companies


@dataclass(frozen=True, kw_only=True)
class ManyOrder:
    """Which keys `keys ensure` was asked for, where they are several.

    Attributes:
        companies: ids; empty for all active companies.
        label: the label of each.
        settle: see `ApiKeys.create`.
        reveal: print them in full.
        output_file: where to write them in full.
    """

    companies: tuple[int, ...]
    label: str
    settle: float
    reveal: bool
    output_file: Path


async def _ensure_many(woodpecker: "WoodpeckerSession", order: ManyOrder, connection: Connection) -> int:
    from asyncio import CancelledError  # noqa: PLC0415 - not for --help

    from woodpecker_async import bulk  # noqa: PLC0415

    # Lines come as companies finish, like JSON Lines: no bar between them on one terminal.
    bar_wanted = connection.shows_progress("jsonl")
    try:
        with output.progress("Ensuring keys", "companies", wanted=bar_wanted) as bar:
            bar.expect(len(order.companies) or None)
            everything = AllCompanies(woodpecker, True, bar)
            companies = order.companies or everything.read()
            run = bulk.ensure_api_keys(
                woodpecker, companies, label=order.label, sink=order.output_file, settle=order.settle
            )
            async with run:
                async for outcome in run:
                    for key in outcome.keys:
                        shown = output.for_stdout(output.shown(key.api_key, reveal=order.reveal))
                        output.write(f"{outcome.company_id}\t{shown}\n")
                    bar.advance()
    except CancelledError:
        after = output.companies(run.report.total)
        output.complain(
            f"Interrupted after {after}; the keys are in {order.output_file}. Run the same command again to go on."
        )
        return process.INTERRUPTED
    tell_failures(run.report, connection, "given a key", "run it again for the rest", unsettled=everything.unsettled)
    connection.note(f"{_made(run.report)}, written to {order.output_file}")
    if connection.sandbox:
        connection.note("The embedded sandbox ends here, and the keys with it; `sandbox serve` keeps one running.")
    return exit_code(run.report, unsettled=everything.unsettled)


def _made(report: "Report") -> str:
    failed = report.failed - len(report.inactive)
    parts = [output.companies(report.total), output.count(report.keys, "key"), f"{report.created} of them new"]
    parts += [f"{failed} failed", f"{report.seconds:.2f} s"]
    return ", ".join(parts)
