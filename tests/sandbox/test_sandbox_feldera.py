"""Feldera's key API."""

import json
import re
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
    made = await call("POST", json={"name": "ci", "role": "write"})
    assert made.status == 201
    assert set(made.data) == {"api_key", "id", "name"}
    assert re.fullmatch("apikey:[A-Za-z0-9]{128}", made.data["api_key"])
    assert str(uuid.UUID(made.data["id"])) == made.data["id"]
    row = {"id": made.data["id"], "name": "ci", "role": "write"}
    listed = await call("GET", token=made.data["api_key"])
    assert (listed.status, listed.data) == (200, [row])
    got = await call("GET", "/ci")
    assert (got.status, got.data) == (200, [row])
    assert {answer.headers["Cache-Control"] for answer in (made, listed, got)} == {"no-cache"}
    gone = await call("DELETE", "/ci")
    assert (gone.status, gone.body) == (200, b"")
    assert (await call("GET", token=made.data["api_key"])).status == 401
    again = await call("POST", json={"name": "ci"})
    assert again.data["api_key"] != made.data["api_key"]
    assert (await call("GET", "/ci")).data[0]["role"] == "read"
    assert [record.committed for record in api.box.journal] == [
        True, False, False, True, False, True, False,
    ]  # fmt: skip
    assert {record.account for record in api.box.journal} == {None}


@pytest.mark.parametrize("role", [None, "read"])
async def test_a_role_left_out_is_read(call, role):
    await call("POST", json={"name": "ci", "role": role})
    assert (await call("GET", "/ci")).data[0]["role"] == "read"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", ""), ("GET", "/ci"), ("DELETE", "/ci"), ("DELETE", "/nobody")]
)
async def test_a_key_that_may_only_read_manages_no_keys(api, call, method, path):
    reader = (await call("POST", json={"name": "ci"})).data["api_key"]
    got = await call(method, path, token=reader, json={"name": "more"} if method == "POST" else None)
    assert (got.status, got.data["error_code"]) == (403, "InsufficientPermissions")
    assert got.data["details"] == {"required": "write", "actual": "read"}
    assert list(api.box.state.feldera_keys) == ["ci"]


@pytest.mark.parametrize("role", ["admin", "owner"])
async def test_no_key_has_more_rights_than_write(api, call, role):
    writer = (await call("POST", json={"name": "ci", "role": "write"})).data["api_key"]
    got = await call("POST", json={"name": "more", "role": role})
    assert (got.status, got.data["error_code"], got.data["details"]) == (403, "OwnerAdminNotMintableAsApiKey", None)
    got = await call("POST", token=writer, json={"name": "", "role": role})  # the role is checked before the name
    assert (got.status, got.data["error_code"]) == (403, "RoleExceedsCreator")
    assert got.data["details"] == {"requested": role, "creator": "write"}
    assert list(api.box.state.feldera_keys) == ["ci"]


async def test_what_the_official_client_asks_for_first(api):
    bearer = {"Authorization": f"Bearer {api.box.feldera_token}"}
    config = await api("GET", "/v0/config", headers=bearer)
    assert config.data["edition"] == "Open source"
    assert set(config.data) >= {"version", "revision", "runtime_revision", "changelog_url", "build_info"}
    assert (await api("GET", "/v0/cluster_healthz", headers=bearer)).data["all_healthy"] is True
    assert (await api("GET", "/v0/config")).status == 401
    assert (await api("GET", "/v0/nowhere", headers=bearer)).status == 404


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
    # The object is sent as text, and has no details.
    assert got.headers["Content-Type"].startswith("text/plain")
    said = json.loads(got.body)
    assert (set(said), said["error_code"]) == ({"message", "error_code"}, "AuthenticationFailed")


@pytest.mark.parametrize(
    ("name", "code", "details"),
    [
        ("", "EmptyName", None),
        ("x" * 101, "TooLongName", {"name": "x" * 101, "length": 101, "maximum": 100}),
        ("é" * 51, "TooLongName", {"name": "é" * 51, "length": 102, "maximum": 100}),
        ("a b", "NameDoesNotMatchPattern", {"name": "a b"}),
        ("é", "NameDoesNotMatchPattern", {"name": "é"}),
        ("a\n", "NameDoesNotMatchPattern", {"name": "a\n"}),
    ],
)
async def test_an_illegal_name(api, call, name, code, details):
    got = await call("POST", json={"name": name})
    assert (got.status, got.data["error_code"]) == (400, code)
    if details is None:
        assert got.data["details"] is None
    else:
        assert got.data["details"].items() >= details.items()
    assert api.box.state.feldera_keys == {}


@pytest.mark.parametrize(
    "body", [{}, {"name": 1}, {"name": None}, {"name": "a", "role": "x"}, {"name": "a", "role": 1}, []]
)
async def test_a_body_that_the_framework_refuses(api, call, body):
    got = await call("POST", json=body)
    assert got.status == 400
    assert got.headers["Content-Type"].startswith("text/plain")
    assert api.box.state.feldera_keys == {}


async def test_not_json(call):
    assert (await call("POST", data="{")).status == 400


async def test_a_method_that_a_path_does_not_have(call):
    for path, allowed in (("", "GET, POST"), ("/ci", "DELETE, GET")):
        got = await call("PUT", path)
        assert (got.status, got.headers["Allow"]) == (405, allowed)
        assert got.data["error_code"] == "MethodNotAllowed"
