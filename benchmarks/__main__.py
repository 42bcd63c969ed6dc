"""`python -m benchmarks`: run all benchmarks and write the results.

This takes about a quarter of an hour on a machine that is otherwise idle. It writes `benchmarks/results.md`, the
pictures in `docs/images/`, and the figures in the README and the documentation.
"""

import argparse
import importlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import figures
from benchmarks.measure import Chapter, Size, machine

ROOT = Path(__file__).parents[1]
NAMES = ("main_job", "pages", "lanes", "shared", "growth", "start")

_HOW = (
    "These are the results of one run of `python -m benchmarks`{form}. They compare the SDK with clients that an "
    "engineer would write by hand. Server and client are processes on the same machine, each on its own CPU core. The "
    "clients in a table take turns, and each round starts with a different one. `1.02 (1.01 to 1.04)` means: median "
    "1.02, smallest 1.01, largest 1.04 over all rounds; ratios are calculated within a round. In a ratio of times, CPU "
    "or memory, less than 1 means that the SDK needs less than the client it is compared with. Each table is followed "
    "by the targets we set for it, if any, and whether they were met."
)
_QUICK = " with `--quick`; they are a rough guide only and must not be quoted"


def run(name: str, size: Size) -> Chapter:
    """Run one benchmark."""
    chapter: Chapter = importlib.import_module(f"benchmarks.{name}").chapter(size)
    return chapter


def short(chapters: Sequence[Chapter]) -> str:
    """The summary sentences, as a list."""
    return "".join(f"- {chapter.short}\n" for chapter in chapters if chapter.short)


def results(chapters: Sequence[Chapter], size: Size = "full") -> str:
    """The whole of `results.md`."""
    parts = [
        "# Benchmarks: why not just use aiohttp?",
        _HOW.format(form="" if size == "full" else _QUICK),
        figures.marked("machine", f"Measured on {datetime.now(UTC):%d %B %Y}: {machine()}."),
        figures.marked("summary", short(chapters)),
        *(f"## {chapter.title}\n\n{chapter.text}" for chapter in chapters),
    ]
    return "\n\n".join(parts) + "\n"


def write(chapters: Sequence[Chapter], root: Path, size: Size = "full") -> None:
    """Write the results and the pictures, and update the figures in the pages that show them."""
    (root / "benchmarks" / "results.md").write_text(results(chapters, size), encoding="utf-8")
    images = root / "docs" / "images"
    images.mkdir(exist_ok=True)
    for chapter in chapters:
        for name, picture in chapter.pictures.items():
            (images / name).write_text(picture, encoding="utf-8")
    figures.insert(root)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the named benchmarks, or all. Results are written to files only when all of them run in full size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run (default all): {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="two or three minutes, for a rough guide; writes no files")
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.names) - set(NAMES)):
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    chapters = []
    for name in chosen.names or NAMES:
        began = time.perf_counter()
        chapters.append(chapter := run(name, "quick" if chosen.quick else "full"))
        print(f"## {chapter.title}\n\n{chapter.text}\n\n({name}: {time.perf_counter() - began:.0f} s)\n", flush=True)
    if not chosen.names and not chosen.quick:
        write(chapters, ROOT)
        print("Wrote benchmarks/results.md, docs/images/, and the figures in README.md and docs/")


if __name__ == "__main__":
    main()
