"""Where the keys of `bulk.ensure_api_keys` go: a function of the caller's, or a file that survives a kill.

The file is opened anew for each key. So there is nothing to close and nothing left open by a run that is
killed, and a file that was moved away, or made readable by others in the meantime, is noticed instead of
written to.
"""

import asyncio
import errno
import inspect
import json
import os
import stat
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from woodpecker_async.errors import ConfigError, KeyNotStoredError
from woodpecker_async.models import IssuedKey
from woodpecker_async.secret import Secret

__all__ = ["KeyFile", "Sink", "checked", "opening", "store"]

Sink = Callable[[IssuedKey], object] | str | os.PathLike[str]

_NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0)  # Windows has none


class KeyFile:
    """An append-only file of JSON lines, mode 0600; a line that `write` has written is on the disk.

    A line torn by an earlier kill stays as it is, and the next one begins on a line of its own. A key that is
    in the file already is not written again.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._known: set[tuple[int, str]] = set()
        self._lock = threading.Lock()

    def open(self) -> None:
        """Make the file, or read which keys are in it.

        Raises:
            ConfigError: it cannot be had, is no plain file, or can be read by others.
        """
        try:
            with self._opened(os.O_CREAT) as handle:
                with os.fdopen(handle, "rb", closefd=False) as file:
                    self._known = {known for line in file if (known := _in_line(line)) is not None}
                # A run that was killed may have written lines (or made the file) and not come to this.
                os.fsync(handle)
            _sync_directory(self._path.parent)
        except OSError as error:
            link = error.errno == errno.ELOOP
            why = "it is a symbolic link: name the file itself" if link else error.strerror
            raise ConfigError(f"cannot use {self._path} as a sink: {why}") from None

    def write(self, issued: IssuedKey) -> None:
        """Put a key on the disk.

        Raises:
            OSError: it could not be written.
            ConfigError: the file can be read by others.
        """
        known = issued.company_id, issued.api_key.fingerprint
        with self._lock:
            if known in self._known:
                return
            with self._opened() as handle:
                line = _line(issued)
                if _is_torn(handle):
                    line = b"\n" + line
                if os.write(handle, line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(handle)
            self._known.add(known)

    @contextmanager
    def _opened(self, flags: int = 0) -> Iterator[int]:
        handle = os.open(self._path, os.O_RDWR | os.O_APPEND | _NO_LINKS | flags, 0o600)
        try:
            mode = os.fstat(handle).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(f"cannot use {self._path} as a sink: it is no plain file")
            if os.name == "posix" and mode & 0o077:
                raise ConfigError(
                    f"{self._path} can be read by others (mode {stat.S_IMODE(mode):04o}), and keys are to be "
                    f"written to it: chmod 600 {self._path}"
                )
            yield handle
        finally:
            os.close(handle)


def checked(sink: object) -> Callable[[IssuedKey], object] | KeyFile:
    """The sink as given, or the file at the path that was given.

    Raises:
        ConfigError: it is neither a path nor a function.
    """
    if isinstance(sink, str | os.PathLike) and str(sink):
        return KeyFile(sink)
    if callable(sink):
        return sink
    raise ConfigError(f"sink is a function that takes an IssuedKey, or the path of a file, not {sink!r}")


async def store(issued: IssuedKey, sink: Callable[[IssuedKey], object] | KeyFile) -> None:
    """Hand a key to the sink, and come back when it has it.

    Raises:
        KeyNotStoredError: the sink failed.
    """
    try:
        # In a thread: the loop does not wait for the disk.
        taken = asyncio.to_thread(sink.write, issued) if isinstance(sink, KeyFile) else sink(issued)
        if inspect.isawaitable(taken):
            await taken
        return
    except Exception as error:
        failure = _told(error, issued.api_key)
    # Raised out here, and without a cause: the frames of what failed hold the key in clear.
    made = "a new API key" if issued.created else "the API key"
    raise KeyNotStoredError(
        f"company {issued.company_id} has {made} {issued.label!r} (fingerprint {issued.api_key.fingerprint}), but the "
        f"sink failed to take it: {failure}; the key is not lost: the server lists it, and the next run finds it",
        company_id=issued.company_id,
        api_key=issued.api_key,
    )


def opening(sink: Callable[[IssuedKey], object] | KeyFile) -> Callable[[], Awaitable[None]] | None:
    """What is to be done before the first key is made, if anything."""
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
    """The company, and the fingerprint of the key that really is there; `None` for a line that was torn."""
    try:
        entry = json.loads(line)
        return int(entry["company_id"]), Secret(entry["api_key"]).fingerprint
    except (ValueError, TypeError, KeyError):
        return None


def _is_torn(handle: int) -> bool:
    """Whether the last line has no end."""
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


def _told(error: Exception, key: Secret) -> str:
    # Databases like to quote the row that they could not take.
    return f"{type(error).__name__}: {error}".replace(key.reveal(), key.masked)
