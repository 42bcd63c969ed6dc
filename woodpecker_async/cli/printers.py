"""Printers for the records of a run: to stdout, to a device, or to a file."""

import io
import sys
from collections.abc import Iterable, Iterator
from typing import Final

import click

from woodpecker_async._redact import printable
from woodpecker_async.cli import earlier, files
from woodpecker_async.cli.formats import csv_text, json_text
from woodpecker_async.cli.layout import Column, Layout, Record
from woodpecker_async.cli.process import FAILED
from woodpecker_async.cli.tables import table_text
from woodpecker_async.cli.terminal import BROKEN_PIPE, echo_err, encoding, is_terminal, is_unicode, write

# The format that `--format csv --csv-raw` selects.
CSV_RAW: Final = "csv-raw"


class Stdout:
    """stdout, as a printer sees it."""

    def __init__(self) -> None:
        self.stream = sys.stdout
        self.terminal = is_terminal(sys.stdout)
        self.unicode = is_unicode()
        self.encoding = encoding() if self.unicode else "utf-8"  # so that nothing is lost

    def write(self, data: str | bytes) -> None:
        """Write it now."""
        write(data)


class Device:
    """The device that --output names, as a printer sees it."""

    terminal = False
    unicode = True
    encoding = "utf-8"

    def __init__(self, file: files.OutputFile) -> None:
        self._file = file
        self.stream = io.StringIO()  # tables take their width from it

    def write(self, data: str | bytes) -> None:
        """Write it now."""
        _save(self._file, data if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace"))


class Printer:
    """Prints records: JSON Lines and plain lines at once, other formats when all records are there."""

    def __init__(
        self, format_: str, layout: Layout | None, target: "Stdout | Device | None" = None, *, header: bool = True
    ) -> None:
        self._format = format_
        self._layout = layout
        self._target = Stdout() if target is None else target
        self._header = header
        self._kept: list[tuple[int, Record]] = []

    def add(self, record: Record, place: int = 0) -> None:
        """Print a record now, or keep it for `finish`, which sorts by place."""
        if self._format == "jsonl":
            self._target.write(json_text(record, unicode=self._target.unicode) + "\n")
        elif self._format == "plain":
            for line in self._plain(record):
                self._target.write((printable(line) if self._target.terminal else line) + "\n")
        else:
            self._kept.append((place, record))

    def finish(self) -> None:
        """Print the records that were kept."""
        if self._format not in {"jsonl", "plain"}:
            self._target.write(self._text(self._records()))

    @property
    def empty(self) -> bool:
        """Whether nothing is waiting to be printed."""
        return not self._kept

    def _plain(self, record: Record) -> Iterable[str]:
        return () if self._layout is None else self._layout.plain(record)

    def _records(self) -> list[Record]:
        return [record for _, record in sorted(self._kept, key=lambda kept: kept[0])]

    def _text(self, records: list[Record]) -> str | bytes:
        if self._format == "json":
            whole = records[0] if self._layout is None else records
            return json_text(whole, unicode=self._target.unicode, indent=2) + "\n"
        layout = self._layout or _fields_of(records[0], self._format)
        if self._format == "table":
            return table_text(layout, records, self._target.stream, header=self._header)
        if self._format == "sqlite":
            return earlier.added("sqlite", layout, (), records, guard=False)
        guard = self._format != CSV_RAW
        if self._target.terminal:
            return csv_text(layout, records, show=printable, guard=guard, end="\n", header=self._header)
        text = csv_text(layout, records, show=str, guard=guard, end="\r\n", header=self._header)
        return text.encode(self._target.encoding, "backslashreplace")


class FilePrinter(Printer):
    """Prints records to a file, once all of them are there."""

    def __init__(
        self,
        format_: str,
        layout: Layout | None,
        file: files.OutputFile,
        rows: "list[earlier.Row] | None" = None,
        *,
        header: bool = True,
    ) -> None:
        super().__init__(format_, layout, Device(file), header=header)
        self._earlier = rows

    def add(self, record: Record, place: int = 0) -> None:
        """Keep a record until all are there."""
        self._kept.append((place, record))

    def finish(self) -> None:
        """Write the file."""
        records = self._records()
        if self._earlier is not None and self._layout is not None:
            format_, guard = self._format.removesuffix("-raw"), self._format != CSV_RAW
            self._target.write(earlier.added(format_, self._layout, self._earlier, records, guard=guard))
        elif self._format == "jsonl":
            self._target.write("".join(json_text(record) + "\n" for record in records))
        elif self._format == "plain":
            self._target.write("".join(line + "\n" for record in records for line in self._plain(record)))
        else:
            self._target.write(self._text(records))


def _save(file: files.OutputFile, data: bytes) -> None:
    try:
        file.write(data)
    except BrokenPipeError:
        raise click.exceptions.Exit(BROKEN_PIPE) from None
    except OSError as error:
        echo_err(f"Error: {file.path}: {error.strerror}")
        raise click.exceptions.Exit(FAILED) from None


def _fields_of(record: Record, format_: str) -> Layout:
    """The layout of a single record: one row per field in a table, one row with all fields in other formats."""
    if format_ == "table":
        return Layout((Column("field", "Field", whole=True), Column("value", "Value")), table_rows=_fields)
    return Layout(tuple(map(Column, record)))


def _fields(record: Record) -> Iterator[Record]:
    for field, value in record.items():
        yield {"field": field, "value": value}
