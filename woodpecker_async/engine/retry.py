"""When a failed attempt is repeated, and how long to wait: the only module that knows tenacity.

tenacity comes in after the first failure, so that a call that succeeds does not pay for it, with a fresh
object for each call, because a shared one mixes up concurrent calls. Attempts return verdicts rather than
raise, so there is no exception for it to catch: a cancellation passes straight through.
"""

from collections.abc import Awaitable, Callable

import attrs
from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from woodpecker_async.engine.clock import Clock
from woodpecker_async.engine.protocol import Verdict
from woodpecker_async.options import RetryPolicy


def may_repeat(verdict: Verdict, *, repeatable: bool, transient: frozenset[int]) -> bool:
    """Whether this failure is one that a repeat can mend without doing anything twice.

    Args:
        verdict: what the attempt came to.
        repeatable: the operation does no harm when it happens twice.
        transient: the statuses of this service that pass.
    """
    match verdict.kind:
        case "refused":
            return True
        case "not_sent":
            return not verdict.permanent
        case "lost" | "timeout":
            return repeatable
        case "server":
            # The legacy API has a code for "something went wrong here" that may come with a 200 or a 400.
            return repeatable and (verdict.status in transient or (verdict.status or 0) < 500)
        case _:
            return repeatable and verdict.status in transient


@attrs.define(eq=False, repr=False)
class Repeats:
    """The repeats of one call.

    Attributes:
        policy: how many and how long.
        clock: time and chance.
        deadline: the moment, by the clock, at which the call is over.
        repeatable: the operation does no harm when it happens twice.
        transient: the statuses of this service that pass.
        failures: failures so far.
        counted: attempts so far that count against `policy.attempts`.
        went_stale: a repeat at once has already been spent on a stale connection.
        note: why no further attempt was made, if that was not for the number of attempts.
    """

    policy: RetryPolicy
    clock: Clock
    deadline: float
    repeatable: bool
    transient: frozenset[int]
    failures: int = 0
    counted: int = 0
    went_stale: bool = False
    note: str = ""

    async def after(
        self,
        first: Verdict,
        again: Callable[[float], Awaitable[Verdict]],
        before_wait: Callable[[Verdict, float], None],
    ) -> Verdict:
        """Repeat after a first failure until an attempt is final.

        Args:
            first: the first attempt's verdict.
            again: makes another attempt; is told how long was waited for it.
            before_wait: is told of the failure and of the wait that follows.
        """
        pending: Verdict | None = first
        waited = 0.0

        async def attempt() -> Verdict:
            nonlocal pending
            if pending is not None:
                verdict, pending = pending, None
                return verdict
            return await again(waited)

        def wait(state: RetryCallState) -> float:
            nonlocal waited
            waited = self._wait(_verdict(state))
            return waited

        retrying = AsyncRetrying(
            retry=retry_if_result(self._wants_repeat),
            wait=wait,
            stop=lambda state: self._is_over(_verdict(state), state.upcoming_sleep),
            sleep=self.clock.sleep,
            before_sleep=lambda state: before_wait(_verdict(state), state.upcoming_sleep),
            retry_error_callback=_verdict,
        )
        return await retrying(attempt)

    def _wants_repeat(self, verdict: Verdict) -> bool:
        return may_repeat(verdict, repeatable=self.repeatable, transient=self.transient)

    def _wait(self, verdict: Verdict) -> float:
        self.failures += 1
        # The server did not process a refused request: no attempt has been used up.
        if verdict.kind != "refused" or self.policy.attempts == 1:
            self.counted += 1
        if verdict.stale and not self.went_stale:
            # A kept-alive connection that the server had just closed: others are at hand.
            self.went_stale = True
            return 0.0
        longest = min(self.policy.longest_wait, self.policy.first_wait * 2.0 ** min(self.failures - 1, 32))
        return max(self.clock.random() * longest, verdict.retry_after or 0.0)

    def _is_over(self, verdict: Verdict, upcoming: float) -> bool:
        if self.counted >= self.policy.attempts:
            return True
        if verdict.retry_after is not None and verdict.retry_after > self.policy.retry_after_cap:
            self.note = f"that is above retry_after_cap ({self.policy.retry_after_cap:g} s), so no further attempt"
            return True
        if self.clock.now() + upcoming >= self.deadline:
            self.note = "the deadline leaves no time for another attempt"
            return True
        return False


def _verdict(state: RetryCallState) -> Verdict:
    assert state.outcome is not None
    verdict: Verdict = state.outcome.result()
    return verdict
