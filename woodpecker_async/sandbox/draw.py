"""Numbers and strings that look random but depend only on a seed."""

import hashlib
import string
import uuid
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")
_ALPHANUMERIC = string.ascii_letters + string.digits
_SPAN = 2**64


def number(*parts: object) -> int:
    """A 64-bit number that depends only on ``parts``.

    It is a hash rather than a generator, so that a company's data does not depend on how many requests other
    companies have received, and concurrent tests stay repeatable.
    """
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def fraction(*parts: object) -> float:
    """A number in [0, 1)."""
    return number(*parts) / _SPAN


def pick(options: Sequence[_T], *parts: object) -> _T:
    """One of ``options``."""
    return options[number(*parts) % len(options)]


def letters(length: int, *parts: object) -> str:
    """A string of ``length`` ASCII letters and digits."""
    text = "/".join(str(part) for part in parts)
    return "".join(_ALPHANUMERIC[byte % 62] for byte in hashlib.shake_128(text.encode()).digest(length))


def identifier(*parts: object) -> str:
    """A version 4 UUID."""
    high, low = number(*parts, "high"), number(*parts, "low")
    return str(uuid.UUID(int=(high << 64) | low, version=4))
