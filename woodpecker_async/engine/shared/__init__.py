"""Slots in the server's queue that several processes share.

Besides its own window, a lane takes a slot here for each request if `Limits.shared` is set. `host` keeps the slots of
one machine in lock files; `redis` keeps those of several machines in a Redis.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Literal, Protocol

from woodpecker_async.options import SharedOutage
from woodpecker_async.secret import Secret

SharedBy = Literal["host"] | Secret


class SlotsUnavailableError(Exception):
    """It is not known whether a slot is free."""


class Slots(Protocol):
    """The slots of one lane."""

    @property
    def ready(self) -> bool:
        """Whether slots are available, as far as is known (the backend has worked, and still does)."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why they are not available, if that is known."""
        ...

    async def take(self, *, optional: bool = False) -> None:
        """Wait for a slot and take it. A cancelled wait takes none.

        Args:
            optional: wait only as long as slots are available.

        Raises:
            SlotsUnavailableError: it is not known whether a slot is free.
            ConfigError: the backend rejects us.
        """
        ...

    def give_back(self, after: float = 0.0) -> None:
        """Release a slot.

        Args:
            after: seconds for which it still stays taken.
        """
        ...

    def hold(self, seconds: float) -> Callable[[], None]:
        """Keep a slot, even after the end of this process if possible.

        Args:
            seconds: the maximum time to keep it.

        Returns:
            A function that releases it; call it once.
        """
        ...


class Backend(Protocol):
    """Keeps the slots of all lanes of one account."""

    def slots(self, lane: str) -> Slots:
        """Return the slots of a lane."""
        ...

    async def aclose(self) -> None:
        """Send what is left to send, and close."""
        ...


def backend(by: SharedBy, outage: SharedOutage, account: str, places: Callable[[], int]) -> Backend:
    """Return the backend that `Limits.shared` asks for.

    Args:
        by: `"host"` or the URL of a Redis.
        outage: what to do while the Redis cannot be reached.
        account: the account's name; not a secret, and in any format.
        places: returns the number of slots of a lane, according to this process.

    Raises:
        ConfigError: the backend is not available.
    """
    name = sha256(account.encode()).hexdigest()[:24]
    # At most one of the two is needed, and one of them needs a package that may not be installed.
    if by == "host":
        from woodpecker_async.engine.shared.host import HostBackend  # noqa: PLC0415

        return HostBackend(name, places)
    from woodpecker_async.engine.shared.redis import RedisBackend  # noqa: PLC0415

    return RedisBackend(by, outage, name, places)
