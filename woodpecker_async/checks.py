"""Checks of arguments, before any I/O."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeVar
from unicodedata import category, normalize
from urllib.parse import quote, urlsplit

from woodpecker_async.errors import ConfigError

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
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ConfigError('names is a list of names, like ["Aviato"]')
    checked = tuple(text(name, "a company's name") for name in value)
    if not 1 <= len(checked) <= _MOST_COMPANIES:
        raise ConfigError(f"1 to {_MOST_COMPANIES} companies can be created in one request, not {len(checked)}")
    if len(set(checked)) < len(checked):
        raise ConfigError("a name stands twice among the companies to create")
    return checked


def strings(value: object, what: str, example: str, most: int | None = None) -> tuple[str, ...]:
    """Strings such as `text` accepts, at least one and at most so many.

    Raises:
        ConfigError: they are not.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ConfigError(f"{what} must be a list of strings, like {example}")
    checked = tuple(text(entry, f"an entry of {what}") for entry in value)
    if not checked:
        raise ConfigError(f"{what} must not be empty")
    if most is not None and len(checked) > most:
        raise ConfigError(f"{what} must have at most {most} entries, not {len(checked)}")
    return checked


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
    """One of the choices, given as such or as its string.

    Raises:
        ConfigError: it is none of them; close ones are suggested.
    """
    known = [str(member) for member in choices]
    if isinstance(value, str) and value in known:
        return choices(value)
    close = get_close_matches(str(value), known, 1) if isinstance(value, str) else []
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ConfigError(f"{what} must be one of {', '.join(map(repr, known))}, not {value!r}{hint}")


def choice_or_none(what: str, value: object, choices: type[E]) -> E | None:
    """The same, or `None`."""
    return None if value is None else choice(what, value, choices)


def choices(what: str, value: object, known: type[E]) -> tuple[E, ...]:
    """Any number of the choices.

    Raises:
        ConfigError: they are no list of them.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ConfigError(f"{what} must be a list of {', '.join(repr(str(member)) for member in known)}")
    return tuple(choice(f"an entry of {what}", entry, known) for entry in value)


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


def id_list(value: object, what: str) -> str | None:
    """Ids as a comma list for a query; `None` for none.

    Raises:
        ConfigError: they are not integers >= 1.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ConfigError(f"{what} must be a list of integers, like [123]")
    return ",".join(str(integer(entry, f"an entry of {what}", 1, _LARGEST_ID)) for entry in value) or None


def integer(value: object, what: str, least: int, most: int | None = None) -> int:
    """An integer within bounds.

    Raises:
        ConfigError: it is none, or not within them.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        bounds = f"an integer from {least} to {most}" if most is not None else f"an integer >= {least}"
        raise ConfigError(f"{what} must be {bounds}, not {value!r}")
    return value


def seconds(value: object, what: str) -> float:
    """A number of seconds, 0 or more.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ConfigError(f"{what} is a number of seconds, 0 or more, not {value!r}")
    return float(value)


def base_url(value: object) -> str:
    """Scheme, host, perhaps a port and a path; without a slash at its end, the path quoted.

    It may hold a password where none belongs, so messages show it without.

    Raises:
        ConfigError: it is not.
    """
    example = "like https://api.woodpecker.co/rest"
    if not isinstance(value, str):
        raise ConfigError(f"base_url must be a str {example}, not {type(value).__name__}")
    shown = _without_secrets(value)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
        (host or "").encode("ascii" if (host or "").isascii() else "idna")
        value.encode()
    except ValueError:
        raise ConfigError(f"base_url is not a URL: {shown}; it is {example}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"base_url needs a scheme (http or https) and a host, {example}; not {shown}")
    if "@" in parts.netloc:
        raise ConfigError("base_url holds no user name or password; the key is passed as api_key")
    if "?" in value or "#" in value or not value.isprintable() or " " in value:
        raise ConfigError(f"base_url has no query, fragment, whitespace or control character; not {shown}")
    if "\\" in value or ";" in parts.path:
        raise ConfigError(f"base_url has no backslash or semicolon; not {shown}")
    if any(segment in (".", "..") for segment in parts.path.lower().replace("%2e", ".").split("/")):
        raise ConfigError(f'base_url has no "." or ".." segment; not {shown}')
    stray_percent = re.compile(r"%(?![0-9A-Fa-f]{2})")
    path = quote(stray_percent.sub("%25", parts.path), safe="/%-._~!$&'()*+,=:@").rstrip("/")
    return f"{value[: value.index('://')]}://{parts.netloc}{path}"


def _without_secrets(url: str) -> str:
    """A URL to show: without user, password and query."""
    scheme, separator, rest = url.rpartition("://") if "://" in url else ("", "", url)
    shown = re.split(r"[?#]", rest.rpartition("@")[2])[0]
    return repr(f"{scheme}{separator}{'****@' if '@' in rest else ''}{shown}")


def user_agent(own: str, more: object) -> str:
    """The User-Agent: what the user adds, and ours.

    Raises:
        ConfigError: the addition cannot stand in a header.
    """
    if more is None:
        return own
    if not isinstance(more, str) or not more.strip() or not more.isascii() or not more.isprintable():
        raise ConfigError(f"user_agent must be a str of printable ASCII characters, not {more!r}")
    return f"{more.strip()} {own}"
