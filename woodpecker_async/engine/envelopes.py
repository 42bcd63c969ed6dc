"""The service's error responses: error bodies in all their envelopes, and the related headers."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from woodpecker_async._redact import masked

_LONGEST_DETAIL: Final = 300


@attrs.define(kw_only=True, eq=False, repr=False)
class ErrorBody:
    """The content of an error body, whichever of the API's envelopes it was in."""

    title: str = ""
    detail: str = ""
    code: str | None = None
    details: Any = None
    timestamp: datetime | None = None
    is_api: bool = False


def parse_error(body: bytes, quote: Callable[[str], str]) -> ErrorBody:
    """Parse an error body: v2 problem, v2 coded object, v1 envelope, Feldera, or none of them.

    Args:
        body: the body as received.
        quote: makes text from the server safe for an error.
    """

    def text(value: object) -> str:
        return quote(value)[:_LONGEST_DETAIL] if isinstance(value, str) else ""

    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ErrorBody()
    if not isinstance(value, dict):
        return ErrorBody()
    inner = value.get("status")
    if isinstance(inner, dict):
        return ErrorBody(code=text(inner.get("code")) or None, detail=text(inner.get("msg")), is_api=True)
    code = text(value.get("error_code")) or text(value.get("code")) or None
    details = value.get("details")
    title, detail = text(value.get("title")), text(value.get("detail")) or text(value.get("message"))
    if not detail and isinstance(details, list):  # a coded error may say everything in there
        detail = "; ".join(filter(None, map(text, details)))[:_LONGEST_DETAIL]
    return ErrorBody(
        title=title,
        detail=detail,
        code=code,
        details=masked(details, quote),
        timestamp=parse_timestamp(value.get("timestamp")),
        is_api=bool(title or code),
    )


def redirect_target(headers: Mapping[str, str]) -> str:
    """Return the scheme and host of a redirect: enough to find the cause, without a query that may hold a token."""
    try:
        parts = urlsplit(headers.get("location", ""))
    except ValueError:
        return "something that is not a URL"
    if not parts.netloc:
        return "the same host"
    return f"{parts.scheme or 'the same scheme'}://{parts.netloc.rpartition('@')[2]}"


def parse_retry_after(value: str | None, date: str | None, now: Callable[[], datetime]) -> float | None:
    """Return the seconds to wait, from a number of seconds or an HTTP date; `None` if it is neither, or in the past.

    Args:
        value: the header `Retry-After`.
        date: the header `Date` of the same response. A date to wait for is compared with it, because it comes from the
            same clock; ours may be hours off.
        now: returns our wall-clock time, used if there is no `Date`.
    """
    if value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"\d{1,300}(\.\d{1,300})?", text, re.ASCII):
        seconds = float(text)
    elif (moment := _http_date(text)) is not None:
        seconds = (moment - (_http_date(date or "") or now())).total_seconds()
    else:
        return None
    return seconds if seconds > 0 else None


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def parse_timestamp(value: object) -> datetime | None:
    """Parse the API's `YYYY-MM-DD HH:MM:SS` (UTC according to its documents), or ISO 8601 with an offset."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
