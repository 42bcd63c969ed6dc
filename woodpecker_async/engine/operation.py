"""The description of one API operation: what resources write and the engine runs."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar, cast
from urllib.parse import quote

import attrs

from woodpecker_async.errors import ConfigError
from woodpecker_async.options import CallOptions
from woodpecker_async.secret import Secret

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# RFC 3986 section 3.3, what a path segment may hold as it is.
_SEGMENT_SAFE = "-._~!$&'()*+,;=:@"

QueryValue = str | int | bool | None


def build_path(template: str, **segments: int | str) -> str:
    """A path from its template; each `{name}` stays one segment, whatever it holds.

    Raises:
        ConfigError: a segment is empty, `.` or `..`.
    """
    path = template
    for name, value in segments.items():
        if isinstance(value, str):
            if value in ("", ".", ".."):
                raise ConfigError(f"{name} cannot be {value!r}: it is one segment of a path")
            value = quote(value, safe=_SEGMENT_SAFE)
        path = path.replace(f"{{{name}}}", str(value))
    return path


def foreign_path(path: str) -> str:
    """A path that a user wrote, quoted segment by segment.

    Raises:
        ConfigError: it is not an absolute path below the base URL.
    """
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//"):
        raise ConfigError(f'a path begins with one "/" and is below the base URL, like "/v2/mailboxes"; not {path!r}')
    if "?" in path or "#" in path:
        raise ConfigError(f"a path has no query or fragment: give params= instead; not {path!r}")
    if "\\" in path or not path.isprintable():
        raise ConfigError(f"a path has no backslash or control character; not {path!r}")
    segments = path.split("/")[1:]
    if "" in segments[:-1]:
        raise ConfigError(f"a path has no empty segment; not {path!r}")
    for segment in segments:
        plain = segment.lower().replace("%2e", ".")
        if plain in (".", ".."):
            raise ConfigError(f'a path has no "." or ".." segment; not {path!r}')
    return "/" + "/".join(quote(segment, safe=_SEGMENT_SAFE) for segment in segments)


@attrs.define(kw_only=True, eq=False, repr=False)
class Operation(Generic[T]):
    """One operation of the API.

    Attributes:
        method: the HTTP method.
        path: the path below the base URL, quoted.
        template: the path with its placeholders: the name of the operation in logs and statistics.
        answer: the type the body of a success decodes to; `None` where there is no body to read.
        params: the query; `None` values are left out.
        body: the request model, or JSON values for a foreign path.
        company_id: the company this is about; only for errors, logs and lanes.
        as_company: the company to put into `x-company-id`.
        account_level: whether `x-company-id` has a meaning here (never on `/agency` paths).
        repeatable: whether repeating it is harmless by nature (reads, deletions).
        deadline: the moment, by the clock, at which the call is over, waiting in the lane included; without it
            the options say for how long, from the first attempt on.
        on_wire: told `True` when the server may act on a request from now on (writes only), and `False` when
            it has said that it did not.
        before_send: called just before each attempt is sent, when its turn in the lane has come; what it raises
            ends the call, and nothing is sent.
    """

    method: str
    path: str
    template: str
    answer: type[T] | None
    params: Mapping[str, QueryValue] = attrs.field(factory=dict)
    body: Any = None
    company_id: int | None = None
    as_company: int | None = None
    account_level: bool = False
    repeatable: bool = False
    deadline: float | None = None
    on_wire: Callable[[bool], None] | None = None
    before_send: Callable[[], object] | None = None

    @property
    def is_write(self) -> bool:
        """Whether the server's state may change."""
        return self.method not in ("GET", "HEAD")


def get(
    template: str,
    answer: type[T],
    *,
    params: Mapping[str, QueryValue] | None = None,
    account_level: bool = False,
    **segments: int | str,
) -> Operation[T]:
    """A read. `company_id`, if among the segments, names the company it is about."""
    company_id = segments.get("company_id")
    return Operation(
        method="GET",
        path=build_path(template, **segments),
        template=template,
        answer=answer,
        params=params or {},
        company_id=company_id if isinstance(company_id, int) else None,
        account_level=account_level,
        repeatable=True,
    )


def post(template: str, answer: type[T], body: Any, *, company_id: int | None = None) -> Operation[T]:
    """A write that is not repeatable by nature, about a company that stands in the path or in the body."""
    in_path = {"company_id": company_id} if company_id is not None and "{company_id}" in template else {}
    return Operation(
        method="POST",
        path=build_path(template, **in_path),
        template=template,
        answer=answer,
        body=body,
        company_id=company_id,
    )


_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


def foreign(method: str, path: str, params: Mapping[str, QueryValue] | None, body: Any) -> Operation[Any]:
    """An operation that a user describes: for endpoints the SDK has no verb for.

    Raises:
        ConfigError: the method, the path or the parameters cannot be sent.
    """
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise ConfigError(f"method is one of {', '.join(sorted(_METHODS))}, not {method!r}")
    quoted = foreign_path(path)
    for name, value in (params or {}).items():
        if not isinstance(name, str) or not isinstance(value, str | int | None):
            raise ConfigError(f"the parameter {name!r} is a text, a whole number, a boolean or None")
    return Operation(
        method=method.upper(),
        path=quoted,
        template=quoted,
        answer=cast("type[Any]", Any),
        params=params or {},
        body=body,
        account_level=not re.match(r"/v\d+/agency(/|$)", quoted, re.IGNORECASE),
        repeatable=method.upper() == "GET",
    )


@attrs.define(kw_only=True, eq=False, repr=False)
class Reply(Generic[T_co]):
    """What a call brings back.

    Attributes:
        value: the decoded answer.
        raw: the body as it came, if `keep_raw` asked for it.
        attempts: how many requests it took.
        request_id: the server's id of the answer, if it sends one.
    """

    value: T_co
    raw: Secret | None = None
    attempts: int = 1
    request_id: str | None = None


class Caller(Protocol):
    """All that resources and pages see of the engine."""

    async def run(self, operation: Operation[T], options: CallOptions | None = None) -> Reply[T]:
        """Run it: one logical call, with its repeats."""
        ...
