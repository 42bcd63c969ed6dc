"""No figure is typed by hand: the README and the documentation show what a benchmark run wrote."""

import re

import pytest

from benchmarks import figures
from benchmarks.__main__ import write
from benchmarks.measure import Chapter
from tests.docs.pages import PAGES, ROOT, identify

RESULTS = (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_a_page_says_what_the_results_say(page):
    """If this fails: `python -m benchmarks.figures`."""
    text = page.read_text(encoding="utf-8")
    assert figures.inserted(text, figures.blocks(RESULTS)) == text


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_no_page_has_times_of_its_own(page):
    typed = re.sub(r"<!-- figures: .*?<!-- end of figures -->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.findall(r".*µs.*", typed)


def test_the_readme_shows_figures_and_names_the_machine():
    shown = figures.blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"summary", "machine"} <= shown.keys()
    assert "Python 3." in shown["machine"]


def test_all_is_written_from_one_run(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "docs" / "more").mkdir(parents=True)
    readme, page = tmp_path / "README.md", tmp_path / "docs" / "more" / "page.md"
    readme.write_text("before\n<!-- figures: summary -->\n- old\n<!-- end of figures -->\nafter\n")
    page.write_text(
        "<!-- figures: one -->\n<!-- end of figures --> and <!-- figures: one -->\n<!-- end of figures -->\n"
    )
    chapters = [
        Chapter(
            title="One",
            text="first\n\n" + figures.marked("one", "| 1 |"),
            short="It is 1.",
            pictures={"one.svg": "<svg></svg>"},
        ),
        Chapter(title="Two", text="second"),
    ]
    for _ in range(2):  # again is the same
        write(chapters, tmp_path)
        written = (tmp_path / "benchmarks" / "results.md").read_text()
        assert written.endswith("\n\n## Two\n\nsecond\n")
        assert "quick" not in written
        assert (tmp_path / "docs" / "images" / "one.svg").read_text() == "<svg></svg>"
        assert readme.read_text() == "before\n<!-- figures: summary -->\n- It is 1.\n<!-- end of figures -->\nafter\n"
        one = "<!-- figures: one -->\n| 1 |\n<!-- end of figures -->"
        assert page.read_text() == f"{one} and {one}\n"
        assert figures.insert(tmp_path) == []
    write(chapters, tmp_path, "quick")
    assert "with `--quick`" in (tmp_path / "benchmarks" / "results.md").read_text()


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        ("<!-- figures: two -->\n<!-- end of figures -->", "there are no figures two; known names: one"),
        ("<!-- figures: one -->\n", "unpaired"),
        ("<!-- figures: one -->\n<!-- figures: one -->\n<!-- end of figures -->", "unpaired"),
        ("<!-- end of figures -->", "unpaired"),
        ("<!-- figures: One! -->\n<!-- end of figures -->", "an invalid name"),
    ],
)
def test_marks_that_are_wrong_are_an_error(page, wrong):
    with pytest.raises(ValueError, match=wrong):
        figures.inserted(page, {"one": "1"})


def test_a_name_stands_for_one_thing():
    with pytest.raises(ValueError, match="twice"):
        figures.blocks(figures.marked("one", "1") + figures.marked("one", "2"))
