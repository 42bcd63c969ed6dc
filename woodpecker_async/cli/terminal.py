"""What a command says on stdout and stderr, and whether a person looks at it."""

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

# What a shell says of a program that SIGPIPE has ended.
BROKEN_PIPE: Final = 141


def write(data: str | bytes) -> None:
    """Write data to stdout as it is, at once.

    Not by `click.echo`, which takes what looks like colours out of what goes into a pipe.

    Raises:
        click.exceptions.Exit: it cannot be written; all has been said about that, and that nobody reads it any
            more (`| head`) goes without saying.
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
    """What came from a server, to be printed by itself: on a terminal, harmless."""
    return printable(text) if is_terminal(sys.stdout) else text


class _Voice:
    """Who writes on stderr, who else wants to hear it, and when the last sign of life was."""

    def __init__(self) -> None:
        self.speakers: list[Callable[[str], object]] = [_echo]
        self.listeners: list[Callable[[str], object]] = []
        self.last = time.monotonic()


def echo_err(text: str) -> None:
    """Say something on stderr, in one line. That nobody can see it does not stop a command."""
    say(text)
    for listener in _voice.listeners:
        listener(text)


def say(text: str) -> None:
    """The same, to those only who look at stderr."""
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
    """Have something else write what is said on stderr, as a progress bar must that is drawn there."""
    _voice.speakers.append(speaker)
    try:
        yield
    finally:
        _voice.speakers.remove(speaker)


@contextmanager
def heard_by(listener: Callable[[str], object]) -> Iterator[None]:
    """Have something else hear what is said, too."""
    _voice.listeners.append(listener)
    try:
        yield
    finally:
        _voice.listeners.remove(listener)


@contextmanager
def asking() -> Iterator[None]:
    """Somebody was asked, and is not to be hurried."""
    _voice.last = math.inf
    try:
        yield
    finally:
        moved()


def moved() -> None:
    """Something was said or shown, or a company is done."""
    _voice.last = time.monotonic()


def last_moved() -> float:
    """When that was, by the monotonic clock."""
    return _voice.last


def discard(stream: TextIO) -> None:
    """Let what the stream still holds go nowhere: the interpreter flushes it at its end."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def companies(number: int) -> str:
    """So many companies, in words."""
    return count(number, "company")


def count(number: int, noun: str) -> str:
    """So many of them, in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural(noun)}"


def an(noun: str) -> str:
    """One of them."""
    return f"{'an' if noun[0] in 'aei' else 'a'} {noun}"


def plural(noun: str) -> str:
    """Several of them."""
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("x", "s")) else f"{noun}s"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at it."""
    return stream is not None and stream.isatty()


def console(stream: TextIO) -> "Console":
    """What draws on a stream: plain text unless that is a terminal."""
    from rich.console import Console  # noqa: PLC0415 - not for --help

    return Console(
        file=stream,
        # rich lets environment variables decide that a pipe is a terminal; here a pipe is a pipe.
        force_terminal=is_terminal(stream),
        # Its own idea of NO_COLOR keeps bold and dim; without any colour system there are no escapes at all.
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
        markup=False,
        emoji=False,
    )


def encoding() -> str:
    """The encoding of stdout."""
    return getattr(sys.stdout, "encoding", None) or "ascii"


def is_unicode() -> bool:
    """Whether stdout takes every character."""
    return "utf" in encoding().lower()
