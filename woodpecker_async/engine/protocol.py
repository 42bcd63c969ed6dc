"""The API's protocol without any I/O: an operation becomes a request, an answer becomes a verdict.

Two services speak through this module. What differs between them is in their `Dialect`.

The values that are made anew for every attempt are plain rather than frozen classes, here and in `operation`:
making a frozen one takes twice the time. Nobody changes them.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal
from urllib.parse import quote

import attrs

from woodpecker_async import errors
from woodpecker_async.engine.envelopes import Said, parse_retry_after, read_error, redirect_target
from woodpecker_async.engine.operation import Operation
from woodpecker_async.secret import Secret

Kind = Literal["ok", "not_sent", "lost", "timeout", "refused", "server", "client", "redirect"]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Dialect:
    """How one service is spoken to.

    Attributes:
        name: the service's name, for messages.
        credential_header: the header that carries the key.
        credential_prefix: what stands before the key in it.
        transient: the statuses after which a repeatable call is repeated.
        hints: what a user can do about some errors.
    """

    name: str
    credential_header: str
    credential_prefix: str = ""
    transient: frozenset[int] = frozenset({500, 502, 503, 504})
    hints: Mapping[type[errors.CallError], str] = {}


WOODPECKER: Final = Dialect(
    name="Woodpecker",
    credential_header="x-api-key",
    hints={
        errors.AuthenticationError: "check the API key, and that the account's plan and add-on grant API access",
        errors.PermissionDeniedError: "x-company-id and /agency paths need a key of the main agency account",
        errors.CompanyInactiveError: "activate the company in Woodpecker first",
    },
)
# Feldera says of itself: 502 to 504 pass, 500 and 501 are to be raised at once. Its own client repeats 408 as well.
FELDERA: Final = Dialect(
    name="Feldera",
    credential_header="Authorization",
    credential_prefix="Bearer ",
    transient=frozenset({408, 502, 503, 504}),
    hints={errors.AuthenticationError: "check the token"},
)


class Headers(dict[str, str]):
    """Request headers whose `repr` shows their names only."""

    def __repr__(self) -> str:
        return f"<headers {', '.join(self)}>"

    __str__ = __repr__


@attrs.define(kw_only=True, eq=False, repr=False)
class Request:
    """One attempt's request, ready to send. Path and query are quoted, and go below the server's origin."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes | None = None
    is_write: bool = False
    on_wire: Callable[[bool], None] | None = None


@attrs.define(kw_only=True, eq=False, repr=False)
class Answer:
    """What came back: status, headers (to be asked for by lower-case names), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed: float = 0.0


@attrs.define(kw_only=True, eq=False, repr=False)
class NoAnswer:
    """Nothing, or nothing whole, came back.

    Attributes:
        kind: `"not_sent"`, `"lost"` or `"timeout"`.
        reason: why, in words that hold no header and no body.
        stale: the connection had been used before, and broke before any answer.
        elapsed: seconds it took.
    """

    kind: Literal["not_sent", "lost", "timeout"]
    reason: str
    stale: bool = False
    elapsed: float = 0.0


@attrs.define(kw_only=True, eq=False, repr=False)
class Verdict:
    """What an attempt came to.

    Attributes:
        kind: `"ok"`, or the family of the failure.
        status: the HTTP status, if an answer came.
        body: the body of a success.
        error: the class a failure is raised as, if it is the last.
        title, detail, code, details, timestamp: what the server said of the failure.
        retry_after: seconds the server asked to wait.
        settled: the server has surely finished with the request (its own error body came back).
        body_kind: see `errors.ApiError.body_kind`.
        stale: the connection had been used before, and broke before any answer.
        target: where a redirect points, scheme and host.
        request_id: the server's id of the answer.
        elapsed: seconds from sending to the end.
    """

    kind: Kind
    status: int | None = None
    body: bytes = b""
    error: type[errors.CallError] = errors.ApiError
    title: str = ""
    detail: str = ""
    code: str | None = None
    details: Any = None
    timestamp: datetime | None = None
    retry_after: float | None = None
    settled: bool = False
    body_kind: str = "api"
    stale: bool = False
    target: str = ""
    request_id: str | None = None
    elapsed: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether this is a success."""
        return self.kind == "ok"


def common_headers(dialect: Dialect, key: Secret, user_agent: str, extra: Mapping[str, str]) -> Headers:
    """What all requests with this key and these extra headers have in common."""
    headers = Headers(extra)
    headers["Accept"] = "application/json"
    headers["User-Agent"] = user_agent
    headers[dialect.credential_header] = dialect.credential_prefix + key.reveal()
    return headers


def build_request(operation: Operation[Any], *, prefix: str, common: Headers, body: bytes | None) -> Request:
    """The request of one attempt, with a header mapping of its own.

    `x-company-id` comes from the operation and from nowhere else, so that it cannot be lost between attempts
    or leak into another request.

    Args:
        operation: what to ask for.
        prefix: the path of the base URL.
        common: see `common_headers`.
        body: JSON.
    """
    headers = Headers(common)
    if operation.as_company is not None:
        headers["x-company-id"] = str(operation.as_company)
    if body is not None:
        headers["Content-Type"] = "application/json"
    return Request(
        method=operation.method,
        path=prefix + operation.path,
        query=_query(operation.params),
        headers=headers,
        body=body,
        is_write=operation.is_write,
        on_wire=operation.on_wire,
    )


def _query(params: Mapping[str, Any]) -> str:
    return "&".join([f"{_quoted(name)}={_query_value(value)}" for name, value in params.items() if value is not None])


_quoted = lru_cache(maxsize=256)(quote)  # the same few names in every request


def _query_value(value: str | int | bool) -> str:
    if isinstance(value, str):
        return quote(value, safe="")
    return str(value).lower() if isinstance(value, bool) else str(value)


def judge(
    operation: Operation[Any],
    outcome: Answer | NoAnswer,
    *,
    key: Secret,
    now: Callable[[], datetime],
    maybe_done_before: bool = False,
) -> Verdict:
    """What the outcome of an attempt means.

    Args:
        operation: what was asked.
        outcome: what came back.
        key: the key it was asked with; a server that says it back is not quoted with it.
        now: tells the wall clock, for a `Retry-After` that is a date.
        maybe_done_before: an earlier attempt of the same call may have been acted on.
    """
    if isinstance(outcome, NoAnswer):
        return Verdict(
            kind=outcome.kind,
            error=_NO_ANSWER[outcome.kind],
            detail=outcome.reason,
            stale=outcome.stale,
            elapsed=outcome.elapsed,
        )
    status, headers = outcome.status, outcome.headers
    request_id = headers.get("x-request-id") or headers.get("request-id") or None
    if request_id:
        request_id = request_id.replace(key.reveal(), key.masked)
    if 200 <= status < 300 and not _hides_error(outcome.body):
        return Verdict(
            kind="ok",
            status=status,
            body=outcome.body,
            request_id=request_id,
            elapsed=outcome.elapsed,
            settled=True,
        )
    if status == 404 and operation.method == "DELETE" and maybe_done_before:
        # The first answer was lost after the deletion happened.
        return Verdict(kind="ok", status=status, request_id=request_id, elapsed=outcome.elapsed, settled=True)
    said = read_error(outcome.body.replace(key.reveal().encode(), key.masked.encode()))
    kind, error = _classify(operation, status, said)
    detail, target = said.detail, ""
    if kind == "redirect":
        target = redirect_target(headers)
        detail = f"the server redirects to {target}; no redirect is followed"
    elif not detail and not said.is_api:
        detail = _describe_foreign_body(outcome)
    return Verdict(
        kind=kind,
        status=status,
        error=error,
        title=said.title,
        detail=detail,
        code=said.code,
        details=said.details,
        timestamp=said.timestamp,
        retry_after=parse_retry_after(headers.get("retry-after"), now()),
        # A gateway's 502 to 504 says nothing of what the server behind it is still doing.
        settled=said.is_api and status <= 500,
        body_kind="api" if said.is_api else "foreign" if outcome.body.strip() else "empty",
        target=target,
        request_id=request_id,
        elapsed=outcome.elapsed,
    )


_NO_ANSWER: Final[Mapping[str, type[errors.CallError]]] = {
    "not_sent": errors.NotSentError,
    "lost": errors.ConnectionLostError,
    "timeout": errors.AttemptTimeoutError,
}

_BY_STATUS: Final[Mapping[int, type[errors.ApiError]]] = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    429: errors.RateLimitedError,
}

# The legacy API says what it means in a code; its HTTP status may be 200, 400 or 409 for the same thing.
_BY_V1_CODE: Final[Mapping[str, type[errors.ApiError]]] = {
    "E_SESSION": errors.AuthenticationError,
    "E_NO_PERMISSION": errors.PermissionDeniedError,
    "E_URL_NOT_FOUND": errors.NotFoundError,
    "E_RECORD_NOT_FOUND": errors.NotFoundError,
    "E_EMAIL_NOT_EXISTS": errors.NotFoundError,
    "E_TOO_MANY_REQUESTS": errors.RateLimitedError,
    "E_DUPLICATE": errors.ConflictError,
    "E_REQUIRED_ELEMENT": errors.BadRequestError,
    "E_INV_STATUS": errors.BadRequestError,
    "E_EMAIL": errors.BadRequestError,
    "E_WRONG_PARAM": errors.BadRequestError,
    "E_UNKNOWN": errors.ServerError,
}

# What the documents say in a 404 about the company: with x-company-id, and with the company in the path.
_NOT_THE_AGENCYS: Final = "company not found"
_NOT_IN_PATH: Final = frozenset({_NOT_THE_AGENCYS, "no active company found", "requested resource does not exist"})


def _hides_error(body: bytes) -> bool:
    # The legacy API reports failures inside a 200. Cheap test first: a large page is not parsed twice for it.
    if b'"ERROR"' not in body:
        return False
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return False
    status = value.get("status") if isinstance(value, dict) else None
    return isinstance(status, dict) and status.get("status") == "ERROR"


def _classify(operation: Operation[Any], status: int, said: Said) -> tuple[Kind, type[errors.ApiError]]:
    error: type[errors.ApiError]
    if status >= 500:
        error = errors.ServerError
    elif 300 <= status < 400:
        error = errors.UnexpectedRedirectError
    elif said.code is not None and said.code in _BY_V1_CODE:
        error = _BY_V1_CODE[said.code]
    else:
        error = _BY_STATUS.get(status, errors.ApiError)
    if error is errors.NotFoundError and _is_about_company(operation, said.detail.lower()):
        error = errors.CompanyNotFoundError
    if error is errors.ConflictError and said.detail.lower() == "company is inactive":
        error = errors.CompanyInactiveError
    kind: Kind = "client"
    if issubclass(error, errors.RateLimitedError):
        kind = "refused"
    elif issubclass(error, errors.ServerError):
        kind = "server"
    elif issubclass(error, errors.UnexpectedRedirectError):
        kind = "redirect"
    return kind, error


def _is_about_company(operation: Operation[Any], detail: str) -> bool:
    if operation.company_id is not None:
        return detail in _NOT_IN_PATH
    return operation.as_company is not None and detail == _NOT_THE_AGENCYS


def _describe_foreign_body(answer: Answer) -> str:
    if not answer.body.strip():
        return ""
    content_type = re.sub(r"[^\w/+.-].*", "", answer.headers.get("content-type", "")) or "no content type"
    return f"not an answer of the API, but {len(answer.body)} bytes of {content_type}, as a proxy would send"


def error_for(
    verdict: Verdict,
    context: dict[str, Any],
    *,
    hints: Mapping[type[errors.CallError], str] = WOODPECKER.hints,
    note: str = "",
    write_kind: str | None = None,
) -> errors.CallError:
    """The exception a failed call ends in.

    Args:
        verdict: the last attempt's.
        context: what every `CallError` says of its call.
        hints: see `Dialect`.
        note: why no further attempt was made, if that needs saying.
        write_kind: for a write that may have been acted on, how its outcome got lost.
    """
    message = _message(verdict, hints) + (f"; {note}" if note else "")
    if write_kind is not None:
        return errors.OutcomeUnknownError(
            f"it is not known whether this happened: {message}",
            kind=write_kind,
            status=verdict.status,
            settled=verdict.settled,
            **context,
        )
    if not issubclass(verdict.error, errors.ApiError):
        return verdict.error(message, **context)
    assert verdict.status is not None
    context = context | {
        "status": verdict.status,
        "title": verdict.title,
        "detail": verdict.detail,
        "code": verdict.code,
        "details": verdict.details,
        "retry_after": verdict.retry_after,
        "timestamp": verdict.timestamp,
        "body_kind": verdict.body_kind,
    }
    if issubclass(verdict.error, errors.UnexpectedRedirectError):
        context["target"] = verdict.target
    return verdict.error(message, **context)


def _message(verdict: Verdict, hints: Mapping[type[errors.CallError], str]) -> str:
    if verdict.status is None:
        return verdict.detail
    said = ": ".join(part for part in (verdict.title, verdict.detail) if part)
    message = f"{verdict.status} {said or 'without a body'}"
    if verdict.code:
        message += f" ({verdict.code})"
    if verdict.retry_after is not None:
        message += f"; the server asks to wait {verdict.retry_after:g} s"
    if hint := hints.get(verdict.error):
        message += f" ({hint})"
    return message
