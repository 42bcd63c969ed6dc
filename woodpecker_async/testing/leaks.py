"""Looks for a sandbox's keys in what a test logged and printed."""

import logging
import re
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any

from woodpecker_async.sandbox import Sandbox

_FORMATTER = logging.Formatter()
# The non-secret beginning of a key, its number or its kind. Only the rest is secret.
_FRONT = re.compile(r"^(\d+\.|apikey:)")


class LogWatch(logging.Handler):
    """Keeps what is logged, with all fields of each record, and where it was logged."""

    def __init__(self) -> None:
        super().__init__(level=logging.NOTSET)
        self.seen: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        parts = []
        with suppress(Exception):  # a record that cannot be formatted is reported elsewhere
            parts.append(record.getMessage())
        with suppress(Exception):
            parts += [f"{name}={value}" for name, value in vars(record).items() if name not in ("msg", "args")]
        with suppress(Exception):
            parts += [_FORMATTER.formatException(record.exc_info)] if record.exc_info else []
        where = f"logged by {record.name!r} at {record.levelname} in {record.pathname}:{record.lineno}"
        self.seen.append((where, "\n".join(parts)))


def secrets_of(boxes: Iterable[Sandbox]) -> frozenset[str]:
    """All secrets of these sandboxes, without their non-secret beginnings."""
    secrets: set[str] = set()
    for box in boxes:
        state = box.state
        secrets.add(state.feldera_token)
        secrets |= {key.secret for account in (state.hq, *state.companies.values()) for key in account.keys}
        secrets |= {key.api_key for key in state.feldera_keys.values()}
    return frozenset(_FRONT.sub("", secret) for secret in secrets)


def find(secrets: Collection[str], seen: Iterable[tuple[str, str]]) -> list[str]:
    """A line for each place where a secret was found, with the secret masked."""
    return [
        f"{where}: {line.replace(secret, '*' * 4)[:200]}"
        for where, text in seen
        for secret in secrets
        if secret in text
        for line in (next(line for line in text.splitlines() if secret in line),)
    ]


def watch_readouterr(fixture: Any, name: str, tell: Callable[[str, str], None]) -> None:
    """Report what a test reads from `capsys` or `capfd`, because it is not captured otherwise."""
    readouterr = fixture.readouterr

    def noted() -> Any:
        read = readouterr()
        for stream, data in (("stdout", read.out), ("stderr", read.err)):
            text = data if isinstance(data, str) else data.decode("utf-8", "replace")
            tell(f"{stream}, read by {name}", text)
        return read

    fixture.readouterr = noted
