"""What a command is to the system: exit codes, signals, standard streams."""

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
    """The command makes no sense as given; nothing was done. One line, without click's usage text."""

    exit_code = USAGE

    def format_message(self) -> str:
        """The text, safe to show: it may quote arguments, names of files and what is in them."""
        return printable(self.message)


def tell_error(error: BaseException) -> int:
    """Say what ended the command, in a line and without a traceback; gives the exit code."""
    text, code = error_text(error)
    terminal.echo_err(text)
    for hint in getattr(error, "__notes__", ()):
        terminal.echo_err(hint)
    return code


def error_text(error: BaseException) -> tuple[str, int]:
    """What is said of an error that ends the command, and the exit code."""
    if isinstance(error, click.ClickException):
        text, code = error.format_message(), error.exit_code
    elif isinstance(error, WoodpeckerError):
        text, code = spoken(str(error)), USAGE if isinstance(error, ConfigError) else FAILED
    elif isinstance(error, OSError):
        reason, code = error.strerror or type(error).__name__, FAILED
        text = f"{error.filename}: {reason}" if error.filename else reason
    else:
        # Its text is not shown: nobody has seen to it that it holds no key.
        text, code = f"unexpected {type(error).__name__} {_where(error)}; please report this", FAILED
    return f"Error: {text}", code


def exit_code(end: SystemExit) -> int:
    """What a library that wants to end the process wants it to end with."""
    if end.code is None:
        return DONE
    return end.code if isinstance(end.code, int) else FAILED


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "somewhere"
    return f"in {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


_ended_by = "SIGINT"


def cause() -> str:
    """Which signal has interrupted the command."""
    return _ended_by


def _note_cause(number: int) -> None:
    global _ended_by  # noqa: PLW0603 - a process gets its signals but once
    _ended_by = signal.Signals(number).name


class _HangUp:
    """The process's handler of SIGHUP, from the first command on.

    Not a handler of the event loop's: that one goes with the loop, and a second SIGHUP (a terminal that closes sends
    it twice, itself and by its shell) would then kill the process before it has given its exit code.
    """

    def __init__(self) -> None:
        self._then: Callable[[], object] = lambda: None

    def calls(self, what: Callable[[], object]) -> None:
        """Have the running event loop call this at a SIGHUP, unless it is ignored (as nohup leaves it)."""
        import asyncio  # noqa: PLC0415 - not for --help

        if not hasattr(signal, "SIGHUP"):  # Windows
            return
        loop = asyncio.get_running_loop()
        self._then = lambda: loop.call_soon_threadsafe(what)
        if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
            signal.signal(signal.SIGHUP, self)

    def __call__(self, *_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: the command has ended already
            self._then()


_hang_up: Final = _HangUp()


def ending() -> None:
    """Say that the process is about to end: where SIGHUP was handled, it is ignored from now on.

    The interpreter gives up its own handlers on its way out, and then only what is ignored does not kill.
    """
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is _hang_up:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def check_streams() -> None:
    """See that what is printed will arrive, before anything is done.

    A standard stream that is closed leaves its number to the next file or socket that is opened, and what is
    printed then goes there. So closed ones are first filled with the null device.

    Raises:
        UsageError: stdout is closed, or cannot be written to.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - else click takes stdout
    if sys.stdout is None:
        raise UsageError("stdout is closed: what is printed would be lost (/dev/null takes it)")
    if not sys.stdout.writable():
        raise UsageError("stdout cannot be written to")
    with suppress(ImportError, OSError, ValueError):  # Windows; or not a file of the system's
        import fcntl  # noqa: PLC0415

        if fcntl.fcntl(sys.stdout.fileno(), fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise UsageError("stdout is open for reading only")


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a command's coroutine, which gives the exit code.

    Ctrl-C, SIGTERM and SIGHUP (the terminal is gone) cancel it. A command with something to save catches the
    `CancelledError` and gives an exit code of its own.
    """
    import asyncio  # noqa: PLC0415 - not for --help
    import logging  # noqa: PLC0415

    # Without any handler, logging prints warnings (with tracebacks) to stderr by itself.
    if not logging.root.handlers:
        logging.root.addHandler(logging.NullHandler())

    async def terminable() -> int:
        task = asyncio.current_task()
        assert task is not None

        def hung_up() -> None:
            # A terminal that closes sends it twice, itself and by its shell: once is enough.
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
    """What Ctrl-C, SIGTERM and SIGHUP set, for a command that comes to a good end.

    A second Ctrl-C or SIGTERM cancels it, as ever.
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
