"""What the commands print: data on stdout in one of four formats, everything else on stderr.

The four formats stand in one module, so that what is done for one can be seen to be done for all.
"""

import functools
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeVar, cast

import click

from woodpecker_async._redact import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from woodpecker_async.secret import Secret

FORMATS: Final = ("table", "json", "jsonl", "csv")

Record = Mapping[str, Any]
C = TypeVar("C", bound=Callable[..., Any])

# Where the width is nobody's business, nothing is cut.
_ENDLESS: Final = 100_000

_NOT_ASCII: Final = re.compile(r"[^\n -~]")

# A format that users choose by --format csv --csv-raw.
_CSV_RAW: Final = "csv-raw"


def format_option(command: C) -> C:
    """Give a command the options that say how its data is printed; it gets them as one, `format_`."""

    @click.option(
        "--format", "format_", type=click.Choice(FORMATS), default="table", show_default=True, help="How to print it."
    )
    @click.option(
        "--csv-raw", is_flag=True, help="In CSV, leave cells that a spreadsheet would run as formulas as they are."
    )
    @functools.wraps(command)
    def formatted(*args: Any, format_: str, csv_raw: bool, **kwargs: Any) -> Any:
        if csv_raw and format_ != "csv":
            raise click.UsageError("--csv-raw goes with --format csv")
        return command(*args, format_=_CSV_RAW if csv_raw else format_, **kwargs)

    return cast("C", formatted)


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
        elif self._format == "table":
            write(_table(self._layout, records))
        elif is_terminal(sys.stdout):
            write(_csv(self._layout, records, show=printable, guard=self._format != _CSV_RAW, end="\n"))
        else:
            # Whatever the encoding of stdout, nothing is lost.
            text = _csv(self._layout, records, show=str, guard=self._format != _CSV_RAW, end="\r\n")
            write(text.encode(_encoding() if _is_unicode() else "utf-8", "backslashreplace"))

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


def write(data: str | bytes) -> None:
    """Write data to stdout as it is, at once.

    Not by `click.echo`, which takes what looks like colours out of what goes into a pipe.

    Raises:
        click.exceptions.Exit: it cannot be written; all has been said about that, and that nobody reads it any
            more (`| head`) goes without saying.
    """
    stream = sys.stdout
    try:
        if isinstance(data, str):
            stream.write(data)
        else:
            stream.flush()
            stream.buffer.write(data)
        stream.flush()
    except OSError as error:
        _discard(stream)
        if not isinstance(error, BrokenPipeError):
            echo_err(f"Error: stdout: {error.strerror}")
        raise click.exceptions.Exit(1) from None


def for_stdout(text: str) -> str:
    """What came from a server, to be printed by itself: on a terminal, harmless."""
    return printable(text) if is_terminal(sys.stdout) else text


def echo_err(text: str) -> None:
    """Say something on stderr, in one line. That nobody can see it does not stop a command."""
    try:
        click.echo(printable(text), err=True)
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """Let what the stream still holds go nowhere: the interpreter flushes it at its end."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


class _Lasting:
    """stderr for a progress bar: a terminal that was closed stops the bar, not the command."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            _discard(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            _discard(self._stream)


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
        console=_console(cast("TextIO", _Lasting(sys.stderr))),
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


def _encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "ascii"


def _is_unicode() -> bool:
    return "utf" in _encoding().lower()


def _json(value: object, indent: int | None = None) -> str:
    # Readable names where the encoding has all of them; elsewhere escapes that are JSON.
    text = json.dumps(value, ensure_ascii=not _is_unicode(), indent=indent, separators=None if indent else (",", ":"))
    # The same value, without what moves a cursor or ends a line somewhere (U+2028, U+0085).
    return _NOT_ASCII.sub(_json_character, text)


def _json_character(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _fields(record: Record) -> Iterator[Record]:
    for field, value in record.items():
        yield {"field": field, "value": value}


def _csv(layout: Layout, records: Iterable[Record], *, show: Callable[[str], str], guard: bool, end: str) -> str:
    """CSV as RFC 4180 has it.

    By hand, because the csv module of some versions of Python (3.11.0 to 3.11.8, 3.12.0 to 3.12.2) does not
    quote a lone CR where lines end otherwise.
    """
    names = [column.name for column in layout.columns]
    lines: list[Iterable[object]] = [names]
    lines += [[row.get(name) for name in names] for record in records for row in layout.csv_rows(record)]
    return "".join(",".join(_csv_field(cell, show=show, guard=guard) for cell in line) + end for line in lines)


def _csv_field(value: object, *, show: Callable[[str], str], guard: bool) -> str:
    text = _cell(value)
    if guard and isinstance(value, str) and _is_formula(text):
        text = "'" + text
    text = show(text)
    # Readers take white space off, or end a line at other signs than CR and LF, where there are no quotes.
    plain = text.isprintable() and text == text.strip() and not set(text) & set(',"')
    # None is nothing at all, the empty string a pair of quotes.
    return text if plain and (text or value is None) else '"' + text.replace('"', '""') + '"'


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet would run the cell.

    It skips what it does not show, and knows other forms of the signs. Apostrophes in front make no difference,
    so that the one that is put there can be told from one that was there already.
    """
    for character in text.lstrip("'"):
        if character.isprintable() and not character.isspace():
            return unicodedata.normalize("NFKC", character) in {"=", "+", "-", "@"}
    return False


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _table_cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(_cell(value))


def _table(layout: Layout, records: Iterable[Record]) -> str:
    from rich import box  # noqa: PLC0415 - not for --help
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = _console(sys.stdout)
    rows = [row for record in records for row in layout.table_rows(record)]
    titled = [column for column in layout.columns if column.title is not None]
    columns = [column for column in titled if _used(column, rows)] or titled
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
