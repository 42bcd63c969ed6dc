"""Waiting for work that the server does in its own time: look, pause, look again.

The pauses grow, and nothing is held over them. Each look is a call like any other, of low priority in the lane.
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
_LAST_LOOK: Final = 1.0  # seconds before the deadline at the latest, so that there is time for its answer


@attrs.frozen(kw_only=True)
class Wait:
    """One wait, from its beginning.

    Attributes:
        clock: the session's time.
        deadline: seconds for all of it.
        ends: the moment at which they are over, by the clock.
        on_progress: told of each look, and how many seconds it took so far. What it raises ends the wait.
        options: for each look.
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
        """Begin to count.

        Raises:
            ConfigError: the deadline is no number of seconds above 0, or `on_progress` is no plain function.
        """
        if not checks.seconds(deadline, "deadline"):
            raise ConfigError("deadline must be more than 0 seconds")
        if on_progress is not None and (not callable(on_progress) or inspect.iscoroutinefunction(on_progress)):
            kind = type(on_progress).__name__
            raise ConfigError(f"on_progress must be a plain function that takes the state and seconds, not {kind}")
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
        """Look until it is done.

        Args:
            done: whether a state is the last one.
            look: gets the state, with these options, until that moment by the clock.
            job: what names the work.
            progress: what `on_progress` is told of a state.
            go_on: how to go on after the deadline.

        Returns:
            The last state.

        Raises:
            DeadlineExceededError: it was not done in time. The work goes on at the server.
            CallError: a look failed for good; its `job` names the work.
        """
        pause, seen = _FIRST_PAUSE, "nothing"
        how = f"it goes on at the server, and can be waited for again: {go_on}"
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
        """A call within the wait: that the deadline ended it is said as such, and a failure knows the job."""
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
