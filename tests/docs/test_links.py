"""Links between pages lead somewhere, and no page is left out."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, blocks, identify, prose

_LINKING = (*PAGES, ROOT / "CHANGELOG.md")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges and MyST make them."""
    anchors: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        anchors.add(plain)
    return anchors


@pytest.mark.parametrize("page", _LINKING, ids=identify)
def test_links(page: Path):
    for link in _LINK.findall(prose(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{identify(page)}: {link}"
        if anchor:
            assert anchor in _anchors(target), f"{identify(page)}: {link} (there are {sorted(_anchors(target))})"


def test_the_start_page_and_the_sidebar_have_every_page_once_in_the_same_groups():
    index = ROOT / "docs" / "index.md"
    text, sidebar = index.read_text(encoding="utf-8"), {}
    for block in blocks(index):
        if block.kind == "{toctree}":
            caption = re.search(r'^:caption: "(.+)"$', block.text, re.MULTILINE)
            assert caption is not None
            sidebar[caption[1]] = [line for line in block.text.splitlines() if line and not line.startswith(":")]
    sections = re.split(r"^## (.+)$", text.partition("```{toctree}")[0], flags=re.MULTILINE)[1:]
    listed = {
        title: re.findall(r"^- \[[^\]]*\]\(([\w-]+)\.md\)", body, re.MULTILINE)
        for title, body in zip(sections[::2], sections[1::2], strict=True)
    }
    assert listed == sidebar
    pages = sorted(page.stem for page in PAGES if page.parent == index.parent and page != index)
    assert sorted(name for names in listed.values() for name in names) == pages


@pytest.mark.parametrize("page", _LINKING, ids=identify)
def test_one_title_and_no_tabs(page: Path):
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^# ", prose(page), re.MULTILINE)) == 1
    assert "\t" not in text
    assert not re.search(r"[ ]+$", text, re.MULTILINE)


@pytest.mark.system
def test_sphinx_builds_without_a_warning(tmp_path: Path):
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    pytest.importorskip("furo")
    pytest.importorskip("sphinx_copybutton")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", ROOT / "docs", tmp_path / "html"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert built.returncode == 0, built.stderr
