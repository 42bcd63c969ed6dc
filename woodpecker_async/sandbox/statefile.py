"""Stores the data in a file, so that it survives a restart.

The first line is the complete state, and each line after it the changes made by one request: see `StateFile`. A last
line without a line break is ignored, because its write was interrupted.
"""

import contextlib
import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from attrs import asdict

from woodpecker_async.sandbox.state import (
    ApiKey,
    Change,
    ChangedAccount,
    ChangedFelderaKey,
    Company,
    FelderaKey,
    Guest,
    Mailbox,
    NewKey,
    State,
    User,
)

_FORMAT = 2
_READABLE = (1, 2)  # 1: the first line alone


def claimed(path: Path) -> Path:
    """The real path of the file, with symbolic links resolved, after checking that it can be replaced.

    Raises:
        ValueError: it is not a regular file, or cannot be replaced.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        status = None
    except OSError as error:
        raise ValueError(f"state_file {path} cannot be used: {error.strerror}") from None
    target = Path(os.path.realpath(path))
    if status is not None:
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"state_file {path} is a directory, a pipe or a device; it must be a regular file")
        if status.st_nlink != 1:
            raise ValueError(f"state_file {path} has other hard links, which saving would break")
        if not os.access(path, os.R_OK | os.W_OK):
            raise ValueError(f"state_file {path} must be readable and writable")
    elif not target.parent.is_dir():
        raise ValueError(f"state_file {path}: there is no directory {target.parent}")
    try:
        with tempfile.TemporaryFile(dir=target.parent) as file:
            file.write(b"x")
    except OSError as error:
        raise ValueError(f"state_file {path}: cannot write to {target.parent}: {error.strerror}") from None
    return target


class StateFile:
    """A file that stores the state, and is kept up to date.

    Each change is appended, so that saving costs only as much as has changed. The file is rewritten for the first
    change of a run, after a change that was not recorded, and if something else wrote to the file.

    Args:
        state: the data; its changes are recorded from now on.
        path: the path, from `claimed`.
    """

    def __init__(self, state: State, path: Path) -> None:
        self.path = path
        self._state = state
        self._written: tuple[int, int, int] | None = None  # device, inode and size after the last write
        self._version = state.version
        state.news = []

    def save(self) -> None:
        """Write the changes. The file is complete at any moment.

        Raises:
            OSError: the file could not be written, and is unchanged.
        """
        state, news = self._state, self._state.news
        assert news is not None
        if len(news) == state.version - self._version and self._append(_line(state, news)):
            pass
        else:
            save(state, self.path)
            self._written = _identity(self.path.stat())
        self._version = state.version
        news.clear()

    def _append(self, line: bytes) -> bool:
        """Append a line, if nothing else has changed the file."""
        if self._written is None:
            return False
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0))
        except OSError:
            return False
        try:
            if _identity(os.fstat(file)) != self._written:
                return False
            size = self._written[2]
            try:
                left = memoryview(line)
                while left:
                    left = left[os.write(file, left) :]
            except BaseException:
                os.ftruncate(file, size)
                raise
        finally:
            os.close(file)
        self._written = (*self._written[:2], size + len(line))
        return True


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_dev, status.st_ino, status.st_size


def _line(state: State, news: Iterable[Change]) -> bytes:
    """The changes as a line, for `_apply`."""
    accounts = {change.account_id for change in news if isinstance(change, ChangedAccount)}
    changes = {
        "version": state.version,
        "accounts": [_plain(_account(state, account_id)) for account_id in accounts],
        "keys": [
            [change.account_id, asdict(change.key)]
            for change in news
            if isinstance(change, NewKey) and change.account_id not in accounts
        ],
        "feldera_keys": {
            change.name: asdict(state.feldera_keys[change.name]) if change.name in state.feldera_keys else None
            for change in news
            if isinstance(change, ChangedFelderaKey)
        },
    }
    return json.dumps(changes).encode() + b"\n"


def _apply(state: dict[str, Any], line: bytes) -> None:
    """Apply a line of changes to the complete state, both as stored in the file."""
    changes = json.loads(line)
    state["version"] = changes["version"]
    rows = {row["id"]: row for row in (state["hq"], *state["companies"])}
    for row in changes["accounts"]:
        if row["id"] in rows:
            rows[row["id"]].update(row)
        else:
            state["companies"].append(row)
    for account_id, key in changes["keys"]:
        rows[account_id]["keys"].append(key)
    keys = {key["name"]: key for key in state["feldera_keys"]}
    for name, key in changes["feldera_keys"].items():
        keys.pop(name, None)
        keys |= {} if key is None else {name: key}
    state["feldera_keys"] = list(keys.values())


def _account(state: State, account_id: int) -> Company:
    return state.hq if account_id == state.hq.id else state.companies[account_id]


def save(state: State, path: Path) -> None:
    """Write the data to a path from `claimed`. A new file is readable by its owner only.

    An existing file is replaced and keeps its permissions. The file is complete at any moment.

    Raises:
        OSError: the file could not be written, and is unchanged.
    """
    before = _status_of(path)
    # mkstemp creates the file with mode 0600, so the secrets are never readable by others.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".sandbox-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(_whole(state)) + "\n")
            if before is not None:
                _keep_permissions(handle, before)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _whole(state: State) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "seed": state.seed,
        "version": state.version,
        "user": asdict(state.user),
        "colleague": asdict(state.colleague),
        "feldera_token": state.feldera_token,
        "hq": _plain(state.hq),
        "companies": [_plain(company) for company in state.companies.values()],
        "feldera_keys": [asdict(key) for key in state.feldera_keys.values()],
    }


def _plain(company: Company) -> dict[str, Any]:
    row = asdict(company, filter=lambda attribute, _: attribute.name != "kept")
    return {**row, "kept": msgspec.to_builtins(company.kept)}


def _status_of(path: Path) -> os.stat_result | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise FileExistsError(errno.EEXIST, "is no longer a regular file", str(path))
    return status


def _keep_permissions(handle: int, before: os.stat_result) -> None:
    if os.name != "posix":
        return
    mode = stat.S_IMODE(before.st_mode)
    try:
        os.fchown(handle, before.st_uid, before.st_gid)
    except PermissionError:
        mode &= 0o700  # the permissions of its group must not go to another group
    os.fchmod(handle, mode)


def load(path: Path) -> State:
    """Read what `StateFile` or `save` wrote.

    Raises:
        ValueError: the file is not a state file.
    """
    try:
        data = _read(path.read_bytes())
        state = State(
            seed=data["seed"],
            version=data["version"],
            user=User(**data["user"]),
            colleague=User(**data["colleague"]),
            feldera_token=data["feldera_token"],
            hq=_company(data["hq"]),
            companies={row["id"]: _company(row) for row in data["companies"]},
            feldera_keys={row["name"]: FelderaKey(**row) for row in data["feldera_keys"]},
        )
        _ = state.hq_key  # fails if there is none
        return state
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is not a state file of the sandbox: {type(error).__name__}: {error}") from error


def _read(text: bytes) -> Any:
    try:
        data, changes = json.loads(text), []
    except ValueError:
        first, *changes = text.split(b"\n")
        data = json.loads(first)
    if data["format"] not in _READABLE:
        raise ValueError(f"format {data['format']!r} is not supported")
    for line in changes[:-1]:  # after the last line break there is nothing, or an incomplete line
        _apply(data, line)
    return data


def _company(row: dict[str, Any]) -> Company:
    mailboxes = tuple(Mailbox(**box) for box in row["mailboxes"])
    keys = [ApiKey(**key) for key in row["keys"]]
    guests = [Guest(**{**guest, "permissions": tuple(guest["permissions"])}) for guest in row.get("guests", ())]
    return Company(**{**row, "mailboxes": mailboxes, "keys": keys, "guests": guests})
