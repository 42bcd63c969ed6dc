"""Where a command's data goes, and in which format: one `Output` for all commands.

Data goes to stdout or, with `--output`, to a file that is written completely or not at all. Everything else goes to
stderr.
"""

import functools
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from woodpecker_async.cli import earlier, files
from woodpecker_async.cli.layout import Layout
from woodpecker_async.cli.printers import CSV_RAW, Device, FilePrinter, Printer
from woodpecker_async.cli.process import UsageError
from woodpecker_async.cli.terminal import is_terminal

if TYPE_CHECKING:
    from woodpecker_async.secret import Secret

FORMATS: Final = ("table", "json", "jsonl", "csv", "sqlite")

C = TypeVar("C", bound=Callable[..., Any])

# Extensions of formats that are not supported; nothing could open a table with such a name.
_NOT_WRITTEN: Final = frozenset(
    {".arrow", ".feather", ".gz", ".htm", ".html", ".numbers", ".ods", ".parquet", ".pdf", ".tsv", ".xls", ".xlsx"}
    | {".xml", ".yaml", ".yml", ".zip"}
)
_SUFFIXES: Final = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".db": "sqlite",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
}


@dataclass(frozen=True, kw_only=True)
class Output:
    """The output options of a command.

    Attributes:
        format_: one of `FORMATS`, `csv-raw`, or `plain` for commands that have it.
        path: the file to write to; `None` for stdout.
        force: an existing file may be replaced.
        reveal: print keys in full.
        json: --json was given: the output is for a program, so there is no progress bar.
        chosen: the format was given explicitly, by --format or --json.
        to_stdout: stdout was given explicitly, by `--output -`.
        header: tables and CSV have a header row.
    """

    format_: str = "table"
    path: Path | None = None
    force: bool = False
    reveal: bool = False
    json: bool = False
    chosen: bool = False
    to_stdout: bool = False
    header: bool = True

    @property
    def mixed(self) -> bool:
        """Whether a progress bar would get in the way of the data."""
        streams = self.path is None and self.format_ in {"jsonl", "plain"}
        return self.json or (streams and is_terminal(sys.stdout))

    def shown(self, secret: "Secret") -> str:
        """A key, masked unless `--reveal` was given."""
        return secret.reveal() if self.reveal else secret.masked

    @contextmanager
    def opened(
        self, layout: Layout | None, note: Callable[[str], None], *, resumes: bool = False
    ) -> "Iterator[Printer]":
        """A printer for the records of a run. Fails before any work is done if the output cannot be written.

        Args:
            layout: the layout of the records; `None` for a single record, a JSON object or a table of its fields.
            note: prints messages that are not errors.
            resumes: the run resumes an earlier one and adds to an existing file.

        Raises:
            UsageError: the file cannot be used.
        """
        if self.path is None:
            if self.format_ == "sqlite":
                raise UsageError("--format sqlite writes a file: say where with --output FILE")
            if self.reveal:
                _warn_of_readers(sys.stdout, note)
            yield Printer(self.format_, layout, header=self.header and not (resumes and _has_content(sys.stdout)))
            return
        with files.output_to(self.path, replaces=self.force, adds=resumes) as file:
            if resumes and file.content is None and not file.streams:
                note(f"{self.path} will not contain the companies done in earlier runs.")
            if file.streams:
                yield Printer(self.format_, layout, Device(file), header=self.header)
                return
            if file.content is None:
                yield FilePrinter(self.format_, layout, file, header=self.header)
                return
            assert layout is not None
            if not self.header and file.content:
                raise UsageError(f"{self.path} can only be added to with its header: leave out --no-header")
            try:
                rows = earlier.rows_of(self.format_.removesuffix("-raw"), layout, file.content)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"cannot add to {self.path}: {_why(error)}; use another file") from None
            yield FilePrinter(self.format_, layout, file, rows, header=self.header)


def output_options(*, reveal: bool | str = False, plain: bool = False) -> Callable[[C], C]:
    """Add the output options to a command, which gets them as `out`.

    Args:
        reveal: the command prints keys and gets an option to print them in full; or that option's help, if it reveals
            something else.
        plain: the default format is `plain`.
    """
    default = "plain" if plain else "table"
    formats = ("plain", *FORMATS) if plain else FORMATS

    def decorate(command: C) -> C:
        @functools.wraps(command)
        def with_output(
            *args: Any,
            format_: str | None,
            json_: bool,
            csv_raw: bool,
            output_file: Path | None,
            force: bool,
            **kwargs: Any,
        ) -> Any:
            out = Output(force=force, json=json_, reveal=kwargs.pop("reveal", False))
            if json_ and format_ not in {None, "json"}:
                raise click.UsageError(f"--json and --format {format_} cannot be used together")
            if output_file is not None and str(output_file) == "-":
                out = replace(out, to_stdout=True)
            elif output_file is not None:
                out = replace(out, path=output_file)
            if force and out.path is None:
                raise click.UsageError("--force works only with --output FILE")
            ending = "" if out.path is None else out.path.suffix.lower()
            named = "json" if json_ else format_ or _SUFFIXES.get(ending)
            if named is None and out.path is not None and not plain:
                _check_name(out.path, ending)
            if csv_raw and named != "csv":
                raise click.UsageError("--csv-raw works only with --format csv")
            return command(
                *args,
                out=replace(out, format_=CSV_RAW if csv_raw else named or default, chosen=json_ or format_ is not None),
                **kwargs,
            )

        options = [
            click.option(
                "--format",
                "format_",
                type=click.Choice(formats),
                help=f"Output format; default: {default}, or what the extension of --output FILE implies.",
            ),
            click.option("--json", "json_", is_flag=True, help="Same as --format json, without a progress bar."),
            click.option(
                "--csv-raw",
                is_flag=True,
                help="In CSV, do not escape cells that a spreadsheet would run as formulas.",
            ),
            click.option(
                "--output",
                "output_file",
                metavar="FILE",
                type=click.Path(path_type=Path, allow_dash=True),
                help="Write to a file (mode 0600), completely or not at all; - is stdout.",
            ),
            click.option("--force", is_flag=True, help="Replace the --output file if it exists."),
        ]
        if reveal:
            help_ = reveal if isinstance(reveal, str) else "Show keys in full."
            options.append(click.option("--reveal", is_flag=True, help=help_))
        result: Any = with_output
        for option in reversed(options):
            result = option(result)
        return cast("C", result)

    return decorate


def _check_name(path: Path, ending: str) -> None:
    """Check that the name of a file for a table does not suggest another format.

    Raises:
        click.UsageError: it is the name of a format, or has the extension of an unsupported one.
    """
    if str(path) in FORMATS:
        raise click.UsageError(
            f"--output takes a file: for the format, use --format {path} (for a file with this name, add --format)"
        )
    if ending in _NOT_WRITTEN:
        raise click.UsageError(
            f"--output {path}: {ending[1:]} is not a supported format ({', '.join(FORMATS)}): use another file name, "
            "or add --format"
        )


def _warn_of_readers(stream: Any, note: Callable[[str], None]) -> None:
    """Warn that keys in full go to a file that others can read."""
    status = _status(stream)
    if os.name != "posix" or status is None or not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
        return
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        note(f"Others can read the file the keys are written to (mode {mode:04o}); --output FILE uses mode 0600.")


def _has_content(stream: Any) -> bool:
    """Whether a stream is a file that already has content, as after `>>`."""
    status = _status(stream)
    return status is not None and stat.S_ISREG(status.st_mode) and status.st_size > 0


def _status(stream: Any) -> os.stat_result | None:
    try:
        return os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return None


def _why(error: Exception) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error) or type(error).__name__
