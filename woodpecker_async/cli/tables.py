"""Tables, for people."""

from collections.abc import Iterable
from typing import Final, TextIO

from woodpecker_async._redact import printable
from woodpecker_async.cli import terminal
from woodpecker_async.cli.formats import cell_text
from woodpecker_async.cli.layout import Column, Layout, Record

# The width where nothing should be truncated.
_ENDLESS: Final = 100_000
# Columns are not truncated to fewer characters than this.
_LEAST: Final = 8


def table_text(layout: Layout, records: Iterable[Record], stream: TextIO, *, header: bool = True) -> str:
    """The rows as a table that fits a stream: on a narrow terminal, columns are truncated or left out."""
    from rich import box  # noqa: PLC0415 - not for --help
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = terminal.console(stream)
    rows = [row for record in records for row in layout.table_rows(record)]
    titled = [column for column in layout.columns if column.title is not None]
    columns = [column for column in titled if _used(column, rows)] or titled
    texts = [[_table_cell(row.get(column.name)) for column in columns] for row in rows]
    frame, gap = (box.SIMPLE_HEAD, 1) if console.is_terminal else (None, 2)
    if console.is_terminal:
        between = gap + 1  # plus the column separator
        columns, texts = _fitted(columns, texts, console.width - between * (len(columns) - 1), between)
    table = Table(box=frame, pad_edge=False, show_edge=False, padding=(0, gap, 0, 0), show_header=header)
    for column in columns:
        table.add_column(column.title or "", no_wrap=True, overflow="ignore")
    before: object = None
    for row, cells in zip(rows, texts, strict=True):
        first = row.get(columns[0].name)
        # On a terminal a table is read from top to bottom, in a pipe line by line (grep).
        again = console.is_terminal and first == before
        table.add_row(
            *(Text("" if again and column.once else cell) for column, cell in zip(columns, cells, strict=True))
        )
        before = first
    console.width = _ENDLESS
    with console.capture() as captured:
        console.print(table)
    return "".join(line.rstrip() + "\n" for line in captured.get().splitlines())


def _fitted(columns: list[Column], rows: list[list[str]], width: int, gap: int) -> tuple[list[Column], list[list[str]]]:
    """The columns that there is room for, and their cells, truncated to fit.

    Columns marked `whole` are never truncated: an overlong line is better than half a key.
    """
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - not for --help

    places = list(range(len(columns)))
    needed = [
        max([cell_len(column.title or ""), *(cell_len(row[place]) for row in rows)])
        for place, column in enumerate(columns)
    ]
    least = [
        length if column.whole else min(length, max(_LEAST, cell_len(column.title or "")))
        for column, length in zip(columns, needed, strict=True)
    ]
    while sum(least[place] for place in places) > width and any(columns[place].spare for place in places):
        places.remove(max(places, key=lambda place: (columns[place].spare, place)))
        width += gap
    sizes = {place: needed[place] for place in places}
    while sum(sizes.values()) > width and (wide := [place for place in places if sizes[place] > least[place]]):
        sizes[max(wide, key=sizes.__getitem__)] -= 1

    def cut(text: str, size: int) -> str:
        return text if cell_len(text) <= size else set_cell_size(text, size - 1).rstrip() + "…"

    return [columns[place] for place in places], [[cut(row[place], sizes[place]) for place in places] for row in rows]


def _table_cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(cell_text(value))


def _used(column: Column, rows: list[Record]) -> bool:
    return not rows or any(row.get(column.name) not in (None, "") for row in rows)
