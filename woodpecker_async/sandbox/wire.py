"""Requests and responses as plain data, and the documented bodies."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from attrs import Factory, evolve, field, frozen

_JSON = "application/json"


@frozen(kw_only=True)
class RequestInfo:
    """One request as received.

    Attributes:
        method: ``GET``, ``POST``, ...
        path: the path as received, still percent-encoded.
        query: the query string's parameters (the first of each name).
        headers: the headers, their names in lower case.
        body: the body; empty if there was none.
    """

    method: str
    path: str
    query: Mapping[str, str] = Factory(dict)
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def resource(self) -> str:
        """The path after ``/rest`` (Feldera's paths have no such prefix)."""
        return self.path.removeprefix("/rest")

    @property
    def company_header(self) -> str | None:
        """The value of ``x-company-id``."""
        return self.headers.get("x-company-id")

    @property
    def company_id(self) -> int | None:
        """The company named in the path, or else in ``x-company-id``."""
        parts = self.path.split("/")
        if "companies" in parts[:-1]:
            return whole_number(parts[parts.index("companies") + 1])
        return None if self.company_header is None else whole_number(self.company_header)

    def json(self) -> Any:
        """The body, decoded.

        Raises:
            ValueError: it is not JSON.
        """
        return json.loads(self.body)


@frozen(kw_only=True)
class Answer:
    """One response to send.

    Attributes:
        status: the HTTP status.
        body: the body; None for no body.
        headers: additional headers.
        hang_up: close the connection without sending anything.
        cut_after: close the connection after this many bytes of the body.
    """

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = Factory(dict)
    hang_up: bool = False
    cut_after: int | None = None

    @classmethod
    def of(cls, data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> "Answer":
        """A JSON response, from plain data or msgspec structs."""
        return cls(status=status, body=msgspec.json.encode(data), headers={"Content-Type": _JSON, **(headers or {})})

    def json(self) -> Any:
        """The body, decoded.

        Raises:
            ValueError: there is no body, or it is not JSON.
        """
        return json.loads(self.body or b"")

    def with_json(self, data: Any) -> "Answer":
        """The same response with another JSON body."""
        return evolve(self, body=msgspec.json.encode(data))

    def with_headers(self, **headers: str) -> "Answer":
        """The same response with more headers; an underscore in a name stands for a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return evolve(self, headers={**self.headers, **named})


def whole_number(text: str) -> int | None:
    """The number that a string of ASCII digits represents; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() else None


def error(status: int, title: str, detail: str) -> Answer:
    """The error object of the v2 API."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return Answer.of({"title": title, "status": status, "detail": detail, "timestamp": stamp}, status)


def bad_request(detail: str) -> Answer:
    """400 for an invalid parameter."""
    return error(400, "Bad request", detail)


def malformed() -> Answer:
    """400 for a body that is present but invalid."""
    return bad_request("Your request was not valid. Please check the body for any mistakes")


def not_found(detail: str = "Requested resource does not exist") -> Answer:
    """404; the detail distinguishes a wrong URL from a missing company."""
    return error(404, "Not Found", detail)


def bodyless(status: int) -> Answer:
    """A status without a body."""
    return Answer(status=status)


def too_many_requests() -> Answer:
    """429. Its body is not documented, and it is not known to have a Retry-After header."""
    return error(429, "Too Many Requests", "Too many requests. Please try again later.")


def v1_error(code: str, message: str, status: int = 400) -> Answer:
    """The error envelope of the v1 API; older documentation puts nearly all codes under 400."""
    return Answer.of({"status": {"status": "ERROR", "code": code, "msg": message}}, status)


def feldera_error(status: int, code: str, message: str, details: Any = None) -> Answer:
    """The error object of Feldera."""
    return Answer.of({"message": message, "error_code": code, "details": details}, status)


def feldera_unauthorized() -> Answer:
    """Feldera's 401: the same object without details, which the service builds as a string and sends as text."""
    answer = Answer.of(
        {"message": "The bearer token is missing or not valid", "error_code": "AuthenticationFailed"}, 401
    )
    return answer.with_headers(Content_Type="text/plain; charset=utf-8", WWW_Authenticate="Bearer")


def documented(status: int, path: str) -> Answer:
    """The service's response with a status on a path, as far as it is documented."""
    if path.startswith("/v0/"):
        # Feldera has its own errors; codes other than those about keys are not documented here.
        if status == 401:
            return feldera_unauthorized()
        codes = {403: "InsufficientPermissions", 404: "UnknownApiKey", 409: "DuplicateName", 500: "InternalServerError"}
        return feldera_error(status, codes.get(status, "Unavailable"), f"Status {status}")
    if status == 403:
        return bodyless(403)
    texts = {
        401: ("Unauthorized", "Invalid api key"),
        409: ("Conflict", "Company is inactive"),
        # The documentation pages on /agency and on authentication differ in the case of the title.
        500: (
            "Internal server error" if "/agency/" in path else "Internal Server Error",
            "An unexpected error has occurred. Please try again later.",
        ),
        502: ("Bad Gateway", "Bad gateway"),
        503: ("Service Unavailable", "Service unavailable"),
        504: ("Gateway Timeout", "Gateway timeout"),
    }
    usual = {400: malformed, 404: not_found, 429: too_many_requests}
    return usual[status]() if status in usual else error(status, *texts.get(status, ("Error", f"Status {status}")))
