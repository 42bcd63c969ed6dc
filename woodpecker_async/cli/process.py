"""A command as a process: exit codes, signals, standard streams."""

import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from woodpecker_async._redact import printable
from woodpecker_async.cli import terminal
from woodpecker_async.cli.wording import spoken
from woodpecker_async.errors import ConfigError, WoodpeckerError

if TYPE_CHECKING:
    import asyncio

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
SOME_FAILED: Final = 3
INTERRUPTED: Final = 130


class UsageError(click.ClickException):
    """The command line or a setting is invalid, and nothing was done. Shown as one line, without click's usage text."""

    exit_code = USAGE

    def format_message(self) -> str:
        """The text, made safe to show: it may quote arguments, file names and file contents."""
        return printable(self.message)


def tell_error(error: BaseException) -> int:
    """Print the error that ended the command, on one line without a traceback, and return the exit code."""
    text, code = error_text(error)
    terminal.echo_err(text)
    for hint in getattr(error, "__notes__", ()):
        terminal.echo_err(hint)
    return code


def error_text(error: BaseException) -> tuple[str, int]:
    """The message for an error that ends the command, and the exit code."""
    if isinstance(error, click.ClickException):
        text, code = error.format_message(), error.exit_code
    elif isinstance(error, WoodpeckerError):
        text, code = spoken(str(error)), USAGE if isinstance(error, ConfigError) else FAILED
    elif isinstance(error, OSError):
        reason, code = error.strerror or type(error).__name__, FAILED
        text = f"{error.filename}: {reason}" if error.filename else reason
    else:
        # Its text is not shown, because it might contain a key.
        text, code = f"unexpected {type(error).__name__} {_where(error)}; please report this", FAILED
    return f"Error: {text}", code


def exit_code(end: SystemExit) -> int:
    """The exit code that a `SystemExit` asks for."""
    if end.code is None:
        return DONE
    return end.code if isinstance(end.code, int) else FAILED


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "at an unknown place"
    return f"in {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


_ended_by = "SIGINT"


def cause() -> str:
    """The signal that interrupted the command."""
    return _ended_by


def _note_cause(number: int) -> None:
    global _ended_by  # noqa: PLW0603 - signals are per process
    _ended_by = signal.Signals(number).name


class _HangUp:
    """The process's SIGHUP handler, from the first command on.

    It is not an event-loop handler, because that would go away with the loop, and a second SIGHUP would then kill the
    process before it returns its exit code. (A closing terminal causes two: one from itself and one from its shell.)
    """

    def __init__(self) -> None:
        self._then: Callable[[], object] = lambda: None

    def calls(self, what: Callable[[], object]) -> None:
        """Make the running event loop call this on SIGHUP, unless the signal is ignored (as under nohup)."""
        import asyncio  # noqa: PLC0415 - not for --help

        if not hasattr(signal, "SIGHUP"):  # Windows
            return
        loop = asyncio.get_running_loop()
        self._then = lambda: loop.call_soon_threadsafe(what)
        if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
            signal.signal(signal.SIGHUP, self)

    def __call__(self, *_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: the command has already ended
            self._then()


_hang_up: Final = _HangUp()


def ending() -> None:
    """Prepare for the end of the process: if SIGHUP was handled here, ignore it from now on.

    The interpreter removes its handlers during shutdown, and then any signal that is not ignored kills the process.
    """
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is _hang_up:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def check_streams() -> None:
    """Check, before anything is done, that output can be written.

    If a standard stream is closed, the next file or socket to be opened gets its descriptor, and output would go
    there. So closed streams are first replaced with the null device.

    Raises:
        UsageError: stdout is closed, or cannot be written to.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor, which is this one
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - otherwise click uses stdout
    if sys.stdout is None:
        raise UsageError("stdout is closed, so the output would be lost; to discard it, redirect it to /dev/null")
    if not sys.stdout.writable():
        raise UsageError("stdout cannot be written to")
    with suppress(ImportError, OSError, ValueError):  # Windows, or not a real file
        import fcntl  # noqa: PLC0415

        if fcntl.fcntl(sys.stdout.fileno(), fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise UsageError("stdout is open for reading only")


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a command's coroutine and return its exit code.

    Ctrl-C, SIGTERM and SIGHUP (the terminal was closed) cancel it. A command with something to save catches the
    `CancelledError` and returns its own exit code.
    """
    import asyncio  # noqa: PLC0415 - not for --help
    import logging  # noqa: PLC0415

    # If there is no handler at all, logging prints warnings (with tracebacks) to stderr.
    if not logging.root.handlers:
        logging.root.addHandler(logging.NullHandler())

    async def terminable() -> int:
        task = asyncio.current_task()
        assert task is not None

        def hung_up() -> None:
            # A closing terminal sends it twice, itself and through its shell: once is enough.
            if not task.cancelling():
                _note_cause(signal.SIGHUP)
                task.cancel()

        def terminated() -> None:
            _note_cause(signal.SIGTERM)
            task.cancel()

        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(signal.SIGTERM, terminated)
        _hang_up.calls(hung_up)
        return await main()

    try:
        return asyncio.run(terminable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        terminal.echo_err("Interrupted.")
        return INTERRUPTED


def stop_event() -> "asyncio.Event":
    """An event that Ctrl-C, SIGTERM and SIGHUP set, for a command that shuts down gracefully.

    A second Ctrl-C or SIGTERM cancels the command, as usual.
    """
    import asyncio  # noqa: PLC0415 - not for --help

    loop, task, stop = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()
    assert task is not None

    def asked() -> None:
        if stop.is_set():
            task.cancel()
        stop.set()

    with suppress(NotImplementedError):  # Windows
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, asked)
    _hang_up.calls(stop.set)
    return stop
