"""Bar charts as SVG, without a library or embedded fonts.

A README shows them as images on light and on dark backgrounds: the background is transparent, and every colour is of
medium lightness, so that it contrasts with both white and black.
"""

from collections.abc import Sequence
from typing import Final, Literal
from xml.sax.saxutils import escape

import attrs

TEXT: Final = "#707c88"
COLOURS: Final = {"ours": "#2a9d6f", "theirs": "#6b8fc4", "lost": "#d1605e"}

_WIDTH, _NAMES, _LABELS = 820, 290, 260
_TOP, _STEP, _BAR = 46, 32, 20
_FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"


@attrs.frozen(kw_only=True)
class Bar:
    """One bar.

    Attributes:
        name: text to the left of the bar.
        value: length of the bar.
        label: text to the right of the bar.
        kind: whose result it is; `"lost"` if the client did not do all of the work.
    """

    name: str
    value: float
    label: str
    kind: Literal["ours", "theirs", "lost"] = "theirs"


def bars(title: str, shown: Sequence[Bar]) -> str:
    """A horizontal bar chart."""
    longest = max(bar.value for bar in shown)
    room = _WIDTH - _NAMES - _LABELS
    height = _TOP + _STEP * len(shown)
    said = "; ".join(f"{bar.name}: {bar.label}" for bar in shown)
    size = f"viewBox='0 0 {_WIDTH} {height}' width='{_WIDTH}' height='{height}'"
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img' {_FONT} font-size='14' fill='{TEXT}'>",
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(said)}</desc>",
        f"<text x='8' y='24' font-size='16' font-weight='600'>{escape(title)}</text>",
    ]
    for number, bar in enumerate(shown):
        top = _TOP + number * _STEP
        middle = top + _BAR / 2 + 5
        length = max(2.0, room * bar.value / longest)
        weight = " font-weight='600'" if bar.kind == "ours" else ""
        lines += [
            f"<text x='{_NAMES - 8}' y='{middle:g}' text-anchor='end'{weight}>{escape(bar.name)}</text>",
            f"<rect x='{_NAMES}' y='{top}' width='{length:.1f}' height='{_BAR}' rx='3' fill='{COLOURS[bar.kind]}'/>",
            f"<text x='{_NAMES + length + 8:.1f}' y='{middle:g}'{weight}>{escape(bar.label)}</text>",
        ]
    return "\n".join([*lines, "</svg>", ""])
