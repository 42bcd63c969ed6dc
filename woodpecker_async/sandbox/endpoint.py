"""What an endpoint is: method, path, the input it takes and the answer it gives.

The input is declared as a class of msgspec, and read and checked here, so that a handler gets it as an object; the
declaration is also what `/openapi.json` is made from.
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
    """The base of queries and bodies. What is not declared in them is ignored.

    A parameter that may be left out has a default; `UNSET` of msgspec where there is none.
    """


def pattern_of(path: str) -> re.Pattern[str]:
    """What the paths of a template match, with a group for each of its open segments."""
    literal = re.split(r"(\{[^}]*\})", path)
    return re.compile("".join(_KINDS[part[1:-1].partition(":")[2]] if part[:1] == "{" else part for part in literal))


@frozen(kw_only=True)
class Endpoint:
    """An endpoint of the API.

    Attributes:
        method: of HTTP.
        path: its template, without `/rest`: `{name}` is one segment, `{name:int}` one of digits. A `/` at its end with
            a `?` behind it may be left out.
        run: does the work. It is called with the `Call`, and then with the query and the body where they are declared.
        query: the parameters of its query.
        body: its JSON body.
        body_required: whether a request without a body is refused.
        answer: the type of the JSON that it answers; `None` for an answer without a body.
        status: the status of that answer.
        refuse: what it answers to input that does not fit: it is called with the place and the fault. By default that
            is the error object of v2, or of v1.
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
        """How many segments of its path are open; `/domains/owner` goes before `/domains/{name}`."""
        return self.path.count("{")

    def __call__(self, call: Call) -> Answer:
        """Read the input and do the work, or refuse the input."""
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
    """The JSON of a body.

    Raises:
        msgspec.DecodeError: it is none, or does not fit.
    """
    try:
        return msgspec.json.decode(sent, type=kind)
    except msgspec.ValidationError as error:
        if "got `float`" not in str(error):
            raise
    return msgspec.convert(_whole(msgspec.json.decode(sent)), kind)


def _whole(value: Any) -> Any:
    """JSON with its whole numbers as integers: to JSON, 6.0 is one."""
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _query(sent: Mapping[str, str], kind: type[Input]) -> Input:
    """The parameters of a query.

    Raises:
        msgspec.ValidationError: they do not fit.
    """
    query = msgspec.convert(dict(sent), kind, strict=False)
    for field_ in msgspec.structs.fields(kind):
        name = field_.encode_name
        if name in sent and type(getattr(query, field_.name)) is int and not _INTEGER.fullmatch(sent[name]):
            raise msgspec.ValidationError(f"Expected `int`, got `str` - at `$.{name}`")  # "1.0", say
    return query


def _is_v1(endpoint: Endpoint) -> bool:
    return endpoint.path.startswith("/v1/")


def _fault(error: msgspec.DecodeError) -> tuple[str, str]:
    """Where the input does not fit, and why: the message of msgspec, taken apart."""
    fault, _, place = str(error).partition(" - at `$")
    if not place and (missing := re.fullmatch(_MISSING.format("(.*)"), fault)):
        return missing[1], fault
    return place.strip("`").lstrip("."), fault
