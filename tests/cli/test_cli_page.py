"""`keys report --html`: the page as others receive it."""

import base64
import hashlib
import re
import stat
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.browser import browser, needs_chromium
from woodpecker_async._redact import printable
from woodpecker_async.cli.page import Client, Key, page
from woodpecker_async.sandbox import Fault

NASTY = (
    "<script>document.title='owned'</script>", '"><img src=x onerror="document.title=\'owned\'">', "שלום חברה", "A" * 150,
    "evil\u202egnp.exe", "O'Neill & Söhne", "</style></script><svg onload=alert(1)>", "tab\tnul\x00esc\x1b[2J",
)  # fmt: skip
MADE = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)


class Read(HTMLParser):
    """A parsed page: its elements, and the text in each."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "rect"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag != "rect":
            assert self._open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def made(clients, **arguments):
    return page(
        clients,
        **{"account": "https://x:443/rest 3cb8512f6d56", "made_at": MADE, "warnings": (), "version": "1", **arguments},
    )


def clients(number=40):
    for place in range(number):
        name = NASTY[place] if place < len(NASTY) else f"Company {place}"
        keys = tuple(
            Key(NASTY[(place + k) % 8] if k else None, "931650.****CjHT", f"{place:06d}{k:06d}")
            for k in range(place % 4)
        )
        yield Client(1000 - place, name, place % 5 != 0, keys, "inactive" if place == 20 else None)


# ---- the command


def test_a_page_of_all_companies(opened, tmp_path):
    with opened(companies=20, inactive=1) as (box, cli):
        box.state.companies[box.company_ids[3]].keys.clear()
        got = cli("keys", "report", "--html", tmp_path / "keys.html")
        assert got.code == 0
        assert stat.S_IMODE((tmp_path / "keys.html").stat().st_mode) == 0o600
        text = (tmp_path / "keys.html").read_text()
        assert not any(key.secret in text for company in box.state.companies.values() for key in company.keys)
        assert box.hq_key not in text
        read = Read(text)
        rows = [attrs for tag, attrs in read.elements if tag == "tr"]
        assert len(rows) == 1 + 19 * 3 + 1
        assert not [tag for tag, _ in read.elements if tag in ("link", "img", "iframe", "base", "object")]
        assert not [
            attrs for _, attrs in read.elements if {"href", "src", "style", "onclick"} & attrs.keys() - {"href"}
        ]
        assert [attrs["href"] for _, attrs in read.elements if "href" in attrs] == ["#table"]
        assert "http" not in re.sub(r"http-equiv|http://localhost:\d+/rest|http://127[^ <]*", "", text)
        got = cli("keys", "report", "--html", tmp_path / "keys.html")
        assert (got.code, "use --force to replace it" in got.err) == (2, True)
        assert cli("keys", "report", "--html", tmp_path / "keys.html", "--force", "--quiet").err == ""
        assert cli("keys", "report", "--html", "-").out.startswith("<!doctype html>")


def test_a_page_that_is_not_complete_says_so(opened):
    with opened(companies=5) as (box, cli):
        box.faults.add(Fault.status(404, company=box.company_ids[0], times=None))
        got = cli("keys", "report", "--html", "-")
        assert got.code == 3
        assert "This page is not complete: the keys of 1 company could not be listed." in got.out
        assert "(not listed: failed)" in got.out
        got = cli("keys", "report", "--html", "-", "--company", box.company_ids[1])
        assert (got.code, "not complete" in got.out) == (0, False)


def test_the_policy_names_the_style_and_the_script():
    text = made(list(clients()))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        assert f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'" in policy


def test_what_screen_readers_need():
    read = Read(made(list(clients())))
    elements = read.elements
    assert ("html", {"lang": "en"}) in elements
    assert all(attrs["scope"] in ("col", "row") for tag, attrs in elements if tag == "th")
    assert [tag for tag, _ in elements].count("caption") == 1
    for tag, attrs in elements:
        if tag == "svg":
            ids = attrs["aria-labelledby"].split()
            assert attrs["role"] == "img"
            assert all(any(below.get("id") == one for _, below in elements) for one in ids)
    assert [tag for tag, attrs in elements if tag == "input" and "id" in attrs] == ["input"]
    assert ("label", {"for": "filter"}) in elements
    ids = [attrs["id"] for _, attrs in elements if "id" in attrs]
    assert len(ids) == len(set(ids))


@given(st.lists(st.text(), min_size=1, max_size=3), st.text(), st.sampled_from([None, "inactive"]))
def test_no_text_of_a_server_becomes_markup(names, label, failure):
    """Whatever names and labels contain, the page has the same elements and shows the text."""

    def elements(names, label):
        made_of = [
            Client(number, name, True, () if failure else (Key(label, "1.****", "abc"),), failure)
            for number, name in enumerate(names, 1)
        ]
        return Read(made(made_of))

    got = elements([f"x{name}" for name in names], f"y{label}")
    plain = elements(["x"] * len(names), "y")
    shape = [(tag, sorted(attrs)) for tag, attrs in got.elements]
    assert shape == [(tag, sorted(attrs)) for tag, attrs in plain.elements]
    assert all(printable(f"x{name}") in got.texts for name in names)


def test_an_empty_agency():
    read = Read(made([]))
    assert "None." in read.texts
    many = [Client(place, f"x{place}", True, (Key(f"label {place}", "m", "f"),) * place) for place in range(60)]
    assert len([1 for tag, _ in Read(made(many)).elements if tag == "rect"]) <= 2 * 2 * 12  # the rest are combined


# ---- in a browser


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keys.html"
    path.write_text(made(list(clients()), warnings=["Something <b>may</b> be missing."]))
    return path


NAMES = "Array.from(document.querySelectorAll('#keys tbody tr:not([hidden]) th')).map((head) => head.textContent)"
IDS = "Array.from(document.querySelectorAll('#keys tbody tr:not([hidden])')).map((row) => Number(row.cells[1].textContent))"
SORTS = "Array.from(document.querySelectorAll('#keys thead th')).map((head) => head.getAttribute('aria-sort'))"


def filter_by(text):
    return (
        f"document.getElementById('filter').value = {text!r};"
        "document.getElementById('filter').dispatchEvent(new Event('input')); document.getElementById('count').textContent"
    )


@needs_chromium
@pytest.mark.system
async def test_sorting_and_filtering(file):
    async with browser() as tab:
        await tab.show(1300)
        await tab.open(file)
        rows = len(await tab.run(IDS))
        names = await tab.run(NAMES)
        assert names == sorted(names, key=names.index)
        assert await tab.run(SORTS) == ["ascending", "none", "none", "none", "none", "none"]
        for direction in ("ascending", "descending"):
            await tab.run("document.querySelectorAll('#keys thead button')[1].click()")
            ids = await tab.run(IDS)
            assert ids == sorted(ids, reverse=direction == "descending")
            assert (await tab.run(SORTS))[:2] == ["none", direction]
        assert await tab.run(filter_by("COMPANY 11")) == f"3 of {rows} rows"
        assert set(await tab.run(NAMES)) == {"Company 11"}
        assert await tab.run(filter_by("soehne xyz")) == f"0 of {rows} rows"
        assert await tab.run(filter_by("sohne o'neill")) != f"0 of {rows} rows"  # accents and order do not matter
        assert await tab.run(filter_by("")) == f"{rows} of {rows} rows"
        assert await tab.run("document.title") == "API keys of client companies, 25 November 2026, 12:30 UTC"
        assert await tab.run("document.querySelectorAll('img, main script, main svg[onload]').length") == 0
        assert tab.complaints == []
        assert set(tab.requests) == {file.resolve().as_uri()}


@needs_chromium
@pytest.mark.system
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 420, 800, 1300])
async def test_nothing_overflows_and_all_can_be_read(file, width, dark):
    async with browser() as tab:
        await tab.show(width, dark=dark)
        await tab.open(file)
        assert await tab.run("document.documentElement.scrollWidth") <= width
        worst = await tab.run(CONTRAST)
        assert worst["ratio"] >= 4.5, worst
        assert tab.complaints == []


# The lowest contrast of any text with its background, as defined by WCAG 2.
CONTRAST = """
(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = channels(color).map((part) => {
      const share = part / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let here = element; here; here = here.parentElement) {
      const color = getComputedStyle(here).backgroundColor;
      const parts = channels(color);
      if (parts.length < 4 || parts[3] > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  let worst = { ratio: 21 };
  for (const element of document.querySelectorAll("body *")) {
    const own = Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || ["SCRIPT", "STYLE"].includes(element.tagName) || element.closest("title, desc")) continue;
    const style = getComputedStyle(element);
    const color = element.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(color), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst.ratio) worst = { ratio, text: element.textContent.slice(0, 40), color, behind: behind(element) };
  }
  return worst;
})()
"""


@needs_chromium
@pytest.mark.system
async def test_without_script_and_on_paper(file):
    async with browser() as tab:
        await tab.show(420, scripts=False)
        await tab.open(file)
        await tab.show(420)  # only to query; the page's script has not run
        rows = file.read_text().count("<tr ") - 1
        assert len(await tab.run(IDS)) == rows
        assert await tab.run("getComputedStyle(document.getElementById('controls')).display") == "none"
        assert await tab.run("document.querySelectorAll('#keys button').length") == 0
        await tab.show(700, dark=True, media="print")
        await tab.open(file)
        assert await tab.run("getComputedStyle(document.getElementById('controls')).display") == "none"
        assert await tab.run("getComputedStyle(document.querySelector('h1')).color") == "rgb(29, 39, 51)"
        assert await tab.run("getComputedStyle(document.querySelector('#keys')).display") == "table"
        # A filtered table says so on paper, too.
        await tab.run(filter_by("Company 11"))
        assert await tab.run("getComputedStyle(document.getElementById('controls')).display") != "none"
        assert tab.complaints == []
