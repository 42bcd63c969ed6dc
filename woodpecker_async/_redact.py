"""Foreign text made safe for an error, a log line or a terminal; and masking secrets in JSON of unknown shape."""

import re
import unicodedata
from collections.abc import Callable
from typing import Any, Final

from woodpecker_async.secret import Secret

_SECRET_NAMES: Final = ("key", "token", "secret", "pass", "pwd", "auth", "credential")

# What the keys of both services look like: "123456.abcdefg123456hijk987", "apikey:...".
_KEY: Final = re.compile(r"(?<![\w.])\d+\.(?=[\w-]*[A-Za-z])[\w-]{12,}|\bapikey:[\w.-]{8,}")

# Numbers with these names are not secrets: "key_count", "token": {"expires_in": 3600}.
_COUNTS: Final = re.compile(r"((^|_)id|count|limit|total|_in|_at)$", re.IGNORECASE)

# JSON can be nested deeper than Python can recurse.
_DEEPEST: Final = 20


def printable(text: str) -> str:
    """Return the text on one line, with everything escaped that is not printable.

    No line break, escape sequence, direction override or lone surrogate gets through:
    `printable(text).isprintable()` is true for any text.
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode("ascii")


def without_keys(text: str) -> str:
    """Return the text with everything that looks like a key masked."""
    return _KEY.sub(lambda found: Secret(found[0]).masked, text)


def quotable(text: str) -> str:
    """Return the text in a form that an error may quote: printable, and without anything that looks like a key."""
    return printable(without_keys(text))


def names_a_secret(name: str) -> bool:
    """Whether a field with this name may hold a secret."""
    return any(word in name.lower() for word in _SECRET_NAMES)


def masked(value: Any, quote: Callable[[str], str] = without_keys) -> Any:
    """Mask the secrets in a JSON value: everything below a name that suggests one, and whatever looks like a key.

    Args:
        value: parsed JSON.
        quote: applied to every other string, and to the names.
    """
    return _masked(value, quote, name="", secret=False, depth=0)


def _masked(value: Any, quote: Callable[[str], str], *, name: str, secret: bool, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return Secret(value).masked if secret and value else quote(value)
    if isinstance(value, int | float):
        return "****" if secret and not _COUNTS.search(name) else value
    if depth == _DEEPEST:
        return "..."
    if isinstance(value, list | tuple):
        return [_masked(item, quote, name=name, secret=secret, depth=depth + 1) for item in value]
    return {
        quote(name): _masked(item, quote, name=name, secret=secret or names_a_secret(name), depth=depth + 1)
        for name, item in value.items()
    }
