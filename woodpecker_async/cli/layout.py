"""How records become rows: what a command says once, for all formats."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A field of a row, where rows are printed.

    Attributes:
        name: the field; also the column's name in CSV and SQLite.
        title: the column's head in a table; without one it is not in tables.
        whole: never cut.
        once: in a table on a terminal, not repeated in rows that begin with the same first field.
        spare: on a terminal that is too narrow it is left out, the highest number first; 0 is never.
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
        table_rows: the rows of a record for people.
        csv_rows: the rows of a record for programs, in CSV and SQLite.
        table: the name of the table in SQLite.
        plain: the lines of a record in the format `plain`, for commands that have it.
    """

    columns: tuple[Column, ...]
    table_rows: Callable[[Record], Iterable[Record]] = _itself
    csv_rows: Callable[[Record], Iterable[Record]] = _itself
    table: str = "records"
    plain: Callable[[Record], Iterable[str]] = lambda _: ()
