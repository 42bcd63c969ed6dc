"""A hint for base URLs that lack the API's `/rest`."""

from typing import TYPE_CHECKING

from woodpecker_async.errors import WoodpeckerError

if TYPE_CHECKING:
    from woodpecker_async.engine.observe import Event


class WithoutRest:
    """Watches the responses from a base URL that lacks the API's `/rest`, where there may be nothing at all.

    Attributes:
        hooks: for the session.
        hint: the message if nothing was found.
    """

    def __init__(self, base_url: str) -> None:
        self._lacks_it = "rest" not in base_url.rstrip("/").split("/")[3:]
        self._found = self._missed = 0
        self.hooks = (self._hear,) if self._lacks_it else ()
        self.hint = (
            f"Hint: the base URL {base_url.rstrip('/')} does not end in /rest, as the API's does: did you mean "
            f"{base_url.rstrip('/')}/rest?"
        )

    @property
    def nothing_there(self) -> bool:
        """Whether the server responded, but had nothing that was asked for."""
        return self._missed > 0 and not self._found

    def _hear(self, event: "Event") -> None:
        if event.kind == "end" and event.status is not None:
            self._found += event.failure is None
            self._missed += event.status in (301, 302, 303, 307, 308, 404, 405)

    def explain(self, error: WoodpeckerError) -> None:
        """Add the hint to an error that this base URL may have caused."""
        from woodpecker_async.errors import ResponseDecodeError  # noqa: PLC0415

        if self._lacks_it and (self.nothing_there or isinstance(error, ResponseDecodeError)):
            error.add_note(self.hint)
