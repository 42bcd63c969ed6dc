"""Feldera's API keys, served on the same port but otherwise unrelated to Woodpecker."""

import re
from typing import Any, Final

from woodpecker_async.sandbox.endpoint import Endpoint
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import FelderaKey, NameTakenError, State
from woodpecker_async.sandbox.wire import Answer, RequestInfo, bodyless, feldera_error, feldera_unauthorized

_PATTERN: Final = "^[a-zA-Z0-9_-]+$"
_MOST_BYTES: Final = 100
# Each role includes the rights of those before it.
_ROLES: Final = ("read", "write", "admin", "owner")
_VERSION: Final = "0.369.0"


def refusal(state: State, info: RequestInfo) -> Answer | None:
    """401 unless the request has a token that Feldera knows, and 403 for API-key paths with a read-only one."""
    role = _role(state, info)
    if role is None:
        return feldera_unauthorized()
    if role == "read" and info.path.startswith("/v0/api_keys"):
        details = {"required": "write", "actual": role}
        return feldera_error(403, "InsufficientPermissions", "This needs the role write", details)
    return None


def list_keys(call: Call) -> Answer:
    """``GET /v0/api_keys``: a bare array without secrets, in no order."""
    return _uncached([_row(key) for key in call.state.feldera_keys.values()])


def create_key(call: Call) -> Answer:
    """``POST /v0/api_keys``: the only response that ever contains the secret."""
    try:
        data = call.info.json()
    except ValueError:
        data = None
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        return _malformed("expected an object with a name")
    name, role = data["name"], data.get("role") or "read"
    if role not in _ROLES:
        return _malformed("unknown role")
    refused = _refused_role(role, _role(call.state, call.info) or "read") or _refused_name(name)
    if refused is not None:
        return refused
    try:
        key = call.state.add_feldera_key(name, role)
    except NameTakenError:
        return feldera_error(409, "DuplicateName", "An entity with this name already exists")
    return _uncached({"api_key": key.api_key, "id": key.id, "name": key.name}, 201)


def get_key(call: Call) -> Answer:
    """``GET /v0/api_keys/{name}``: an array of one."""
    key = call.state.feldera_keys.get(call.parts[0])
    return _unknown(call.parts[0]) if key is None else _uncached([_row(key)])


def delete_key(call: Call) -> Answer:
    """``DELETE /v0/api_keys/{name}``."""
    return bodyless(200) if call.state.delete_feldera_key(call.parts[0]) else _unknown(call.parts[0])


def config(_: Call) -> Answer:
    """``GET /v0/config``: the official Python client requests this before anything else."""
    texts = (
        "revision",
        "runtime_revision",
        "changelog_url",
        "build_source",
        "posthog",
        "conceptualhq",
        "product_fruits",
    )
    return Answer.of({"version": _VERSION, "edition": "Open source", "build_info": {}, **dict.fromkeys(texts, "")})


def health(_: Call) -> Answer:
    """``GET /v0/cluster_healthz``."""
    well = {"healthy": True}
    return Answer.of({"all_healthy": True, "api": well, "compiler": well, "runner": well})


def _role(state: State, info: RequestInfo) -> str | None:
    scheme, _, token = info.headers.get("authorization", "").partition(" ")
    return state.feldera_role(token.strip()) if scheme.lower() == "bearer" else None


def _refused_role(role: str, callers: str) -> Answer | None:
    if _ROLES.index(role) > _ROLES.index(callers):
        details = {"requested": role, "creator": callers}
        return feldera_error(403, "RoleExceedsCreator", "A key cannot have more rights than who makes it", details)
    if role in {"admin", "owner"}:
        return feldera_error(403, "OwnerAdminNotMintableAsApiKey", "No key has the role admin or owner")
    return None


def _refused_name(name: str) -> Answer | None:
    if not name:
        return feldera_error(400, "EmptyName", "The name is empty")
    length = len(name.encode("utf-8", "surrogatepass"))
    if length > _MOST_BYTES:
        details = {"name": name, "length": length, "maximum": _MOST_BYTES}
        return feldera_error(400, "TooLongName", "The name is too long", details)
    if not re.fullmatch(_PATTERN, name):
        details = {"name": name, "pattern": _PATTERN, "pattern_description": "letters, digits, underscores and hyphens"}
        return feldera_error(400, "NameDoesNotMatchPattern", "The name has other characters than it may", details)
    return None


def _malformed(why: str) -> Answer:
    """The framework's response to a body that it cannot parse: text instead of Feldera's error object."""
    return Answer(status=400, body=f"Json deserialize error: {why}".encode(), headers={"Content-Type": "text/plain"})


def _uncached(data: Any, status: int = 200) -> Answer:
    return Answer.of(data, status, {"Cache-Control": "no-cache"})


def _row(key: FelderaKey) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "role": key.role}


def _unknown(name: str) -> Answer:
    return feldera_error(404, "UnknownApiKey", f"Unknown API key '{name}'", {"name": name})


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v0/api_keys", run=list_keys),
    Endpoint(method="POST", path="/v0/api_keys", run=create_key),
    Endpoint(method="GET", path="/v0/api_keys/{name}", run=get_key),
    Endpoint(method="DELETE", path="/v0/api_keys/{name}", run=delete_key),
    Endpoint(method="GET", path="/v0/config", run=config),
    Endpoint(method="GET", path="/v0/cluster_healthz", run=health),
)
