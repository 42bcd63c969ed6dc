"""An outage of Redis: when it begins and ends, and what happens to calls meanwhile.

It begins with the first failure. After a grace period each process continues alone, calls wait, or calls fail,
depending on `Limits.shared_outage`. It ends shortly after Redis is back.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Final

from woodpecker_async._redact import printable
from woodpecker_async.options import SharedOutage

_log = logging.getLogger("woodpecker_async")

# Both as shares of a lease. The time without Redis until each process continues alone: by then most requests in flight
# have been answered.
_GRACE: Final = 0.2
# The time after Redis is back until slots are requested again: by then all other processes have retried, and reported
# what they have in flight.
_SETTLE: Final = 0.5
# The slots of a process that continues alone.
_ALONE: Final = 1


class Outage:
    """The current outage as seen by one process, if there is one.

    Args:
        policy: what happens to calls.
        where: the address of the Redis, without secrets.
        lease: the lease in seconds.

    Attributes:
        over_at: when it ends, in monotonic seconds; infinity while Redis is down, and if there is no outage.
    """

    def __init__(self, policy: SharedOutage, where: str, lease: float) -> None:
        self.over_at = math.inf
        self._policy = policy
        self._where = where
        self._lease = lease
        self._why = ""
        self._unstable = False  # Redis came back more than once during this outage
        self._grace: asyncio.TimerHandle | None = None  # set during an outage, even after it has expired

    @property
    def begun(self) -> bool:
        """Whether there is an outage."""
        return self._grace is not None

    @property
    def settling(self) -> bool:
        """Whether Redis is back, and the processes are reporting what they have in flight."""
        return self.over_at < math.inf

    def begin(self, why: str, after_grace: Callable[[], None]) -> None:
        """Begin an outage; if there is one already, only update the reason."""
        self._why = why = printable(why)  # the text may come from Redis
        if self._grace is not None:
            return
        grace = _GRACE * self._lease
        self._grace = asyncio.get_running_loop().call_later(grace, after_grace)
        meanwhile = {
            "local": f"after {grace:g} s this process continues alone, with one request at a time",
            "wait": "calls wait",
            "fail": f"after {grace:g} s calls fail",
        }[self._policy]
        _log.warning(
            "shared lane: Redis at %s: %s; until it is back, %s", self._where, why, meanwhile, extra=self._fields
        )

    def settle(self) -> None:
        """Record that Redis is back."""
        if self.begun:
            self._unstable |= self.settling
            self.over_at = time.monotonic() + _SETTLE * self._lease

    def unsettle(self) -> None:
        """Record that Redis is down again."""
        self.over_at = math.inf

    def end(self) -> None:
        """End the outage."""
        self.cancel()
        self._grace = None
        self._unstable = False
        self.over_at = math.inf
        _log.info("shared lane: Redis at %s is back", self._where, extra=self._fields)

    def cancel(self) -> None:
        """Cancel the grace period's timer."""
        if self._grace is not None:
            self._grace.cancel()

    @property
    def _fields(self) -> dict[str, str]:
        return {"woodpecker_redis": self._where, "woodpecker_outage": self._policy, "woodpecker_reason": self._why}

    @property
    def places(self) -> int:
        """How many slots this process may use alone."""
        return _ALONE if self._policy == "local" and self._after_grace else 0

    @property
    def refusal(self) -> str | None:
        """Why calls fail, if they do; they do not while it settles for the first time."""
        return self.trouble if self._policy == "fail" and self._after_grace and not self._settles else None

    @property
    def trouble(self) -> str | None:
        """What is wrong with Redis."""
        return f"the Redis of Limits.shared, {self._where}, does not work: {self._why}" if self.begun else None

    @property
    def _settles(self) -> bool:
        return self.settling and not self._unstable

    @property
    def _after_grace(self) -> bool:
        return self._grace is not None and asyncio.get_running_loop().time() >= self._grace.when()
