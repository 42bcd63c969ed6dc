"""Types of fields that the API writes in several ways, including several for "no value".

To a type checker each is the type that a program sees. To the decoder it is a class that builds that from JSON.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias


class Loose(type):
    """The metaclass of these types: calling one reads a JSON value, or raises a ValueError or a TypeError.

    Attributes:
        described: what is expected, for errors.
    """

    described: str
    # msgspec checks whether the result is an instance. Everything is; a built-in says so fastest.
    __instancecheck__ = object.__instancecheck__


def loose(described: str, read: Callable[[object], Any]) -> Loose:
    """Create such a type, for the fields of one family."""
    return Loose("loose", (), {"described": described, "__new__": lambda _, value: read(value)})


def read_time(value: object) -> datetime | None:
    """Read a time in any of the API's formats; `None` for null and `""`.

    These are ISO 8601 with `T` or a space, with or without fractions of a second; with `Z`, an offset with or without a
    colon, or no zone; and epoch milliseconds. A time without a zone stays naive, because the documents do not say which
    zone it is in.

    Raises:
        ValueError: it is not a time.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if type(value) is int:
        return datetime.fromtimestamp(value / 1000, UTC)
    raise ValueError


def read_number(value: object) -> int | None:
    """Read an integer, even if it is written as a string; `None` for null and `""`.

    Raises:
        ValueError: it is not an integer.
    """
    if value is None or value == "":
        return None
    if type(value) is int:
        return value
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit():
        return int(value)
    raise ValueError


def read_text(value: object) -> str | None:
    """Read a string; `None` for null and `""`.

    Raises:
        ValueError: it is not a string.
    """
    if value is None or isinstance(value, str):
        return value or None
    raise ValueError


if TYPE_CHECKING:
    Time: TypeAlias = datetime | None
    Number: TypeAlias = int | None
    Text: TypeAlias = str | None
else:

    class Time(metaclass=Loose):
        """A time, or `None`; see `read_time`."""

        described = "a date and time"

        def __new__(cls, value: object) -> datetime | None:
            return read_time(value)

    class Number(metaclass=Loose):
        """An integer, or `None`; see `read_number`."""

        described = "an integer"

        def __new__(cls, value: object) -> int | None:
            return read_number(value)

    class Text(metaclass=Loose):
        """A string, or `None`; see `read_text`."""

        described = "a string"

        def __new__(cls, value: object) -> str | None:
            return read_text(value)
