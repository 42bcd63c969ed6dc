"""What the commands print: data on stdout in one of four formats, everything else on stderr."""

import functools
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from woodpecker_async._redact import printable
from woodpecker_async.cli.formats import csv_text, json_text
from woodpecker_async.cli.layout import Column, Layout, Record
from woodpecker_async.cli.tables import table_text
from woodpecker_async.cli.terminal import encoding, is_terminal, is_unicode, write

if TYPE_CHECKING:
    from woodpecker_async.secret import Secret

FORMATS: Final = ("table", "json", "jsonl", "csv")

C = TypeVar("C", bound=Callable[..., Any])

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


class Printer:
    """Prints records on stdout: JSON Lines at once, the other formats when all are there."""

    def __init__(self, format_: str, layout: Layout) -> None:
        self._format = format_
        self._layout = layout
        self._kept: list[tuple[int, Record]] = []

    def add(self, record: Record, place: int = 0) -> None:
        """Print a record, now or later; then sorted by place."""
        if self._format == "jsonl":
            write(json_text(record) + "\n")
        else:
            self._kept.append((place, record))

    def finish(self) -> None:
        """Print what has been kept."""
        if self._format == "jsonl":
            return
        records = [record for _, record in sorted(self._kept, key=lambda kept: kept[0])]
        if self._format == "json":
            write(json_text(records, indent=2) + "\n")
        elif self._format == "table":
            write(table_text(self._layout, records))
        elif is_terminal(sys.stdout):
            write(csv_text(self._layout, records, show=printable, guard=self._format != _CSV_RAW, end="\n"))
        else:
            # Whatever the encoding of stdout, nothing is lost.
            text = csv_text(self._layout, records, show=str, guard=self._format != _CSV_RAW, end="\r\n")
            write(text.encode(encoding() if is_unicode() else "utf-8", "backslashreplace"))

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be printed."""
        return not self._kept


def print_one(format_: str, record: Record) -> None:
    """Print the one record there is: a JSON object, or a table of its fields."""
    if format_ == "json":
        write(json_text(record, indent=2) + "\n")
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


def _fields(record: Record) -> Iterator[Record]:
    for field, value in record.items():
        yield {"field": field, "value": value}
