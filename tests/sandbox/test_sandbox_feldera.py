"""Feldera's key API."""

import uuid

import pytest


@pytest.fixture
def call(api):
    async def sent(method, path="", *, token=..., **kwargs):
        token = api.box.feldera_token if token is ... else token
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await api(method, "/v0/api_keys" + path, key=None, headers=headers, **kwargs)

    return sent


async def test_the_life_of_a_key(api, call):
    made = await call("POST", json={"name": "ci"})
    assert made.status == 201
    assert set(made.data) == {"api_key", "id", "name"}
    assert made.data["api_key"].startswith("apikey:")
    assert str(uuid.UUID(made.data["id"])) == made.data["id"]
    row = {"id": made.data["id"], "name": "ci", "role": "write"}
    listed = await call("GET", token=made.data["api_key"])
    assert (listed.status, listed.data) == (200, [row])
    assert (await call("GET", "/ci")).data == row
    gone = await call("DELETE", "/ci")
    assert (gone.status, gone.body) == (200, b"")
    assert (await call("GET", token=made.data["api_key"])).status == 401
    again = await call("POST", json={"name": "ci", "role": "read"})
    assert again.data["api_key"] != made.data["api_key"]
    assert (await call("GET", "/ci")).data["role"] == "read"
    assert [record.committed for record in api.box.journal] == [
        True, False, False, True, False, True, False,
    ]  # fmt: skip
    assert {record.account for record in api.box.journal} == {None}


async def test_a_name_can_be_used_once(call):
    await call("POST", json={"name": "ci"})
    got = await call("POST", json={"name": "ci"})
    assert (got.status, got.data) == (
        409,
        {
            "message": "An entity with this name already exists",
            "error_code": "DuplicateName",
            "details": None,
        },
    )


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_name(call, method):
    got = await call(method, "/no%20one")
    assert got.status == 404
    assert got.data["error_code"] == "UnknownApiKey"
    assert got.data["details"] == {"name": "no one"}


@pytest.mark.parametrize("token", [None, "wrong", ""])
async def test_a_wrong_token(call, token):
    got = await call("GET", token=token)
    assert got.status == 401
    assert set(got.data) == {"message", "error_code", "details"}


@pytest.mark.parametrize(
    "body",
    [{}, {"name": 1}, {"name": ""}, {"name": "a b"}, {"name": "x" * 101}, {"name": "a", "role": "x"}, []],
)
async def test_an_illegal_request(api, call, body):
    got = await call("POST", json=body)
    assert got.status == 400
    assert set(got.data) == {"message", "error_code", "details"}
    assert api.box.state.feldera_keys == {}


async def test_not_json(call):
    assert (await call("POST", data="{")).status == 400
    assert (await call("PUT")).status == 405
