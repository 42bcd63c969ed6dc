"""The pictures can be read, by people on any background and by programs."""

from xml.etree import ElementTree as ET

import pytest

from benchmarks import picture

SVG = "{http://www.w3.org/2000/svg}"
BACKGROUNDS = {"light": "#ffffff", "dark": "#0d1117", "black": "#000000"}


def luminance(colour):
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_colours_stand_off(background):
    # WCAG requires 3 for graphics and 4.5 for text, which hardly any colour has on both white and black.
    assert contrast(picture.TEXT, BACKGROUNDS[background]) >= 4
    for colour in picture.COLOURS.values():
        assert contrast(colour, BACKGROUNDS[background]) >= 3


@pytest.fixture
def drawn():
    bars = [
        picture.Bar(name="us & them", value=1.0, label="1 s", kind="ours"),
        picture.Bar(name="others", value=4.0, label="4 s"),
        picture.Bar(name="nobody", value=0.0, label="<0.1 s, 3 lost", kind="lost"),
    ]
    return ET.fromstring(picture.bars("Seconds", bars))


def test_bars_are_as_long_as_their_values(drawn):
    lengths = [float(bar.get("width")) for bar in drawn.iter(f"{SVG}rect")]
    assert lengths[1] == pytest.approx(4 * lengths[0], abs=0.2)
    assert lengths[2] > 0
    assert [bar.get("fill") for bar in drawn.iter(f"{SVG}rect")] == [
        picture.COLOURS[kind] for kind in ("ours", "theirs", "lost")
    ]


def test_everything_is_inside_and_said_in_words(drawn):
    width, height = float(drawn.get("width")), float(drawn.get("height"))
    for bar in drawn.iter(f"{SVG}rect"):
        assert float(bar.get("x")) + float(bar.get("width")) < width
        assert float(bar.get("y")) + float(bar.get("height")) < height
    assert drawn.findtext(f"{SVG}title") == "Seconds"
    assert drawn.findtext(f"{SVG}desc") == "us & them: 1 s; others: 4 s; nobody: <0.1 s, 3 lost"


def test_nothing_is_fetched_from_elsewhere(drawn):
    text = ET.tostring(drawn, encoding="unicode")
    assert "href" not in text
    assert "url(" not in text
    assert "@import" not in text
