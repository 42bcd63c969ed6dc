"""The progress bar on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

from woodpecker_async.cli import terminal

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID


class _Lasting:
    """stderr for a progress bar: if the terminal is closed, the bar stops but not the command."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            terminal.discard(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            terminal.discard(self._stream)


class Bar:
    """A progress bar, or nothing if nobody would see it."""

    def __init__(self, progress: "Progress | None" = None, task: "TaskID | None" = None) -> None:
        self._progress = progress
        self._task = task
        self._failed = 0

    def expect(self, total: int | None) -> None:
        """Set the total, as soon as it is known."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=total)

    def advance(self, count: int = 1, *, failed: int = 0) -> None:
        """Count more of them as done, and some of those as failed."""
        terminal.moved()
        if self._progress is not None and self._task is not None:
            self._failed += failed
            self._progress.update(self._task, advance=count, failed=self._failed)


@contextmanager
def progress(title: str, unit: str, *, wanted: bool) -> Iterator[Bar]:
    """A progress bar on stderr, if that is a terminal; it is removed at the end."""
    if not wanted or not terminal.is_terminal(sys.stderr):
        yield Bar()
        return
    from rich.progress import (  # noqa: PLC0415 - not for --help
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text  # noqa: PLC0415

    class Rate(ProgressColumn):
        """Shows how many are done per second, and how many failed."""

        def render(self, task: "Task") -> Text:
            rate = "" if task.speed is None else f"{task.speed:.1f}/s "
            failed = task.fields["failed"]
            return Text(f"{rate}{failed} failed", style="red" if failed else "")

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        Rate(),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        console=terminal.console(cast("TextIO", _Lasting(sys.stderr))),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with bar, terminal.said_by(lambda text: bar.console.print(text, soft_wrap=True)):
        yield Bar(bar, bar.add_task(title, total=None, failed=0))
