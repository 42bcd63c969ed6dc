"""The log as lines of text, and `WOODPECKER_LOG`, which shows it on stderr without any code changes."""

import logging
import os
import sys
from datetime import UTC, datetime
from typing import Final

from woodpecker_async._redact import printable

VARIABLE: Final = "WOODPECKER_LOG"
LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO}

logger: Final = logging.getLogger("woodpecker_async")
logger.addHandler(logging.NullHandler())


class LineFormatter(logging.Formatter):
    """Time in UTC, level, message: always one line, whatever text from a server the message contains."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        """Return the time, with milliseconds."""
        return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return printable(super().format(record))


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to stderr, unless one of the program's own handlers already does."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(LineFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        others = [*logger.handlers, *(logging.root.handlers if logger.propagate else ())]
        if not any(handler is not self and getattr(handler, "stream", None) is self.stream for handler in others):
            super().emit(record)


def show(handler: logging.Handler, level: int) -> None:
    """Send all records of this level and above to a handler, one line each."""
    handler.setFormatter(LineFormatter())
    handler.setLevel(level)
    logger.addHandler(handler)
    logger.setLevel(min(level, logger.level or logging.CRITICAL))


def hide(handler: logging.Handler) -> None:
    """Remove and close a handler added by `show`."""
    logger.removeHandler(handler)
    handler.close()


def show_if_wanted() -> None:
    """Show the log as `WOODPECKER_LOG` says. The command line handles the variable itself."""
    wanted = os.environ.get(VARIABLE, "").strip().lower()
    if not wanted or any(isinstance(handler, _Stderr) for handler in logger.handlers):
        return
    if wanted in LEVELS:
        show(_Stderr(), LEVELS[wanted])
    else:
        show(_Stderr(), logging.WARNING)
        logger.warning("%s must be debug or info, not %r", VARIABLE, wanted)
