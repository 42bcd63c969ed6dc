"""The sandbox's OpenAPI 3.1 description, generated from the declared endpoints."""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from woodpecker_async.sandbox.endpoint import Endpoint

_REFERENCE: Final = "#/components/schemas/{name}"
_STRING: Final = {"type": "string"}
_ERRORS: Final = {
    "Problem": {
        "type": "object",
        "properties": {"title": _STRING, "status": {"type": "integer"}, "detail": _STRING, "timestamp": _STRING},
        "required": ["title", "status", "detail", "timestamp"],
    },
    "CodedError": {
        "type": "object",
        "properties": {"code": _STRING, "message": _STRING, "details": {"type": "array", "items": _STRING}},
        "required": ["code"],
    },
    "LegacyError": {
        "type": "object",
        "properties": {
            "status": {
                "type": "object",
                "properties": {"status": {"const": "ERROR"}, "code": _STRING, "msg": _STRING},
                "required": ["status", "code", "msg"],
            }
        },
        "required": ["status"],
    },
}
_REFUSALS: Final = {
    "400": "the input is invalid; without a body if the request had no body",
    "401": "the key is missing or unknown",
    "403": "x-company-id, or an agency endpoint, with a key that is not the agency's; without a body",
    "404": "the resource does not exist, or the company is not in the agency",
    "405": "the path does not allow this method",
    "409": "the company is inactive, or the request conflicts with existing data",
    "429": "six requests of the account are already waiting",
    "500": "an injected fault",
}


_PERHAPS_WITHOUT_BODY: Final = ("400", "403")  # OpenAPI has no way to say "this, or no body"


def description(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The content of `/openapi.json`."""
    endpoints = [endpoint for endpoint in endpoints if not endpoint.path.startswith("/v0/")]  # Feldera's
    types = [
        declared for endpoint in endpoints for declared in (endpoint.body, endpoint.answer) if declared is not None
    ]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schema_of = dict(zip(map(id, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = re.sub(r":int\}", "}", endpoint.path).removesuffix("/?")
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "woodpecker-async sandbox", "version": "1"},
        "servers": [{"url": "/rest"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": {**components, **_ERRORS},
            "responses": {status: _refusal(status, text) for status, text in _REFUSALS.items()},
        },
    }


def _operation(endpoint: Endpoint, schema_of: dict[int, dict[str, Any]]) -> dict[str, Any]:
    family = endpoint.run.__module__.rpartition(".")[2]
    name = endpoint.run.__name__
    summary = (endpoint.run.__doc__ or name).strip().partition("\n")[0]
    operation: dict[str, Any] = {
        "operationId": f"{family}.{endpoint.method.lower()}.{name}",
        "tags": [family],
        "summary": re.sub(r"^``[A-Z]+ [^`]+``[:.] *", "", summary) or name,
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint), *_company_header(endpoint)],
        "responses": {
            str(endpoint.status): _success(endpoint, schema_of),
            **{status: {"$ref": f"#/components/responses/{status}"} for status in _REFUSALS},
        },
    }
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": endpoint.body_required,
            "content": {"application/json": {"schema": schema_of[id(endpoint.body)]}},
        }
    return operation


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _segment(kind)}
        for name, kind in re.findall(r"\{(\w+)(?::(\w+))?\}", endpoint.path)
    ]


def _segment(kind: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0} if kind == "int" else {"type": "string", "pattern": r"^[^/?#]+$"}


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    schema = _inlined(msgspec.json.schema(endpoint.query))
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": kind}
        for name, kind in schema.get("properties", {}).items()
    ]


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its root reference resolved; the only other references are parameters, which are simple."""
    reference = schema.get("$ref")
    return schema if reference is None else dict(schema["$defs"][reference.rpartition("/")[2]])


def _company_header(endpoint: Endpoint) -> list[dict[str, Any]]:
    if "/agency/" in f"{endpoint.path}/":
        return []
    return [
        {
            "name": "x-company-id",
            "in": "header",
            "required": False,
            "description": "the client company to act on, instead of the key's account",
            "schema": {"type": "integer", "minimum": 0},
        }
    ]


def _success(endpoint: Endpoint, schema_of: dict[int, dict[str, Any]]) -> dict[str, Any]:
    if endpoint.answer is None:
        return {"description": "done; without a body"}
    return {
        "description": "the response",
        "content": {"application/json": {"schema": schema_of[id(endpoint.answer)]}},
    }


def _refusal(status: str, text: str) -> dict[str, Any]:
    if status in _PERHAPS_WITHOUT_BODY:
        return {"description": text}
    schema = {"anyOf": [{"$ref": _REFERENCE.format(name=name)} for name in _ERRORS]}
    return {"description": text, "content": {"application/json": {"schema": schema}}}
