"""`woodpecker-async keys ensure`: one key with a given label at each company."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.chosen import Chosen, companies_options
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.issue import ONE, SANDBOX_ENDS, IssueArgs, Places, key_options, make, places_of
from woodpecker_async.cli.output import Output
from woodpecker_async.cli.printers import Printer
from woodpecker_async.cli.runs import Saved, Source, Work, perform, run_options

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.bulk import Outcome, Report, Run

_MANY: Final = replace(
    ONE,
    plain=lambda record: [] if record["api_key"] is None else [f"{record['company_id']}\t{record['api_key']}"],
)


@click.command()
@companies_options(active=True)
@key_options
@run_options
@click.option("--dry-run", is_flag=True, help="Show which keys would be created without creating any.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before creating more than ten keys.")
@connection_options
@click.pass_obj
def ensure(
    connection: Connection,
    /,
    chosen: Chosen,
    label: str,
    settle: float,
    out: Output,
    report_file: Path | None,
    resume_file: Path | None,
    dry_run: bool,
    yes: bool,
) -> int:
    """Make sure that each company has an API key with this label: find it, or create it.

    For one company, prints only the key, masked unless you give --reveal. For many companies, --output or --format is
    required; each line is a company ID, a tab, and the key.

    --output writes the keys in full. Unless you give another --format, it is a JSON Lines file to which each key is
    appended, and flushed to disk, before the next is created; each key is printed too, masked, unless you give
    --format jsonl. For a file that contains only one company's key, add --format plain. If the command ends early for
    any reason, run it again: no key is created twice, and none is lost. If the list of companies kept changing while
    it was being read, a message on stderr says that a company may be missing, and the exit code is 3.
    """
    saved = Saved.read(f"ensure {label}", report_file, resume_file, out.path)
    if dry_run:
        return _dry_run(connection, chosen, label, out, saved)
    alone = chosen.one and report_file is None and resume_file is None
    if alone and chosen.ids is not None:
        args = IssueArgs(company_id=chosen.ids[0], label=label, settle=settle, reuse=True)
        with places_of(connection, out, ONE, adds=True) as places:
            return connected(connection, lambda woodpecker: make(woodpecker, args, places, connection))
    if out.path is None and not (out.chosen or out.to_stdout):
        raise click.UsageError("with several companies, say where to write the keys: --output FILE")
    resumes = resume_file is not None
    with saved.opened() as save, places_of(connection, out, _MANY, adds=True, resumes=resumes) as places:
        args_many = EnsureArgs(chosen=chosen, label=label, settle=settle, saved=saved, save=save, asks=not yes)
        return connected(connection, lambda woodpecker: _ensure(woodpecker, args_many, places, connection))


@dataclass(frozen=True, kw_only=True)
class EnsureArgs:
    """The keys that `keys ensure` was asked for.

    Attributes:
        chosen: the companies.
        label: the label of each key.
        settle: see `ApiKeys.create`.
        saved: the reports to read and write.
        save: saves the run's report.
        asks: whether to ask before creating many keys.
    """

    chosen: Chosen
    label: str
    settle: float
    saved: Saved
    save: Callable[[str], None] | None
    asks: bool


async def _ensure(woodpecker: "WoodpeckerSession", args: EnsureArgs, places: Places, connection: Connection) -> int:
    from woodpecker_async import bulk  # noqa: PLC0415 - not for --help

    def start(companies: Any) -> "Run":
        return bulk.ensure_api_keys(
            woodpecker,
            companies,
            label=args.label,
            sink=(lambda _: None) if places.file is None else places.file.take,
            settle=args.settle,
            resume=args.saved.resume,
        )

    await args.saved.check(woodpecker, args.chosen)
    source = Source(woodpecker, args.chosen, args.saved)
    if args.asks and not connection.sandbox and not await _is_wanted(woodpecker, source, args.label, connection):
        return process.FAILED
    out, receipts = places.out, places.receipts

    def receipt(outcome: "Outcome") -> None:
        if receipts is not None:
            receipts.add(_record(outcome, args.label, replace(out, reveal=places.reveal)))

    work = Work(
        title="Ensuring keys",
        done="given a key",
        start=start,
        records=lambda outcome: (_record(outcome, args.label, out),),
        summary=_summary,
        receipt=receipt,
        again=_how_to_go_on(places),
    )
    code = await perform(work, source, args.saved, args.save, out, places.printer, connection)
    if connection.sandbox:
        connection.note(SANDBOX_ENDS.format("keys"))
    return code


def _how_to_go_on(places: Places) -> str:
    path = places.out.path
    if path is None:
        return ". To continue, run the same command again."
    again = "" if places.file is not None else " with --force"
    return f"; the keys are in {path}. To continue, run the same command again{again}."


async def _is_wanted(woodpecker: "WoodpeckerSession", source: Source, label: str, connection: Connection) -> bool:
    """Whether to go ahead: there are few keys to create, or the user confirmed."""
    from woodpecker_async.cli.plan import UNASKED, ask, plan  # noqa: PLC0415 - not for --help

    companies = await source.read()
    if len(companies) <= UNASKED:
        return True
    found = await plan(woodpecker, companies, label, bar_wanted=connection.shows_progress(Output()))
    most = found.missing + found.report.failed - len(found.report.inactive)
    if most <= UNASKED:
        return True
    account = await woodpecker.identify()
    return await ask(f"This creates {terminal.count(most, 'key')} labelled {label!r} at {account}", connection)


def _dry_run(connection: Connection, chosen: Chosen, label: str, out: Output, saved: Saved) -> int:
    # A dry run creates no keys to write to the file.
    out = replace(out, path=None, format_="table" if out.format_ in {"plain", "sqlite"} else out.format_)

    async def look(woodpecker: "WoodpeckerSession", printer: Printer) -> int:
        from woodpecker_async.cli.plan import plan, tell_plan  # noqa: PLC0415 - not for --help

        await saved.check(woodpecker, chosen)
        source = Source(woodpecker, chosen, saved)
        found = await plan(woodpecker, await source.read(), label, bar_wanted=connection.shows_progress(out))
        found.report.unsettled = source.unsettled
        for record in found.records(label, out):
            printer.add(record)
        printer.finish()
        return tell_plan(found, label, await woodpecker.identify(), connection)

    with out.opened(_MANY, connection.note) as printer:
        return connected(connection, lambda woodpecker: look(woodpecker, printer))


def _summary(report: "Report") -> list[str]:
    failed = report.failed - len(report.inactive)
    parts = [terminal.companies(report.total), terminal.count(report.keys, "key"), f"{report.created} of them new"]
    return [*parts, f"{failed} failed", f"{report.seconds:.2f} s"]


def _record(outcome: "Outcome", label: str, out: Output) -> dict[str, Any]:
    company, error = outcome.company, outcome.error
    key = outcome.keys[0].api_key if outcome.keys else None
    if error is None:
        status = "created" if outcome.created else "exists"
    else:
        status = "inactive" if outcome.inactive else "failed"
    return {
        "company_id": outcome.company_id,
        "company_name": None if company is None else company.name,
        "active": None if company is None else company.active,
        "ok": outcome.ok,
        "status": status,
        "label": label,
        "api_key": None if key is None else out.shown(key),
        "fingerprint": None if key is None else key.fingerprint,
        "created": outcome.created is True,
        "error": None if error is None else {"type": type(error).__name__, "message": str(error)},
    }
