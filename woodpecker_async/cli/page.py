"""The page that `keys report` creates: a single HTML file that loads nothing from the network and contains no secret.

Everything that came from a server is escaped. A Content-Security-Policy in the page allows only its own style and
script, by their hashes, so that anything that slipped through could not run.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib.resources import files
from typing import Final

from woodpecker_async._redact import printable

# The most bars in a chart; the rest are combined.
_MOST_BARS: Final = 12
_WIDTH: Final = 360
_ROW: Final = 40

_TITLES: Final = ("Company", "ID", "State", "Label", "Key", "Fingerprint")


@dataclass(frozen=True)
class Key:
    """A key as the page shows it.

    Attributes:
        label: its label, if it has one.
        masked: the masked key.
        fingerprint: its fingerprint.
    """

    label: str | None
    masked: str
    fingerprint: str


@dataclass(frozen=True)
class Client:
    """A client company as the page shows it.

    Attributes:
        id: its id.
        name: its name, if known.
        active: whether it is active, if known.
        keys: its keys.
        failure: why its keys could not be listed, if they could not.
    """

    id: int
    name: str | None
    active: bool | None
    keys: tuple[Key, ...] = ()
    failure: str | None = None

    @property
    def title(self) -> str:
        """The name to show."""
        return self.name or f"Company {self.id}"


def page(clients: Sequence[Client], *, account: str, made_at: datetime, warnings: Iterable[str], version: str) -> str:
    """The whole page.

    Args:
        clients: the companies, with their keys.
        account: identifies the account they belong to.
        made_at: when they were listed, in UTC.
        warnings: messages about what may be missing.
        version: the version of the program.
    """
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; "
        "form-action 'none'"
    )
    when = f"{made_at.day} {made_at:%B %Y, %H:%M} UTC"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>API keys of client companies, {when}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            '<a class="skip" href="#table">Skip to the table of keys</a>',
            "<header>",
            "<h1>API keys of client companies</h1>",
            f'<p class="soft">As listed on <time datetime="{made_at.isoformat()}">{when}</time>.',
            f"Account: {_text(account)}.</p>",
            '<p class="soft">Keys are masked. A fingerprint is the start of the key&#39;s SHA-256 hash:',
            "it identifies the key without revealing it.</p>",
            "</header>",
            "<main>",
            *(f'<p class="warning" role="note">{_text(warning)}</p>' for warning in warnings),
            *_totals(clients),
            *_pictures(clients),
            *_without_keys(clients),
            *_table(clients),
            "</main>",
            f"<footer><p>Created by woodpecker-async {_text(version)}. The API lists only keys created by",
            "the owner of the agency&#39;s API key.</p></footer>",
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _part(name: str) -> str:
    return files("woodpecker_async.cli").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(text: str) -> str:
    """Escape text from outside, so that it is shown as it is and does nothing."""
    return escape(printable(text))


def _name(text: str) -> str:
    """The same for a name, which may be in a right-to-left script."""
    return f"<bdi>{_text(text)}</bdi>"


def _totals(clients: Sequence[Client]) -> Iterator[str]:
    listed = [client for client in clients if client.failure is None]
    numbers = {
        "Companies": len(clients),
        "Keys": sum(len(client.keys) for client in clients),
        "Companies without keys": sum(not client.keys for client in listed),
        "Keys without a label": sum(not key.label for client in clients for key in client.keys),
    }
    if failed := len(clients) - len(listed):
        numbers["Companies not listed"] = failed
    yield '<dl class="totals">'
    for title, number in numbers.items():
        yield f"<div><dt>{title}</dt><dd>{number:,}</dd></div>"
    yield "</dl>"


# ---- charts


def _pictures(clients: Sequence[Client]) -> Iterator[str]:
    listed = [client for client in clients if client.failure is None]
    labels = Counter(key.label or "(no label)" for client in clients for key in client.keys)
    yield '<section aria-labelledby="pictures"><h2 id="pictures">At a glance</h2><div class="pictures">'
    if len(listed) <= _MOST_BARS:
        rows = sorted(((client.title, len(client.keys)) for client in listed), key=lambda row: -row[1])
        yield from _figure("by-company", "Keys by company", "Number of keys per company.", rows, "key")
    else:
        yield from _figure(
            "by-company",
            "Keys by company",
            "Number of companies that have this many keys.",
            _histogram([len(client.keys) for client in listed]),
            "company",
        )
    most = labels.most_common(_MOST_BARS if len(labels) <= _MOST_BARS else _MOST_BARS - 1)
    rest = labels.total() - sum(count for _, count in most)
    if rest:
        most.append((f"({len(labels) - len(most)} other labels)", rest))
    yield from _figure("by-label", "Labels by use", "Number of keys per label.", most, "key")
    yield "</div></section>"


def _histogram(counts: Sequence[int]) -> list[tuple[str, int]]:
    """How many companies have each number of keys; numbers are grouped if there are too many."""
    width = -(-max(counts) // (_MOST_BARS - 1)) or 1
    groups = Counter(-(-count // width) for count in counts)
    rows = [("no keys", groups[0])]
    for group in range(1, max(groups) + 1):
        first, last = (group - 1) * width + 1, group * width
        title = f"{first}" if first == last else f"{first} to {last}"
        rows.append((f"{title} {'key' if title == '1' else 'keys'}", groups[group]))
    return rows


def _figure(name: str, title: str, explanation: str, rows: Sequence[tuple[str, int]], unit: str) -> Iterator[str]:
    yield f'<figure><figcaption>{title}<span class="soft">{explanation}</span></figcaption>'
    if not rows:
        yield '<p class="soft">None.</p></figure>'
        return
    most = max(count for _, count in rows) or 1
    told = "; ".join(f"{row}: {count}" for row, count in rows)
    yield (
        f'<svg viewBox="0 0 {_WIDTH} {len(rows) * _ROW}" role="img" aria-labelledby="{name}-title {name}-told">'
        f'<title id="{name}-title">{title}, in {"keys" if unit == "key" else "companies"}</title>'
        f'<desc id="{name}-told">{_text(told)}</desc>'
    )
    for place, (row, count) in enumerate(rows):
        y = place * _ROW
        length = round((_WIDTH - 1) * count / most, 1)
        yield (
            f'<text x="0" y="{y + 14}">{_text(_short(row))}</text>'
            f'<text class="number" x="{_WIDTH}" y="{y + 14}" text-anchor="end">{count:,}</text>'
            f'<rect class="track" x="0" y="{y + 20}" width="{_WIDTH}" height="9" rx="4.5"/>'
            + (f'<rect class="bar" x="0" y="{y + 20}" width="{max(length, 9)}" height="9" rx="4.5"/>' if count else "")
        )
    yield "</svg></figure>"


def _short(text: str, most: int = 38) -> str:
    text = printable(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


# ---- companies without keys


def _without_keys(clients: Sequence[Client]) -> Iterator[str]:
    without = [client for client in clients if client.failure is None and not client.keys]
    yield '<section aria-labelledby="without"><h2 id="without">Companies without keys</h2>'
    if without:
        yield '<ul class="names">'
        for client in without:
            state = ", inactive" if client.active is False else ""
            yield f'<li>{_name(client.title)} <span class="soft">({client.id}{state})</span></li>'
        yield "</ul>"
    else:
        yield '<p class="soft">Every listed company has at least one key.</p>'
    yield "</section>"


# ---- the table


def _table(clients: Sequence[Client]) -> Iterator[str]:
    rows = [row for client in clients for row in _rows(client)]
    yield '<section aria-labelledby="table"><h2 id="table" tabindex="-1">All keys</h2>'
    yield (
        '<div class="filter" id="controls" role="search" hidden><label for="filter">Show only rows containing</label>'
        '<input id="filter" type="search" autocomplete="off" spellcheck="false">'
        '<span class="soft" id="count" role="status"></span></div>'
    )
    # On narrow screens the rows become cards; the roles keep it a table for screen readers.
    yield '<table class="keys" id="keys" role="table">'
    yield "<caption>Each row is a key, or a company without keys to show.</caption>"
    heads = "".join(f'<th scope="col" role="columnheader">{title}</th>' for title in _TITLES)
    yield f'<thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
    yield '<tbody role="rowgroup">'
    yield from rows
    yield "</tbody></table></section>"


def _rows(client: Client) -> Iterator[str]:
    if client.failure is not None:
        yield _row(client, None, f"(not listed: {client.failure})")
    elif not client.keys:
        yield _row(client, None, "(no keys)")
    for key in client.keys:
        yield _row(client, key, "")


def _row(client: Client, key: Key | None, remark: str) -> str:
    state = "" if client.active is None else "active" if client.active else "inactive"
    cells = [_cell("ID", str(client.id), css="number"), _cell("State", state, css="state")]
    if key is None:
        cells += [_cell("Label", f"<span>{_text(remark)}</span>", ""), _cell("Key", ""), _cell("Fingerprint", "")]
    else:
        label = _name(key.label) if key.label else '<span class="soft">(no label)</span>'
        cells += [
            _cell("Label", label, key.label or ""),
            _cell("Key", f"<span>{_text(key.masked)}</span>", key.masked, css="mono"),
            _cell("Fingerprint", f"<span>{_text(key.fingerprint)}</span>", key.fingerprint, css="mono"),
        ]
    kind = ' class="none"' if key is None else ""
    name = f'<th scope="row" role="rowheader" data-value="{_text(client.title)}">{_name(client.title)}</th>'
    return f'<tr role="row"{kind}>{name}{"".join(cells)}</tr>'


def _cell(title: str, shown: str, value: str | None = None, css: str = "") -> str:
    """A cell: the HTML it shows, and the value it is sorted by."""
    kind = f' class="{css}"' if css else ""
    value = shown if value is None else _text(value)
    return f'<td role="cell"{kind} data-title="{title}" data-value="{value}">{shown}</td>'
