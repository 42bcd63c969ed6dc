"""Keeping the data in a file, so that what was created survives a restart."""

import contextlib
import errno
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from attrs import asdict

from woodpecker_async.sandbox.state import ApiKey, Company, FelderaKey, Guest, Mailbox, State, User

_FORMAT = 1


def claimed(path: Path) -> Path:
    """The file itself, behind any symbolic links, once it is known that it can be replaced.

    Raises:
        ValueError: it is something else than a file, or a file that cannot be replaced.
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
            raise ValueError(f"state_file {path} has several names (hard links), and saving would part them")
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


def save(state: State, path: Path) -> None:
    """Write the data to a file that `claimed` gave: a new one is readable by its owner only.

    An existing one is replaced, and keeps its permissions. It is whole at any moment.

    Raises:
        OSError: it could not be written, and is as it was.
    """
    data = {
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
    before = _status_of(path)
    # mkstemp makes the file with mode 0600, so the secrets are never readable by others.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".sandbox-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file)
            if before is not None:
                _keep_permissions(handle, before)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _plain(company: Company) -> dict[str, Any]:
    row = asdict(company, filter=lambda attribute, _: attribute.name != "kept")
    return {**row, "kept": msgspec.to_builtins(company.kept)}


def _status_of(path: Path) -> os.stat_result | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise FileExistsError(errno.EEXIST, "is no regular file any more", str(path))
    return status


def _keep_permissions(handle: int, before: os.stat_result) -> None:
    if os.name != "posix":
        return
    mode = stat.S_IMODE(before.st_mode)
    try:
        os.fchown(handle, before.st_uid, before.st_gid)
    except PermissionError:
        mode &= 0o700  # what its group could do is not for another group
    os.fchmod(handle, mode)


def load(path: Path) -> State:
    """Read what `save` wrote.

    Raises:
        ValueError: the file is something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            raise ValueError(f"format {data['format']!r} is not known")
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
        _ = state.hq_key  # it has one
        return state
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is not a state file of the sandbox: {type(error).__name__}: {error}") from error


def _company(row: dict[str, Any]) -> Company:
    mailboxes = tuple(Mailbox(**box) for box in row["mailboxes"])
    keys = [ApiKey(**key) for key in row["keys"]]
    guests = [Guest(**{**guest, "permissions": tuple(guest["permissions"])}) for guest in row.get("guests", ())]
    return Company(**{**row, "mailboxes": mailboxes, "keys": keys, "guests": guests})
