"""An asyncio SDK for the Woodpecker agency API.

Every name here is loaded on first use, so a program that only prints its help or version does not pay for importing
the HTTP stack.
"""

from typing import TYPE_CHECKING

from woodpecker_async._lazy import lazy_exports

if TYPE_CHECKING:
    from woodpecker_async import bulk, errors, models
    from woodpecker_async.errors import (
        ApiError,
        AuthenticationError,
        CallError,
        CompanyInactiveError,
        CompanyNotFoundError,
        ConfigError,
        ConflictError,
        DeadlineExceededError,
        KeyOutcomeUnknownError,
        LaneTimeoutError,
        NotFoundError,
        OutcomeUnknownError,
        PermissionDeniedError,
        RateLimitedError,
        ServerError,
        SetupError,
        TransportError,
        WoodpeckerError,
    )
    from woodpecker_async.options import CallOptions, Limits, RetryPolicy, Timeouts
    from woodpecker_async.pagination import Page, Pager
    from woodpecker_async.raw import RawResponse
    from woodpecker_async.secret import Secret
    from woodpecker_async.session import WoodpeckerSession

__version__ = "0.2.0"

__all__ = [
    "ApiError",
    "AuthenticationError",
    "CallError",
    "CallOptions",
    "CompanyInactiveError",
    "CompanyNotFoundError",
    "ConfigError",
    "ConflictError",
    "DeadlineExceededError",
    "KeyOutcomeUnknownError",
    "LaneTimeoutError",
    "Limits",
    "NotFoundError",
    "OutcomeUnknownError",
    "Page",
    "Pager",
    "PermissionDeniedError",
    "RateLimitedError",
    "RawResponse",
    "RetryPolicy",
    "Secret",
    "ServerError",
    "SetupError",
    "Timeouts",
    "TransportError",
    "WoodpeckerError",
    "WoodpeckerSession",
    "bulk",
    "errors",
    "models",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    bulk=("bulk",),
    errors=(
        "ApiError",
        "AuthenticationError",
        "CallError",
        "CompanyInactiveError",
        "CompanyNotFoundError",
        "ConfigError",
        "ConflictError",
        "DeadlineExceededError",
        "KeyOutcomeUnknownError",
        "LaneTimeoutError",
        "NotFoundError",
        "OutcomeUnknownError",
        "PermissionDeniedError",
        "RateLimitedError",
        "ServerError",
        "SetupError",
        "TransportError",
        "WoodpeckerError",
        "errors",
    ),
    models=("models",),
    options=("CallOptions", "Limits", "RetryPolicy", "Timeouts"),
    pagination=("Page", "Pager"),
    raw=("RawResponse",),
    secret=("Secret",),
    session=("WoodpeckerSession",),
)
