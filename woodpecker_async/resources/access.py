"""What resources see of a session: a way to run operations, and little else."""

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
        """What all URLs begin with."""
        ...

    @property
    def clock(self) -> Clock:
        """The session's time."""
        ...

    def procedure(self, name: str, company_id: int | None, running: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        """What is to be awaited in place of a method that makes several calls, so that a tracer sees them as one."""
        ...

    async def creation_lock(self, company_id: int) -> CreationLock:
        """The lock that lets one key creation at a time at a company."""
        ...

    def policy(self, options: CallOptions) -> RetryPolicy:
        """The retry policy that holds here, its deadline included."""
        ...
