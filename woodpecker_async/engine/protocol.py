"""The API's protocol without any I/O: an operation becomes a request, an answer becomes a result.

Two services speak through this module. What differs between them is in their `Dialect`.

The values that are made anew for every attempt are plain rather than frozen classes, here and in `operation`:
making a frozen one takes twice the time. Nobody changes them.

All that is known of the services' answers is in this one module, so that it can be held against the documents.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, Final, Literal
from urllib.parse import quote

import attrs

from woodpecker_async import errors
from woodpecker_async._redact import names_a_secret, quotable
from woodpecker_async.engine.envelopes import ErrorBody, parse_error, parse_retry_after, redirect_target
from woodpecker_async.engine.hidden import hidden, look_at
from woodpecker_async.engine.operation import NO_HEADERS, RESPONSE_HEADERS, Operation
from woodpecker_async.secret import Secret

Kind = Literal["ok"] | errors.FailureKind


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
        errors.UnsupportedCampaignError: "it has a condition, a scheduled start or manual tasks, which the v2 API does "
        "not show: campaigns.list and campaigns.stats know it, and the web application changes it",
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


@attrs.define(kw_only=True, eq=False, repr=False)
class Request:
    """One attempt's request. Path and query are quoted, and go below the server's origin.

    Attributes:
        headers: all of them but the one that carries the key.
        dialect: says which one that is.
        key: the key.
        body: JSON, hidden: it may hold a password.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    dialect: Dialect
    key: Secret
    body: Callable[[], bytes] | None = None
    is_write: bool = False
    on_wire: Callable[[bool], None] | None = None

    def signed_headers(self) -> dict[str, str]:
        """All headers, with the key in plain text: for a frame that no traceback keeps, and nothing else."""
        dialect = self.dialect
        return {**self.headers, dialect.credential_header: dialect.credential_prefix + self.key.reveal()}


class RawResponse:
    """What came back.

    Attributes:
        status: the HTTP status.
        headers: to be asked for by lower-case names.
        body: decoded, and empty if it cannot be read; made of bytes, and hidden (see `look_at`).
        mentions_error: whether the body may be a failure of the legacy API, which reports them inside a 200.
        unreadable: why the body cannot be read, if it cannot.
        elapsed: seconds it took.
    """

    __slots__ = ("body", "elapsed", "headers", "mentions_error", "status", "unreadable")

    def __init__(
        self, *, status: int, headers: Mapping[str, str], body: bytes, unreadable: str = "", elapsed: float = 0.0
    ) -> None:
        self.status = status
        self.headers = headers
        self.body: Callable[[], bytes] = lambda: body  # as `hidden` does
        self.mentions_error = b'"ERROR"' in body  # cheap, so that a large page is not parsed twice
        self.unreadable = unreadable
        self.elapsed = elapsed


@attrs.define(kw_only=True, eq=False, repr=False)
class TransportFailure:
    """Nothing, or nothing whole, came back.

    Attributes:
        kind: `"not_sent"`, `"lost"` or `"timeout"`.
        reason: why, in words that hold no header and no body.
        stale: the connection had been used before, and broke before any answer.
        permanent: another attempt would come to the same.
        elapsed: seconds it took.
    """

    kind: Literal["not_sent", "lost", "timeout"]
    reason: str
    stale: bool = False
    permanent: bool = False
    elapsed: float = 0.0


_NO_BODY: Final = hidden(b"")


@attrs.define(kw_only=True, eq=False, repr=False)
class AttemptResult:
    """What an attempt came to.

    Attributes:
        kind: `"ok"`, or the family of the failure.
        status: the HTTP status, if an answer came.
        body: the body of a success; see `look_at`.
        unreadable: why the body of a success cannot be read, if it cannot.
        error: the class a failure is raised as, if it is the last.
        title, detail, code, details, timestamp: what the server said of the failure.
        retry_after: seconds the server asked to wait.
        settled: the server has surely finished with the request (its own error body came back).
        body_kind: see `errors.ApiError.body_kind`.
        stale: the connection had been used before, and broke before any answer.
        permanent: another attempt would come to the same.
        target: where a redirect points, scheme and host.
        request_id: the server's id of the answer.
        headers: those of the answer that somebody reads.
        elapsed: seconds from sending to the end.
    """

    kind: Kind
    status: int | None = None
    body: Callable[[], bytes] = _NO_BODY
    unreadable: str = ""
    error: type[errors.CallError] = errors.ApiError
    title: str = ""
    detail: str = ""
    code: str | None = None
    details: Any = None
    timestamp: datetime | None = None
    retry_after: float | None = None
    settled: bool = False
    body_kind: errors.BodyKind = "api"
    stale: bool = False
    permanent: bool = False
    target: str = ""
    request_id: str | None = None
    headers: Mapping[str, str] = NO_HEADERS
    elapsed: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether this is a success."""
        return self.kind == "ok"

    @property
    def failure(self) -> errors.FailureKind | None:
        """What went wrong, in a word; `None` for a success."""
        return None if self.kind == "ok" else self.kind


def common_headers(user_agent: str, extra: Mapping[str, str]) -> Mapping[str, str]:
    """What all requests with these extra headers have in common, but for the key."""
    return {**extra, "Accept": "application/json", "User-Agent": user_agent}


def build_request(
    operation: Operation[Any],
    *,
    prefix: str,
    common: Mapping[str, str],
    dialect: Dialect,
    key: Secret,
    body: Callable[[], bytes] | None,
) -> Request:
    """The request of one attempt. What requests have in common is never changed for one of them.

    `x-company-id` comes from the operation and from nowhere else, so that it cannot be lost between attempts
    or leak into another request.

    Args:
        operation: what to ask for.
        prefix: the path of the base URL.
        common: see `common_headers`.
        dialect: how the service is spoken to.
        key: the key to ask with.
        body: JSON, hidden.
    """
    headers = common
    if operation.company_header is not None:
        headers = {**headers, "x-company-id": str(operation.company_header)}
    if body is not None:
        headers = {**headers, "Content-Type": "application/json"}
    return Request(
        method=operation.method,
        path=prefix + operation.path,
        query=_query(operation.params),
        headers=headers,
        dialect=dialect,
        key=key,
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


def classify(
    operation: Operation[Any],
    outcome: RawResponse | TransportFailure,
    *,
    key: Secret,
    now: Callable[[], datetime],
    maybe_done_before: bool = False,
) -> AttemptResult:
    """What the outcome of an attempt means.

    Args:
        operation: what was asked.
        outcome: what came back.
        key: the key it was asked with; a server that says it back, or a secret of the body, is not quoted with it.
        now: tells the wall clock, for a `Retry-After` that is a date where the answer has no `Date`.
        maybe_done_before: an earlier attempt of the same call may have been acted on.
    """
    if isinstance(outcome, TransportFailure):
        return AttemptResult(
            kind=outcome.kind,
            error=_NO_ANSWER[outcome.kind],
            detail=outcome.reason,
            stale=outcome.stale,
            permanent=outcome.permanent,
            elapsed=outcome.elapsed,
        )
    status, headers = outcome.status, outcome.headers
    quote_text = partial(_quoted_text, key=key, secrets=operation.secrets)
    request_id = headers.get("x-request-id") or headers.get("request-id") or None
    if request_id:
        request_id = quote_text(request_id)[:_LONGEST_LINE]
    shown = _all_headers(headers, quote_text) if operation.all_headers else NO_HEADERS
    if 200 <= status < 300 and not (outcome.mentions_error and look_at(outcome.body, _hides_error)):
        return AttemptResult(
            kind="ok",
            status=status,
            body=outcome.body,
            unreadable=outcome.unreadable,
            request_id=request_id,
            headers=shown or {name: headers[name] for name in RESPONSE_HEADERS if name in headers} or NO_HEADERS,
            elapsed=outcome.elapsed,
            settled=True,
        )
    if status == 404 and operation.method == "DELETE" and maybe_done_before:
        # The first answer was lost after the deletion happened.
        return AttemptResult(
            kind="ok", status=status, request_id=request_id, headers=shown, elapsed=outcome.elapsed, settled=True
        )
    said = look_at(outcome.body, parse_error, quote_text)
    kind, error = _error_class(operation, status, said)
    detail, target = said.detail, ""
    if kind == "redirect":
        target = quote_text(redirect_target(headers))[:_LONGEST_LINE]
        detail = f"the server redirects to {target}; no redirect is followed"
    elif not detail and not said.is_api and outcome.unreadable:
        detail = f"the body cannot be read: {outcome.unreadable}"
    elif not detail and not said.is_api:
        detail = look_at(outcome.body, _describe_foreign_body, headers.get("content-type", ""))
    return AttemptResult(
        kind=kind,
        status=status,
        error=error,
        title=said.title,
        detail=detail,
        code=said.code,
        details=said.details,
        timestamp=said.timestamp,
        retry_after=parse_retry_after(headers.get("retry-after"), headers.get("date"), now),
        # A gateway's 502 to 504 says nothing of what the server behind it is still doing.
        settled=said.is_api and status <= 500,
        body_kind="api" if said.is_api else _kind_of_foreign_body(outcome),
        target=target,
        request_id=request_id,
        headers=shown,
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

# A wrong parameter may be one that conflicts with what is there: then the status says more than the code. Without a
# status of its own (older documents put all codes under 400, and failures come inside a 200) it is this all the same.
_SAYS_LITTLE: Final = errors.BadRequestError

# Three spellings are known, all from third parties that met them: API_UNSUPPORTED_CAMPAIGN, the same with _FEATURES
# behind it, and WCNF001.
_UNSUPPORTED_CAMPAIGN: Final = ("API_UNSUPPORTED_CAMPAIGN", "WCNF001")

# What the documents say in a 404 about the company: with x-company-id, and with the company in the path.
_NOT_THE_AGENCYS: Final = "company not found"
_NOT_IN_PATH: Final = frozenset({_NOT_THE_AGENCYS, "no active company found", "requested resource does not exist"})


def _hides_error(body: bytes) -> bool:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return False
    status = value.get("status") if isinstance(value, dict) else None
    return isinstance(status, dict) and status.get("status") == "ERROR"


def _error_class(operation: Operation[Any], status: int, said: ErrorBody) -> tuple[Kind, type[errors.ApiError]]:
    error: type[errors.ApiError]
    if status >= 500:
        error = errors.ServerError
    elif 300 <= status < 400:
        error = errors.UnexpectedRedirectError
    elif said.code is not None and _BY_V1_CODE.get(said.code, _SAYS_LITTLE) is not _SAYS_LITTLE:
        error = _BY_V1_CODE[said.code]
    else:
        error = _BY_STATUS.get(status, _BY_V1_CODE.get(said.code or "", errors.ApiError))
    if error is errors.NotFoundError and _is_about_company(operation, said.detail.lower()):
        error = errors.CompanyNotFoundError
    if error is errors.ConflictError and said.detail.lower() == "company is inactive":
        error = errors.CompanyInactiveError
    if error is errors.ConflictError and (said.code or "").startswith(_UNSUPPORTED_CAMPAIGN):
        error = errors.UnsupportedCampaignError
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
    return operation.company_header is not None and detail == _NOT_THE_AGENCYS


def _kind_of_foreign_body(answer: RawResponse) -> errors.BodyKind:
    # What cannot be read was there all the same.
    return "foreign" if answer.unreadable or look_at(answer.body, bytes.strip) else "empty"


def _describe_foreign_body(body: bytes, content_type: str) -> str:
    if not body.strip():
        return ""
    known = re.match(r"[A-Za-z0-9/+.-]{1,60}", content_type)
    kind = known[0] if known else "no content type"
    return f"not an answer of the API, but {len(body)} bytes of {kind}, as a proxy would send"


def _quoted_text(text: str, key: Secret, secrets: Iterable[Secret]) -> str:
    """What the server wrote, as an error may quote it: without the key, and without the secrets it was sent."""
    return look_at(hidden(text), _without_secrets, key, secrets)


def _without_secrets(text: str, key: Secret, secrets: Iterable[Secret]) -> str:
    text = text.replace(key.reveal(), key.masked)
    for plain in (secret.reveal() for secret in secrets):
        if len(plain) >= _LEAST_MASKED:
            in_json = (json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1])
            for form in sorted((plain, *in_json), key=len, reverse=True):  # one may be a part of another
                text = text.replace(form, "****")
    return quotable(text)


# What is shorter could be guessed, and stands in many a word.
_LEAST_MASKED: Final = 4
_LONGEST_LINE: Final = 300


# What stands in place of a header that may hold a secret.
MASKED: Final = "****"
# Names that sound like one, though it is not said there.
_NO_SECRETS: Final = re.compile(r"(www|proxy)-authenticate|access-control-.*|.*-policy")


def _all_headers(headers: Mapping[str, str], quote_text: Callable[[str], str]) -> Mapping[str, str]:
    """All headers, by lower-case names, as they may be quoted: without what may be a secret."""
    shown: dict[str, str] = {}
    for name, value in headers.items():  # one item for each line of the head
        name = quote_text(name.lower())
        if (names_a_secret(name) or "cookie" in name) and not (_NO_SECRETS.fullmatch(name) or value.isdecimal()):
            value = MASKED
        elif name in ("location", "content-location", "refresh", "link"):  # a query may hold a token
            value = re.sub(r"[?#][^\s>;,]*", "?****", re.sub(r"//[^/@\s]*@", "//****@", value))
        value = quote_text(value)[:_LONGEST_LINE]
        shown[name] = f"{shown[name]}, {value}" if name in shown else value
    return shown
