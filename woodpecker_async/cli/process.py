"""What a command is to the system: exit codes, signals, private files."""

import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from woodpecker_async.cli import output

if TYPE_CHECKING:
    import asyncio

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
SOME_FAILED: Final = 3
INTERRUPTED: Final = 130


class Refused(click.ClickException):
    """The command makes no sense as given; nothing was done. One line, without click's usage text."""

    exit_code = USAGE


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a command's coroutine, which gives the exit code.

    Ctrl-C and SIGTERM cancel it. A command with something to save catches the `CancelledError` and gives an
    exit code of its own.
    """
    import asyncio  # noqa: PLC0415 - not for --help
    import logging  # noqa: PLC0415
    import signal  # noqa: PLC0415

    # Without any handler, logging prints warnings (with tracebacks) to stderr by itself.
    if not logging.root.handlers:
        logging.root.addHandler(logging.NullHandler())

    async def terminable() -> int:
        task = asyncio.current_task()
        assert task is not None
        with suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await main()

    try:
        return asyncio.run(terminable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        output.complain("Interrupted.")
        return INTERRUPTED


def stop_event() -> "asyncio.Event":
    """What Ctrl-C and SIGTERM set, for a command that comes to a good end; a second one cancels it, as ever."""
    import asyncio  # noqa: PLC0415 - not for --help
    import signal  # noqa: PLC0415

    loop, task, stop = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()
    assert task is not None

    def asked() -> None:
        if stop.is_set():
            task.cancel()
        stop.set()

    with suppress(NotImplementedError):  # Windows
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, asked)
    return stop


def read_private(path: Path) -> str:
    """The text of a file that holds a secret.

    Raises:
        Refused: it cannot be read, or others can read it too.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & 0o077:
                raise Refused(f"{path} can be read by others (mode {mode & 0o777:04o}): chmod 600 {path}")
            return file.read().decode()
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(f"{path} holds no text") from None


def check_replaceable(path: Path) -> None:
    """See that `replace_private` will succeed, before any work is done.

    Raises:
        Refused: it will not.
    """
    if path.is_dir():
        raise Refused(f"{path} is a directory")
    if not path.parent.is_dir():
        raise Refused(f"there is no directory {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise Refused(f"cannot write to {path.parent}")


def replace_private(path: Path, text: str) -> None:
    """Write a file with mode 0600, or replace it; it is whole at any moment."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


@contextmanager
def new_private(path: Path) -> Iterator[TextIO]:
    """A new file with mode 0600 to write to. If nothing gets written, it is taken away again.

    Raises:
        Refused: it exists already, or cannot be made.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused(f"{path} exists already, and is not overwritten") from None
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yield file
    finally:
        with suppress(OSError):
            if path.stat().st_size == 0:
                path.unlink()
