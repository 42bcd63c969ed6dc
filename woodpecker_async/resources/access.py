"""The part of a session that resources use: a way to run operations, and little else."""

from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from woodpecker_async.creation_lock import CreationLock
from woodpecker_async.engine.clock import Clock
from woodpecker_async.engine.operation import AccountId, Caller
from woodpecker_async.options import CallOptions, RetryPolicy

T = TypeVar("T")


class Access(Caller, Protocol):
    """A session, or a company's view of it."""

    @property
    def account(self) -> AccountId | None:
        """Whose account the account-level calls act on; `None` for the agency's families."""
        ...

    @property
    def base_url(self) -> str:
        """The base URL of all requests."""
        ...

    @property
    def clock(self) -> Clock:
        """The session's clock."""
        ...

    def procedure(self, name: str, company_id: int | None, running: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        """Wrap a method that makes several calls, so that a tracer sees them as one."""
        ...

    async def creation_lock(self, company_id: int) -> CreationLock:
        """Return the lock that allows one key creation at a time per company."""
        ...

    def policy(self, options: CallOptions) -> RetryPolicy:
        """Return the effective retry policy, including its deadline."""
        ...
