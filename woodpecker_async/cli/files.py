"""Files that commands read and write. What cannot work is refused before any work is done."""

import codecs
import errno
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from woodpecker_async.cli.process import UsageError

# A report of 100,000 companies has a few megabytes; /dev/zero has no end.
_MAX_REPORT: Final = 64 * 1024 * 1024
_MAX_SECRET: Final = 64 * 1024


def read_private(path: Path, what: str = "an API key") -> str:
    """The text of a file that is nobody else's business; only its owner and its group may read it.

    Raises:
        UsageError: it cannot be read, or others can read it too.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & 0o007:
                raise UsageError(f"{path} can be read by others (mode {mode & 0o777:04o}): chmod 600 {path}")
            content = file.read(_MAX_SECRET + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > _MAX_SECRET:
        raise UsageError(f"{path} is too large to be {what}")
    # Windows PowerShell writes UTF-16 where it is told to write to a file.
    utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} holds no text") from None


def read_report(path: Path) -> bytes:
    """The bytes of a saved report, from a file, a pipe or a device.

    Raises:
        UsageError: it cannot be read, or has no end.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_REPORT + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > _MAX_REPORT:
        raise UsageError(f"{path} is larger than {_MAX_REPORT // 1024**2} MiB: this is not a saved report")
    return content


@contextmanager
def new_private(path: Path) -> Iterator[TextIO]:
    """A new file with mode 0600 to write to. If nothing gets written, it is taken away again.

    Raises:
        UsageError: it exists already, or cannot be made.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} exists already, and is not overwritten") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yield file
    finally:
        with suppress(OSError):
            if path.stat().st_size == 0:
                path.unlink()


@contextmanager
def saved_to(path: Path) -> Iterator[Callable[[str], None]]:
    """A function that saves a string at `path`, as a whole or, raising `OSError`, not at all.

    A regular file, also one behind symbolic links, is replaced by a new one with the same permissions (0600
    where there was none). A character device or a FIFO is never replaced: it is opened now, and written to.

    Raises:
        UsageError: this cannot work, for all that can be known now.
    """
    status = _status(path)
    if status is not None and (stat.S_ISCHR(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
        handle = _opened(path, status)
        try:
            yield partial(_write, handle)
        finally:
            os.close(handle)
        return
    _check_link(path)
    target = Path(os.path.realpath(path))
    if status is not None:
        _check_file(path, target, status)
    _check_directory(target.parent)
    yield partial(_replace, target)


@contextmanager
def new_or_forced(path: Path, *, force: bool) -> Iterator[Callable[[str], None]]:
    """A function that saves a string at `path`, as `saved_to`; what is there already is replaced only by force.

    Raises:
        UsageError: a file is there, or this cannot work, for all that can be known now.
    """
    status = _status(path)
    if status is not None and stat.S_ISREG(status.st_mode) and not force:
        raise UsageError(f"{path} exists already: add --force to replace it")
    with saved_to(path) as save:
        yield save


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def _opened(path: Path, status: os.stat_result) -> int:
    try:
        handle = os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if error.errno == errno.ENXIO and stat.S_ISFIFO(status.st_mode):
            raise UsageError(f"nobody reads from {path}: start its reader first") from None
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    if os.name == "posix":
        os.set_blocking(handle, True)  # it was not, so that opening a FIFO without a reader fails
    return handle


def _check_link(path: Path) -> None:
    """Refuse what others may have put into a shared directory like /tmp to make us write elsewhere."""
    if not path.is_symlink() or os.name != "posix":
        return
    directory, owner = path.parent.stat(), path.lstat().st_uid
    shared = directory.st_mode & stat.S_ISVTX and directory.st_mode & stat.S_IWOTH
    if shared and owner not in {os.geteuid(), directory.st_uid}:
        raise UsageError(f"{path} is a symbolic link that somebody else made: name the file itself")


def _check_file(path: Path, target: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{path} is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path} is a socket or a disk: name a file, a pipe or a character device")
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            if os.path.samestat(status, os.fstat(stream.fileno())):
                raise UsageError(f"{path} is the file to which the output goes: name another")
    if not (target.exists() and os.path.samestat(status, target.stat())):  # /dev/fd/3, of a file that was deleted
        raise UsageError(f"{path} is a file without a name: name another")
    if status.st_nlink > 1:
        raise UsageError(f"{path} has other names too (hard links), which would keep the old text: name another file")
    if _is_mount_point(target):
        raise UsageError(f"{path} is mounted as a single file, and cannot be replaced: mount its directory instead")
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    if os.name == "posix" and os.geteuid() != 0:
        directory = target.parent.stat()
        if directory.st_mode & stat.S_ISVTX and os.geteuid() not in {status.st_uid, directory.st_uid}:
            raise UsageError(f"cannot replace {path}: it is somebody else's, in a directory with the sticky bit")


def _is_mount_point(target: Path) -> bool:
    """Whether a file is one that a container got from its host."""
    name = os.fsencode(target)
    for byte in b"\\ \t\n":  # the kernel writes these in octal; the backslash first
        name = name.replace(bytes([byte]), b"\\%03o" % byte)
    try:
        mounts = Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        return False
    return any(line.split(b" ")[4] == name for line in mounts.splitlines() if line.count(b" ") > 4)


def _check_directory(directory: Path) -> None:
    if not directory.is_dir():
        raise UsageError(f"there is no directory {directory}")
    try:
        # More than access() can tell: read-only mounts, quotas, a full disk, a server that maps root to nobody.
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(bytes(4096))
    except OSError as error:
        raise UsageError(f"cannot write to {directory}: {error.strerror}") from None


def _write(handle: int, text: str) -> None:
    left = memoryview(text.encode())
    while left:
        left = left[os.write(handle, left) :]


def _replace(target: Path, text: str) -> None:
    try:
        before = target.lstat()
    except FileNotFoundError:
        before = None
    if before is not None and not stat.S_ISREG(before.st_mode):
        raise FileExistsError(errno.EEXIST, "is no regular file any more", str(target))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".woodpecker-async-")  # with mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            if before is not None:
                _keep_permissions(handle, before)
            os.fsync(handle)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _keep_permissions(handle: int, before: os.stat_result) -> None:
    if os.name != "posix":
        return
    mode = stat.S_IMODE(before.st_mode)
    try:
        os.fchown(handle, before.st_uid, before.st_gid)
    except PermissionError:
        mode &= 0o700  # what its group could do is not for another group
    os.fchmod(handle, mode)
