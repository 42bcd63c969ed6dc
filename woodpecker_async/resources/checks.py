"""Checks of arguments, before any I/O."""

from collections.abc import Iterable
from unicodedata import category, normalize
from urllib.parse import urlsplit

from woodpecker_async.errors import ConfigError

_LARGEST_ID = 2**63 - 1
_MOST_COMPANIES = 10


def company_id(value: object) -> int:
    """A company's id: a whole number from 1 on.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST_ID:
        raise ConfigError(f"a company id is a whole number from 1 on, not {value!r}")
    return value


def text(value: object, what: str) -> str:
    """A str that is not empty, has no whitespace at its ends, and can be sent as UTF-8.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{what} is a text, not {type(value).__name__}")
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


def seconds(value: object, what: str) -> float:
    """A number of seconds, 0 or more.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ConfigError(f"{what} is a number of seconds, 0 or more, not {value!r}")
    return float(value)


def base_url(value: object) -> str:
    """Scheme, host, perhaps a port and a path; without a slash at its end.

    Raises:
        ConfigError: it is not.
    """
    example = "like https://api.woodpecker.co/rest"
    if not isinstance(value, str):
        raise ConfigError(f"base_url is a text {example}, not {type(value).__name__}")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"base_url is not a URL: {value!r}; it is {example}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"base_url needs a scheme (http or https) and a host, {example}; not {value!r}")
    if parts.username is not None or parts.password is not None:
        raise ConfigError("base_url holds no user name or password; the key is passed as api_key")
    if "?" in value or "#" in value or not value.isprintable() or " " in value:
        raise ConfigError(f"base_url has no query, fragment, blank or control character; not {value!r}")
    if any(segment in (".", "..") for segment in parts.path.lower().replace("%2e", ".").split("/")):
        raise ConfigError(f'base_url has no "." or ".." segment; not {value!r}')
    return value.rstrip("/")


def user_agent(own: str, more: object) -> str:
    """The User-Agent: what the user adds, and ours.

    Raises:
        ConfigError: the addition cannot stand in a header.
    """
    if more is None:
        return own
    if not isinstance(more, str) or not more.strip() or not more.isascii() or not more.isprintable():
        raise ConfigError(f"user_agent is a text of printable ASCII characters, not {more!r}")
    return f"{more.strip()} {own}"


def proxy(value: object) -> str:
    """The URL of an HTTP proxy. It may hold a password, so no message shows it.

    Raises:
        ConfigError: it is not.
    """
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        usable = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or not isinstance(value, str):
        raise ConfigError("proxy is a URL with scheme and host, like http://127.0.0.1:3128")
    return value
