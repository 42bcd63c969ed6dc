"""The exception that a failed call ends in, and its words."""

from collections.abc import Mapping
from typing import Any

from woodpecker_async import errors
from woodpecker_async.engine.protocol import WOODPECKER, AttemptResult


def error_for(
    result: AttemptResult,
    context: dict[str, Any],
    *,
    hints: Mapping[type[errors.CallError], str] = WOODPECKER.hints,
    note: str = "",
    write_kind: errors.UnknownKind | None = None,
    find_out: str = "",
) -> errors.CallError:
    """The exception a failed call ends in.

    Args:
        result: the last attempt's.
        context: what every `CallError` says of its call.
        hints: see `Dialect`.
        note: why no further attempt was made, if that needs saying.
        write_kind: for a write that may have been acted on, how its outcome got lost.
        find_out: how to find out, for such a write.
    """
    message = _and(_message(result, hints), note)
    if write_kind is not None:
        return errors.OutcomeUnknownError(
            _and(f"it is not known whether this happened: {message}", find_out),
            kind=write_kind,
            status=result.status,
            settled=result.settled,
            **context,
        )
    if not issubclass(result.error, errors.ApiError):
        return result.error(message, **context)
    assert result.status is not None
    context = context | {
        "status": result.status,
        "title": result.title,
        "detail": result.detail,
        "code": result.code,
        "details": result.details,
        "retry_after": result.retry_after,
        "timestamp": result.timestamp,
        "body_kind": result.body_kind,
    }
    if issubclass(result.error, errors.UnexpectedRedirectError):
        context["target"] = result.target
    return result.error(message, **context)


def _and(text: str, more: str) -> str:
    """A text with more after it; the server's sentence may have ended in a full stop."""
    return f"{text.removesuffix('.')}; {more}" if more else text


def _message(result: AttemptResult, hints: Mapping[type[errors.CallError], str]) -> str:
    if result.status is None:
        return result.detail
    said = ": ".join(part for part in (result.title, result.detail) if part)
    if not said and (result.body_kind == "empty" or not result.code):
        said = "without a body" if result.body_kind == "empty" else "without an explanation"
    message = " ".join(filter(None, (str(result.status), said, f"({result.code})" if result.code else "")))
    if result.retry_after is not None:
        message = _and(message, f"the server asks to wait {result.retry_after:g} s")
    if hint := hints.get(result.error):
        message += f" ({hint})"
    return message
