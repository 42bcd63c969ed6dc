"""What an endpoint is: method, path, the input it takes and the response it returns.

The input is declared as a msgspec class, and decoded and validated here, so that a handler gets it as an object. The
same declaration is the source of `/openapi.json`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from attrs import field, frozen
from msgspec import Struct

from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.wire import Answer, bad_request, bodyless, malformed, v1_error

_KINDS: Final = {"int": r"(\d+)", "": "([^/]+)"}
_INTEGER: Final = re.compile(r"-?[0-9]+")
_MISSING: Final = "Object missing required field `{}`"  # as msgspec says it


class Input(Struct, kw_only=True):
    """The base of queries and bodies. Undeclared fields are ignored.

    Optional parameters have a default, or msgspec's `UNSET` if there is no natural one.
    """


def pattern_of(path: str) -> re.Pattern[str]:
    """A pattern that matches the paths of a template, with a group for each of its placeholders."""
    literal = re.split(r"(\{[^}]*\})", path)
    return re.compile("".join(_KINDS[part[1:-1].partition(":")[2]] if part[:1] == "{" else part for part in literal))


@frozen(kw_only=True)
class Endpoint:
    """An endpoint of the API.

    Attributes:
        method: the HTTP method.
        path: its template, without `/rest`: `{name}` is one segment, `{name:int}` a segment of digits. A final `/?`
            is an optional slash.
        run: handles the request. Called with the `Call`, and then with the query and the body if they are declared.
        query: the type of its query parameters.
        body: the type of its JSON body.
        body_required: whether a request without a body is an error.
        answer: the type of the JSON response; `None` for a response without a body.
        status: the status of that response.
        refuse: makes the response to invalid input; called with the place and the error. By default the error object
            of v2, or of v1.
    """

    method: str
    path: str
    run: Callable[..., Answer]
    query: type[Input] | None = None
    body: Any = None
    body_required: bool = True
    answer: Any = None
    status: int = 200
    refuse: Callable[[str, str], Answer] | None = None
    pattern: re.Pattern[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "pattern", pattern_of(self.path))

    @property
    def placeholders(self) -> int:
        """How many placeholders its path has; `/domains/owner` takes precedence over `/domains/{name}`."""
        return self.path.count("{")

    def __call__(self, call: Call) -> Answer:
        """Decode the input and handle the request, or reject the input."""
        arguments = []
        if self.body is not None:
            if not call.info.body and self.body_required:
                return self._refused("body", _MISSING.format("body")) if _is_v1(self) else bodyless(400)
            try:
                arguments.append(_body(call.info.body or b"{}", self.body))
            except msgspec.DecodeError as error:
                return self._refused(*_fault(error))
        if self.query is not None:
            try:
                arguments.insert(0, _query(call.info.query, self.query))
            except msgspec.ValidationError as error:
                place, fault = _fault(error)
                if self.refuse is None and not _is_v1(self):
                    return bad_request(f"Value of {place} is incorrect.")
                return self._refused(place, fault)
        return self.run(call, *arguments)

    def _refused(self, place: str, fault: str) -> Answer:
        if self.refuse is not None:
            return self.refuse(place, fault)
        if not _is_v1(self):
            return malformed()
        if missing := re.fullmatch(_MISSING.format("(.*)"), fault):
            return v1_error("E_REQUIRED_ELEMENT", f"Required element is missing: {missing[1]}")
        return v1_error("E_WRONG_PARAM", f"Wrong parameter: {place or 'body'}")


def _body(sent: bytes, kind: Any) -> Any:
    """Decode a JSON body.

    Raises:
        msgspec.DecodeError: it is not JSON, or is invalid.
    """
    try:
        return msgspec.json.decode(sent, type=kind)
    except msgspec.ValidationError as error:
        if "got `float`" not in str(error):
            raise
    return msgspec.convert(_whole(msgspec.json.decode(sent)), kind)


def _whole(value: Any) -> Any:
    """A JSON value with whole floats as integers: in JSON, 6.0 is an integer."""
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _query(sent: Mapping[str, str], kind: type[Input]) -> Input:
    """Decode the parameters of a query.

    Raises:
        msgspec.ValidationError: they are invalid.
    """
    query = msgspec.convert(dict(sent), kind, strict=False)
    for field_ in msgspec.structs.fields(kind):
        name = field_.encode_name
        if name in sent and type(getattr(query, field_.name)) is int and not _INTEGER.fullmatch(sent[name]):
            raise msgspec.ValidationError(f"Expected `int`, got `str` - at `$.{name}`")  # for example "1.0"
    return query


def _is_v1(endpoint: Endpoint) -> bool:
    return endpoint.path.startswith("/v1/")


def _fault(error: msgspec.DecodeError) -> tuple[str, str]:
    """Where the input is invalid, and why, parsed from msgspec's message."""
    fault, _, place = str(error).partition(" - at `$")
    if not place and (missing := re.fullmatch(_MISSING.format("(.*)"), fault)):
        return missing[1], fault
    return place.strip("`").lstrip("."), fault
