"""`python -m benchmarks.figures`: copy the figures from `results.md` into the README and the documentation.

Figures are never typed by hand. A page has a pair of marks for each block of figures; the text between them is a copy
of the text between the marks of the same name in `results.md`, which only a full run of the benchmarks writes.
"""

import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

_OPEN, _END = "<!-- figures: ", "<!-- end of figures -->"
_BLOCK = re.compile(rf"{_OPEN}(?P<name>[a-z-]+) -->\n(?P<text>.*?){_END}", re.DOTALL)


def marked(name: str, text: str) -> str:
    """Put the text between marks of that name."""
    return f"{_OPEN}{name} -->\n{text.strip()}\n{_END}"


def blocks(results: str) -> dict[str, str]:
    """The text between each pair of marks, by name.

    Raises:
        ValueError: a name occurs twice.
    """
    found: dict[str, str] = {}
    for block in _BLOCK.finditer(results):
        if block["name"] in found:
            raise ValueError(f"the figures {block['name']} occur twice")
        found[block["name"]] = block["text"]
    return found


def inserted(page: str, figures: Mapping[str, str]) -> str:
    """The page with these figures between its marks.

    Raises:
        ValueError: the page asks for figures that do not exist, or a mark is unpaired.
    """
    if not page.count(_OPEN) == page.count(_END) == len(_BLOCK.findall(page)):
        raise ValueError("a mark for figures is unpaired or has an invalid name")

    def replaced(block: re.Match[str]) -> str:
        if block["name"] not in figures:
            raise ValueError(f"there are no figures {block['name']}; known names: {', '.join(sorted(figures))}")
        return marked(block["name"], figures[block["name"]])

    return _BLOCK.sub(replaced, page)


def pages(root: Path) -> list[Path]:
    """The pages that may contain figures."""
    return [root / "README.md", *sorted((root / "docs").glob("**/*.md"))]


def insert(root: Path) -> list[Path]:
    """Update the figures in all pages, and return the pages that changed.

    Raises:
        ValueError: a page asks for figures that do not exist.
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
