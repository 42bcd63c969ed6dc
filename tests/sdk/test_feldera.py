"""The other key service, on the same engine."""

from typing import Any
from uuid import UUID

import pytest

from woodpecker_async import RetryPolicy, errors
from woodpecker_async.feldera import FelderaSession
from woodpecker_async.sandbox import Fault, Sandbox

QUICK = RetryPolicy(initial_backoff=0.01)


async def test_keys_are_made_listed_read_and_deleted(box: Sandbox) -> None:
    async with box.feldera_session() as feldera:
        made = await feldera.api_keys.create(name="ci")
        assert made.api_key.reveal().startswith("apikey:")
        assert (made.name, type(made.id)) == ("ci", UUID)
        with_role = await feldera.api_keys.create("reader", role="read")
        listed = await feldera.api_keys.list()
        assert {key.id for key in listed} == {made.id, with_role.id}
        assert (await feldera.api_keys.get("reader")).role == "read"
        await feldera.api_keys.delete("ci")
        with pytest.raises(errors.NotFoundError) as caught:
            await feldera.api_keys.get("ci")
        assert (caught.value.code, caught.value.details) == ("UnknownApiKey", {"name": "ci"})
    assert all(record.headers["authorization"].startswith("Bearer ") for record in box.journal)
    assert all("x-api-key" not in record.headers for record in box.journal)


async def test_a_made_key_is_a_token(box: Sandbox) -> None:
    async with box.feldera_session() as feldera:
        made = await feldera.api_keys.create("ci", role="write")
        reader = await feldera.api_keys.create("reader")
        assert (await feldera.api_keys.get("reader")).role == "read"
    async with FelderaSession(box.feldera_url, token=reader.api_key) as feldera:
        with pytest.raises(errors.PermissionDeniedError, match="InsufficientPermissions") as caught:
            await feldera.api_keys.list()
    assert "agency" not in str(caught.value)  # the other service's advice
    async with FelderaSession(box.feldera_url, token=made.api_key) as feldera:
        assert len(await feldera.api_keys.list()) == 2


async def test_a_taken_name_is_a_conflict(box: Sandbox) -> None:
    async with box.feldera_session() as feldera:
        await feldera.api_keys.create("ci")
        with pytest.raises(errors.ConflictError) as caught:
            await feldera.api_keys.create("ci")
    assert caught.value.code == "DuplicateName"
    assert caught.value.detail == "An entity with this name already exists"


async def test_a_wrong_token_is_an_authentication_error(box: Sandbox) -> None:
    async with FelderaSession(box.feldera_url, token="wrong") as feldera:
        with pytest.raises(errors.AuthenticationError) as caught:
            await feldera.api_keys.list()
    assert (caught.value.code, caught.value.details) == ("AuthenticationFailed", None)
    assert "plan" not in str(caught.value)


@pytest.mark.parametrize(("name", "code"), [("a b", "NameDoesNotMatchPattern"), ("x" * 101, "TooLongName")])
async def test_what_the_service_says_of_a_name_is_in_the_error(box: Sandbox, name: str, code: str) -> None:
    async with box.feldera_session() as feldera:
        with pytest.raises(errors.BadRequestError) as caught:
            await feldera.api_keys.create(name)
    assert (caught.value.code, caught.value.details["name"]) == (code, name)


ROW = {"id": "00000000-0000-0000-0000-000000000001", "name": "ci", "scopes": ["Read", "Write"]}


@pytest.mark.parametrize("body", [ROW, [ROW]])
async def test_one_key_comes_as_an_object_or_as_an_array_of_one(box: Sandbox, body: Any) -> None:
    box.faults.add(Fault.status(200, body=body))
    async with box.feldera_session() as feldera:
        key = await feldera.api_keys.get("ci")
    assert (key.id, key.name, key.role) == (UUID(int=1), "ci", None)  # a version without roles
    assert key.scopes == ("Read", "Write")


@pytest.mark.parametrize(
    ("body", "got"),
    [([], "got an array of 0"), ([ROW, ROW], "got an array of 2"), ({}, "$.id"), ([[]], "got an array")],
)
async def test_none_or_two_keys_are_not_one(box: Sandbox, body: Any, got: str) -> None:
    box.faults.add(Fault.status(200, body=body))
    async with box.feldera_session() as feldera:
        with pytest.raises(errors.ResponseDecodeError) as caught:
            await feldera.api_keys.get("ci")
    assert got in str(caught.value)


async def test_408_is_repeated_for_what_can_be_repeated(box: Sandbox) -> None:
    async with box.feldera_session(retry=QUICK) as feldera:
        box.faults.add(Fault.html(408, times=2))
        assert len(await feldera.api_keys.list()) == 0
        assert [record.status for record in box.journal] == [408, 408, 200]
        box.faults.add(Fault.html(408, method="POST"))
        with pytest.raises(errors.ApiError) as caught:
            await feldera.api_keys.create("ci")
        assert (caught.value.status, len(box.journal)) == (408, 4)


async def test_500_is_raised_at_once_and_503_is_repeated(box: Sandbox) -> None:
    async with box.feldera_session(retry=QUICK) as feldera:
        box.faults.add(Fault.status(500, body={"message": "m", "error_code": "Internal", "details": None}))
        with pytest.raises(errors.ServerError) as caught:
            await feldera.api_keys.list()
        assert (len(box.journal), caught.value.code) == (1, "Internal")
        box.faults.add(Fault.html(503, times=2))
        await feldera.api_keys.list()
        assert len(box.journal) == 4


async def test_a_lost_creation_is_unknown_and_can_be_looked_up(box: Sandbox) -> None:
    async with box.feldera_session(retry=QUICK) as feldera:
        box.faults.add(Fault.close(at="after_commit", method="POST"))
        with pytest.raises(errors.OutcomeUnknownError, match=r"look with api_keys\.get\(name\)"):
            await feldera.api_keys.create("ci")
        assert (await feldera.api_keys.get("ci")).name == "ci"


async def test_a_deletion_whose_answer_was_lost_is_done(box: Sandbox) -> None:
    async with box.feldera_session(retry=QUICK) as feldera:
        await feldera.api_keys.create("ci")
        box.faults.add(Fault.close(at="after_commit", method="DELETE"))
        await feldera.api_keys.delete("ci")
        with pytest.raises(errors.NotFoundError):
            await feldera.api_keys.delete("ci")


@pytest.mark.parametrize("name", ["", " ci", None, "..", 3])
async def test_names_are_checked_before_any_io(box: Sandbox, name) -> None:
    async with box.feldera_session() as feldera:
        with pytest.raises(errors.ConfigError):
            await feldera.api_keys.get(name)
        with pytest.raises(errors.ConfigError):
            await feldera.api_keys.create("ci", role="admin")
        with pytest.raises(errors.ConfigError):
            FelderaSession(box.feldera_url, token="")
    assert box.journal == []


async def test_a_name_stays_one_segment(box: Sandbox) -> None:
    async with box.feldera_session() as feldera:
        with pytest.raises(errors.NotFoundError):
            await feldera.api_keys.get("a/b?c#d")
    assert box.journal[-1].path == "/v0/api_keys/a%2Fb%3Fc%23d"
