"""Checks of arguments, before any I/O.

It is a long module because each kind of argument is checked in one place, in the same words.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar
from unicodedata import category, normalize

import attrs

from woodpecker_async.errors import ConfigError
from woodpecker_async.models.enums import respelt

_LARGEST_ID = 2**63 - 1
_MOST_COMPANIES = 10


def company_id(value: object) -> int:
    """A company's id: an integer >= 1.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST_ID:
        raise ConfigError(f"a company id must be an integer >= 1, not {value!r}")
    return value


def text(value: object, what: str) -> str:
    """A str that is not empty, has no whitespace at its ends, and can be sent as UTF-8.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{what} must be a str, not {type(value).__name__}")
    if not (trimmed := trim(value)):
        raise ConfigError(f"{what} is empty")
    if value != trimmed:
        raise ConfigError(
            f"{what} must not begin or end with whitespace or a control character, which servers trim: {value!r}; "
            f"{trimmed!r} would do"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{what} {value!r} has a lone surrogate in it and cannot be sent as UTF-8") from None
    return value


def label(value: object) -> str:
    """A label in the Unicode form that labels are compared in (NFC).

    Raises:
        ConfigError: it is not a str, is empty, has whitespace at its ends, or cannot be sent as UTF-8.
    """
    return normalize("NFC", text(value, "a label"))


def trim(text: str) -> str:
    """Without what one server or another trims: whitespace, control characters, and what takes no space at all."""
    start, end = 0, len(text)
    while start < end and _trimmed(text[start]):
        start += 1
    while end > start and _trimmed(text[end - 1]):
        end -= 1
    return text[start:end]


def _trimmed(character: str) -> bool:
    return character.isspace() or category(character) == "Cc" or character in "\u180e\u200b\u2060\ufeff"


def names(value: object) -> tuple[str, ...]:
    """The names of 1 to 10 companies to create.

    Raises:
        ConfigError: they are not.
    """
    listed = entries(value, 'names is a list of names, like ["Aviato"]')
    checked = tuple(text(name, "a company's name") for name in listed)
    if not 1 <= len(checked) <= _MOST_COMPANIES:
        raise ConfigError(f"1 to {_MOST_COMPANIES} companies can be created in one request, not {len(checked)}")
    if len(set(checked)) < len(checked):
        raise ConfigError("a name stands twice among the companies to create")
    return checked


C = TypeVar("C")


def entries(value: object, otherwise: str) -> Iterable[Any]:
    """Any iterable but a string and a mapping, which were hardly meant to be lists of characters and of keys.

    Args:
        value: what was given.
        otherwise: the text of the error.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ConfigError(otherwise)
    return value


def counted(checked: tuple[C, ...], what: str, most: int | None = None) -> tuple[C, ...]:
    """These entries, if there is at least one and at most so many.

    Raises:
        ConfigError: there are none, or too many.
    """
    if not checked:
        raise ConfigError(f"{what} must not be empty")
    if most is not None and len(checked) > most:
        raise ConfigError(f"{what} must have at most {most} entries, not {len(checked)}")
    return checked


def strings(value: object, what: str, example: str, most: int | None = None) -> tuple[str, ...]:
    """Strings such as `text` accepts, at least one and at most so many.

    Raises:
        ConfigError: they are not.
    """
    listed = entries(value, f"{what} must be a list of strings, like {example}")
    checked = tuple(text(entry, f"an entry of {what}") for entry in listed)
    return counted(checked, what, most)


def comma_list(value: object, what: str, example: str) -> str | None:
    """Strings as a comma list for a query; `None` for none.

    Raises:
        ConfigError: they are not strings, or one has a comma in it.
    """
    if value == ():
        return None
    checked = strings(value, what, example)
    for entry in checked:
        if "," in entry:
            raise ConfigError(
                f"an entry of {what} cannot have a comma in it: the API separates entries by commas; {entry!r}"
            )
    return ",".join(checked)


E = TypeVar("E", bound=StrEnum)


def choice(what: str, value: object, choices: type[E]) -> E:
    """One of the choices, given as such or as its string, with hyphens or underscores in it.

    Raises:
        ConfigError: it is none of them; close ones are suggested.
    """
    known = tuple(map(str, choices))
    spellings = (value, *respelt(value)) if isinstance(value, str) else ()
    return choices(next((spelling for spelling in spellings if spelling in known), None) or one_of(value, what, known))


def _suggestion(value: object, known: Iterable[str]) -> str:
    close = get_close_matches(value, known, 1) if isinstance(value, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""


def one_of(value: object, what: str, known: Iterable[str]) -> str:
    """One of the strings that are known.

    Raises:
        ConfigError: it is none of them; close ones are suggested.
    """
    known = tuple(known)
    if isinstance(value, str) and value in known:
        return value
    raise ConfigError(f"{what} must be one of {', '.join(map(repr, known))}, not {value!r}{_suggestion(value, known)}")


def choice_or_none(what: str, value: object, choices: type[E]) -> E | None:
    """The same, or `None`."""
    return None if value is None else choice(what, value, choices)


def choices(what: str, value: object, known: type[E]) -> tuple[E, ...]:
    """Any number of the choices.

    Raises:
        ConfigError: they are no list of them.
    """
    listed = entries(value, f"{what} must be a list of {', '.join(repr(str(member)) for member in known)}")
    return tuple(choice(f"an entry of {what}", entry, known) for entry in listed)


def email(value: object, what: str) -> str:
    """An e-mail address, as far as can be told without asking its server.

    Raises:
        ConfigError: it is none.
    """
    address = text(value, what)
    name, at, domain = address.rpartition("@")
    if not (name and at and domain) or any(character.isspace() for character in address):
        raise ConfigError(f"{what} must be an e-mail address, not {address!r}")
    return address


def domain(value: object, what: str) -> str:
    """A domain, as far as it can be told from an e-mail address and from a URL.

    Raises:
        ConfigError: it is none.
    """
    name = text(value, what)
    if "." not in name.strip(".") or any(character in "@/:,?#" or character.isspace() for character in name):
        raise ConfigError(f"{what} must be a domain such as 'example.com', not {name!r}")
    return name


def url_or_nothing(value: object, what: str) -> str:
    """A URL, or `""` for none.

    Raises:
        ConfigError: it is neither.
    """
    if value != "" and not text(value, what).startswith(("http://", "https://")):
        raise ConfigError(f'{what} must begin with http:// or https://, or be "" for none; not {value!r}')
    return str(value)


def email_or_nothing(value: object, what: str) -> str:
    """An e-mail address, or `""` for none.

    Raises:
        ConfigError: it is neither.
    """
    return "" if value == "" else email(value, what)


def time_zone(value: object, what: str) -> str:
    """A name that could be one of IANA's time zones; which of them the API takes is not documented.

    Raises:
        ConfigError: it could not.
    """
    name = text(value, what)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", name):
        raise ConfigError(f"{what} must be the IANA name of a time zone, like 'Europe/Warsaw', not {name!r}")
    return name


def id_list(value: object, what: str) -> str | None:
    """Ids as a comma list for a query; `None` where there is none to give.

    Raises:
        ConfigError: they are not integers >= 1, or the list is empty: without it the call would be about all.
    """
    if isinstance(value, tuple) and not value:
        return None
    return ",".join(map(str, ids(value, what)))


def ids(value: object, what: str) -> tuple[int, ...]:
    """Ids, at least one.

    Raises:
        ConfigError: they are not integers >= 1, or there are none.
    """
    listed = entries(value, f"{what} must be a list of integers, like [123]")
    return counted(tuple(integer(entry, f"an entry of {what}", 1, _LARGEST_ID) for entry in listed), what)


def boolean(value: object, what: str) -> bool:
    """True or False.

    Raises:
        ConfigError: it is neither.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{what} must be True or False, not {value!r}")
    return value


def boolean_or_none(value: object, what: str) -> bool | None:
    """The same, or `None`.

    Raises:
        ConfigError: it is neither.
    """
    if value is not None and not isinstance(value, bool):
        raise ConfigError(f"{what} must be True, False or None, not {value!r}")
    return value


def integer(value: object, what: str, least: int, most: int | None = None) -> int:
    """An integer within bounds.

    Raises:
        ConfigError: it is none, or not within them.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        bounds = f"an integer from {least} to {most}" if most is not None else f"an integer >= {least}"
        raise ConfigError(f"{what} must be {bounds}, not {value!r}")
    return value


M = TypeVar("M", bound=attrs.AttrsInstance)


def model(what: str, given: object, kind: type[M]) -> M:
    """A request model, given as such or as a mapping of its fields. What is in the fields is not checked.

    Raises:
        ConfigError: it is neither, has a field that the model has not, or lacks one that the model needs.
    """
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise ConfigError(f"{what} must be a {kind.__name__} or a mapping of its fields, not {type(given).__name__}")
    fields: dict[Any, attrs.Attribute[Any]] = {field.alias: field for field in attrs.fields(kind) if field.init}
    for name in given:
        if name not in fields:
            raise ConfigError(f"{what} has no field {name!r}, but {', '.join(fields)}{_suggestion(name, fields)}")
    if missing := [name for name, field in fields.items() if field.default is attrs.NOTHING and name not in given]:
        raise ConfigError(f"{what} needs {', '.join(missing)}")
    return kind(**given)


def models(what: str, given: object, kind: type[M], *, most: int | None = None) -> tuple[M, ...]:
    """Request models, each given as such or as a mapping of its fields; at least one and at most so many.

    Raises:
        ConfigError: they are not; the message has the index of the one at fault, as in `guests[2]`.
    """
    listed = entries(given, f"{what} must be a list, each entry a {kind.__name__} or a mapping of its fields")
    checked = tuple(model(f"{what}[{index}]", entry, kind) for index, entry in enumerate(listed))
    return counted(checked, what, most)


def date(value: object, what: str) -> str:
    """A day as the API writes it, given as a `datetime.date` or as such a string.

    Raises:
        ConfigError: it is neither. A `datetime` is not taken: which day it is depends on a time zone.
    """
    return _day(value, what).isoformat()


def _day(value: object, what: str) -> dt.date:
    if isinstance(value, dt.datetime):
        raise ConfigError(
            f"{what} must be a day, and which day a datetime is depends on a time zone: convert it to the zone that "
            "the API counts days in, and pass its .date()"
        )
    if isinstance(value, dt.date):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass
    raise ConfigError(f'{what} must be a datetime.date or a str "YYYY-MM-DD", not {value!r}')


def date_range(
    from_date: object, to_date: object, *, most_days: int | None = None, optional: bool = False
) -> tuple[str | None, str | None]:
    """The first and the last day of a range, as the API writes them.

    Args:
        from_date: the first day; see `date`.
        to_date: the last day.
        most_days: how many days may be between the two at most.
        optional: whether either may be `None`.

    Raises:
        ConfigError: one is not a day, the range is reversed, or it is too long.
    """
    first = None if optional and from_date is None else _day(from_date, "from_date")
    last = None if optional and to_date is None else _day(to_date, "to_date")
    if first is not None and last is not None:
        if first > last:
            raise ConfigError(f"from_date must not be after to_date: {first} is after {last}")
        if most_days is not None and (last - first).days > most_days:
            raise ConfigError(
                f"there must be at most {most_days} days between from_date and to_date, not {(last - first).days}"
            )
    return first.isoformat() if first else None, last.isoformat() if last else None


def seconds(value: object, what: str) -> float:
    """A number of seconds, 0 or more.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ConfigError(f"{what} is a number of seconds, 0 or more, not {value!r}")
    return float(value)


def content(value: object, what: str) -> str:
    """A str that can be sent as UTF-8; whitespace in it, and nothing but whitespace, is the caller's.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{what} must be a str, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{what} has a lone surrogate in it and cannot be sent as UTF-8") from None
    return value
