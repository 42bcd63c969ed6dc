"""What a command says on stdout and stderr, and whether a person looks at it."""

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


def echo_err(text: str) -> None:
    """Say something on stderr, in one line. That nobody can see it does not stop a command."""
    moved()
    _say[-1](printable(text))


def _echo(text: str) -> None:
    try:
        click.echo(text, err=True)
    except OSError:
        discard(sys.stderr)


_say: list[Callable[[str], object]] = [_echo]
_moved: list[float] = [0.0]


@contextmanager
def said_by(say: Callable[[str], object]) -> Iterator[None]:
    """Have something else write what is said on stderr, as a progress bar must that is drawn there."""
    _say.append(say)
    try:
        yield
    finally:
        _say.remove(say)


def moved() -> None:
    """Something was said or shown, or a company is done."""
    _moved[0] = time.monotonic()


def silent_for() -> float:
    """Seconds since then."""
    return time.monotonic() - _moved[0]


def discard(stream: TextIO) -> None:
    """Let what the stream still holds go nowhere: the interpreter flushes it at its end."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def companies(number: int) -> str:
    """So many companies, in words."""
    return f"{number} company" if number == 1 else f"{number} companies"


def count(number: int, noun: str) -> str:
    """So many of them, in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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
