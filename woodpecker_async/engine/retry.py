"""When a failed attempt is repeated, and how long to wait: the only module that knows tenacity.

tenacity comes in after the first failure, so that a call that succeeds does not pay for it, with a fresh
object for each call, because a shared one mixes up concurrent calls. Attempts return verdicts rather than
raise, so there is no exception for it to catch: a cancellation passes straight through.
"""

from collections.abc import Awaitable, Callable

import attrs
from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from woodpecker_async.engine.clock import Clock
from woodpecker_async.engine.protocol import AttemptResult
from woodpecker_async.options import RetryPolicy


def should_retry(result: AttemptResult, *, idempotent: bool, transient: frozenset[int]) -> bool:
    """Whether this failure is one that a repeat can mend without doing anything twice.

    Args:
        result: what the attempt came to.
        idempotent: the operation does no harm when it happens twice.
        transient: the statuses of this service that pass.
    """
    match result.kind:
        case "refused":
            return True
        case "not_sent":
            return not result.permanent
        case "lost" | "timeout":
            return idempotent
        case "server":
            # The legacy API has a code for "something went wrong here" that may come with a 200 or a 400.
            return idempotent and (result.status in transient or (result.status or 0) < 500)
        case _:
            return idempotent and result.status in transient


@attrs.define(eq=False, repr=False)
class RetryState:
    """The repeats of one call.

    Attributes:
        policy: how many and how long.
        clock: time and chance.
        deadline: the moment, by the clock, at which the call is over.
        idempotent: the operation does no harm when it happens twice.
        transient: the statuses of this service that pass.
        failures: failures so far.
        counted: attempts so far that count against `policy.attempts`.
        retried_stale: a repeat at once has already been spent on a stale connection.
        stop_reason: why no further attempt was made, if that was not for the number of attempts.
    """

    policy: RetryPolicy
    clock: Clock
    deadline: float
    idempotent: bool
    transient: frozenset[int]
    failures: int = 0
    counted: int = 0
    retried_stale: bool = False
    stop_reason: str = ""

    async def after(
        self,
        first: AttemptResult,
        again: Callable[[float], Awaitable[AttemptResult]],
        before_wait: Callable[[AttemptResult, float], None],
    ) -> AttemptResult:
        """Repeat after a first failure until an attempt is final.

        Args:
            first: the first attempt's result.
            again: makes another attempt; is told how long was waited for it.
            before_wait: is told of the failure and of the wait that follows.
        """
        pending: AttemptResult | None = first
        waited = 0.0

        async def attempt() -> AttemptResult:
            nonlocal pending
            if pending is not None:
                result, pending = pending, None
                return result
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

    def _wants_repeat(self, result: AttemptResult) -> bool:
        return should_retry(result, idempotent=self.idempotent, transient=self.transient)

    def _wait(self, result: AttemptResult) -> float:
        self.failures += 1
        # The server did not process a refused request: no attempt has been used up.
        if result.kind != "refused" or self.policy.attempts == 1:
            self.counted += 1
        if result.stale and not self.retried_stale:
            # A kept-alive connection that the server had just closed: others are at hand.
            self.retried_stale = True
            return 0.0
        longest = min(self.policy.max_backoff, self.policy.initial_backoff * 2.0 ** min(self.failures - 1, 32))
        return max(self.clock.random() * longest, result.retry_after or 0.0)

    def _is_over(self, result: AttemptResult, upcoming: float) -> bool:
        if self.counted >= self.policy.attempts:
            return True
        if result.retry_after is not None and result.retry_after > self.policy.retry_after_cap:
            self.stop_reason = (
                f"that is above retry_after_cap ({self.policy.retry_after_cap:g} s), so no further attempt"
            )
            return True
        if self.clock.now() + upcoming >= self.deadline:
            self.stop_reason = "the deadline leaves no time for another attempt"
            return True
        return False


def _verdict(state: RetryCallState) -> AttemptResult:
    assert state.outcome is not None
    result: AttemptResult = state.outcome.result()
    return result
