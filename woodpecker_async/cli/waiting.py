"""After five seconds of silence, say what the command is waiting for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from woodpecker_async.cli import terminal

if TYPE_CHECKING:
    from woodpecker_async.cli.connection import Connection
    from woodpecker_async.engine.observe import Event

_PATIENCE: Final = 5.0  # seconds of silence before the first message
_MORE: Final = 30.0  # and before it is repeated
_TICK: Final = 0.5

# Failures of requests that certainly did not reach the server, or were not processed there.
_HARMLESS: Final = {"refused", "not_sent"}


@asynccontextmanager
async def watching(what: Callable[[], str | None], connection: "Connection") -> AsyncIterator[None]:
    """Print what the command is waiting for whenever nothing was printed, and nothing got done, for too long.

    Args:
        what: returns the message; `None` for no message.
        connection: says whether to be quiet.
    """

    async def watch() -> None:
        said_at: float | None = None
        while True:
            await asyncio.sleep(_TICK)
            last = terminal.last_moved()
            patience = _MORE if last == said_at else _PATIENCE
            if time.monotonic() - last > patience and (text := what()) is not None:
                connection.note(text)
                terminal.moved()
                said_at = terminal.last_moved()

    terminal.moved()
    task = asyncio.create_task(watch(), name="woodpecker-cli-watch")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class Watch:
    """A session hook that knows what the command is waiting for."""

    def __init__(self) -> None:
        self._sent: dict[str, tuple[Event, float]] = {}
        self._again: dict[str, tuple[Event, float]] = {}
        self._lost: Event | None = None

    def __call__(self, event: "Event") -> None:
        """Handle an event."""
        now = time.monotonic()
        self._again.pop(event.call_id, None)
        if event.kind == "start":
            self._sent[event.call_id] = event, now
            if event.method != "GET":
                self._lost = None
            return
        self._sent.pop(event.call_id, None)
        if event.kind == "retry":
            self._again[event.call_id] = event, now + (event.wait or 0.0)
        elif event.method != "GET" and event.failure is not None and event.failure not in _HARMLESS:
            self._lost = event

    def what(self) -> str:
        """What the command is waiting for now, as a sentence."""
        now = time.monotonic()
        if self._lost is not None:
            return f"The response to {_name(self._lost)} was lost: checking whether the server processed the request."
        if self._sent:
            event, since = min(self._sent.values(), key=lambda sent: sent[1])
            others = f" and {len(self._sent) - 1} more" if len(self._sent) > 1 else ""
            again = f", attempt {event.attempt}" if event.attempt > 1 else ""
            return f"Waiting for the response to {_name(event)}{others}, sent {now - since:.0f} s ago{again}."
        if self._again:
            event, until = min(self._again.values(), key=lambda again: again[1])
            why = event.failure if event.status is None else f"{event.failure}, status {event.status}"
            return f"{_name(event)} failed ({why}): next attempt in {max(until - now, 0):.0f} s."
        return "Waiting for a turn to send the next request."


def _name(event: "Event") -> str:
    company = "" if event.company_id is None else f" (company {event.company_id})"
    return f"{event.method} {event.path}{company}"
