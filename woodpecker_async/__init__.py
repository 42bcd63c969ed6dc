"""An asyncio SDK for the Woodpecker agency API.

Every name here is loaded when it is first used, so that a program which only asks for help or for the version
does not pay for the HTTP stack.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from woodpecker_async import bulk, errors, models
    from woodpecker_async.errors import (
        ApiError,
        AuthenticationError,
        CallError,
        ConfigError,
        KeyOutcomeUnknownError,
        OutcomeUnknownError,
        TransportError,
        WoodpeckerError,
    )
    from woodpecker_async.options import CallOptions, Limits, RetryPolicy, Timeouts
    from woodpecker_async.pagination import Page, Pager
    from woodpecker_async.secret import Secret
    from woodpecker_async.session import WoodpeckerSession

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "AuthenticationError",
    "CallError",
    "CallOptions",
    "ConfigError",
    "KeyOutcomeUnknownError",
    "Limits",
    "OutcomeUnknownError",
    "Page",
    "Pager",
    "RetryPolicy",
    "Secret",
    "Timeouts",
    "TransportError",
    "WoodpeckerError",
    "WoodpeckerSession",
    "bulk",
    "errors",
    "models",
]

_MODULES = frozenset({"bulk", "errors", "models"})
_HOMES = {
    "CallOptions": "options",
    "Limits": "options",
    "Page": "pagination",
    "Pager": "pagination",
    "RetryPolicy": "options",
    "Secret": "secret",
    "Timeouts": "options",
    "WoodpeckerSession": "session",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
