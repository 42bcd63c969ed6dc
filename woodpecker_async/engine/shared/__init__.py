"""Places at the server that several processes share.

A lane has a window of its own and, if `Limits.shared` says so, takes a place here as well before it sends.
`host` keeps the places of one machine in lock files; `redis` keeps those of many machines in a Redis.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Literal, Protocol

from woodpecker_async.options import SharedOutage
from woodpecker_async.secret import Secret

SharedBy = Literal["host"] | Secret


class SlotsUnavailableError(Exception):
    """There is no knowing whether a place is free."""


class Slots(Protocol):
    """The places of one lane."""

    @property
    def ready(self) -> bool:
        """Whether places can be had, as far as is known; what they are kept in has served, and still does."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why they cannot, if that is known."""
        ...

    async def take(self, *, optional: bool = False) -> None:
        """Wait for a place and take it. A cancelled wait takes none.

        Args:
            optional: wait only as long as places can be had.

        Raises:
            SlotsUnavailableError: see there.
            ConfigError: what the places are kept in refuses us.
        """
        ...

    def give_back(self, after: float = 0.0) -> None:
        """Give back a place that was taken.

        Args:
            after: seconds for which it stays taken all the same.
        """
        ...

    def hold(self, seconds: float) -> Callable[[], None]:
        """Keep a place that was taken, beyond the end of this process if that can be.

        Args:
            seconds: for how long at most.

        Returns:
            What gives it back; to be called once.
        """
        ...


class Backend(Protocol):
    """What keeps the places of all lanes of one account."""

    def slots(self, lane: str) -> Slots:
        """The places of a lane."""
        ...

    async def aclose(self) -> None:
        """Say what is left to say, and end."""
        ...


def backend(by: SharedBy, outage: SharedOutage, account: str, places: Callable[[], int]) -> Backend:
    """What `Limits.shared` asks for.

    Args:
        by: `"host"` or the URL of a Redis.
        outage: what to do while the Redis cannot be reached.
        account: names the account; no secret, and it need not look nice.
        places: how many may be in flight in a lane, as this process sees it.

    Raises:
        ConfigError: it is not to be had.
    """
    name = sha256(account.encode()).hexdigest()[:24]
    # One of the two is needed, if any, and one of them needs a package that may not be installed.
    if by == "host":
        from woodpecker_async.engine.shared.host import HostBackend  # noqa: PLC0415

        return HostBackend(name, places)
    from woodpecker_async.engine.shared.redis import RedisBackend  # noqa: PLC0415

    return RedisBackend(by, outage, name, places)
