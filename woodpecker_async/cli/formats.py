"""JSON, JSON Lines and CSV, as text.

They are in one module so that their escaping can be compared.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final

from woodpecker_async.cli.layout import Layout, Record

_NOT_ASCII: Final = re.compile(r"[^\n -~]")


def json_text(value: object, *, unicode: bool = True, indent: int | None = None) -> str:
    """JSON, on one line unless an indent is given.

    Args:
        value: a value that JSON can represent.
        unicode: whether the destination can take every character.
        indent: spaces for each level.
    """
    # Keep characters readable if the encoding has all of them; otherwise use JSON escapes.
    text = json.dumps(value, ensure_ascii=not unicode, indent=indent, separators=None if indent else (",", ":"))
    # The same value, without characters that move a cursor or end a line for some readers (U+2028, U+0085).
    return _NOT_ASCII.sub(_json_character, text)


def _json_character(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def csv_text(
    layout: Layout, records: Iterable[Record], *, show: Callable[[str], str], guard: bool, end: str, header: bool = True
) -> str:
    """CSV according to RFC 4180.

    Written by hand, because the csv module of some Python versions (3.11.0 to 3.11.8, 3.12.0 to 3.12.2) does not
    quote a lone CR if lines end with something else.
    """
    names = [column.name for column in layout.columns]
    lines: list[Iterable[object]] = [names] if header else []
    lines += [[row.get(name) for name in names] for record in records for row in layout.csv_rows(record)]
    return "".join(",".join(_csv_field(cell, show=show, guard=guard) for cell in line) + end for line in lines)


def _csv_field(value: object, *, show: Callable[[str], str], guard: bool) -> str:
    text = cell_text(value)
    if guard and isinstance(value, str) and _is_formula(text):
        text = "'" + text
    text = show(text)
    # Without quotes, some readers strip whitespace, or end a line at characters other than CR and LF.
    plain = text.isprintable() and text == text.strip() and not set(text) & set(',"')
    # None is an empty cell, the empty string a pair of quotes.
    return text if plain and (text or value is None) else '"' + text.replace('"', '""') + '"'


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet would run the cell.

    It skips invisible characters, and recognizes other forms of the signs. Leading apostrophes are ignored here, so
    that an added one can be told from one that was there before.
    """
    for character in text.lstrip("'"):
        if character.isprintable() and not character.isspace():
            return unicodedata.normalize("NFKC", character) in {"=", "+", "-", "@"}
    return False


def cell_text(value: object) -> str:
    """A value as the text of a cell: strings unchanged, empty for `None`, JSON for everything else."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)
