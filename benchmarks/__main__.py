"""`python -m benchmarks`: run all of them, and write down what they say.

It takes about ten minutes, on a machine that does nothing else. It writes `benchmarks/results.md`, the
pictures in `docs/images/`, and the figures in the README.
"""

import argparse
import importlib
import importlib.util
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Chapter, Size, machine

ROOT = Path(__file__).parents[1]
NAMES = ("main_job", "pages", "lanes", "shared", "growth", "start")

_HOW = """\
Measured by `python -m benchmarks` ({machine}; server and client each on a core of their own). All clients of a
table took turns in one run, each round beginning with another. A ratio is made within a round; shown are the
median of the rounds and, in brackets, the smallest and the largest."""

_FIGURES = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)


def there(name: str) -> bool:
    """Whether that benchmark is part of this copy."""
    return importlib.util.find_spec(f"benchmarks.{name}") is not None


def run(name: str, size: Size) -> Chapter:
    """Run one benchmark. One that only prints is a program of its own, and has one size."""
    module = importlib.import_module(f"benchmarks.{name}")
    if hasattr(module, "chapter"):
        chapter: Chapter = module.chapter(size)
        return chapter
    command = [sys.executable, "-m", module.__name__]
    printed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=600).stdout
    return Chapter(title=name.replace("_", " ").capitalize(), text=f"```text\n{printed.strip()}\n```")


def short(chapters: Sequence[Chapter]) -> str:
    """The sentences with figures, as a list."""
    return "".join(f"- {chapter.short}\n" for chapter in chapters if chapter.short)


def results(chapters: Sequence[Chapter]) -> str:
    """The whole of `results.md`."""
    parts = [
        "# Why not just write it with aiohttp?",
        _HOW.format(machine=machine()),
        short(chapters).strip(),
        *(f"## {chapter.title}\n\n{chapter.text}" for chapter in chapters),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write(chapters: Sequence[Chapter], root: Path) -> None:
    """Write the results, the pictures, and the README's figures."""
    (root / "benchmarks" / "results.md").write_text(results(chapters), encoding="utf-8")
    images = root / "docs" / "images"
    images.mkdir(exist_ok=True)
    for chapter in chapters:
        for name, picture in chapter.pictures.items():
            (images / name).write_text(picture, encoding="utf-8")
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(_FIGURES.sub(lambda _: short(chapters), text), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks named, or all; only all of them in full are written down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run (default all): {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="a minute, for a look; nothing is written")
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.names) - set(NAMES)):
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    chapters = []
    for name in chosen.names or NAMES:
        if not there(name):
            print(f"{name}: not part of this copy, left out\n", flush=True)
            continue
        began = time.perf_counter()
        chapters.append(chapter := run(name, "quick" if chosen.quick else "full"))
        print(f"## {chapter.title}\n\n{chapter.text}\n\n({name}: {time.perf_counter() - began:.0f} s)\n", flush=True)
    if not chosen.names and not chosen.quick:
        write(chapters, ROOT)
        print("Written: benchmarks/results.md, docs/images/, and the figures in README.md")


if __name__ == "__main__":
    main()
