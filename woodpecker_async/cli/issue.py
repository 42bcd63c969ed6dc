"""`woodpecker-async keys create`, and what it shares with `keys ensure`: creating one key, and writing keys."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.ids import ID
from woodpecker_async.cli.layout import Column, Layout, Record
from woodpecker_async.cli.output import Output, output_options
from woodpecker_async.cli.printers import Printer
from woodpecker_async.errors import ConfigError, KeyOutcomeUnknownError

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.cli.keyfile import Keys
    from woodpecker_async.models import IssuedKey

C = TypeVar("C", bound=Callable[..., Any])

SANDBOX_ENDS: Final = "The embedded sandbox, and the {} in it, are gone now; `sandbox serve` keeps one running."


def key_options(command: C) -> C:
    """Add the options that say which key to create, and where to write it."""
    options = (
        click.option("--label", metavar="TEXT", required=True, help="The key's label."),
        click.option(
            "--settle",
            metavar="SECONDS",
            type=click.FloatRange(min=0),
            default=20.0,
            show_default=True,
            help="If the response is lost, how long to look for the key before concluding that it was not created.",
        ),
        output_options(reveal=True, plain=True),
    )
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where keys are written.

    Attributes:
        out: the output options, with `reveal` set if they name a file.
        printer: prints each key, to that file or to stdout.
        receipts: also prints each key on stdout, if the options name a file but no format.
        file: the JSON Lines file to which each key is written before the next is created.
        reveal: whether receipts show keys in full.
    """

    out: Output
    printer: Printer
    receipts: Printer | None = None
    file: "Keys | None" = None
    reveal: bool = False


@contextmanager
def places_of(
    connection: Connection, out: Output, layout: Layout, *, adds: bool = False, resumes: bool = False
) -> Iterator[Places]:
    """Open the outputs that the options name.

    Args:
        connection: says whether to be quiet.
        out: the output options.
        layout: the layout of the records.
        adds: keys are appended to a JSON Lines file.
        resumes: see `Output.opened`.
    """
    if out.path is None:
        with out.opened(layout, connection.note, resumes=resumes) as printer:
            yield Places(out=out, printer=printer)
    elif adds and (out.format_ == "jsonl" or (out.format_ == "plain" and not out.chosen)):
        from woodpecker_async.cli.keyfile import Keys  # noqa: PLC0415 - not for --help

        if resumes and not out.path.exists():
            connection.note(f"{out.path} will not contain the companies done in earlier runs.")
        keys = Keys(out.path, force=out.force)
        silent = replace(layout, plain=lambda _: ())
        try:
            yield Places(out=out, printer=Printer("plain", silent if out.chosen else layout), file=keys)
        finally:
            keys.close()
    else:
        receipts = None if out.chosen else Printer("plain", layout)
        full = replace(out, reveal=True)
        with full.opened(layout, connection.note, resumes=resumes) as printer:
            yield Places(out=full, printer=printer, receipts=receipts, reveal=out.reveal)


# ---- one key


@click.command()
@click.option("--company", "company_id", type=ID, metavar="ID", required=True, help="The company.")
@key_options
@connection_options
@click.pass_obj
def create(connection: Connection, /, company_id: int, label: str, settle: float, out: Output) -> int:
    """Create exactly one new API key for a company.

    Each run creates another key, even if one with this label exists; `keys ensure` creates one only if there is none.

    Prints only the key, masked unless you give --reveal. --output writes the key in full to a new file that only you
    can read.
    """
    with places_of(connection, out, ONE) as places:
        args = IssueArgs(company_id=company_id, label=label, settle=settle, reuse=False)
        return connected(connection, lambda woodpecker: make(woodpecker, args, places, connection))


@dataclass(frozen=True, kw_only=True)
class IssueArgs:
    """The key that was asked for.

    Attributes:
        company_id: the company.
        label: the key's label.
        settle: see `ApiKeys.create`.
        reuse: use an existing key with this label instead of creating one.
    """

    company_id: int
    label: str
    settle: float
    reuse: bool


async def make(woodpecker: "WoodpeckerSession", args: IssueArgs, places: Places, connection: Connection) -> int:
    """Create or find one key, and return the exit code."""
    from asyncio import CancelledError  # noqa: PLC0415 - not for --help

    api_keys = woodpecker.agency.api_keys
    verb = api_keys.ensure if args.reuse else api_keys.create
    look = f"woodpecker-async keys list --company {args.company_id}"
    try:
        issued = await verb(args.company_id, args.label, settle=args.settle)
    except KeyOutcomeUnknownError as error:
        terminal.echo_err(f"Error: {_unknown(error)} Check again with: {look}")
        return process.FAILED
    except CancelledError:
        terminal.echo_err(f"Interrupted; the key may or may not have been created. Check with: {look}")
        return process.INTERRUPTED
    told = _issued(issued)
    try:
        if places.file is not None:
            await places.file.take(issued)
        places.printer.add(_issued_record(issued, places.out))
        places.printer.finish()
        if places.receipts is not None:
            places.receipts.add(_issued_record(issued, replace(places.out, reveal=places.reveal)))
    except (click.exceptions.Exit, OSError, ConfigError) as error:
        # Report the key that was created, although it could not be written where it should go.
        if isinstance(error, click.exceptions.Exit):
            code = error.exit_code
        else:
            code = process.FAILED
            process.tell_error(error)
        terminal.echo_err(f"{told}. To see it: {look} --reveal")
        return code
    path = places.out.path
    json_lines = places.file is not None and places.out.format_ == "plain"
    as_what = "" if not json_lines else " as a line of JSON (--format plain: only the key)"
    connection.note(told if path is None else f"{told}, written to {path}{as_what}")
    if connection.sandbox:
        connection.note(SANDBOX_ENDS.format("key"))
    elif path is None and not places.out.reveal:
        connection.note(f"The key is masked; to see it in full: {look} --reveal")
    return process.DONE


def _issued(issued: "IssuedKey") -> str:
    done = "Created a new key" if issued.created else "Found the existing key"
    return f"{done} {issued.label!r} at company {issued.company_id} (fingerprint {issued.api_key.fingerprint})"


def _unknown(error: KeyOutcomeUnknownError) -> str:
    candidates = ", ".join(f"{key.masked} (fingerprint {key.fingerprint})" for key in error.candidates)
    if error.kind == "several_keys" and error.baseline is None:
        return (
            f"company {error.company_id} already has {len(error.candidates)} keys with label {error.label!r}, so it is "
            f"not clear which one to use; nothing was created: {candidates}. Delete or rename all but one in "
            "Woodpecker, or use another label."
        )
    return (
        f"it is not known which key, if any, was created with label {error.label!r} at company {error.company_id} "
        f"({error.kind.replace('_', ' ')}); it may be one of these: {candidates or 'none seen so far'}."
    )


# ---- how keys are printed


def _issued_record(issued: "IssuedKey", out: Output) -> Record:
    return {
        "company_id": issued.company_id,
        "company_name": None,
        "active": None,
        "ok": True,
        "status": "created" if issued.created else "exists",
        "label": issued.label,
        "api_key": out.shown(issued.api_key),
        "fingerprint": issued.api_key.fingerprint,
        "created": issued.created,
        "error": None,
    }


def _csv_rows(record: Record) -> Iterator[Record]:
    error = record["error"]
    yield {**record, "error": None if error is None else f"{error['type']}: {error['message']}"}


ONE: Final = Layout(
    (
        Column("company_id", "Company", whole=True),
        Column("company_name", "Name"),
        Column("active", "Active", whole=True),
        Column("status", "Status", whole=True),
        Column("label", "Label"),
        Column("api_key", "API key", whole=True),
        Column("fingerprint", "Fingerprint", whole=True),
        Column("error"),
    ),
    csv_rows=_csv_rows,
    table="keys",
    plain=lambda record: [record["api_key"]],
)
