"""How the benchmarks measure: clients take turns, run in their own processes, and are compared within a round.

Nothing in this module imports the SDK: a client process decides what can be imported before anything is.
"""

import gc
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from importlib.metadata import version
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, Literal, ParamSpec, Self, TypeVar

import attrs

P = ParamSpec("P")
T = TypeVar("T")

Size = Literal["tiny", "quick", "full"]  # takes seconds, for the tests; takes minutes; is published

SERVER_CORE, CLIENT_CORE = 0, 1


@attrs.frozen
class Spread:
    """Smallest, median and largest of several values."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The spread of one or more values."""
        return cls(min(values), statistics.median(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f})"


@attrs.frozen
class Spent:
    """Time spent on a piece of work.

    Attributes:
        seconds: wall time.
        cpu: CPU seconds of the process that did the work.
    """

    seconds: float
    cpu: float


@attrs.frozen(kw_only=True)
class Chapter:
    """The results of one benchmark.

    Attributes:
        title: the heading.
        text: Markdown: the tables, each with a paragraph that explains it.
        short: one sentence with figures for the README, or an empty string.
        pictures: SVG by file name.
    """

    title: str
    text: str
    short: str = ""
    pictures: Mapping[str, str] = attrs.field(factory=dict)


class Stopwatch:
    """`with Stopwatch() as watch: ...`, then `watch.spent`."""

    spent: Spent

    def __enter__(self) -> Self:
        gc.collect()
        self._cpu, self._began = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        self.spent = Spent(seconds, cpu)


def pin(core: int) -> None:
    """Pin this process to one core, if there are two and the system supports it."""
    if hasattr(os, "sched_setaffinity") and {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0):
        os.sched_setaffinity(0, {core})


class Client:
    """A process that runs clients, separate from the server and with its own memory."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a module-level function in that process."""
        return self._pool.submit(function, *args, **kwargs).result()


@contextmanager
def client() -> Iterator[Client]:
    """Start a client process."""
    with ProcessPoolExecutor(1, get_context("spawn"), _set_up) as pool:
        pool.submit(int).result()  # the process has started before anything is measured
        yield Client(pool)


def _set_up() -> None:
    pin(CLIENT_CORE)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # If the pool's owner is killed, this process would wait for work forever.
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def memory(what: Literal["VmHWM", "VmRSS"]) -> float:
    """Memory of this process in KiB: the peak so far (VmHWM), or the current size (VmRSS)."""
    # Not getrusage: its peak starts from that of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith(what)).split()[1])


def in_turn(rounds: int, runs: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Run all of them `rounds` times; each round starts with a different one."""
    results: dict[str, list[T]] = {name: [] for name in runs}
    names = list(runs)
    for number in range(rounds):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            gc.collect()
            results[name].append(runs[name]())
    return results


def ratio(these: Sequence[float], to: Sequence[float]) -> Spread:
    """The spread of the ratios of each round."""
    return Spread.of([one / other for one, other in zip(these, to, strict=True)])


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def target(what: str, *, met: bool) -> str:
    """A list item that says whether a target was met."""
    return f"- Target met: {what}." if met else f"- **Target missed**: {what}."


def machine() -> str:
    """The machine and the versions that were measured."""
    system = {"linux": "Linux", "darwin": "macOS"}.get(sys.platform, sys.platform)
    versions = ", ".join(f"{package} {version(package)}" for package in ("aiohttp", "msgspec"))
    return f"{os.cpu_count()} cores ({_processor()}), {system}, Python {platform.python_version()}, {versions}"


def _processor() -> str:
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    return platform.processor() or platform.machine()
