"""The other key service, on the same engine."""

from uuid import UUID

import pytest

from woodpecker_async import RetryPolicy, errors
from woodpecker_async.feldera import FelderaSession
from woodpecker_async.sandbox import Fault, Sandbox

QUICK = RetryPolicy(first_wait=0.01)


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
        made = await feldera.api_keys.create("ci")
    async with FelderaSession(box.feldera_url, token=made.api_key) as feldera:
        assert len(await feldera.api_keys.list()) == 1


async def test_a_taken_name_is_a_conflict(box: Sandbox) -> None:
    async with box.feldera_session() as feldera:
        await feldera.api_keys.create("ci")
        with pytest.raises(errors.ConflictError) as caught:
            await feldera.api_keys.create("ci")
    assert caught.value.code == "DuplicateName"
    assert caught.value.detail == "An entity with this name already exists"


async def test_a_wrong_token_is_an_authentication_error(box: Sandbox) -> None:
    async with FelderaSession(box.feldera_url, token="wrong") as feldera:
        with pytest.raises(errors.AuthenticationError):
            await feldera.api_keys.list()


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
        with pytest.raises(errors.OutcomeUnknownError):
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
