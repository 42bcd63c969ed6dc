"""The options that choose which companies a command works on."""

import csv
import functools
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from woodpecker_async.cli import files
from woodpecker_async.cli.connection import Connection
from woodpecker_async.cli.ids import ID
from woodpecker_async.cli.process import UsageError

if TYPE_CHECKING:
    from woodpecker_async.bulk import Report

C = TypeVar("C", bound=Callable[..., Any])

# What the first row of a list of companies may contain instead of an ID.
_HEADS: Final = {"id", "company_id"}


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The companies that the options choose.

    Attributes:
        ids: the companies that were named, without repetitions; `None` for all companies of the agency.
        one: exactly one company was named, on the command line.
        active: of all companies, only the active or only the inactive ones.
        failed_of: the path of the saved report whose failed companies they are.
        report: that report.
    """

    ids: tuple[int, ...] | None = None
    one: bool = False
    active: bool | None = None
    failed_of: Path | None = None
    report: "Report | None" = None

    def check(self, task: str, account: str) -> None:
        """Check that the report given with `--failed-of`, if any, is of this task and account.

        Raises:
            UsageError: it is not.
        """
        if self.report is not None and self.failed_of is not None:
            check_report(self.report, self.failed_of, task, account)


def companies_options(*, active: bool | None = None, required: bool = True, own: bool = False) -> Callable[[C], C]:
    """Add the options that choose companies to a command, which gets them as `chosen`.

    Args:
        active: which companies `--all` means if neither --active nor --inactive is given.
        required: the user must choose; otherwise the default is all companies.
        own: the default is the key's own account; `chosen` is then `None`.
    """
    every = "All companies" if active is None else "All active companies"
    silent = "" if required else " (default)"
    own_account = "; default: the key's own account" if own else ""
    options = (
        click.option("--all", "everything", is_flag=True, help=f"{every} of the agency{silent}."),
        click.option(
            "--company",
            "companies",
            type=ID,
            metavar="ID",
            multiple=True,
            help=f"This company; repeatable{own_account}.",
        ),
        click.option(
            "--companies-from",
            metavar="FILE",
            type=click.Path(path_type=Path, allow_dash=True),
            help="The companies listed in a file: one ID per line, CSV, JSON, or JSON Lines; - is stdin.",
        ),
        click.option(
            "--failed-of",
            metavar="REPORT",
            type=click.Path(path_type=Path),
            help="The companies that failed or may be incomplete according to a saved report.",
        ),
        click.option(
            "--active/--inactive", default=None, help="With --all, only active companies, or only inactive ones."
        ),
    )
    default = active

    def decorate(command: C) -> C:
        @functools.wraps(command)
        def with_companies(
            *args: Any,
            everything: bool,
            companies: tuple[int, ...],
            companies_from: Path | None,
            failed_of: Path | None,
            active: bool | None,
            **kwargs: Any,
        ) -> Any:
            named = bool(companies) or companies_from is not None
            if own and not (everything or named or failed_of is not None):
                if active is not None:
                    raise click.UsageError("--active and --inactive work only with --all")
                return command(*args, chosen=None, **kwargs)
            everything = everything or not (required or named or failed_of is not None)
            if everything + named + (failed_of is not None) != 1:
                raise click.UsageError(
                    "say which companies: --all, --company ID (repeatable), --companies-from FILE or --failed-of REPORT"
                )
            if active is not None and not everything:
                raise click.UsageError("--active and --inactive work only with --all")
            if everything:
                chosen = Chosen(active=default if active is None else active)
            elif failed_of is not None:
                report = read_report(failed_of)
                failed = (report.failures.keys() - report.inactive) | report.drifted
                chosen = Chosen(
                    ids=tuple(sorted(company for company in failed if company >= 1)), failed_of=failed_of, report=report
                )
            else:
                more = () if companies_from is None else _companies_in(companies_from)
                ids = tuple(dict.fromkeys((*companies, *more)))
                chosen = Chosen(ids=ids, one=len(ids) == 1 and companies_from is None)
            return command(*args, chosen=chosen, **kwargs)

        result: Any = with_companies
        for option in reversed(options):
            result = option(result)
        return cast("C", result)

    return decorate


def read_report(path: Path) -> "Report":
    """Read a saved report.

    Raises:
        UsageError: it cannot be read, or is not a report.
    """
    from woodpecker_async.bulk import Report  # noqa: PLC0415 - not for --help
    from woodpecker_async.errors import ConfigError  # noqa: PLC0415

    try:
        return Report.from_json(files.read_report(path))
    except ConfigError as error:
        raise UsageError(f"{path}: {error}") from None


def check_report(report: "Report", path: Path, task: str, account: str) -> None:
    """Check that a saved report is of this task and account.

    Raises:
        UsageError: it is not.
    """
    if report.task != task:
        raise UsageError(f"{path} is a report of another task: {report.task!r}, not {task!r}")
    if report.account is not None and report.account != account:
        raise UsageError(
            f"{path} is a report of another account: {report.account}, not {account} (base URL and key fingerprint); "
            'if it is the same account with a new key, set "account" in the file to null'
        )


def _companies_in(path: Path) -> tuple[int, ...]:
    taken = click.get_current_context().ensure_object(Connection).api_key_stdin
    text, source = files.read_list(path, stdin_is_taken=taken), "stdin" if str(path) == "-" else str(path)
    ids = tuple(_ids(text, source))
    if not ids:
        raise UsageError(f"{source} contains no company IDs")
    return ids


def _ids(text: str, source: str) -> Iterator[int]:
    first = True
    begins = text.lstrip()[:1]
    rows = _json_rows(text) if begins == "{" else _json_array(text, source) if begins == "[" else _csv_rows(text)
    place = "entry" if begins == "[" else "line"
    for number, cell in rows:
        given, head = str(cell), first
        first = False
        if head and given in _HEADS:
            continue
        if not (given.isascii() and given.isdigit() and len(given) < 20 and int(given) >= 1):
            raise UsageError(f"{source}, {place} {number}: {given[:40]!r} is not a company ID (an integer >= 1)")
        yield int(given)


def _csv_rows(text: str) -> Iterator[tuple[int, str]]:
    """The first cell of each row, with its line number; blank lines and comments are skipped."""
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        for row in rows:
            cell = row[0].strip() if row else ""
            if cell and not cell.startswith("#"):
                yield rows.line_num, cell.split()[0]
    except csv.Error as error:
        raise UsageError(f"line {rows.line_num} of the list of companies: {error}") from None


def _json_rows(text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        yield number, _id_of(entry, line)


def _json_array(text: str, source: str) -> Iterator[tuple[int, object]]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{source} starts like a JSON array but is not valid JSON") from None
    for number, entry in enumerate(entries, 1):
        yield number, _id_of(entry, json.dumps(entry))


def _id_of(entry: object, text: str) -> object:
    """The ID in an object, or else its text."""
    named = entry if isinstance(entry, dict) else {}
    found = next((named[head] for head in ("company_id", "id") if head in named), text)
    return text if isinstance(found, bool) else found
