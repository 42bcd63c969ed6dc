"""The shape of a JSON value: names of fields and types, but none of the data."""

import re
from collections.abc import Iterator
from typing import Any, Final

_PLAIN_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_DEEPEST: Final = 6
_PAGING: Final = frozenset(
    {"total_elements", "total_pages", "current_page_number", "page_size", "total_count", "pages_count", "total"}
)


def shape(value: Any, depth: int = 0) -> Any:
    """The structure of a JSON value: names of fields, types of values, and lengths of arrays.

    A response's numbers about its pages are shown as they are.
    """
    if isinstance(value, dict):
        if depth >= _DEEPEST:
            return "object"
        named = {
            name: below if name in _PAGING and is_count(below) else shape(below, depth + 1)
            for name, below in value.items()
            if _PLAIN_NAME.fullmatch(name)
        }
        return named | ({"...": "more"} if len(named) < len(value) else {})
    if isinstance(value, list):
        return {f"array of {len(value)}": shape(value[0], depth + 1)} if value else "array of 0"
    if value is None:
        return "null"
    kinds: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return kinds.get(type(value), "other")


def without(value: Any, data: set[str]) -> Any:
    """A shape without the fields whose names also occur as data."""
    if not isinstance(value, dict):
        return value
    kept = {name: without(below, data) for name, below in value.items() if name.casefold() not in data}
    return kept | ({"...": "more"} if len(kept) < len(value) else {})


def strings(value: Any) -> Iterator[str]:
    """All string values, in lower case."""
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, str):
            yield here.casefold()
        elif isinstance(here, dict):
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)


def is_count(value: object) -> bool:
    """Whether a value is an integer >= 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
