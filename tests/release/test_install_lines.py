"""Install lines have one form, and work.

Readers of a page have the sources: `pip install '.[cli]'`. Readers of an error have the package installed, from
wherever it came: `pip install 'woodpecker-async[cli]'` adds what is missing (the wheel's test does that).
"""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, identify
from tests.release.environments import FOR_USERS, PROJECT

EXTRAS = set(PROJECT["optional-dependencies"])
CODE = sorted((ROOT / "woodpecker_async").rglob("*.py"))
LINE = re.compile(r"pip install ([^`\n&|]+)")


def named(requirement: str) -> set[str]:
    """The extras between the brackets."""
    return {extra.strip() for extra in requirement.partition("[")[2].rstrip("]'").split(",")} - {""}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=identify)
def test_pages_install_from_the_sources(page: Path):
    for line in LINE.findall(page.read_text(encoding="utf-8")):
        assert "woodpecker" not in line, f"pip install {line}"
        for part in re.findall(r"\S*\.\[[^\]]*\]\S*", line):
            assert re.fullmatch(r"'\.\[\w+(,\w+)*\]'", part), f"pip install {line}"  # quoted, as zsh requires
            assert named(part) <= EXTRAS, f"pip install {line}"


def test_messages_add_an_extra_to_what_is_installed():
    told = [line for path in CODE for line in re.findall(r"pip install ('[^']*'|\S+)", path.read_text("utf-8"))]
    assert [line for line in told if not re.fullmatch(r"'woodpecker-async\[\w+(,\w+)*\]'", line)] == []
    # Every extra for users is mentioned somewhere, and no other.
    assert set().union(*map(named, told)) == set(FOR_USERS)
