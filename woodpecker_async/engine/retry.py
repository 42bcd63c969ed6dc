"""When to retry a failed attempt, and how long to wait: the only module that uses tenacity.

tenacity is used only after the first failure, so that successful calls do not pay for it, with a new object for each
call, because a shared one mixes up concurrent calls. Attempts return results rather than raise, so there is no
exception for it to catch: a cancellation passes straight through.
"""

from collections.abc import Awaitable, Callable

import attrs
from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from woodpecker_async.engine.clock import Clock
from woodpecker_async.engine.protocol import AttemptResult
from woodpecker_async.options import RetryPolicy


def should_retry(result: AttemptResult, *, idempotent: bool, transient: frozenset[int]) -> bool:
    """Whether a retry can help without doing anything twice.

    Args:
        result: the result of the attempt.
        idempotent: whether the operation may happen twice without harm.
        transient: the statuses that are temporary for this service.
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
    """The retries of one call.

    Attributes:
        policy: the retry policy.
        clock: the source of time and randomness.
        deadline: the clock's time at which the call ends.
        idempotent: whether the operation may happen twice without harm.
        transient: the statuses that are temporary for this service.
        failures: how many failures there were so far.
        counted: how many attempts so far count towards `policy.attempts`.
        retried_stale: whether the immediate retry after a stale connection has already been used.
        stop_reason: why no further attempt was made, unless it was the number of attempts.
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
        """Retry after a first failure until a result is final.

        Args:
            first: the result of the first attempt.
            again: makes another attempt; called with the seconds waited before it.
            before_wait: called with the failed result and the seconds of the wait that follows.
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
        # The server did not process a refused request, so it does not count as an attempt.
        if result.kind != "refused" or self.policy.attempts == 1:
            self.counted += 1
        if result.stale and not self.retried_stale:
            # The server had just closed an idle connection: retry at once on another one.
            self.retried_stale = True
            return 0.0
        longest = min(self.policy.max_backoff, self.policy.initial_backoff * 2.0 ** min(self.failures - 1, 32))
        return max(self.clock.random() * longest, result.retry_after or 0.0)

    def _is_over(self, result: AttemptResult, upcoming: float) -> bool:
        if self.counted >= self.policy.attempts:
            return True
        if result.retry_after is not None and result.retry_after > self.policy.retry_after_cap:
            self.stop_reason = (
                f"that is above retry_after_cap ({self.policy.retry_after_cap:g} s), so there was no further attempt"
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
