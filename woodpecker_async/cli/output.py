"""What the commands print: data on stdout in one of four formats, everything else on stderr."""

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from woodpecker_async._redact import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from woodpecker_async.secret import Secret

FORMATS: Final = ("table", "json", "jsonl", "csv")

Record = Mapping[str, Any]

# Where the width is nobody's business, nothing is cut.
_ENDLESS: Final = 100_000

format_option = click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="table", show_default=True, help="How to print it."
)


@dataclass(frozen=True)
class Column:
    """A field of a row, where rows are printed.

    Attributes:
        name: the field; also the column's name in CSV.
        title: the column's head in a table; without one it is in CSV only.
        whole: never broken over two lines.
        once: in a table on a terminal, not repeated in rows that begin with the same first field.
    """

    name: str
    title: str | None = None
    whole: bool = False
    once: bool = False


def _itself(record: Record) -> Iterable[Record]:
    return (record,)


@dataclass(frozen=True)
class Layout:
    """How records become rows.

    Attributes:
        columns: the fields of a row.
        table_rows: the rows of a record for people.
        csv_rows: the rows of a record for programs.
    """

    columns: tuple[Column, ...]
    table_rows: Callable[[Record], Iterable[Record]] = _itself
    csv_rows: Callable[[Record], Iterable[Record]] = _itself


class Printer:
    """Prints records on stdout: JSON Lines at once, the other formats when all are there."""

    def __init__(self, format_: str, layout: Layout) -> None:
        self._format = format_
        self._layout = layout
        self._kept: list[tuple[int, Record]] = []

    def add(self, record: Record, place: int = 0) -> None:
        """Print a record, now or later; then sorted by place."""
        if self._format == "jsonl":
            write(_json(record) + "\n")
        else:
            self._kept.append((place, record))

    def finish(self) -> None:
        """Print what has been kept."""
        if self._format == "jsonl":
            return
        records = [record for _, record in sorted(self._kept, key=lambda kept: kept[0])]
        if self._format == "json":
            write(_json(records, indent=2) + "\n")
        elif self._format == "csv":
            write(_csv(self._layout, records))
        else:
            write(_table(self._layout, records))

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be printed."""
        return not self._kept


def print_one(format_: str, record: Record) -> None:
    """Print the one record there is: a JSON object, or a table of its fields."""
    if format_ == "json":
        write(_json(record, indent=2) + "\n")
        return
    if format_ == "table":
        layout = Layout((Column("field", "Field", whole=True), Column("value", "Value")), table_rows=_fields)
    else:
        layout = Layout(tuple(Column(name) for name in record))
    printer = Printer(format_, layout)
    printer.add(record)
    printer.finish()


def shown(secret: "Secret", *, reveal: bool) -> str:
    """A key, masked unless it was asked for in full."""
    return secret.reveal() if reveal else secret.masked


def write(text: str) -> None:
    """Write data to stdout, at once.

    Raises:
        click.exceptions.Exit: it cannot be written; all has been said about that, and that nobody reads it any
            more (`| head`) goes without saying.
    """
    try:
        click.echo(text, nl=False)
    except OSError as error:
        # The interpreter flushes stdout at its end, and must find somewhere to flush it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            complain(f"Error: stdout: {error.strerror}")
        raise click.exceptions.Exit(1) from None


def complain(text: str) -> None:
    """Say something on stderr, in one line."""
    click.echo(printable(text), err=True)


def companies(number: int) -> str:
    """So many companies, in words."""
    return f"{number} company" if number == 1 else f"{number} companies"


def count(number: int, noun: str) -> str:
    """So many of them, in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Bar:
    """A progress bar, or nothing where nobody would see it."""

    def __init__(self, progress: "Progress | None", task: "TaskID | None") -> None:
        self._progress = progress
        self._task = task

    def expect(self, total: int | None) -> None:
        """Say how many there will be, as soon as that is known."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=total)

    def advance(self, count: int = 1) -> None:
        """So many more are done."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, count)


@contextmanager
def progress(title: str, unit: str, *, wanted: bool) -> Iterator[Bar]:
    """A progress bar on stderr, if that is a terminal; it goes away at the end."""
    if not wanted or not is_terminal(sys.stderr):
        yield Bar(None, None)
        return
    from rich.progress import (  # noqa: PLC0415 - not for --help
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        console=_console(sys.stderr),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with bar:
        yield Bar(bar, bar.add_task(title, total=None))


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at it."""
    return stream is not None and stream.isatty()


def _console(stream: TextIO) -> "Console":
    from rich.console import Console  # noqa: PLC0415 - not for --help

    return Console(
        file=stream,
        # rich lets environment variables decide that a pipe is a terminal; here a pipe is a pipe.
        force_terminal=is_terminal(stream),
        # Its own idea of NO_COLOR keeps bold and dim; without any colour system there are no escapes at all.
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
        markup=False,
        emoji=False,
    )


def _json(value: object, indent: int | None = None) -> str:
    # Readable names where the encoding has all of them; elsewhere escapes that are JSON.
    ascii_only = "utf" not in (getattr(sys.stdout, "encoding", None) or "").lower()
    return json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=None if indent else (",", ":"))


def _fields(record: Record) -> Iterator[Record]:
    for field, value in record.items():
        yield {"field": field, "value": value}


def _csv(layout: Layout, records: Iterable[Record]) -> str:
    text = io.StringIO()
    names = [column.name for column in layout.columns]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for record in records:
        for row in layout.csv_rows(record):
            writer.writerow([_csv_cell(row.get(name)) for name in names])
    return text.getvalue()


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table_cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(_csv_cell(value))


def _table(layout: Layout, records: Iterable[Record]) -> str:
    from rich import box  # noqa: PLC0415 - not for --help
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = _console(sys.stdout)
    rows = [row for record in records for row in layout.table_rows(record)]
    columns = [column for column in layout.columns if column.title is not None and _used(column, rows)]
    frame, gap = (box.SIMPLE_HEAD, 1) if console.is_terminal else (None, 2)
    table = Table(box=frame, pad_edge=False, show_edge=False, padding=(0, gap, 0, 0))
    for column in columns:
        table.add_column(column.title or "", no_wrap=column.whole or not console.is_terminal, overflow="fold")
    before: object = None
    for row in rows:
        first = row.get(columns[0].name)
        # A table on a terminal is read from top to bottom, one in a pipe line by line (grep).
        again = console.is_terminal and first == before
        table.add_row(*(Text("" if again and column.once else _table_cell(row.get(column.name))) for column in columns))
        before = first
    width = console.width
    console.width = _ENDLESS
    needed = console.measure(table)
    # A key is worth a line that is too long, but not a key in two pieces.
    console.width = max(needed.minimum, min(width, needed.maximum)) if console.is_terminal else needed.maximum
    with console.capture() as captured:
        console.print(table)
    return "".join(line.rstrip() + "\n" for line in captured.get().splitlines())


def _used(column: Column, rows: list[Record]) -> bool:
    return not rows or any(row.get(column.name) not in (None, "") for row in rows)
