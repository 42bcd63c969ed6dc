"""Keeping the data in a file, so that what was created survives a restart."""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from attrs import asdict

from woodpecker_async.sandbox.state import ApiKey, Company, FelderaKey, Guest, Mailbox, State, User

_FORMAT = 1


def save(state: State, path: Path) -> None:
    """Write the data, readable by its owner only; the file is whole at any moment."""
    data = {
        "format": _FORMAT,
        "seed": state.seed,
        "version": state.version,
        "user": asdict(state.user),
        "colleague": asdict(state.colleague),
        "feldera_token": state.feldera_token,
        "hq": asdict(state.hq),
        "companies": [asdict(company) for company in state.companies.values()],
        "feldera_keys": [asdict(key) for key in state.feldera_keys.values()],
        "blacklisted_domains": sorted(state.blacklisted_domains),
    }
    # mkstemp makes the file with mode 0600, so the secrets are never readable by others.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def load(path: Path) -> State:
    """Read what `save` wrote.

    Raises:
        ValueError: the file is something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            raise ValueError(f"format {data['format']!r} is not known")
        return State(
            seed=data["seed"],
            version=data["version"],
            user=User(**data["user"]),
            colleague=User(**data["colleague"]),
            feldera_token=data["feldera_token"],
            hq=_company(data["hq"]),
            companies={row["id"]: _company(row) for row in data["companies"]},
            feldera_keys={row["name"]: FelderaKey(**row) for row in data["feldera_keys"]},
            blacklisted_domains=set(data.get("blacklisted_domains", ())),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a state file of the sandbox: {error}") from error


def _company(row: dict[str, Any]) -> Company:
    mailboxes = tuple(Mailbox(**box) for box in row["mailboxes"])
    keys = [ApiKey(**key) for key in row["keys"]]
    guests = [Guest(**{**guest, "permissions": tuple(guest["permissions"])}) for guest in row.get("guests", ())]
    return Company(**{**row, "mailboxes": mailboxes, "keys": keys, "guests": guests})
