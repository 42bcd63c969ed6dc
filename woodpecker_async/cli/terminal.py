"""What a command prints on stdout and stderr, and whether they are terminals."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TextIO

import click

from woodpecker_async._redact import printable

if TYPE_CHECKING:
    from rich.console import Console

# The exit code that shells report for a program killed by SIGPIPE.
BROKEN_PIPE: Final = 141


def write(data: str | bytes) -> None:
    """Write data to stdout unchanged, and flush.

    Does not use `click.echo`, which strips what looks like colours from output to a pipe.

    Raises:
        click.exceptions.Exit: the data cannot be written. The error has been reported, unless it is that the reader
            has gone away (`| head`).
    """
    stream = sys.stdout
    try:
        if isinstance(data, str):
            stream.write(data)
        else:
            stream.flush()
            stream.buffer.write(data)
        stream.flush()
    except OSError as error:
        discard(stream)
        if isinstance(error, BrokenPipeError):
            raise click.exceptions.Exit(BROKEN_PIPE) from None
        echo_err(f"Error: stdout: {error.strerror}")
        raise click.exceptions.Exit(1) from None


def for_stdout(text: str) -> str:
    """Text from a server to print by itself, made harmless if stdout is a terminal."""
    return printable(text) if is_terminal(sys.stdout) else text


class _Voice:
    """Who writes messages to stderr, who else receives them, and when the command last showed a sign of life."""

    def __init__(self) -> None:
        self.speakers: list[Callable[[str], object]] = [_echo]
        self.listeners: list[Callable[[str], object]] = []
        self.last = time.monotonic()


def echo_err(text: str) -> None:
    """Print a message on stderr, on one line. If stderr is closed, the command goes on."""
    say(text)
    for listener in _voice.listeners:
        listener(text)


def say(text: str) -> None:
    """The same, but without telling the listeners."""
    moved()
    _voice.speakers[-1](printable(text))


def _echo(text: str) -> None:
    try:
        click.echo(text, err=True)
    except OSError:
        discard(sys.stderr)


_voice: Final = _Voice()


@contextmanager
def said_by(speaker: Callable[[str], object]) -> Iterator[None]:
    """Let something else write the messages to stderr, such as a progress bar that is drawn there."""
    _voice.speakers.append(speaker)
    try:
        yield
    finally:
        _voice.speakers.remove(speaker)


@contextmanager
def heard_by(listener: Callable[[str], object]) -> Iterator[None]:
    """Pass messages to a listener as well."""
    _voice.listeners.append(listener)
    try:
        yield
    finally:
        _voice.listeners.remove(listener)


@contextmanager
def asking() -> Iterator[None]:
    """While the user is being asked, show no waiting messages."""
    _voice.last = math.inf
    try:
        yield
    finally:
        moved()


def moved() -> None:
    """Note that something was printed, or that a company is done."""
    _voice.last = time.monotonic()


def last_moved() -> float:
    """When `moved` was last called, on the monotonic clock."""
    return _voice.last


def discard(stream: TextIO) -> None:
    """Discard what is left in a stream's buffer, which the interpreter would flush at exit."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def companies(number: int) -> str:
    """A number of companies, as text."""
    return count(number, "company")


def count(number: int, noun: str) -> str:
    """A number of things, as text."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural(noun)}"


def an(noun: str) -> str:
    """A noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aei' else 'a'} {noun}"


def plural(noun: str) -> str:
    """The plural of a noun."""
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("x", "s")) else f"{noun}s"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal."""
    return stream is not None and stream.isatty()


def console(stream: TextIO) -> "Console":
    """A console that writes to a stream: plain text unless the stream is a terminal."""
    from rich.console import Console  # noqa: PLC0415 - not for --help

    return Console(
        file=stream,
        # rich lets environment variables declare a pipe to be a terminal; here, it never is.
        force_terminal=is_terminal(stream),
        # rich's own NO_COLOR support keeps bold and dim; without a colour system there are no escapes at all.
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
        markup=False,
        emoji=False,
    )


def encoding() -> str:
    """The encoding of stdout."""
    return getattr(sys.stdout, "encoding", None) or "ascii"


def is_unicode() -> bool:
    """Whether stdout can take every character."""
    return "utf" in encoding().lower()
