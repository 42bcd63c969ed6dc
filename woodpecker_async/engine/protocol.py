"""The API's protocol without any I/O: turns an operation into a request, and a response into a result.

It supports two services; their differences are in their `Dialect`.

The classes that are instantiated for every attempt are not frozen, here and in `operation`, because creating a frozen
instance takes twice as long. They are never modified.

Everything known about the services' responses is in this one module, so that it can be compared with the documents.
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
    """The protocol of one service.

    Attributes:
        name: the service's name, for messages.
        credential_header: the header that carries the key.
        credential_prefix: the text before the key in that header.
        transient: the statuses after which an idempotent call is retried.
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
        errors.AuthenticationError: "check the API key, and that the account's plan and add-on include API access",
        errors.PermissionDeniedError: "x-company-id and /agency paths need a key of the main agency account",
        errors.CompanyNotFoundError: "the agency has no such company, or it is inactive: check with "
        "agency.companies.list()",
        errors.CompanyInactiveError: "activate the company in Woodpecker first",
        errors.UnsupportedCampaignError: "it has a condition, a scheduled start or manual tasks, which the v2 API does "
        "not expose: use campaigns.list and campaigns.stats, or change it in the web application",
    },
)
# Feldera's documents call 502 to 504 temporary, and say not to retry 500 and 501. Its own client retries 408 as well.
FELDERA: Final = Dialect(
    name="Feldera",
    credential_header="Authorization",
    credential_prefix="Bearer ",
    transient=frozenset({408, 502, 503, 504}),
    hints={errors.AuthenticationError: "check the token"},
)


@attrs.define(kw_only=True, eq=False, repr=False)
class Request:
    """One attempt's request. Path and query are quoted, and relative to the server's origin.

    Attributes:
        headers: all headers except the one that carries the key.
        dialect: says which header that is.
        key: the key.
        body: JSON, hidden because it may contain a password.
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
        """Return all headers, with the key in plain text. Call it only in a frame that no traceback keeps."""
        dialect = self.dialect
        return {**self.headers, dialect.credential_header: dialect.credential_prefix + self.key.reveal()}


class RawResponse:
    """A response.

    Attributes:
        status: the HTTP status.
        headers: the headers; look them up by lower-case name.
        body: the decoded body, empty if it cannot be read; hidden (see `look_at`).
        mentions_error: whether the body may be a failure of the legacy API, which reports some inside a 200.
        unreadable: why the body cannot be read, if it cannot.
        elapsed: how long it took, in seconds.
    """

    __slots__ = ("body", "elapsed", "headers", "mentions_error", "status", "unreadable")

    def __init__(
        self, *, status: int, headers: Mapping[str, str], body: bytes, unreadable: str = "", elapsed: float = 0.0
    ) -> None:
        self.status = status
        self.headers = headers
        self.body: Callable[[], bytes] = lambda: body  # as `hidden` does
        self.mentions_error = b'"ERROR"' in body  # a cheap check, so that large pages are not parsed twice
        self.unreadable = unreadable
        self.elapsed = elapsed


@attrs.define(kw_only=True, eq=False, repr=False)
class TransportFailure:
    """No response, or an incomplete one.

    Attributes:
        kind: `"not_sent"`, `"lost"` or `"timeout"`.
        reason: the reason, without any header or body.
        stale: whether the connection had been used before, and broke before any response.
        permanent: whether another attempt would fail in the same way.
        elapsed: how long it took, in seconds.
    """

    kind: Literal["not_sent", "lost", "timeout"]
    reason: str
    stale: bool = False
    permanent: bool = False
    elapsed: float = 0.0


_NO_BODY: Final = hidden(b"")


@attrs.define(kw_only=True, eq=False, repr=False)
class AttemptResult:
    """The result of an attempt.

    Attributes:
        kind: `"ok"`, or the kind of failure.
        status: the HTTP status, if there was a response.
        body: the body of a success; see `look_at`.
        unreadable: why the body of a success cannot be read, if it cannot.
        error: the exception class to raise if this failure is final.
        title, detail, code, details, timestamp: what the server said about the failure.
        retry_after: how many seconds the server asked to wait.
        settled: whether the server is certain to have finished with the request (it sent its own error body).
        body_kind: see `errors.ApiError.body_kind`.
        stale: whether the connection had been used before, and broke before any response.
        permanent: whether another attempt would fail in the same way.
        target: the scheme and host that a redirect points to.
        request_id: the server's id of the response.
        headers: the response headers that are used.
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
        """Whether the attempt succeeded."""
        return self.kind == "ok"

    @property
    def failure(self) -> errors.FailureKind | None:
        """What went wrong; `None` for a success."""
        return None if self.kind == "ok" else self.kind


def common_headers(user_agent: str, extra: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers that all requests with these extra headers share, without the key."""
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
    """Build the request of one attempt. The shared headers are never modified.

    `x-company-id` comes from the operation and from nowhere else, so that it cannot get lost between attempts or leak
    into another request.

    Args:
        operation: the operation.
        prefix: the path of the base URL.
        common: see `common_headers`.
        dialect: the protocol of the service.
        key: the key.
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


_quoted = lru_cache(maxsize=256)(quote)  # every request uses the same few names


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
    """Classify the outcome of an attempt.

    Args:
        operation: the operation.
        outcome: the response, or why there was none.
        key: the key; if the server echoes it or a secret of the body, that is masked before it is quoted.
        now: returns the wall-clock time, for a `Retry-After` that is a date in a response without `Date`.
        maybe_done_before: whether the server may have acted on an earlier attempt of the same call.
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
        # An earlier attempt succeeded, and its response was lost.
        return AttemptResult(
            kind="ok", status=status, request_id=request_id, headers=shown, elapsed=outcome.elapsed, settled=True
        )
    said = look_at(outcome.body, parse_error, quote_text)
    kind, error = _error_class(operation, status, said)
    detail, target = said.detail, ""
    if kind == "redirect":
        target = quote_text(redirect_target(headers))[:_LONGEST_LINE]
        detail = f"the server redirects to {target}; the SDK follows no redirect"
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
        # A gateway's 502 to 504 says nothing about what the server behind it is doing.
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

# The legacy API identifies errors by a code; the HTTP status of the same error may be 200, 400 or 409.
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

# A "wrong parameter" may be one that conflicts with existing data: then the status says more than the code. If the
# status says nothing (older documents list all codes under 400, and failures may be inside a 200), it is this one.
_SAYS_LITTLE: Final = errors.BadRequestError

# Three spellings are known, all reported by third parties: API_UNSUPPORTED_CAMPAIGN, the same followed by _FEATURES,
# and WCNF001.
_UNSUPPORTED_CAMPAIGN: Final = ("API_UNSUPPORTED_CAMPAIGN", "WCNF001")

# The documented texts of a 404 about the company: with x-company-id, and with the company in the path.
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
    # A body that cannot be read is not empty.
    return "foreign" if answer.unreadable or look_at(answer.body, bytes.strip) else "empty"


def _describe_foreign_body(body: bytes, content_type: str) -> str:
    if not body.strip():
        return ""
    known = re.match(r"[A-Za-z0-9/+.-]{1,60}", content_type)
    kind = known[0] if known else "no content type"
    return f"not a response of the API, but {len(body)} bytes of {kind}, as a proxy would send"


def _quoted_text(text: str, key: Secret, secrets: Iterable[Secret]) -> str:
    """Return the server's text in a form that an error may quote: without the key and the secrets it was sent."""
    return look_at(hidden(text), _without_secrets, key, secrets)


def _without_secrets(text: str, key: Secret, secrets: Iterable[Secret]) -> str:
    text = text.replace(key.reveal(), key.masked)
    for plain in (secret.reveal() for secret in secrets):
        if len(plain) >= _LEAST_MASKED:
            in_json = (json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1])
            for form in sorted((plain, *in_json), key=len, reverse=True):  # one may be part of another
                text = text.replace(form, "****")
    return quotable(text)


# Shorter secrets could be guessed anyway, and occur in ordinary words.
_LEAST_MASKED: Final = 4
_LONGEST_LINE: Final = 300


# Replaces the value of a header that may hold a secret.
MASKED: Final = "****"
# Names that sound like a secret but are not.
_NO_SECRETS: Final = re.compile(r"(www|proxy)-authenticate|access-control-.*|.*-policy")


def _all_headers(headers: Mapping[str, str], quote_text: Callable[[str], str]) -> Mapping[str, str]:
    """Return all headers, by lower-case name, in a form that may be quoted: with possible secrets masked."""
    shown: dict[str, str] = {}
    for name, value in headers.items():  # one item per header line
        name = quote_text(name.lower())
        if (names_a_secret(name) or "cookie" in name) and not (_NO_SECRETS.fullmatch(name) or value.isdecimal()):
            value = MASKED
        elif name in ("location", "content-location", "refresh", "link"):  # a query may hold a token
            value = re.sub(r"[?#][^\s>;,]*", "?****", re.sub(r"//[^/@\s]*@", "//****@", value))
        value = quote_text(value)[:_LONGEST_LINE]
        shown[name] = f"{shown[name]}, {value}" if name in shown else value
    return shown
