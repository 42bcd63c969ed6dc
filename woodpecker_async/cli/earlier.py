"""The file that a resumed run adds to: its rows stay, except those of companies that have a new outcome."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from woodpecker_async.cli.formats import csv_text, json_text
from woodpecker_async.cli.layout import Layout, Record

_KEY = "company_id"

# The company that a row is about, and the row itself, as its format represents it.
Row = tuple[int | None, Any]


def rows_of(format_: str, layout: Layout, content: bytes) -> list[Row]:
    """The rows in a file of this format.

    Raises:
        ValueError: the content has another format, or other columns.
    """
    if not content:
        return []
    if format_ == "sqlite":
        from woodpecker_async.cli import database  # noqa: PLC0415 - few need it

        at = _place(layout)
        return [(None if at is None else row[at], row) for row in database.rows_of(layout, content)]
    text = content.decode()
    if format_ == "csv":
        return _csv_rows(layout, text)
    if format_ == "json":
        return [(_company(entry), entry) for entry in _json_array(text)]
    if format_ == "jsonl":
        return list(_json_lines(text))
    raise ValueError(f"the format {format_} does not support it; use csv, json, jsonl or sqlite")


def added(format_: str, layout: Layout, rows: Iterable[Row], records: Sequence[Record], *, guard: bool) -> bytes:
    """The new content of the file: the rows of companies that have no new records, then the new records."""
    told = {record.get(_KEY) for record in records} - {None}
    kept = [row for company, row in rows if company not in told]
    if format_ == "sqlite":
        from woodpecker_async.cli import database  # noqa: PLC0415 - few need it

        return database.sqlite_bytes(layout, records, kept)
    if format_ == "csv":
        text = _csv(layout, [], guard=guard) + "".join(kept) + _csv(layout, records, guard=guard, header=False)
        return text.encode("utf-8", "backslashreplace")
    if format_ == "json":
        return (json_text([*kept, *records], indent=2) + "\n").encode()
    return "".join([*kept, *(json_text(record) + "\n" for record in records)]).encode()


def _csv(layout: Layout, records: Iterable[Record], *, guard: bool, header: bool = True) -> str:
    return csv_text(layout, records, show=str, guard=guard, end="\r\n", header=header)


def _place(layout: Layout) -> int | None:
    names = [column.name for column in layout.columns]
    return names.index(_KEY) if _KEY in names else None


def _csv_rows(layout: Layout, text: str) -> list[Row]:
    head, *rows = _csv_lines(text)
    if head.rstrip("\r\n") != _csv(layout, [], guard=True).rstrip("\r\n"):
        raise ValueError("its first line is not the header of this command's CSV")
    if _place(layout) != 0:
        return [(None, row) for row in rows]
    return [(_number(row.partition(",")[0].rstrip()), row) for row in rows]


def _csv_lines(text: str) -> Iterator[str]:
    """The rows, as they are in the file; a quoted cell may contain line breaks."""
    row = ""
    for line in text.split("\n")[: -1 if text.endswith("\n") else None]:
        row += line
        if row.count('"') % 2:
            row += "\n"
            continue
        yield row.removesuffix("\r") + "\r\n"
        row = ""
    if row:
        raise ValueError("its last row is incomplete")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _json_array(text: str) -> list[Any]:
    entries = json.loads(text)
    if not isinstance(entries, list):
        raise ValueError("it is not a JSON array")  # noqa: TRY004 - it is about the file's content
    return entries


def _json_lines(text: str) -> Iterator[Row]:
    for number, line in enumerate(filter(str.strip, text.split("\n")), 1):
        try:
            yield _company(json.loads(line)), line + "\n"
        except (ValueError, RecursionError):
            raise ValueError(f"line {number} is not JSON") from None


def _company(entry: object) -> int | None:
    company = entry.get(_KEY) if isinstance(entry, dict) else None
    return company if isinstance(company, int) else None
