"""`python -m benchmarks`: run all of them, and write down what they say.

It takes about a quarter of an hour, on a machine that does nothing else. It writes `benchmarks/results.md`, the
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
    "Measured by `python -m benchmarks`, in one run{form}, with server and client each on a core of their own. All "
    "clients of a table took turns, each round beginning with another. A ratio is made within a round; shown are the "
    "median of the rounds and, in brackets, the smallest and the largest."
)
_QUICK = " of the quick form, whose figures are for a look and not for quoting"


def run(name: str, size: Size) -> Chapter:
    """Run one benchmark."""
    chapter: Chapter = importlib.import_module(f"benchmarks.{name}").chapter(size)
    return chapter


def short(chapters: Sequence[Chapter]) -> str:
    """The sentences with figures, as a list."""
    return "".join(f"- {chapter.short}\n" for chapter in chapters if chapter.short)


def results(chapters: Sequence[Chapter], size: Size = "full") -> str:
    """The whole of `results.md`."""
    parts = [
        "# Why not just write it with aiohttp?",
        _HOW.format(form="" if size == "full" else _QUICK),
        figures.marked("machine", f"Measured on {datetime.now(UTC):%d %B %Y}: {machine()}."),
        figures.marked("summary", short(chapters)),
        *(f"## {chapter.title}\n\n{chapter.text}" for chapter in chapters),
    ]
    return "\n\n".join(parts) + "\n"


def write(chapters: Sequence[Chapter], root: Path, size: Size = "full") -> None:
    """Write the results and the pictures, and the figures into the pages that show some."""
    (root / "benchmarks" / "results.md").write_text(results(chapters, size), encoding="utf-8")
    images = root / "docs" / "images"
    images.mkdir(exist_ok=True)
    for chapter in chapters:
        for name, picture in chapter.pictures.items():
            (images / name).write_text(picture, encoding="utf-8")
    figures.insert(root)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks named, or all; only all of them in full are written down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run (default all): {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="two or three minutes, for a look; nothing is written")
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
        print("Written: benchmarks/results.md, docs/images/, and the figures in README.md and docs/")


if __name__ == "__main__":
    main()
