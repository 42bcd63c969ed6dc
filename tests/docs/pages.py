"""The pages of the documentation, split into blocks, and a sandbox with the companies they mention."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from woodpecker_async.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")))
EXAMPLES = tuple(sorted((ROOT / "examples").glob("**/*.py")))

# The ids that the pages use, in the order in which the sandbox lists its companies.
COMPANY_IDS = (123, 456, 789)

# The kinds of block: run as Python, run as a command, or output, data and markup.
PYTHON, COMMANDS = frozenset({"python"}), frozenset({"console", "bash"})
SHOWN = frozenset({"text", "json", "{toctree}", "{eval-rst}", "{include}"})

_FENCE = re.compile(r"(?P<indent> *)(?P<marks>`{3,}|~{3,})(?P<info>[^`]*)")


@attrs.frozen
class Block:
    """A fenced block.

    Attributes:
        kind: the first word after the fence.
        text: what is in it.
        line: the line of the page on which it begins, from 1.
        follows: whether only blank lines are between it and the block before it.
    """

    kind: str
    text: str
    line: int
    follows: bool


def identify(page: Path) -> str:
    """The page's name for pytest."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in their order."""
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), 1))
    follows = False
    for number, line in lines:
        fence = _FENCE.fullmatch(line)
        if fence is None:
            follows = follows and not line.strip()
            continue
        indent, marks = len(fence["indent"]), fence["marks"]
        inside = []
        for _, text in lines:
            if text.strip() == marks:
                break
            assert not text[:indent].strip(), f"{identify(page)}:{number}: the block is not indented evenly"
            inside.append(text[indent:])
        else:
            raise AssertionError(f"{identify(page)}:{number}: the block has no end")
        yield Block(fence["info"].strip().partition(" ")[0], "\n".join(inside) + "\n", number + 1, follows)
        follows = True


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for block in blocks(page):
        for number in range(block.line - 2, block.line + block.text.count("\n")):
            lines[number] = ""
    return "\n".join(lines)


def sandbox(**options: object) -> Sandbox:
    """A sandbox whose first companies have the ids used in the pages."""
    box = Sandbox(**{"companies": 12, "keys_per_company": 3, "inactive": 1, **options})
    ids = iter(COMPANY_IDS)
    for company in box.state.companies.values():
        company.id = next(ids, company.id)
    box.state.companies = {company.id: company for company in box.state.companies.values()}
    return box


def matches(expected: str, line: str) -> bool:
    """Whether a line of output matches the expected one, where `...` matches anything; widths are ignored."""
    pattern = ".*".join(map(re.escape, _narrow(expected).split("...")))
    return re.fullmatch(pattern, _narrow(line)) is not None


def _narrow(line: str) -> str:
    return re.sub("─+", "─", " ".join(line.split()))


def missing(expected: Iterable[str], output: str) -> list[str]:
    """The expected lines that are missing from the output. A line `...` matches omitted lines."""
    lines = output.splitlines()
    return [wanted for wanted in expected if wanted.strip() and not any(matches(wanted, line) for line in lines)]
