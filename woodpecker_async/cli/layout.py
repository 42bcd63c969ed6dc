"""How records become rows: each command defines it once, for all formats."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column, for formats that print rows.

    Attributes:
        name: the field; also the column's name in CSV and SQLite.
        title: the column's header in a table; a column without one is left out of tables.
        whole: never truncate it.
        once: in a table on a terminal, do not repeat it in consecutive rows with the same first field.
        spare: leave it out if the terminal is too narrow, the highest number first; 0 means never.
    """

    name: str
    title: str | None = None
    whole: bool = False
    once: bool = False
    spare: int = 0


def _itself(record: Record) -> Iterable[Record]:
    return (record,)


@dataclass(frozen=True)
class Layout:
    """How records become rows.

    Attributes:
        columns: the fields of a row.
        table_rows: the rows of a record in tables, for people.
        csv_rows: the rows of a record in CSV and SQLite, for programs.
        table: the name of the table in SQLite.
        plain: the lines of a record in the format `plain`, for commands that have it.
    """

    columns: tuple[Column, ...]
    table_rows: Callable[[Record], Iterable[Record]] = _itself
    csv_rows: Callable[[Record], Iterable[Record]] = _itself
    table: str = "records"
    plain: Callable[[Record], Iterable[str]] = lambda _: ()
