"""`woodpecker-async companies create`: create client companies, which are billed."""

from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

import click

from woodpecker_async.cli import files, process, terminal
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.layout import Column, Layout, Record
from woodpecker_async.cli.output import Output, output_options
from woodpecker_async.cli.printers import Printer
from woodpecker_async.cli.progress import progress
from woodpecker_async.errors import ApiError, OutcomeUnknownError, WoodpeckerError

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.models import Company
    from woodpecker_async.models.agency_v1 import V1Company

_LAYOUT: Final = Layout(
    (
        Column("company_id", "Company", whole=True),
        Column("company_name", "Name"),
        Column("status", "Status", whole=True),
        Column("label", "Label"),
        Column("api_key", "API key", whole=True),
        Column("fingerprint"),
        Column("error"),
    ),
    table="companies",
)


@click.command()
@click.option("--name", "names", metavar="TEXT", multiple=True, help="The name of a new company; repeatable.")
@click.option(
    "--names-from",
    metavar="FILE",
    type=click.Path(path_type=Path, allow_dash=True),
    help="More names, from a file with one per line; - is stdin.",
)
@output_options(reveal=True)
@click.option("--dry-run", is_flag=True, help="Show which companies would be created without creating any.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before creating more than ten companies.")
@connection_options
@click.pass_obj
def create(
    connection: Connection, names: tuple[str, ...], names_from: Path | None, out: Output, dry_run: bool, yes: bool
) -> int:
    """Create client companies, which are billed; each comes with an API key.

    Names that the agency already has are skipped. Companies are created one after another. Those that the server
    rejects are reported, and the exit code is 3. If it is not known whether a company was created, the command stops.
    """
    more = () if names_from is None else _names_in(names_from, connection)
    wanted = tuple(dict.fromkeys(name.strip() for name in (*names, *more)))
    if not wanted or not all(wanted):
        raise click.UsageError("say which companies: --name TEXT (repeatable) or --names-from FILE")

    async def work(woodpecker: "WoodpeckerSession", printer: Printer) -> int:
        from woodpecker_async.cli.plan import UNASKED, ask  # noqa: PLC0415 - not for --help

        known, whole = await _companies_by_name(woodpecker, connection, out)
        new = [name for name in wanted if _key(name) not in known]
        account = await woodpecker.identify()
        if dry_run:
            for name in wanted:
                printer.add(_found(known[_key(name)]) if _key(name) in known else _record(name, "would create"))
            printer.finish()
            there = len(wanted) - len(new)
            connection.note(
                f"Would create {terminal.companies(len(new))} at {account}; {there} already there. Nothing was created."
            )
            return process.DONE if whole else process.SOME_FAILED
        if not whole:
            terminal.echo_err("Error: one of these companies may exist already. Nothing was created.")
            return process.FAILED
        asks = len(new) > UNASKED and not (yes or connection.sandbox)
        what = f"This creates {terminal.companies(len(new))}, which are billed, at {account}"
        if asks and not await ask(what, connection):
            return process.FAILED
        return await _create(woodpecker, wanted, known, out, printer, connection)

    # A dry run only prints; the output file is for keys.
    if dry_run:
        out = Output(format_="table" if out.format_ == "sqlite" else out.format_, json=out.json)
    with out.opened(_LAYOUT, connection.note) as printer:
        return connected(connection, lambda woodpecker: work(woodpecker, printer))


async def _create(
    woodpecker: "WoodpeckerSession",
    names: tuple[str, ...],
    known: "dict[str, Company]",
    out: Output,
    printer: Printer,
    connection: Connection,
) -> int:
    from asyncio import CancelledError  # noqa: PLC0415 - not for --help

    from woodpecker_async.bulk.failures import fails_everywhere  # noqa: PLC0415

    made = failed = 0
    stopped: BaseException | None = None
    with progress("Making companies", "companies", wanted=connection.shows_progress(out)) as bar:
        bar.expect(len(names))
        for name in names:
            if (company := known.get(_key(name))) is not None:
                printer.add(_found(company))
                bar.advance()
                continue
            try:
                new = await woodpecker.agency_v1.create_company(name)
            except (WoodpeckerError, CancelledError) as error:
                refused = isinstance(error, ApiError) and not fails_everywhere(error)
                if not refused:  # the next one would fail too, or this one may have been created
                    stopped, at = error, name
                    break
                failed += 1
                why = f"{type(error).__name__}: {error}"
                terminal.echo_err(f"{name!r} failed: {why}")
                printer.add(_record(name, "failed", error=why))
                bar.advance(failed=1)
            else:
                made += 1
                printer.add(_new(new, out))
                bar.advance()
    done = f"Created {terminal.companies(made)}"
    try:
        if stopped is None or not printer.empty:
            printer.finish()
    except click.exceptions.Exit:
        terminal.echo_err(f"{done}; to see them: woodpecker-async companies list")
        raise
    if stopped is None:
        connection.note(f"{done}, {len(names) - made - failed} already there, {failed} failed.")
        return process.SOME_FAILED if failed else process.DONE
    interrupted = isinstance(stopped, CancelledError)
    code = process.INTERRUPTED if interrupted else process.tell_error(stopped)
    doubt = f" It is not known whether {at!r} was created: check with `woodpecker-async companies list`."
    unknown = interrupted or isinstance(stopped, OutcomeUnknownError)
    terminal.echo_err(
        f"{'Interrupted' if interrupted else 'Stopped'}. {done}.{doubt if unknown else ''} To continue, run the same "
        "command again: it skips companies that exist."
    )
    return code


async def _companies_by_name(
    woodpecker: "WoodpeckerSession", connection: Connection, out: Output
) -> "tuple[dict[str, Company], bool]":
    """The agency's companies by name, and whether the list is certainly complete."""
    from woodpecker_async.cli.companies import UNSETTLED, AllCompanies  # noqa: PLC0415 - it imports this module

    everything = AllCompanies(woodpecker, None)
    with progress("Listing companies", "companies", wanted=connection.shows_progress(out)) as bar:
        async with aclosing(everything.read(bar)) as found:
            known = {}
            async for company in found:
                known[_key(company.name or "")] = company
                bar.advance()
    if everything.unsettled:
        terminal.echo_err(UNSETTLED)
    return known, not everything.unsettled


def _key(name: str) -> str:
    return normalize("NFC", name).strip()


def _names_in(path: Path, connection: Connection) -> list[str]:
    text = files.read_list(path, stdin_is_taken=connection.api_key_stdin)
    return [line.strip() for line in text.splitlines() if line.strip()]


def _record(name: str, status: str, error: str | None = None) -> Record:
    fields = ("company_id", "company_name", "status", "label", "api_key", "fingerprint", "error")
    return dict.fromkeys(fields) | {"company_name": name, "status": status, "error": error}


def _found(company: "Company") -> Record:
    return {**_record(company.name or "", "exists"), "company_id": company.id}


def _new(company: "V1Company", out: Output) -> Record:
    record: Record = {**_record(company.name, "created"), "company_id": company.id}
    if not company.api_keys:
        return record
    key = company.api_keys[0]
    return {
        **record,
        "label": key.name,
        "api_key": out.shown(key.api_key),
        "fingerprint": key.api_key.fingerprint,
    }
