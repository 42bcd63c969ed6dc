"""Feldera's API keys, served on the same port but in no other way related to Woodpecker."""

import re
from typing import Any

from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import FelderaKey, NameTakenError, State
from woodpecker_async.sandbox.wire import Answer, RequestInfo, bodyless, feldera_error

# Which names are legal is not documented in what we have; these certainly are.
_LEGAL = re.compile(r"[A-Za-z0-9_-]{1,100}")
_ROLES = ("read", "write")


def refusal(state: State, info: RequestInfo) -> Answer | None:
    """401 unless the request carries a token that Feldera knows."""
    scheme, _, token = info.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and state.opens_feldera(token.strip()):
        return None
    answer = feldera_error(401, "Unauthorized", "The bearer token is missing or not valid")
    return answer.with_headers(WWW_Authenticate="Bearer")


def list_keys(call: Call) -> Answer:
    """``GET /v0/api_keys``: a bare array without secrets."""
    return Answer.of([_row(key) for key in call.state.feldera_keys.values()])


def create_key(call: Call) -> Answer:
    """``POST /v0/api_keys``: the only answer that ever shows the secret."""
    try:
        data = call.info.json()
    except ValueError:
        data = None
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        return feldera_error(400, "InvalidRequest", "The body must be an object with a name")
    name, role = data["name"], data.get("role", "write")
    if not _LEGAL.fullmatch(name):
        return feldera_error(400, "InvalidName", "The name is not legal", {"name": name})
    if role not in _ROLES:
        return feldera_error(400, "InvalidRequest", "The role must be read or write")
    try:
        key = call.state.add_feldera_key(name, role)
    except NameTakenError:
        return feldera_error(409, "DuplicateName", "An entity with this name already exists")
    return Answer.of({"api_key": key.api_key, "id": key.id, "name": key.name}, 201)


def get_key(call: Call) -> Answer:
    """``GET /v0/api_keys/{name}``."""
    key = call.state.feldera_keys.get(call.parts[0])
    return _unknown(call.parts[0]) if key is None else Answer.of(_row(key))


def delete_key(call: Call) -> Answer:
    """``DELETE /v0/api_keys/{name}``."""
    return bodyless(200) if call.state.delete_feldera_key(call.parts[0]) else _unknown(call.parts[0])


def _row(key: FelderaKey) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "role": key.role}


def _unknown(name: str) -> Answer:
    return feldera_error(404, "UnknownApiKey", f"Unknown API key '{name}'", {"name": name})
