"""Files that commands read and write. What cannot work fails before any work is done."""

import codecs
import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from woodpecker_async.cli.process import UsageError

# A report of 100,000 companies takes a few megabytes; /dev/zero never ends.
_MAX_REPORT: Final = 64 * 1024 * 1024
_MAX_SECRET: Final = 64 * 1024


def read_private(path: Path, what: str = "an API key") -> str:
    """The text of a private file, which only its owner and group may access.

    Raises:
        UsageError: it cannot be read, or others have access to it.
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
    # Windows PowerShell writes UTF-16 when its output is redirected to a file.
    utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a text file") from None


def read_report(path: Path, what: str = "a saved report") -> bytes:
    """The bytes of a saved report or a list, from a file, a pipe or a device.

    Raises:
        UsageError: it cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_REPORT + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > _MAX_REPORT:
        raise UsageError(f"{path} is larger than {_MAX_REPORT // 1024**2} MiB: this is not {what}")
    return content


def read_list(path: Path, *, stdin_is_taken: bool) -> str:
    """The text of a file that lists things, or of stdin for `-`.

    Args:
        path: the file.
        stdin_is_taken: whether something else is read from stdin.

    Raises:
        UsageError: it cannot be read, or is not text.
    """
    if str(path) != "-":
        content = read_report(path, "a list of companies")
    else:
        if stdin_is_taken:
            raise UsageError("--api-key-stdin and - for a file cannot both read stdin")
        if sys.stdin is None:
            raise UsageError("stdin is closed")
        stream = getattr(sys.stdin, "buffer", None)
        content = sys.stdin.read().encode() if stream is None else stream.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{'stdin' if str(path) == '-' else path} is not UTF-8") from None


@dataclass(frozen=True)
class OutputFile:
    """Where `--output` sends a command's data.

    Attributes:
        path: the path as given.
        write: writes bytes; raises `OSError`.
        streams: each call of `write` appends; otherwise there is a single call, which writes the whole file.
        content: the current content of the file, if it is to be added to.
    """

    path: Path
    write: Callable[[bytes], None]
    streams: bool = False
    content: bytes | None = None


@contextmanager
def output_to(path: Path, *, replaces: bool, adds: bool) -> Iterator[OutputFile]:
    """A file of mode 0600 that is written completely or not at all; or a device, as for `saved_to`.

    Args:
        path: the file.
        replaces: an existing file may be replaced.
        adds: an existing file is added to, so its content is needed.

    Raises:
        UsageError: it is already clear that this cannot work.
    """
    status = _status(path)
    with _target(path, status) as target:
        if isinstance(target, int):
            yield OutputFile(path, partial(_write, target), streams=True)
            return
        if status is not None and not (replaces or adds):
            raise UsageError(f"{path} already exists; use --force to replace it")
        content = _content(path) if adds and status is not None and not replaces else None
        yield OutputFile(path, partial(_replace, target, private=True, new=status is None), content=content)


@contextmanager
def saved_to(path: Path) -> Iterator[Callable[[str], None]]:
    """A function that saves a string at `path`, completely or, raising `OSError`, not at all.

    A regular file, even behind symbolic links, is replaced by a new one with the same permissions (0600 if there was
    none). A character device or a FIFO is never replaced: it is opened now, and written to.

    Raises:
        UsageError: it is already clear that this cannot work.
    """
    with _target(path, _status(path)) as target:
        write = partial(_write, target) if isinstance(target, int) else partial(_replace, target)
        yield lambda text: write(text.encode())


@contextmanager
def _target(path: Path, status: os.stat_result | None) -> Iterator[int | Path]:
    """The handle of a device to write to, or the path of a file to replace."""
    if status is not None and (stat.S_ISCHR(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
        handle = _opened(path, status)
        try:
            yield handle
        finally:
            os.close(handle)
        return
    _check_link(path)
    target = Path(os.path.realpath(path))
    if status is not None:
        _check_file(path, target, status)
    _check_directory(target.parent)
    yield target


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


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
            raise UsageError(f"nothing is reading from {path}: start its reader first") from None
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    if os.name == "posix":
        os.set_blocking(handle, True)  # it was opened non-blocking so that a FIFO without a reader fails
    return handle


def _check_link(path: Path) -> None:
    """Reject a link that others may have put into a shared directory like /tmp to make us write elsewhere."""
    if not path.is_symlink() or os.name != "posix":
        return
    directory, owner = path.parent.stat(), path.lstat().st_uid
    shared = directory.st_mode & stat.S_ISVTX and directory.st_mode & stat.S_IWOTH
    if shared and owner not in {os.geteuid(), directory.st_uid}:
        raise UsageError(f"{path} is a symbolic link created by another user: name the file itself")


def _check_file(path: Path, target: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{path} is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path} is a socket or a block device: use a file, a pipe or a character device")
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            if os.path.samestat(status, os.fstat(stream.fileno())):
                raise UsageError(f"{path} is the file that stdout or stderr is redirected to: use another")
    if not (target.exists() and os.path.samestat(status, target.stat())):  # /dev/fd/3 of a deleted file
        raise UsageError(f"{path} is a file that has been deleted: use another")
    if status.st_nlink > 1:
        raise UsageError(f"{path} has other hard links, which would keep the old content: use another file")
    if _is_mount_point(target):
        raise UsageError(f"{path} is mounted as a single file and cannot be replaced: mount its directory instead")
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    if os.name == "posix" and os.geteuid() != 0:
        directory = target.parent.stat()
        if directory.st_mode & stat.S_ISVTX and os.geteuid() not in {status.st_uid, directory.st_uid}:
            raise UsageError(f"cannot replace {path}: it belongs to another user, in a directory with the sticky bit")


def _is_mount_point(target: Path) -> bool:
    """Whether a file is a mount point, as in a container that mounts a single file."""
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
    import tempfile  # noqa: PLC0415 - not for --help

    try:
        # Finds more than access() does: read-only mounts, quotas, a full disk, a server that maps root to nobody.
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(bytes(4096))
    except OSError as error:
        raise UsageError(f"cannot write to {directory}: {error.strerror}") from None


def _write(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]


def _replace(target: Path, data: bytes, *, private: bool = False, new: bool = False) -> None:
    """Replace a file, or create it.

    Args:
        target: the file.
        data: its new content.
        private: set its mode to 0600, whatever it was.
        new: the file did not exist; if somebody has created it since, leave it alone.
    """
    try:
        before = target.lstat()
    except FileNotFoundError:
        before = None
    if before is not None and (new or not stat.S_ISREG(before.st_mode)):
        why = "was created by something else in the meantime" if new else "is no longer a regular file"
        raise FileExistsError(errno.EEXIST, why, str(target))
    import tempfile  # noqa: PLC0415 - not for --help

    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".woodpecker-async-")  # with mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if before is not None:
                _keep_permissions(handle, before, private=private)
            os.fsync(handle)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _keep_permissions(handle: int, before: os.stat_result, *, private: bool) -> None:
    if os.name != "posix":
        return
    mode = 0o600 if private else stat.S_IMODE(before.st_mode)
    try:
        os.fchown(handle, before.st_uid, before.st_gid)
    except PermissionError:
        mode &= 0o700  # the permissions of its group must not go to another group
    os.fchmod(handle, mode)
