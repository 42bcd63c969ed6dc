"""`woodpecker-async keys create` and `keys ensure`: making keys."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from woodpecker_async.cli import files, output, process, progress, terminal
from woodpecker_async.cli.companies import AllCompanies
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.failures import exit_code, tell_failures
from woodpecker_async.errors import KeyOutcomeUnknownError

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.bulk import Report
    from woodpecker_async.models import IssuedKey

C = TypeVar("C", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class IssueArgs:
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


def _args_options(command: C) -> C:
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


@click.command()
@click.option("--company", "company_id", type=click.IntRange(min=1), metavar="ID", required=True, help="The company.")
@_args_options
@click.pass_obj
def create(connection: Connection, /, **args: Any) -> int:
    """Make exactly one new API key for a company.

    Prints the key alone on stdout, masked unless --reveal asks for it in full.
    """
    return _issue(connection, IssueArgs(reuse=False, **args))


@click.command()
@click.option("--all", "everything", is_flag=True, help="All active companies of the agency.")
@click.option(
    "--company", "companies", type=click.IntRange(min=1), metavar="ID", multiple=True, help="A company; repeatable."
)
@_args_options
@click.pass_obj
def ensure(connection: Connection, /, *, everything: bool, companies: tuple[int, ...], **args: Any) -> int:
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
        return _issue(connection, IssueArgs(reuse=True, company_id=companies[0], **args))
    if args["output_file"] is None:
        raise click.UsageError("for the keys of many companies say where to write them: --output FILE")
    many = EnsureManyArgs(companies=companies, **args)
    return connected(connection, lambda woodpecker: _ensure_many(woodpecker, many, connection))


def _issue(connection: Connection, args: IssueArgs) -> int:
    # The file is there before anything is sent, so that no key is made that cannot be written down.
    with nullcontext() if args.output_file is None else files.new_private(args.output_file) as file:
        return connected(connection, lambda woodpecker: _make(woodpecker, args, file, connection))


async def _make(woodpecker: "WoodpeckerSession", args: IssueArgs, file: TextIO | None, connection: Connection) -> int:
    from asyncio import CancelledError  # noqa: PLC0415 - not for --help

    api_keys = woodpecker.agency.api_keys
    verb = api_keys.ensure if args.reuse else api_keys.create
    look = f"woodpecker-async keys list --company {args.company_id}"
    try:
        issued = await verb(args.company_id, args.label, settle=args.settle)
    except KeyOutcomeUnknownError as error:
        terminal.echo_err(f"Error: {_unknown(error)} Look again with: {look}")
        return process.FAILED
    except CancelledError:
        terminal.echo_err(f"Interrupted; the key may have been made or not. Look with: {look}")
        return process.INTERRUPTED
    if file is not None:
        try:
            file.write(issued.api_key.reveal() + "\n")
            file.flush()
        except OSError as error:
            terminal.echo_err(f"Error: {args.output_file}: {error.strerror}. See the key with: {look} --reveal")
            return process.FAILED
    try:
        terminal.write(terminal.for_stdout(output.shown(issued.api_key, reveal=args.reveal)) + "\n")
    except click.exceptions.Exit:
        terminal.echo_err(_issued(issued, args))  # what was made is said, though nobody reads it there
        raise
    connection.note(_issued(issued, args))
    if connection.sandbox:
        connection.note("The embedded sandbox ends here, and the key with it; `sandbox serve` keeps one running.")
    elif file is None and not args.reveal:
        connection.note(f"It is shown masked; in full: {look} --reveal")
    return process.DONE


def _issued(issued: "IssuedKey", args: IssueArgs) -> str:
    done = "Made a new key" if issued.created else "Found the key"
    where = "" if args.output_file is None else f", written to {args.output_file}"
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
class EnsureManyArgs:
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


async def _ensure_many(woodpecker: "WoodpeckerSession", args: EnsureManyArgs, connection: Connection) -> int:
    from asyncio import CancelledError  # noqa: PLC0415 - not for --help

    from woodpecker_async import bulk  # noqa: PLC0415

    # Lines come as companies finish, like JSON Lines: no bar between them on one terminal.
    bar_wanted = connection.shows_progress("jsonl")
    try:
        with progress.progress("Ensuring keys", "companies", wanted=bar_wanted) as bar:
            bar.expect(len(args.companies) or None)
            everything = AllCompanies(woodpecker, True, bar)
            companies = args.companies or everything.read()
            run = bulk.ensure_api_keys(
                woodpecker, companies, label=args.label, sink=args.output_file, settle=args.settle
            )
            async with run:
                async for outcome in run:
                    for key in outcome.keys:
                        shown = terminal.for_stdout(output.shown(key.api_key, reveal=args.reveal))
                        terminal.write(f"{outcome.company_id}\t{shown}\n")
                    bar.advance()
    except CancelledError:
        after = terminal.companies(run.report.total)
        terminal.echo_err(
            f"Interrupted after {after}; the keys are in {args.output_file}. Run the same command again to go on."
        )
        return process.INTERRUPTED
    tell_failures(run.report, connection, "given a key", "run it again for the rest", unsettled=everything.unsettled)
    connection.note(f"{_made(run.report)}, written to {args.output_file}")
    if connection.sandbox:
        connection.note("The embedded sandbox ends here, and the keys with it; `sandbox serve` keeps one running.")
    return exit_code(run.report, unsettled=everything.unsettled)


def _made(report: "Report") -> str:
    failed = report.failed - len(report.inactive)
    parts = [terminal.companies(report.total), terminal.count(report.keys, "key"), f"{report.created} of them new"]
    parts += [f"{failed} failed", f"{report.seconds:.2f} s"]
    return ", ".join(parts)
