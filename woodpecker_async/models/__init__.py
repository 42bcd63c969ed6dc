"""Frozen attrs classes for requests and responses.

A family is loaded on the first use of one of its names: creating such a class takes half a millisecond, and few
programs need all of them.
"""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from woodpecker_async.models.account import *
    from woodpecker_async.models.agency import *
    from woodpecker_async.models.agency_v1 import *
    from woodpecker_async.models.blacklist import *
    from woodpecker_async.models.campaigns import *
    from woodpecker_async.models.deliverability import *
    from woodpecker_async.models.domains import *
    from woodpecker_async.models.enums import *
    from woodpecker_async.models.feldera import *
    from woodpecker_async.models.inbox import *
    from woodpecker_async.models.lead_finder import *
    from woodpecker_async.models.linkedin import *
    from woodpecker_async.models.mailboxes import *
    from woodpecker_async.models.manual_tasks import *
    from woodpecker_async.models.paging import *
    from woodpecker_async.models.prospects import *
    from woodpecker_async.models.reports import *
    from woodpecker_async.models.users import *
    from woodpecker_async.models.webhook_events import *
    from woodpecker_async.models.webhooks import *


def _names_of(family: ModuleType) -> list[str]:
    """Return the names of the classes that a family defines."""
    return [
        name
        for name, value in vars(family).items()
        if isinstance(value, type) and value.__module__ == family.__name__ and not name.startswith("_")
    ]


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return __dir__()
    if not name.startswith("_"):
        for family in _families():
            if name in _names_of(family):
                value = globals()[name] = getattr(family, name)
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(name for family in _families() for name in _names_of(family))


def _families() -> Iterator[ModuleType]:
    return (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__) if module.name[0] != "_")
