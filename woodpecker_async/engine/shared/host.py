"""Places that the processes of one user on one machine share: a lock file each.

A place is taken by locking its file and given back by unlocking it. The kernel unlocks the files of a process
that dies, however it dies. Nobody is told when a place becomes free, so who waits tries again every few
milliseconds; one at a time does so for the whole of a lane, in the order they came.
"""

import asyncio
import os
import random
import stat
import struct
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final
from weakref import WeakSet, ref

from woodpecker_async.engine.shared import SlotsUnavailableError
from woodpecker_async.errors import SetupError

with suppress(ImportError):  # Windows, where `Limits` refuses "host"
    import fcntl

# Seconds between two tries, at most: for who has no place yet, and more for each that one has, so that who has
# less is more likely to be next. Half of it is left to chance, so that nobody is always first.
_TRY_AGAIN: Final = 0.00125
# A file says until when its place stays taken though nobody holds the lock; more than this ahead is left over
# from before a restart of the machine, whose clock began anew.
_LONGEST_REST: Final = 60.0
_UNTIL: Final = struct.Struct("d")


class HostBackend:
    """The places of one account's lanes."""

    def __init__(self, account: str, places: Callable[[], int]) -> None:
        self._account = account
        self._places = places
        private_directory()  # or an error, now

    def slots(self, lane: str) -> "HostSlots":
        """The places of a lane."""
        return HostSlots(f"{self._account}-{lane}", self._places)

    async def aclose(self) -> None:
        """Each lane's files are closed with it."""


class HostSlots:
    """The places of one lane.

    Args:
        name: the same in all processes that share it, and fit for a file's name.
        places: how many of them this process may use: always the first ones, so that a process that asks for
            less is content with less.
    """

    def __init__(self, name: str, places: Callable[[], int]) -> None:
        self._name = name
        self._places = places
        self._directory = private_directory()
        self._files: dict[int, int] = {}  # descriptors, by the number of the place; open since they were first tried
        self._held: list[int] = []
        self._resting: list[int] = []  # held for what was given up
        self._trying = asyncio.Lock()
        _OPEN.add(self)

    ready = True
    trouble = None

    async def take(self, *, optional: bool = False) -> None:  # noqa: ARG002 - they can always be had
        """Wait for a place and take it."""
        async with self._trying:
            while not self._taken():  # noqa: ASYNC110 - nobody tells one process what another gives back
                await asyncio.sleep(random.uniform(0.5, 1) * _TRY_AGAIN * (1 + len(self._held)))  # noqa: S311

    def give_back(self, after: float = 0.0) -> None:
        """Give back a place; with `after` it rests so many seconds, also when this process ends before."""
        if not self._held:  # in a child, which inherited none
            return
        number = self._held[-1]
        if after > 0 and not self._rest(number, after):  # it rests as long as this process lives
            asyncio.get_running_loop().call_later(after, self.give_back)
            return
        self._held.pop()
        # Not by closing: a child that was forked meanwhile has this lock too.
        fcntl.flock(self._files[number], fcntl.LOCK_UN)

    def hold(self, seconds: float) -> Callable[[], None]:
        """Keep a place that was taken; if this process ends before, it rests for what is left of the time."""
        if not self._held:
            return lambda: None
        number = self._held[-1]
        self._held.remove(number)
        self._resting.append(number)
        self._rest(number, seconds)

        this = ref(self)  # who keeps the promise does not keep the files open

        def give_back() -> None:
            if (slots := this()) is not None and number in slots._resting:
                slots._resting.remove(number)
                slots._rest(number, 0.0)
                fcntl.flock(slots._files[number], fcntl.LOCK_UN)

        return give_back

    def _rest(self, number: int, seconds: float) -> bool:
        """Write down until when the place stays taken though nobody holds the lock."""
        until = time.monotonic() + min(seconds, _LONGEST_REST) if seconds > 0 else 0.0
        try:
            os.pwrite(self._files[number], _UNTIL.pack(until), 0)
        except OSError:  # the disk is full
            return False
        return True

    def _taken(self) -> bool:
        # From the last to the first: the first ones are all that a process with a smaller limit has.
        for number in reversed(range(self._places())):
            if number in self._held or number in self._resting:
                continue
            file = self._files.get(number)
            if file is None:
                file = self._files[number] = self._open(number)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if not os.fstat(file).st_nlink:  # somebody tidied up: the others have another file
                os.close(self._files.pop(number))
            elif self._rests(file):
                fcntl.flock(file, fcntl.LOCK_UN)
            else:
                self._held.append(number)
                return True
        return False

    def _open(self, number: int) -> int:
        path = self._directory / f"{self._name}-{number}"
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            try:
                return os.open(path, flags, 0o600)
            except FileNotFoundError:
                self._directory = private_directory()
                return os.open(path, flags, 0o600)
        except OSError as error:
            raise SlotsUnavailableError(f"the lock file {path} cannot be opened: {error.strerror}") from None

    @staticmethod
    def _rests(file: int) -> bool:
        until = os.pread(file, _UNTIL.size, 0)
        return len(until) == _UNTIL.size and 0 < _UNTIL.unpack(until)[0] - time.monotonic() <= _LONGEST_REST

    def leave_to_parent(self) -> None:
        """After a fork: the places are the parent's, and must not stay taken when it dies."""
        self._held.clear()
        self._resting.clear()
        while self._files:
            os.close(self._files.popitem()[1])

    def __del__(self) -> None:
        while self._held:  # the event loop ended in the middle of requests
            self.give_back()
        for number in self._resting:  # and the server with these may not be done
            fcntl.flock(self._files[number], fcntl.LOCK_UN)
        self.leave_to_parent()


_OPEN: Final[WeakSet[HostSlots]] = WeakSet()


def _leave_all_to_parent() -> None:
    for slots in _OPEN:
        slots.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_to_parent)


def private_directory() -> Path:
    """The directory of the lock files, made if it is not there.

    Always below the directory for temporary files: a user's run-time directory is there for a login and not for
    a job, and processes that look in two places would not see each other.

    Raises:
        SetupError: it is not ours alone.
    """
    path = Path(tempfile.gettempdir()) / f"woodpecker-async-{os.geteuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise SetupError(f'Limits(shared="host") cannot make the directory {path}: {error.strerror}') from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise SetupError(
            f'Limits(shared="host") needs {path} as a directory that belongs to this user and is open to nobody '
            "else (mode 700): move away what is there, or set TMPDIR"
        )
    return path
