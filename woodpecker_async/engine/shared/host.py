"""Slots that the processes of one user on one machine share: one lock file each.

A slot is taken by locking its file and released by unlocking it. The kernel unlocks the files of a process that dies,
however it dies. There is no notification when a slot becomes free, so a waiter tries again every few milliseconds; in
each process only one waiter per lane does so at a time, in order of arrival.
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

# The maximum number of seconds between two attempts of a process without a slot; more for each slot it holds, so that a
# process with fewer slots is more likely to be next. Half of it is random, so that no process is always first.
_TRY_AGAIN: Final = 0.00125
# A file has the time until which its slot stays taken although nobody holds the lock. If that is further ahead than
# this, it is from before a reboot, which restarts the clock.
_LONGEST_REST: Final = 60.0
_UNTIL: Final = struct.Struct("d")


class HostBackend:
    """The slots of one account's lanes."""

    def __init__(self, account: str, places: Callable[[], int]) -> None:
        self._account = account
        self._places = places
        private_directory()  # raises now rather than later

    def slots(self, lane: str) -> "HostSlots":
        """Return the slots of a lane."""
        return HostSlots(f"{self._account}-{lane}", self._places)

    async def aclose(self) -> None:
        """Do nothing: each lane closes its files."""


class HostSlots:
    """The slots of one lane.

    Args:
        name: the lane's name, the same in all processes that share it, and valid as a file name.
        places: returns how many slots this process may use: always the first ones, so that a process with a smaller
            limit uses fewer.
    """

    def __init__(self, name: str, places: Callable[[], int]) -> None:
        self._name = name
        self._places = places
        self._directory = private_directory()
        self._files: dict[int, int] = {}  # descriptors by slot number, open since the first attempt
        self._held: list[int] = []
        self._resting: list[int] = []  # held for abandoned requests
        self._trying = asyncio.Lock()
        _OPEN.add(self)

    ready = True
    trouble = None

    async def take(self, *, optional: bool = False) -> None:  # noqa: ARG002 - slots are always available
        """Wait for a slot and take it."""
        async with self._trying:
            while not self._taken():  # noqa: ASYNC110 - there is no notification when another process releases one
                await asyncio.sleep(random.uniform(0.5, 1) * _TRY_AGAIN * (1 + len(self._held)))  # noqa: S311

    def give_back(self, after: float = 0.0) -> None:
        """Release a slot; with `after`, only after this many seconds, even if this process ends before."""
        if not self._held:  # in a forked child, which inherited none
            return
        number = self._held[-1]
        if after > 0 and not self._rest(number, after):  # not written, so it is only kept while this process lives
            asyncio.get_running_loop().call_later(after, self.give_back)
            return
        self._held.pop()
        # Unlock rather than close: a child forked in the meantime has this lock too.
        fcntl.flock(self._files[number], fcntl.LOCK_UN)

    def hold(self, seconds: float) -> Callable[[], None]:
        """Keep a slot; if this process ends before, the slot stays taken for the rest of the time."""
        if not self._held:
            return lambda: None
        number = self._held[-1]
        self._held.remove(number)
        self._resting.append(number)
        self._rest(number, seconds)

        this = ref(self)  # so that the returned function does not keep the files open

        def give_back() -> None:
            if (slots := this()) is not None and number in slots._resting:
                slots._resting.remove(number)
                slots._rest(number, 0.0)
                fcntl.flock(slots._files[number], fcntl.LOCK_UN)

        return give_back

    def _rest(self, number: int, seconds: float) -> bool:
        """Write down until when the slot stays taken although nobody holds the lock."""
        until = time.monotonic() + min(seconds, _LONGEST_REST) if seconds > 0 else 0.0
        try:
            os.pwrite(self._files[number], _UNTIL.pack(until), 0)
        except OSError:  # the disk is full
            return False
        return True

    def _taken(self) -> bool:
        # From the last to the first, because a process with a smaller limit can use only the first ones.
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
            if not os.fstat(file).st_nlink:  # someone deleted the file: other processes use a new one
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
        """After a fork, leave the slots to the parent; they must not stay taken when it dies."""
        self._held.clear()
        self._resting.clear()
        while self._files:
            os.close(self._files.popitem()[1])

    def __del__(self) -> None:
        while self._held:  # the event loop ended while requests were in flight
            self.give_back()
        for number in self._resting:  # the server may not be done with these, but their time is written down
            fcntl.flock(self._files[number], fcntl.LOCK_UN)
        self.leave_to_parent()


_OPEN: Final[WeakSet[HostSlots]] = WeakSet()


def _leave_all_to_parent() -> None:
    for slots in _OPEN:
        slots.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_to_parent)


def private_directory() -> Path:
    """Return the directory of the lock files, creating it if necessary.

    It is always below the directory for temporary files: a user's runtime directory exists for a login session but not
    for a job, and processes that use different directories would not see each other.

    Raises:
        SetupError: it cannot be created, or is not private to this user.
    """
    path = Path(tempfile.gettempdir()) / f"woodpecker-async-{os.geteuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise SetupError(f'Limits(shared="host") cannot create the directory {path}: {error.strerror}') from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise SetupError(
            f'Limits(shared="host") needs {path} to be a directory that belongs to this user and that nobody else can '
            "access (mode 700): move it away, or set TMPDIR"
        )
    return path
