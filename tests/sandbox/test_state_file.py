"""The state file: appended to, complete at any moment, readable in its old format."""

import errno
import json
import os
import re
import tempfile
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tests.calls import LIKE, method_of_the_session, methods_of_the_session, row_of
from tests.fakes import Hasty
from woodpecker_async import WoodpeckerSession
from woodpecker_async.sandbox import Sandbox, statefile
from woodpecker_async.sandbox.generate import generate
from woodpecker_async.sandbox.statefile import StateFile

OPERATIONS = ("key", "hq key", "company", "companies", "guest", "activate", "feldera", "forget", "unsaid")


def state_of(companies=3):
    return generate(companies=companies, keys_per_company=2, inactive=0, seed=1, other_users_keys=0)


def change(state, operation, number):
    ids = list(state.companies)
    company = ids[number % len(ids)]
    match operation:
        case "key":
            state.add_key(company, f"label {number}\ud800\n")
        case "hq key":
            state.add_key(state.hq.id, "hq")
        case "company":
            state.add_companies([f"Company {number} {state.version}"], by=state.user, key_label="first")
            state.add_key(max(state.companies), "second")
        case "companies":
            state.add_companies([f"{name} {number} {state.version}" for name in "ab"], by=state.user)
        case "guest":
            state.invite(company, "Guest", f"{number}@example.com", ["read"])
        case "activate":
            state.set_active(company, not state.companies[company].active)
        case "feldera":
            if f"key {number}" not in state.feldera_keys:
                state.add_feldera_key(f"key {number}")
        case "forget":
            state.delete_feldera_key(f"key {number}")
        case "unsaid":  # without recording it
            state.companies[company].name += "!"
            state.version += 1


@given(
    st.lists(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 5)), min_size=1, max_size=3), max_size=8)
)
def test_it_is_the_state_after_each_change(requests_):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state")
        state = state_of()
        file = StateFile(state, path)
        for request in requests_:
            for operation, number in request:
                change(state, operation, number)
            file.save()
            assert statefile.load(path) == state
        again = statefile.load(path) if requests_ else state
        file = StateFile(again, path)
        change(again, "key", 0)
        file.save()
        assert statefile.load(path) == again


def test_a_change_costs_as_much_as_is_new(tmp_path):
    path = tmp_path / "state"
    state = state_of(companies=300)
    file = StateFile(state, path)
    change(state, "key", 0)
    file.save()
    before = path.stat()
    for _ in range(100):
        state.add_key(next(iter(state.companies)), "new")
        file.save()
    after = path.stat()
    assert after.st_ino == before.st_ino
    assert after.st_size - before.st_size < 100 * 300
    assert after.st_mode & 0o777 == 0o600
    assert statefile.load(path) == state


def test_it_is_whole_wherever_the_writing_stops(tmp_path):
    path, torn = tmp_path / "state", tmp_path / "torn"
    state = state_of()
    file = StateFile(state, path)
    change(state, "key", 0)
    file.save()
    before, size = statefile.load(path), path.stat().st_size
    change(state, "company", 0)
    file.save()
    whole = path.read_bytes()
    assert len(whole) > size
    for end in range(size, len(whole)):
        torn.write_bytes(whole[:end])
        assert statefile.load(torn) == before
    again = statefile.load(torn)
    file = StateFile(again, torn)
    change(again, "key", 1)
    file.save()
    assert statefile.load(torn) == again


def test_a_disk_that_is_full_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "state"
    state = state_of()
    file = StateFile(state, path)
    change(state, "key", 0)
    file.save()
    before = path.read_bytes()
    change(state, "key", 1)
    write, written = os.write, []

    def full(handle, data):
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(write(handle, data[:10]))
        return written[0]

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            file.save()
    assert path.read_bytes() == before
    change(state, "key", 2)
    file.save()
    assert statefile.load(path) == state


@pytest.mark.parametrize("meddle", ["append", "replace", "remove"])
def test_what_somebody_else_wrote_is_replaced(tmp_path, meddle):
    path = tmp_path / "state"
    state = state_of()
    file = StateFile(state, path)
    change(state, "key", 0)
    file.save()
    if meddle == "append":
        with path.open("ab") as other:
            other.write(b"something else\n")
    elif meddle == "replace":
        statefile.save(state_of(1), path)
    else:
        path.unlink()
    change(state, "key", 1)
    file.save()
    assert statefile.load(path) == state


@pytest.mark.parametrize("indent", [None, 2])
def test_a_file_of_the_old_format(tmp_path, indent):
    path = tmp_path / "state"
    state = state_of()
    statefile.save(state, path)
    old = {**json.loads(path.read_text()), "format": 1}
    path.write_text(json.dumps(old, indent=indent))
    with Sandbox(state_file=path) as box:
        assert box.state == state
        sent = requests.post(
            f"{box.base_url}/v2/agency/companies/{box.company_ids[0]}/api_keys",
            json={"label": "new"},
            headers={"x-api-key": box.hq_key, "Connection": "close"},
            timeout=5,
        )
        assert sent.ok
    assert statefile.load(path) == box.state


def test_a_line_that_is_broken_in_the_middle_is_refused(tmp_path):
    path = tmp_path / "state"
    statefile.save(state_of(), path)
    with path.open("ab") as file:
        file.write(b'{"version": 1}\n')
    with pytest.raises(ValueError, match="not a state file"):
        Sandbox(state_file=path)


def written(state):
    """What a file stores of a state, apart from counters of polls."""
    return re.sub(r'"looks": \d+', "", json.dumps(statefile._whole(state)))


METHODS = sorted(methods_of_the_session(WoodpeckerSession("1.key")))


@pytest.mark.parametrize("name", [name for name in METHODS if name not in LIKE])
async def test_whatever_an_endpoint_changes_is_in_the_file(name, tmp_path):
    """What a session's method changed was recorded, in the account that it changed."""
    path = tmp_path / "state"
    async with Sandbox(companies=2, state_file=path) as box, box.session(clock=Hasty()) as woodpecker:
        company = box.company_ids[0]
        row, without_company = row_of(name)
        if row.prepare is not None:
            for account in (box.state.hq, box.state.companies[company]):
                row.prepare(account, box.state.seed)
        box.state.add_key(company, "so that the file is there, and is appended to")
        box._state_file.save()
        before = path.stat().st_ino
        method = method_of_the_session(woodpecker, name, company)
        await row.call(method, company, without_company=without_company)
        if any(record.committed for record in box.journal):
            assert written(statefile.load(path)) == written(box.state)
        assert path.stat().st_ino == before
