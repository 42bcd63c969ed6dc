"""Polling for long-running work at the server.

The pauses between polls grow, and nothing is held during them. Each poll is an ordinary call with low priority.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import attrs

from woodpecker_async import checks
from woodpecker_async._redact import quotable
from woodpecker_async.engine.clock import Clock
from woodpecker_async.errors import CallError, ConfigError, DeadlineExceededError, LaneTimeoutError, OutcomeUnknownError
from woodpecker_async.options import CallOptions, call_options

T = TypeVar("T")

_FIRST_PAUSE: Final = 0.5  # seconds
_GROWTH: Final = 1.5
_LONGEST_PAUSE: Final = 15.0
_LEAST: Final = 0.001
_LAST_LOOK: Final = 1.0  # seconds: the last poll starts this long before the deadline, to leave time for its response


@attrs.frozen(kw_only=True)
class Wait:
    """One wait for the server.

    Attributes:
        clock: the session's clock.
        deadline: seconds for the whole wait.
        ends: the clock's time at which the deadline passes.
        on_progress: called after each poll with the state and the seconds elapsed. If it raises, the wait ends.
        options: for each poll.
    """

    clock: Clock
    deadline: float
    ends: float
    on_progress: Callable[[Any, float], object] | None
    options: CallOptions

    @classmethod
    def begin(
        cls,
        clock: Clock,
        *,
        deadline: float,
        on_progress: Callable[[Any, float], object] | None,
        options: CallOptions | None,
    ) -> "Wait":
        """Start the deadline.

        Raises:
            ConfigError: the deadline is not a number of seconds > 0, or `on_progress` is not a plain function.
        """
        if not checks.seconds(deadline, "deadline"):
            raise ConfigError("deadline must be a number of seconds > 0")
        if on_progress is not None and (not callable(on_progress) or inspect.iscoroutinefunction(on_progress)):
            kind = type(on_progress).__name__
            raise ConfigError(
                f"on_progress must be a plain function that takes the state and the seconds elapsed, not {kind}"
            )
        looks = call_options(options).merged_over(CallOptions(priority="bulk"))
        return cls(clock=clock, deadline=deadline, ends=clock.now() + deadline, on_progress=on_progress, options=looks)

    async def until(
        self,
        done: Callable[[T], bool],
        look: Callable[[CallOptions, float], Awaitable[T]],
        *,
        job: int | str,
        progress: Callable[[T], object],
        go_on: str,
    ) -> T:
        """Poll until the work is done.

        Args:
            done: whether a state is final.
            look: fetches the state, with these options and by this time of the clock.
            job: identifies the work.
            progress: returns what to pass to `on_progress` for a state.
            go_on: how to resume the wait after the deadline, for the error message.

        Returns:
            The final state.

        Raises:
            DeadlineExceededError: it was not done in time. The work continues at the server.
            CallError: a poll failed for good; its `job` identifies the work.
        """
        pause, seen = _FIRST_PAUSE, "nothing"
        how = f"it continues at the server, and you can wait for it again: {go_on}"
        reserve = min(_LAST_LOOK, self.deadline / 10)
        while True:
            with self.bounded(f"last seen: {seen}; {how}", job):
                state = await look(self.options, self.ends)
            if self.on_progress is not None:
                self.on_progress(progress(state), self.deadline - (self.ends - self.clock.now()))
            if done(state):
                return state
            seen = quotable(str(progress(state)))
            if (left := self.ends - self.clock.now() - reserve) < _LEAST:
                raise self._overdue(f"last seen: {seen}; {how}", job, {})
            await self.clock.sleep(min(pause * (0.75 + self.clock.random() / 2), left))
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)

    @contextmanager
    def bounded(self, what_next: str, job: int | str | None = None) -> Iterator[None]:
        """Wrap a call of the wait: name the job in its errors, and report a missed deadline as the wait's own."""
        try:
            yield
        except CallError as error:
            error.job = job
            late = isinstance(error, DeadlineExceededError | LaneTimeoutError) or (
                isinstance(error, OutcomeUnknownError) and error.kind == "deadline"
            )
            if not late or self.clock.now() < self.ends:
                raise
            context: dict[str, Any] = {
                name: getattr(error, name)
                for name in ("method", "path", "company_id", "call_id", "request_id", "attempts")
            }
            raise self._overdue(what_next, job, context) from error

    def _overdue(self, what_next: str, job: int | str | None, context: dict[str, Any]) -> DeadlineExceededError:
        error = DeadlineExceededError(f"not done within {self.deadline:g} s; {what_next}", **context)
        error.job = job
        return error
