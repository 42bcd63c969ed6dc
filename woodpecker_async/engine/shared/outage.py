"""A time without Redis: when it begins and ends, and what becomes of calls in it.

It begins with the first failure. A little later each process goes on alone, calls wait, or they fail, as
`Limits.shared_outage` says. It ends a little after Redis is back.
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

# Shares of a lease. Without Redis, how long until each process goes on alone: what was in flight is answered by
# then, mostly.
_GRACE: Final = 0.2
# With Redis back, how long until places are asked for again: all others have tried again by then, and said
# what they have in flight.
_SETTLE: Final = 0.5
# Places of a process that is alone.
_ALONE: Final = 1


class Outage:
    """The one that one process sees, if there is one.

    Args:
        policy: what becomes of calls.
        where: the Redis, as it may be shown.
        lease: seconds.

    Attributes:
        over_at: when it is over, by the monotonic clock; infinity while Redis is away, and without an outage.
    """

    def __init__(self, policy: SharedOutage, where: str, lease: float) -> None:
        self.over_at = math.inf
        self._policy = policy
        self._where = where
        self._lease = lease
        self._why = ""
        self._unstable = False  # it was forgotten again, before it was over
        self._grace: asyncio.TimerHandle | None = None  # kept when it has run out: there is an outage

    @property
    def begun(self) -> bool:
        """There is one."""
        return self._grace is not None

    @property
    def settling(self) -> bool:
        """Redis is back, and the processes say what they have in flight."""
        return self.over_at < math.inf

    def begin(self, why: str, after_grace: Callable[[], None]) -> None:
        """Redis does not do. If that has been so before, only the reason is new."""
        self._why = why = printable(why)  # Redis may have said it
        if self._grace is not None:
            return
        grace = _GRACE * self._lease
        self._grace = asyncio.get_running_loop().call_later(grace, after_grace)
        meanwhile = {
            "local": f"from {grace:g} s on, this process sends one request at a time by itself",
            "wait": "calls wait",
            "fail": f"from {grace:g} s on, calls fail",
        }[self._policy]
        _log.warning(
            "shared lane: Redis at %s: %s; until it is back, %s", self._where, why, meanwhile, extra=self._fields
        )

    def settle(self) -> None:
        """Redis is back."""
        if self.begun:
            self._unstable |= self.settling
            self.over_at = time.monotonic() + _SETTLE * self._lease

    def unsettle(self) -> None:
        """Redis has gone again, if it was back."""
        self.over_at = math.inf

    def end(self) -> None:
        """It is over."""
        self.cancel()
        self._grace = None
        self._unstable = False
        self.over_at = math.inf
        _log.info("shared lane: Redis at %s is back", self._where, extra=self._fields)

    def cancel(self) -> None:
        """Nobody is left to go on alone."""
        if self._grace is not None:
            self._grace.cancel()

    @property
    def _fields(self) -> dict[str, str]:
        return {"woodpecker_redis": self._where, "woodpecker_outage": self._policy, "woodpecker_reason": self._why}

    @property
    def places(self) -> int:
        """How many this process may have by itself."""
        return _ALONE if self._policy == "local" and self._after_grace else 0

    @property
    def refusal(self) -> str | None:
        """Why calls fail, if they do; not while it settles, if it does so for the first time."""
        return self.trouble if self._policy == "fail" and self._after_grace and not self._settles else None

    @property
    def trouble(self) -> str | None:
        """What is wrong with Redis."""
        return f"the Redis of Limits.shared, {self._where}, does not serve: {self._why}" if self.begun else None

    @property
    def _settles(self) -> bool:
        return self.settling and not self._unstable

    @property
    def _after_grace(self) -> bool:
        return self._grace is not None and asyncio.get_running_loop().time() >= self._grace.when()
