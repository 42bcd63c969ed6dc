"""Which fields of an SDK object are printed, as plain values with secrets masked."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from woodpecker_async._redact import names_a_secret
from woodpecker_async.cli.layout import Column
from woodpecker_async.secret import Secret


@dataclass(frozen=True)
class Field(Column):
    """A column that is read from an object.

    Attributes:
        of: the attribute, such as `details.email`, or a function that reads it; default: the column's name.
        url: whether it is a URL, which may contain a secret.
    """

    of: "str | Callable[[Any], Any]" = ""
    url: bool = False


def values(fields: Iterable[Field], item: Any, *, reveal: bool) -> dict[str, Any]:
    """The fields of an item, as JSON values."""
    return {field.name: _value(field, item, reveal=reveal) for field in fields}


def _value(field: Field, item: Any, *, reveal: bool) -> Any:
    value = plain(field.of(item) if callable(field.of) else _at(field.of or field.name, item))
    return without_secrets(value) if field.url and not reveal and isinstance(value, str) else value


def _at(path: str, value: Any) -> Any:
    for name in path.split("."):
        if value is None:
            return None
        value = getattr(value, name)
    return value


def plain(value: Any) -> Any:
    """A value as JSON; secrets are masked, and dates and times are in ISO 8601."""
    if isinstance(value, Secret):
        return value.masked
    if isinstance(value, str):
        return str(value)  # not a member of an enumeration
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def without_secrets(url: str) -> str:
    """A URL with its login, and the parameters whose names suggest secrets, masked."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "****"
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    query = "&".join(
        f"{name}=****" if value and names_a_secret(name) else f"{name}{equals}{value}" for name, equals, value in pairs
    )
    _, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"****@{host}" if at else host, query=query).geturl()
