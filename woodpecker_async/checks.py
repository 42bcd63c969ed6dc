"""Checks of arguments, before any I/O.

The module is long because every kind of argument is checked in one place, with the same wording.
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
    """Check a company's id, an integer >= 1.

    Raises:
        ConfigError: it is invalid.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST_ID:
        raise ConfigError(f"a company id must be an integer >= 1, not {value!r}")
    return value


def text(value: object, what: str) -> str:
    """Check that a value is a str, not empty, without whitespace at either end, and can be sent as UTF-8.

    Raises:
        ConfigError: it is invalid.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{what} must be a str, not {type(value).__name__}")
    if not (trimmed := trim(value)):
        raise ConfigError(f"{what} is empty")
    if value != trimmed:
        raise ConfigError(
            f"{what} must not begin or end with whitespace or a control character, which servers trim: {value!r}; "
            f"use {trimmed!r}"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{what} {value!r} contains a lone surrogate and cannot be sent as UTF-8") from None
    return value


def label(value: object) -> str:
    """Check a label and return it in NFC, the Unicode form in which labels are compared.

    Raises:
        ConfigError: it is not a str, is empty, has whitespace at an end, or cannot be sent as UTF-8.
    """
    return normalize("NFC", text(value, "a label"))


def trim(text: str) -> str:
    """Remove what some servers trim: whitespace, control characters and zero-width characters."""
    start, end = 0, len(text)
    while start < end and _trimmed(text[start]):
        start += 1
    while end > start and _trimmed(text[end - 1]):
        end -= 1
    return text[start:end]


def _trimmed(character: str) -> bool:
    return character.isspace() or category(character) == "Cc" or character in "\u180e\u200b\u2060\ufeff"


def names(value: object) -> tuple[str, ...]:
    """Check the names of 1 to 10 companies to create.

    Raises:
        ConfigError: they are invalid.
    """
    listed = entries(value, 'names must be a list of names, like ["Aviato"]')
    checked = tuple(text(name, "a company's name") for name in listed)
    if not 1 <= len(checked) <= _MOST_COMPANIES:
        raise ConfigError(f"1 to {_MOST_COMPANIES} companies can be created in one request, not {len(checked)}")
    if len(set(checked)) < len(checked):
        raise ConfigError("names contains the same name twice")
    return checked


C = TypeVar("C")


def entries(value: object, otherwise: str) -> Iterable[Any]:
    """Check that a value is an iterable other than a str, bytes or a mapping, which are passed as lists by mistake.

    Args:
        value: the value.
        otherwise: the error message.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ConfigError(otherwise)
    return value


def counted(checked: tuple[C, ...], what: str, most: int | None = None) -> tuple[C, ...]:
    """Check that there is at least one entry, and at most `most`.

    Raises:
        ConfigError: there are none, or too many.
    """
    if not checked:
        raise ConfigError(f"{what} must not be empty")
    if most is not None and len(checked) > most:
        raise ConfigError(f"{what} must have at most {most} entries, not {len(checked)}")
    return checked


def strings(value: object, what: str, example: str, most: int | None = None) -> tuple[str, ...]:
    """Check strings by `text`, at least one and at most `most`.

    Raises:
        ConfigError: they are invalid.
    """
    listed = entries(value, f"{what} must be a list of strings, like {example}")
    checked = tuple(text(entry, f"an entry of {what}") for entry in listed)
    return counted(checked, what, most)


def comma_list(value: object, what: str, example: str) -> str | None:
    """Return strings as a comma-separated list for a query; `None` for none.

    Raises:
        ConfigError: they are not strings, or one contains a comma.
    """
    if value == ():
        return None
    checked = strings(value, what, example)
    for entry in checked:
        if "," in entry:
            raise ConfigError(
                f"an entry of {what} cannot contain a comma, because the API separates entries by commas: {entry!r}"
            )
    return ",".join(checked)


E = TypeVar("E", bound=StrEnum)


def choice(what: str, value: object, choices: type[E]) -> E:
    """Return a member of an enum, given as the member or its string; hyphens and underscores are interchangeable.

    Raises:
        ConfigError: it is none of them; a close one is suggested.
    """
    known = tuple(map(str, choices))
    spellings = (value, *respelt(value)) if isinstance(value, str) else ()
    return choices(next((spelling for spelling in spellings if spelling in known), None) or one_of(value, what, known))


def _suggestion(value: object, known: Iterable[str]) -> str:
    close = get_close_matches(value, known, 1) if isinstance(value, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""


def one_of(value: object, what: str, known: Iterable[str]) -> str:
    """Check that a value is one of the known strings.

    Raises:
        ConfigError: it is none of them; a close one is suggested.
    """
    known = tuple(known)
    if isinstance(value, str) and value in known:
        return value
    raise ConfigError(f"{what} must be one of {', '.join(map(repr, known))}, not {value!r}{_suggestion(value, known)}")


def choice_or_none(what: str, value: object, choices: type[E]) -> E | None:
    """Like `choice`, but also accepts `None`."""
    return None if value is None else choice(what, value, choices)


def choices(what: str, value: object, known: type[E]) -> tuple[E, ...]:
    """Return any number of members of an enum.

    Raises:
        ConfigError: it is not a list of them.
    """
    listed = entries(value, f"{what} must be a list of {', '.join(repr(str(member)) for member in known)}")
    return tuple(choice(f"an entry of {what}", entry, known) for entry in listed)


def email(value: object, what: str) -> str:
    """Check that a str looks like an e-mail address.

    Raises:
        ConfigError: it does not.
    """
    address = text(value, what)
    name, at, domain = address.rpartition("@")
    if not (name and at and domain) or any(character.isspace() for character in address):
        raise ConfigError(f"{what} must be an e-mail address, not {address!r}")
    return address


def domain(value: object, what: str) -> str:
    """Check that a str looks like a domain, and not like an e-mail address or a URL.

    Raises:
        ConfigError: it does not.
    """
    name = text(value, what)
    if "." not in name.strip(".") or any(character in "@/:,?#" or character.isspace() for character in name):
        raise ConfigError(f"{what} must be a domain such as 'example.com', not {name!r}")
    return name


def url_or_nothing(value: object, what: str) -> str:
    """Check a URL, or `""` for none.

    Raises:
        ConfigError: it is neither.
    """
    if value != "" and not text(value, what).startswith(("http://", "https://")):
        raise ConfigError(f'{what} must begin with http:// or https://, or be "" for none, not {value!r}')
    return str(value)


def email_or_nothing(value: object, what: str) -> str:
    """Check an e-mail address, or `""` for none.

    Raises:
        ConfigError: it is neither.
    """
    return "" if value == "" else email(value, what)


def time_zone(value: object, what: str) -> str:
    """Check that a str looks like an IANA time zone. Which of them the API accepts is not documented.

    Raises:
        ConfigError: it does not.
    """
    name = text(value, what)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", name):
        raise ConfigError(f"{what} must be the IANA name of a time zone, like 'Europe/Warsaw', not {name!r}")
    return name


def id_list(value: object, what: str) -> str | None:
    """Return ids as a comma-separated list for a query; `None` for `()`, the default.

    Raises:
        ConfigError: they are not integers >= 1, or the list is empty: the call would then apply to everything.
    """
    if isinstance(value, tuple) and not value:
        return None
    return ",".join(map(str, ids(value, what)))


def ids(value: object, what: str) -> tuple[int, ...]:
    """Check ids, at least one.

    Raises:
        ConfigError: they are not integers >= 1, or there are none.
    """
    listed = entries(value, f"{what} must be a list of integers, like [123]")
    return counted(tuple(integer(entry, f"an entry of {what}", 1, _LARGEST_ID) for entry in listed), what)


def boolean(value: object, what: str) -> bool:
    """Check a bool.

    Raises:
        ConfigError: it is not one.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{what} must be True or False, not {value!r}")
    return value


def boolean_or_none(value: object, what: str) -> bool | None:
    """Check a bool or `None`.

    Raises:
        ConfigError: it is neither.
    """
    if value is not None and not isinstance(value, bool):
        raise ConfigError(f"{what} must be True, False or None, not {value!r}")
    return value


def integer(value: object, what: str, least: int, most: int | None = None) -> int:
    """Check an integer within bounds.

    Raises:
        ConfigError: it is not an integer, or out of bounds.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        bounds = f"an integer from {least} to {most}" if most is not None else f"an integer >= {least}"
        raise ConfigError(f"{what} must be {bounds}, not {value!r}")
    return value


M = TypeVar("M", bound=attrs.AttrsInstance)


def model(what: str, given: object, kind: type[M]) -> M:
    """Return a request model, given as one or as a mapping of its fields. The values of the fields are not checked.

    Raises:
        ConfigError: it is neither, has an unknown field, or lacks a required one.
    """
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise ConfigError(f"{what} must be a {kind.__name__} or a mapping of its fields, not {type(given).__name__}")
    fields: dict[Any, attrs.Attribute[Any]] = {field.alias: field for field in attrs.fields(kind) if field.init}
    for name in given:
        if name not in fields:
            raise ConfigError(f"{what} has no field {name!r}, only {', '.join(fields)}{_suggestion(name, fields)}")
    if missing := [name for name, field in fields.items() if field.default is attrs.NOTHING and name not in given]:
        raise ConfigError(f"{what} needs {', '.join(missing)}")
    return kind(**given)


def models(what: str, given: object, kind: type[M], *, most: int | None = None) -> tuple[M, ...]:
    """Return request models, each given as one or as a mapping of its fields; at least one and at most `most`.

    Raises:
        ConfigError: they are invalid; the message has the index of the invalid one, as in `guests[2]`.
    """
    listed = entries(given, f"{what} must be a list, each entry a {kind.__name__} or a mapping of its fields")
    checked = tuple(model(f"{what}[{index}]", entry, kind) for index, entry in enumerate(listed))
    return counted(checked, what, most)


def date(value: object, what: str) -> str:
    """Return a date in the API's format, given as a `datetime.date` or as a string in that format.

    Raises:
        ConfigError: it is neither. A `datetime` is rejected: which day it falls on depends on the time zone.
    """
    return _day(value, what).isoformat()


def _day(value: object, what: str) -> dt.date:
    if isinstance(value, dt.datetime):
        raise ConfigError(
            f"{what} must be a date; which day a datetime falls on depends on the time zone: convert it to the time "
            "zone in which the API counts days, and pass its .date()"
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
    """Return the first and last day of a range, in the API's format.

    Args:
        from_date: the first day; see `date`.
        to_date: the last day.
        most_days: the maximum number of days between the two.
        optional: whether either may be `None`.

    Raises:
        ConfigError: one is not a date, or the range is reversed or too long.
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
    """Check a number of seconds >= 0.

    Raises:
        ConfigError: it is invalid.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ConfigError(f"{what} must be a number of seconds >= 0, not {value!r}")
    return float(value)


def content(value: object, what: str) -> str:
    """Check a str that can be sent as UTF-8. Any whitespace is allowed.

    Raises:
        ConfigError: it is not a str, or cannot be sent as UTF-8.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{what} must be a str, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{what} contains a lone surrogate and cannot be sent as UTF-8") from None
    return value
