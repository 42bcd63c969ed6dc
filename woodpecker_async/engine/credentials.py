"""The API key on its way from the user to the request, without ever standing in a frame as plain text."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from woodpecker_async.engine.hidden import hidden
from woodpecker_async.errors import SetupError
from woodpecker_async.secret import Secret

KeyFunction = Callable[[], str | Secret | Awaitable[str | Secret]]
# A function of the user's is hidden, for it may be an object that holds the key.
KeySource = Secret | Callable[[], KeyFunction]


async def fetch_key(source: Callable[[], KeyFunction]) -> Secret:
    """The key that a function of the user's returns, now.

    Raises:
        ConfigError: it is not usable.
    """
    key = _returned(source()())
    if inspect.isawaitable(key):
        key = _secret(await key)
    return validate_key(key)


def _returned(key: object) -> Any:
    return key if inspect.isawaitable(key) else _secret(key)


class InvalidKey:
    """What was given in place of a key."""

    def __init__(self, problem: str) -> None:
        self.problem = problem


def to_secret(key: object) -> Any:
    """The key as a `Secret`, or the function that returns it, hidden.

    It never raises, so that no frame of a traceback holds the plain text.
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
    """The key, if it can be a header's value.

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
        return "has a line break in it: was it read from a file with its last line's end? strip() it"
    if not text.isascii() or not text.isprintable() or " " in text:
        return "has whitespace, a control character or a character outside ASCII in it"
    if text[0] == text[-1] and text[0] in "\"'":
        return "is in quotation marks: remove them (a file of variables may have kept them as part of the value)"
    return ""
