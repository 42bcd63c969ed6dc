"""The log of a command: `-v`, `-vv`, `--log-file FILE` and `WOODPECKER_LOG`."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from woodpecker_async.cli import terminal
from woodpecker_async.cli.process import UsageError, error_text

if TYPE_CHECKING:
    import logging


@contextmanager
def logging_to(verbose: int, log_file: Path | None) -> Iterator[None]:
    """Write the log to where it was requested, while the command runs.

    Args:
        verbose: 0 logs to stderr only if `WOODPECKER_LOG` says so, 1 logs retries and refusals, 2 every attempt.
        log_file: the file to append the log to.

    Raises:
        UsageError: the file cannot be written to, or the variable is not a valid level.
    """
    import logging  # noqa: PLC0415 - not for --help

    from woodpecker_async import _log  # noqa: PLC0415

    level = _wanted_level(verbose)
    with ExitStack() as stack:
        before = _log.logger.level
        stack.callback(_log.logger.setLevel, before)
        if level is not None:
            stack.enter_context(_shown(_stderr_handler(), level))
        if log_file is not None:
            try:
                os.close(os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
                handler = _file_handler(log_file)
            except OSError as error:
                raise UsageError(f"cannot write to {log_file}: {error.strerror}") from None
            stack.enter_context(_shown(handler, level or logging.INFO))
            stack.enter_context(_with_all_that_is_said(handler))
        yield


def _wanted_level(verbose: int) -> int | None:
    from woodpecker_async import _log  # noqa: PLC0415 - not for --help

    named = os.environ.get(_log.VARIABLE, "").strip().lower()
    if named and named not in _log.LEVELS:
        raise UsageError(f"{_log.VARIABLE} must be debug or info, not {named!r}")
    levels = [_log.LEVELS[named]] if named else []
    if verbose:
        levels.append(_log.LEVELS["info" if verbose == 1 else "debug"])
    return min(levels, default=None)


def _file_handler(path: Path) -> "logging.Handler":
    import logging  # noqa: PLC0415 - not for --help

    class File(logging.FileHandler):
        """Reports an error such as a full disk once; `logging` would print a traceback for each record."""

        told = False

        def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
            if not self.told:
                self.told = True
                error = sys.exc_info()[1]
                terminal.say(f"Error: the log is incomplete: {path}: {getattr(error, 'strerror', None) or error}")

        def close(self) -> None:
            with suppress(OSError):
                super().close()

    return File(path, encoding="utf-8", errors="backslashreplace")


def _stderr_handler() -> "logging.Handler":
    import logging  # noqa: PLC0415 - not for --help

    class Stderr(logging.Handler):
        stream = sys.stderr  # so that `WOODPECKER_LOG` does not log everything twice

        def emit(self, record: logging.LogRecord) -> None:
            terminal.say(self.format(record))

    return Stderr()


@contextmanager
def _with_all_that_is_said(handler: "logging.Handler") -> Iterator[None]:
    """Also write to the log what is printed on stderr, and the error that ends the command, which is printed later."""
    import logging  # noqa: PLC0415 - not for --help

    def write(text: str) -> None:
        handler.emit(logging.LogRecord("woodpecker_async", logging.INFO, "", 0, text, None, None))

    with terminal.heard_by(write):
        try:
            yield
        except click.exceptions.Exit:
            raise
        except Exception as error:
            for line in (error_text(error)[0], *getattr(error, "__notes__", ())):
                write(line)
            raise


@contextmanager
def _shown(handler: "logging.Handler", level: int) -> Iterator[None]:
    from woodpecker_async import _log  # noqa: PLC0415 - not for --help

    _log.show(handler, level)
    try:
        yield
    finally:
        _log.hide(handler)
