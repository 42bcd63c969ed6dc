"""A hint for a key that the API rejects: which key it is, and where it came from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from woodpecker_async.engine.observe import Event
    from woodpecker_async.secret import Secret


class RefusedKey:
    """Watches for a key that every response rejects.

    Args:
        key: the key in use.
        source: where it came from.

    Attributes:
        hint: the message that identifies the key.
    """

    def __init__(self, key: "Secret", source: str) -> None:
        self._answers = self._refusals = 0
        self.hint = (
            f"Hint: the key in use is {key.masked} (fingerprint {key.fingerprint}), from {source}; "
            "`woodpecker-async config show` lists every setting with its source."
        )

    @property
    def refused(self) -> bool:
        """Whether every response was a 401 or a 403."""
        return 0 < self._answers == self._refusals

    def hear(self, event: "Event") -> None:
        """Handle an event; a hook of the session."""
        if event.kind == "end" and event.status is not None:
            self._answers += 1
            self._refusals += event.status in (401, 403)
