"""Requests and answers as plain data, and the bodies which the documentation fixes."""

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
        path: the path as it came, still percent-encoded.
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
        """The company that the request names in its path, or else in ``x-company-id``."""
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
    """One answer to be sent.

    Attributes:
        status: the HTTP status.
        body: the body; None for none.
        headers: further headers.
        hang_up: close the connection and send nothing at all.
        cut_after: close the connection after so many bytes of the body.
    """

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = Factory(dict)
    hang_up: bool = False
    cut_after: int | None = None

    @classmethod
    def of(cls, data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> "Answer":
        """A JSON answer, of plain data or of structs of msgspec."""
        return cls(status=status, body=msgspec.json.encode(data), headers={"Content-Type": _JSON, **(headers or {})})

    def json(self) -> Any:
        """The body, decoded.

        Raises:
            ValueError: there is none, or it is not JSON.
        """
        return json.loads(self.body or b"")

    def with_json(self, data: Any) -> "Answer":
        """The same answer with another JSON body."""
        return evolve(self, body=msgspec.json.encode(data))

    def with_headers(self, **headers: str) -> "Answer":
        """The same answer with more headers; an underscore in a name stands for a dash."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return evolve(self, headers={**self.headers, **named})


def whole_number(text: str) -> int | None:
    """The number which plain digits spell; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() else None


def error(status: int, title: str, detail: str) -> Answer:
    """The error object of the v2 API."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return Answer.of({"title": title, "status": status, "detail": detail, "timestamp": stamp}, status)


def bad_request(detail: str) -> Answer:
    """400 about a parameter."""
    return error(400, "Bad request", detail)


def malformed() -> Answer:
    """400 about a body that is there but of no use."""
    return bad_request("Your request was not valid. Please check the body for any mistakes")


def not_found(detail: str = "Requested resource does not exist") -> Answer:
    """404; the detail tells a wrong URL from a missing company."""
    return error(404, "Not Found", detail)


def bodyless(status: int) -> Answer:
    """A status without any body."""
    return Answer(status=status)


def too_many_requests() -> Answer:
    """429. Its body is documented nowhere, and no Retry-After is known to come with it."""
    return error(429, "Too Many Requests", "Too many requests. Please try again later.")


def v1_error(code: str, message: str, status: int = 400) -> Answer:
    """The error envelope of the v1 API; older documentation puts nearly all codes under 400."""
    return Answer.of({"status": {"status": "ERROR", "code": code, "msg": message}}, status)


def feldera_error(status: int, code: str, message: str, details: Any = None) -> Answer:
    """The error object of Feldera."""
    return Answer.of({"message": message, "error_code": code, "details": details}, status)


def feldera_unauthorized() -> Answer:
    """Feldera's 401: the same object without details, which the service makes of a text and sends as one."""
    answer = Answer.of(
        {"message": "The bearer token is missing or not valid", "error_code": "AuthenticationFailed"}, 401
    )
    return answer.with_headers(Content_Type="text/plain; charset=utf-8", WWW_Authenticate="Bearer")


def documented(status: int, path: str) -> Answer:
    """What the service says with a status on a path, as far as the documentation tells."""
    if path.startswith("/v0/"):
        # Feldera has errors of its own; its codes beyond those of the keys are not documented here.
        if status == 401:
            return feldera_unauthorized()
        codes = {403: "InsufficientPermissions", 404: "UnknownApiKey", 409: "DuplicateName", 500: "InternalServerError"}
        return feldera_error(status, codes.get(status, "Unavailable"), f"Status {status}")
    if status == 403:
        return bodyless(403)
    texts = {
        401: ("Unauthorized", "Invalid api key"),
        409: ("Conflict", "Company is inactive"),
        # The pages on /agency and the page on authentication differ in the case of the title.
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
