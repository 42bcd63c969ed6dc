"""SQLite databases as bytes: built in memory, so that the file is written completely or not at all."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any, Final

from woodpecker_async.cli.formats import cell_text
from woodpecker_async.cli.layout import Layout, Record

_HIGHEST: Final = 2**63


def sqlite_bytes(layout: Layout, records: Iterable[Record], earlier: Iterable[tuple[Any, ...]] = ()) -> bytes:
    """A database with one table.

    Args:
        layout: the layout, which names the table and its columns.
        records: the records to insert.
        earlier: rows to insert before them, as returned by `rows_of`.
    """
    names = [column.name for column in layout.columns]
    rows = [tuple(_value(row.get(name)) for name in names) for record in records for row in layout.csv_rows(record)]
    with closing(sqlite3.connect(":memory:")) as database:
        columns = ", ".join(map(_quoted, names))
        database.execute(f"CREATE TABLE {_quoted(layout.table)} ({columns})")
        marks = ", ".join("?" * len(names))
        database.executemany(f"INSERT INTO {_quoted(layout.table)} VALUES ({marks})", [*earlier, *rows])  # noqa: S608
        database.commit()
        return database.serialize()


def rows_of(layout: Layout, content: bytes) -> list[tuple[Any, ...]]:
    """The rows of a database that `sqlite_bytes` made.

    Raises:
        ValueError: it is something else.
    """
    names = [column.name for column in layout.columns]
    try:
        with closing(sqlite3.connect(":memory:")) as database:
            database.deserialize(content)
            found = database.execute(f"SELECT * FROM {_quoted(layout.table)}")  # noqa: S608 - quoted
            if [column[0] for column in found.description] != names:
                raise ValueError(f"the columns of its table {layout.table!r} are not {', '.join(names)}")
            return found.fetchall()
    except sqlite3.Error as error:
        raise ValueError(f"SQLite says: {error}") from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _value(value: object) -> object:
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and -_HIGHEST <= value < _HIGHEST):
        return value
    # An unpaired surrogate has no UTF-8 encoding: as in CSV, it becomes its six-character escape.
    return cell_text(value).encode("utf-8", "backslashreplace").decode()
