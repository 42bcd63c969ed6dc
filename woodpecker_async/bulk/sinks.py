"""Where `bulk.ensure_api_keys` stores keys: a function of the caller's, or a file that survives a kill.

The file is opened anew for each key, so there is nothing to close, and a killed run leaves nothing open. A file that
has been moved, replaced or made readable by others in the meantime is noticed, and nothing is written to it.
"""

import asyncio
import errno
import inspect
import json
import os
import stat
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from woodpecker_async.bulk.failures import describe, meant_for
from woodpecker_async.errors import ConfigError, KeyNotStoredError, SetupError
from woodpecker_async.models import IssuedKey
from woodpecker_async.secret import Secret

__all__ = ["KeyFile", "Sink", "checked", "opening", "store"]

Sink = Callable[[IssuedKey], object] | str | os.PathLike[str]

_NOT_OURS: Final = (0, "")
_BEGINNING: Final = b'{"company_id": '  # how our lines begin
_NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0)  # Windows has none


class KeyFile:
    """An append-only file of JSON lines with mode 0600. When `write` returns, the line is on disk.

    A line torn by an earlier kill is left alone, and the next key starts a new line. A key that is already in the file
    is not written again. If the file is no longer the one that was opened, or has lost content, nothing more is
    written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._known: set[tuple[int, str]] = set()
        self._seen: tuple[int, int, int] | None = None  # device, inode, size
        self._lock = threading.Lock()

    def open(self) -> None:
        """Create the file, or read which keys are in it.

        Raises:
            SetupError: it cannot be opened, is not a regular file, can be read by others, belongs to someone else, or
                contains something other than keys.
        """
        self._seen = None
        try:
            with self._opened(os.O_CREAT) as handle:
                with os.fdopen(handle, "rb", closefd=False) as file:
                    self._known = set(self._keys_in(file))
                # A killed run may have written lines (or created the file) without getting this far.
                os.fsync(handle)
            _sync_directory(self._path.parent)
        except OSError as error:
            link = error.errno == errno.ELOOP
            why = "it is a symbolic link: name the file itself" if link else error.strerror
            raise SetupError(f"cannot use {self._path} as a sink: {why}") from None

    def write(self, issued: IssuedKey) -> None:
        """Write a key to disk.

        Raises:
            OSError: it could not be written.
            SetupError: the file can be read by others, or is not the one that was opened.
        """
        known = issued.company_id, issued.api_key.fingerprint
        with self._lock, self._opened() as handle:
            if known not in self._known:
                line = _line(issued)
                if _is_torn(handle):
                    line = b"\n" + line
                if os.write(handle, line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(handle)
                self._known.add(known)

    def _keys_in(self, file: Iterable[bytes]) -> Iterator[tuple[int, str]]:
        for number, known in enumerate(map(_in_line, file), 1):  # a line holds a key: keep it out of the error's frames
            if known is _NOT_OURS:
                raise SetupError(
                    f"cannot use {self._path} as a sink: line {number} was not written by the SDK; is it the right "
                    "file?"
                )
            if known is not None:
                yield known

    @contextmanager
    def _opened(self, flags: int = 0) -> Iterator[int]:
        handle = os.open(self._path, os.O_RDWR | os.O_APPEND | _NO_LINKS | flags, 0o600)
        try:
            status = os.fstat(handle)
            mode = status.st_mode
            if not stat.S_ISREG(mode):
                raise SetupError(f"cannot use {self._path} as a sink: it is not a regular file")
            if os.name == "posix" and mode & 0o077:
                raise SetupError(
                    f"{self._path} can be read by others (mode {stat.S_IMODE(mode):04o}), but keys would be written "
                    f"to it: chmod 600 {self._path}"
                )
            if os.name == "posix" and status.st_uid != os.geteuid():
                raise SetupError(
                    f"{self._path} belongs to another user (uid {status.st_uid}), who could read the keys in it: "
                    "use a file of your own"
                )
            if self._seen is not None and not self._is_the_same(status):
                raise SetupError(
                    f"{self._path} is not the file that was opened: it was replaced or truncated, and keys in it may "
                    "be lost; nothing more is written to it. Run again to start with the file that is there now"
                )
            yield handle
            status = os.fstat(handle)
            self._seen = status.st_dev, status.st_ino, status.st_size
        finally:
            os.close(handle)

    def _is_the_same(self, status: os.stat_result) -> bool:
        """Whether it is the file that was opened, with all its content; an inode may be reused."""
        assert self._seen is not None
        device, inode, size = self._seen
        return (status.st_dev, status.st_ino) == (device, inode) and status.st_size >= size


def checked(sink: object) -> Callable[[IssuedKey], object] | KeyFile:
    """Return the sink: the function that was given, or the file at the path that was given.

    Raises:
        ConfigError: it is neither a path nor a function.
    """
    if isinstance(sink, str | os.PathLike) and str(sink):
        return KeyFile(sink)
    if callable(sink):
        return sink
    raise ConfigError(f"sink must be a function that takes an IssuedKey, or the path of a file, not {sink!r}")


async def store(issued: IssuedKey, sink: Callable[[IssuedKey], object] | KeyFile) -> None:
    """Pass a key to the sink, and return when it is stored.

    Raises:
        KeyNotStoredError: the sink failed.
    """
    task = asyncio.current_task()
    try:
        # In a thread, so that the disk does not block the loop.
        taken = asyncio.to_thread(sink.write, issued) if isinstance(sink, KeyFile) else sink(issued)
        if inspect.isawaitable(taken):
            await taken
        return
    except BaseException as error:
        if meant_for(task, error):
            raise
        failure = describe(error, issued.api_key)
    # Raised outside the except block, and without a cause: the frames of the failure hold the key in plain text.
    made = "a new API key" if issued.created else "the API key"
    raise KeyNotStoredError(
        f"company {issued.company_id} has {made} {issued.label!r} (fingerprint {issued.api_key.fingerprint}), but the "
        f"sink failed to take it: {failure}; the key is not lost: the server lists it, and the next run finds it",
        company_id=issued.company_id,
        api_key=issued.api_key,
    )


def opening(sink: Callable[[IssuedKey], object] | KeyFile) -> Callable[[], Awaitable[None]] | None:
    """Return what to do before the first key is created, if anything."""
    return (lambda: asyncio.to_thread(sink.open)) if isinstance(sink, KeyFile) else None


def _line(issued: IssuedKey) -> bytes:
    entry = {
        "company_id": issued.company_id,
        "label": issued.label,
        "api_key": issued.api_key.reveal(),
        "fingerprint": issued.api_key.fingerprint,
        "created": issued.created,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    return json.dumps(entry).encode() + b"\n"


def _in_line(line: bytes) -> tuple[int, str] | None:
    """Return the company and the fingerprint of the key in a line.

    `None` for a torn line, `_NOT_OURS` for a complete one that was not written by a sink.
    """
    try:
        entry = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None if _may_be_torn(line) else _NOT_OURS
    except (ValueError, RecursionError):
        return _NOT_OURS
    try:
        company_id = entry["company_id"]
        if isinstance(company_id, bool) or not isinstance(company_id, int) or company_id < 1:
            return _NOT_OURS
        return company_id, Secret(entry["api_key"]).fingerprint
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return _NOT_OURS


def _may_be_torn(line: bytes) -> bool:
    """Whether a kill or a crash may have left the line: the beginning of one of ours, nothing, or no text at all."""
    begun = line.strip()
    try:
        begun.decode()
    except UnicodeDecodeError:
        return True
    return b"\0" in begun or begun[: len(_BEGINNING)] == _BEGINNING[: len(begun)]


def _is_torn(handle: int) -> bool:
    """Whether the last line has no line end."""
    if os.lseek(handle, 0, os.SEEK_END) == 0:
        return False
    os.lseek(handle, -1, os.SEEK_END)
    return os.read(handle, 1) != b"\n"


def _sync_directory(path: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
