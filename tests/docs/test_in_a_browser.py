"""The built pages in a browser, on a wide screen and on a phone."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import Tab, browser, needs_chromium
from tests.docs.pages import COMMANDS, PAGES, PYTHON, ROOT, blocks

pytestmark = [pytest.mark.system, needs_chromium, pytest.mark.timeout(300)]

_WIDTHS = (1300, 420)

# What overflows to the right, except in boxes that scroll.
_STICKS_OUT = """
[...document.querySelectorAll("article *")].filter(element => {
  for (let at = element.parentElement; at.tagName !== "ARTICLE"; at = at.parentElement)
    if (["auto", "scroll"].includes(getComputedStyle(at).overflowX)) return false;
  return element.getBoundingClientRect().right > WIDTH + 1;
}).map(element => element.outerHTML.slice(0, 120))
"""


def _sticks_out(width: int) -> str:
    # Not innerWidth, which on a phone grows with the overflow.
    return _STICKS_OUT.replace("WIDTH", str(width))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("sphinx", "myst_parser", "furo", "sphinx_copybutton"):
        pytest.importorskip(name)
    directory = tmp_path_factory.mktemp("built")
    subprocess.run([sys.executable, "-m", "sphinx", "-q", ROOT / "docs", directory], check=True, timeout=200)
    return directory


async def _look(tab: Tab, page: Path, built: Path) -> list[str]:
    """The problems of a page."""
    await tab.open(built / f"{page.stem}.html")
    found = []
    for width in _WIDTHS:
        await tab.show(width)
        found += [f"at {width}: {sticks_out}" for sticks_out in await tab.run(_sticks_out(width))]
    if await tab.run("[...document.images].some(image => !image.naturalWidth || !image.alt)"):
        found.append("an image is not there, or says nothing to those who cannot see it")
    expected = sum(block.kind in PYTHON | COMMANDS for block in blocks(page))
    buttons = await tab.run("document.querySelectorAll('button.copybtn').length")
    if page.stem not in ("api", "changelog", "security") and buttons != expected:
        found.append(f"{buttons} of {expected} snippets can be copied with a click")
    return found


async def test_every_page_fits_a_wide_screen_and_a_phone(built: Path):
    wrong = {}
    async with browser() as tab:
        for page in PAGES:
            if page.parent == ROOT / "docs" and (found := await _look(tab, page, built)):
                wrong[page.stem] = found
        assert [request for request in tab.requests if not request.startswith(("file:", "data:"))] == []
    assert wrong == {}


async def test_what_is_too_wide_is_seen(built: Path):
    async with browser() as tab:
        await tab.open(built / "index.html")
        await tab.show(420)
        await tab.run(
            "document.querySelector('article p').innerHTML = '<b style=\"display:block;width:500px\">wide</b>'"
        )
        (found,) = await tab.run(_sticks_out(420))
    assert "wide" in found


async def test_what_is_copied_from_a_terminal_is_what_was_typed(built: Path):
    async with browser() as tab:
        await tab.open(built / "cron.html")
        await tab.show(1300)
        copied = await tab.run(
            """(() => {
                let text = null;
                document.execCommand = () => { text = document.querySelector("body > textarea").value; return true };
                document.querySelectorAll(".highlight-console button.copybtn")[1].click();
                return text;
            })()"""
        )
    (_, second, *_) = [block for block in blocks(ROOT / "docs" / "cron.md") if block.kind == "console"]
    typed = [line.removeprefix("$ ") for line in second.text.splitlines() if line.startswith("$ ")]
    assert str(copied).splitlines() == typed
