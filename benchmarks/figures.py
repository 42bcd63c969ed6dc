"""`python -m benchmarks.figures`: put the figures of `results.md` where the README and the documentation show them.

Nobody types a figure. A page has a pair of marks for what it shows, and what is between them is a copy of what is
between the marks of the same name in `results.md`, which only a whole run of the benchmarks writes.
"""

import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

_OPEN, _END = "<!-- figures: ", "<!-- end of figures -->"
_BLOCK = re.compile(rf"{_OPEN}(?P<name>[a-z-]+) -->\n(?P<text>.*?){_END}", re.DOTALL)


def marked(name: str, text: str) -> str:
    """The text between marks of that name."""
    return f"{_OPEN}{name} -->\n{text.strip()}\n{_END}"


def blocks(results: str) -> dict[str, str]:
    """By name, what is between the marks.

    Raises:
        ValueError: a name stands there twice.
    """
    found: dict[str, str] = {}
    for block in _BLOCK.finditer(results):
        if block["name"] in found:
            raise ValueError(f"the figures {block['name']} stand there twice")
        found[block["name"]] = block["text"]
    return found


def inserted(page: str, figures: Mapping[str, str]) -> str:
    """The page with these figures between its marks.

    Raises:
        ValueError: it shows figures that are not among them, or a mark has no partner.
    """
    if not page.count(_OPEN) == page.count(_END) == len(_BLOCK.findall(page)):
        raise ValueError("a mark of figures has no partner, or a name that is none")

    def replaced(block: re.Match[str]) -> str:
        if block["name"] not in figures:
            raise ValueError(f"there are no figures {block['name']}: there are {', '.join(sorted(figures))}")
        return marked(block["name"], figures[block["name"]])

    return _BLOCK.sub(replaced, page)


def pages(root: Path) -> list[Path]:
    """All pages that may show figures."""
    return [root / "README.md", *sorted((root / "docs").glob("**/*.md"))]


def insert(root: Path) -> list[Path]:
    """Put the figures into all pages; the pages that were changed.

    Raises:
        ValueError: a page shows figures that are not there.
    """
    figures = blocks((root / "benchmarks" / "results.md").read_text(encoding="utf-8"))
    changed = []
    for page in pages(root):
        before = page.read_text(encoding="utf-8")
        try:
            after = inserted(before, figures)
        except ValueError as error:
            raise ValueError(f"{page.relative_to(root)}: {error}") from None
        if after != before:
            page.write_text(after, encoding="utf-8")
            changed.append(page)
    return changed


if __name__ == "__main__":
    for page in insert(ROOT):
        print(page.relative_to(ROOT))
