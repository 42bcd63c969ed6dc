"""The API key on its way from the user to the request, never in a frame as plain text."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from woodpecker_async.engine.hidden import hidden
from woodpecker_async.errors import SetupError
from woodpecker_async.secret import Secret

KeyFunction = Callable[[], str | Secret | Awaitable[str | Secret]]
# The user's function is hidden, because it may be an object that holds the key.
KeySource = Secret | Callable[[], KeyFunction]


async def fetch_key(source: Callable[[], KeyFunction]) -> Secret:
    """Call the user's key function and return the key.

    Raises:
        ConfigError: the key is invalid.
    """
    key = _returned(source()())
    if inspect.isawaitable(key):
        key = _secret(await key)
    return validate_key(key)


def _returned(key: object) -> Any:
    return key if inspect.isawaitable(key) else _secret(key)


class InvalidKey:
    """Describes what was passed instead of a valid key."""

    def __init__(self, problem: str) -> None:
        self.problem = problem


def to_secret(key: object) -> Any:
    """Return the key as a `Secret`, or the key function, hidden.

    It never raises, so that no traceback has a frame with the plain text.
    """
    if callable(key):
        return hidden(key)
    return _secret(key)


def _secret(key: object) -> Secret | InvalidKey:
    if isinstance(key, Secret):
        return key
    if not isinstance(key, str):
        return InvalidKey(f"must be a str or a Secret, not {type(key).__name__}")
    return Secret(key) if key else InvalidKey("is empty")


def validate_key(key: Secret | InvalidKey) -> Secret:
    """Check that the key can be the value of a header.

    Raises:
        SetupError: it cannot; the message does not show it.
    """
    if problem := key.problem if isinstance(key, InvalidKey) else _unsendable(key):
        raise SetupError(f"the API key {problem}")
    assert isinstance(key, Secret)
    return key


def _unsendable(key: Secret) -> str:
    text = key.reveal()
    if "\r" in text or "\n" in text:
        return "contains a line break: if you read it from a file, strip() it"
    if not text.isascii() or not text.isprintable() or " " in text:
        return "contains whitespace, a control character or a non-ASCII character"
    if text[0] == text[-1] and text[0] in "\"'":
        return "is in quotation marks: remove them (an env file may have kept them as part of the value)"
    return ""
