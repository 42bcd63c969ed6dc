"""Where a command's data goes, and in which format: one `Output` for all commands.

Data goes to stdout, or with `--output` to a file that is written as a whole or not at all; everything else is
said on stderr.
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

# Formats that a file's ending promises and that are not written; a table under such a name opens nowhere.
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
    """What the options say of a command's data.

    Attributes:
        format_: how it is written: one of `FORMATS`, `csv-raw`, or `plain` where a command has that.
        path: the file it goes to; `None` for stdout.
        force: an existing file may be replaced.
        reveal: keys are written in full.
        json: it is for a program, by --json, so that no progress bar is wanted.
        chosen: the format was asked for by --format or --json.
        to_stdout: stdout was asked for, by `--output -`.
        header: tables and CSV have a line of titles.
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
        """Whether a progress bar would be in the way of the data."""
        streams = self.path is None and self.format_ in {"jsonl", "plain"}
        return self.json or (streams and is_terminal(sys.stdout))

    def shown(self, secret: "Secret") -> str:
        """A key, masked unless it was asked for in full."""
        return secret.reveal() if self.reveal else secret.masked

    @contextmanager
    def opened(
        self, layout: Layout | None, note: Callable[[str], None], *, resumes: bool = False
    ) -> "Iterator[Printer]":
        """What prints the records of a run. What cannot work is refused here, before any work is done.

        Args:
            layout: of the records; `None` for the one record there is, which is a JSON object or a table of its fields.
            note: says what is no error.
            resumes: the run goes on with an earlier one, so that an existing file is added to.

        Raises:
            UsageError: the file cannot be used.
        """
        if self.path is None:
            if self.format_ == "sqlite":
                raise UsageError("a database is a file: say where with --output FILE")
            if self.reveal:
                _warn_of_readers(sys.stdout, note)
            yield Printer(self.format_, layout, header=self.header and not (resumes and _has_content(sys.stdout)))
            return
        with files.output_to(self.path, replaces=self.force, adds=resumes) as file:
            if resumes and file.content is None and not file.streams:
                note(f"{self.path} will not have the companies that were done before.")
            if file.streams:
                yield Printer(self.format_, layout, Device(file), header=self.header)
                return
            if file.content is None:
                yield FilePrinter(self.format_, layout, file, header=self.header)
                return
            assert layout is not None
            if not self.header and file.content:
                raise UsageError(f"without its header nothing can be added to {self.path}: leave out --no-header")
            try:
                rows = earlier.rows_of(self.format_.removesuffix("-raw"), layout, file.content)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"cannot add to {self.path}: {_why(error)}; name another file") from None
            yield FilePrinter(self.format_, layout, file, rows, header=self.header)


def output_options(*, reveal: bool | str = False, plain: bool = False) -> Callable[[C], C]:
    """Give a command the options that say where its data goes; it gets them as one, `out`.

    Args:
        reveal: it prints keys, and has an option to do so in full; or the help of that option, if it is about something
            else.
        plain: without a wish its format is `plain`.
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
                raise click.UsageError(f"--json and --format {format_} exclude each other")
            if output_file is not None and str(output_file) == "-":
                out = replace(out, to_stdout=True)
            elif output_file is not None:
                out = replace(out, path=output_file)
            if force and out.path is None:
                raise click.UsageError("--force goes with --output FILE")
            ending = "" if out.path is None else out.path.suffix.lower()
            named = "json" if json_ else format_ or _SUFFIXES.get(ending)
            if named is None and out.path is not None and not plain:
                _check_name(out.path, ending)
            if csv_raw and named != "csv":
                raise click.UsageError("--csv-raw goes with --format csv")
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
                help=f"How to print it; by default {default}, or what the ending of --output FILE says.",
            ),
            click.option("--json", "json_", is_flag=True, help="The same as --format json, without a progress bar."),
            click.option(
                "--csv-raw",
                is_flag=True,
                help="In CSV, leave cells that a spreadsheet would run as formulas as they are.",
            ),
            click.option(
                "--output",
                "output_file",
                metavar="FILE",
                type=click.Path(path_type=Path, allow_dash=True),
                help="Write it to a file (mode 0600), as a whole or not at all; - is stdout.",
            ),
            click.option("--force", is_flag=True, help="Replace the file of --output if it exists."),
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
    """See that a file that is to be a table is not called something else.

    Raises:
        click.UsageError: its name is that of a format, or has the ending of one that is not written.
    """
    if str(path) in FORMATS:
        raise click.UsageError(
            f"--output names a file: for the format say --format {path} (a file of this name needs --format too)"
        )
    if ending in _NOT_WRITTEN:
        raise click.UsageError(
            f"--output {path}: {ending[1:]} is not among the formats ({', '.join(FORMATS)}): name the file "
            "otherwise, or say which with --format"
        )


def _warn_of_readers(stream: Any, note: Callable[[str], None]) -> None:
    """Say that keys in full go to a file that others can read."""
    status = _status(stream)
    if os.name != "posix" or status is None or not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
        return
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        note(f"Others can read the file that the keys go to (mode {mode:04o}); --output FILE makes one of mode 0600.")


def _has_content(stream: Any) -> bool:
    """Whether it is a file with something in it already, as after `>>`."""
    status = _status(stream)
    return status is not None and stat.S_ISREG(status.st_mode) and status.st_size > 0


def _status(stream: Any) -> os.stat_result | None:
    try:
        return os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return None


def _why(error: Exception) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error) or type(error).__name__
