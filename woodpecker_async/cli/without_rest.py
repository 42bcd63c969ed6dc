"""A base URL that lacks the `/rest` of the API."""

from typing import TYPE_CHECKING

from woodpecker_async.errors import WoodpeckerError

if TYPE_CHECKING:
    from woodpecker_async.engine.observe import Event


class WithoutRest:
    """Watches what comes from a base URL that lacks the `/rest` of the API, where nothing may be at all.

    Attributes:
        hooks: for the session.
        hint: what to say if nothing was there.
    """

    def __init__(self, base_url: str) -> None:
        self._lacks_it = "rest" not in base_url.rstrip("/").split("/")[3:]
        self._found = self._missed = 0
        self.hooks = (self._hear,) if self._lacks_it else ()
        self.hint = (
            f"Hint: the base URL {base_url.rstrip('/')} does not end in /rest, as the API's does: perhaps "
            f"{base_url.rstrip('/')}/rest is meant."
        )

    @property
    def nothing_there(self) -> bool:
        """Whether the server answered, and had nothing of what was asked for."""
        return self._missed > 0 and not self._found

    def _hear(self, event: "Event") -> None:
        if event.kind == "end" and event.status is not None:
            self._found += event.failure is None
            self._missed += event.status in (301, 302, 303, 307, 308, 404, 405)

    def explain(self, error: WoodpeckerError) -> None:
        """Add the hint to an error that may come of it."""
        from woodpecker_async.errors import ResponseDecodeError  # noqa: PLC0415

        if self._lacks_it and (self.nothing_there or isinstance(error, ResponseDecodeError)):
            error.add_note(self.hint)
