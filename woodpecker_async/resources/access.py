"""What resources see of a session: a way to run operations, and little else."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from woodpecker_async.engine.clock import Clock
from woodpecker_async.engine.operation import AccountId, Caller
from woodpecker_async.options import CallOptions, RetryPolicy


class Writer(Protocol):
    """Lets one key creation at a time at a company, and knows when the server may still be at work on one."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for one's turn."""
        ...

    def sent(self, settle: float) -> None:
        """A request is being sent; without further word it is settled after so many seconds."""
        ...

    def settled(self) -> None:
        """The server has finished with it."""
        ...


class Access(Caller, Protocol):
    """A session, or a company's view of it."""

    @property
    def account(self) -> AccountId | None:
        """Whose account the account-level calls act on; `None` for the agency's families."""
        ...

    @property
    def clock(self) -> Clock:
        """The session's time."""
        ...

    async def writer(self, company_id: int) -> Writer:
        """Who lets one key creation at a time at a company."""
        ...

    async def ensured(self) -> dict[tuple[int, str], str]:
        """Fingerprints of the keys that `ensure` has made in this process, by company and label."""
        ...

    def policy(self, options: CallOptions) -> RetryPolicy:
        """The retry policy that holds here, its deadline included."""
        ...
