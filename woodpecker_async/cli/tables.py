"""Tables, for people."""

from collections.abc import Iterable
from typing import Final, TextIO

from woodpecker_async._redact import printable
from woodpecker_async.cli import terminal
from woodpecker_async.cli.formats import cell_text
from woodpecker_async.cli.layout import Column, Layout, Record

# Where the width is nobody's business, nothing is cut.
_ENDLESS: Final = 100_000


def table_text(layout: Layout, records: Iterable[Record], stream: TextIO) -> str:
    """The rows as a table that fits a stream."""
    from rich import box  # noqa: PLC0415 - not for --help
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = terminal.console(stream)
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


def _table_cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(cell_text(value))


def _used(column: Column, rows: list[Record]) -> bool:
    return not rows or any(row.get(column.name) not in (None, "") for row in rows)
