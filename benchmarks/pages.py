"""What a page costs the client in CPU microseconds, delivered as typed objects or as dicts.

The server runs on its own core and sends the same recorded response immediately. The hand-written clients and the SDK
run in separate processes, and take turns.
"""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Literal, ParamSpec

import attrs

from benchmarks import decoding, peers, picture
from benchmarks.figures import marked
from benchmarks.measure import Chapter, Client, Size, Spread, Stopwatch, client, in_turn, ratio, table, target
from benchmarks.server import Target, answering

P = ParamSpec("P")

# Targets: times the CPU of the client that returns dicts, and of the one that does the same job.
AT_MOST_OF_DICTS = {"keys": 1.3, "companies": 1.15, "prospects": 1.2}
AT_MOST_OF_TYPED = {"keys": 0.75, "companies": 0.6, "prospects": 0.3}
_DICTS = "hand-written, dicts"
_TYPED = "hand-written, typed"
_SDK = "woodpecker-async"
_BULK = "50 keys, `bulk.list_api_keys`"
_ALL = "all clients"
_WARM = 20  # pages fetched to warm up, before those that are measured


@attrs.frozen
class Batch:
    """What one measurement fetches.

    Attributes:
        to: the server.
        count: number of pages.
        what: what the pages contain.
    """

    to: Target
    count: int
    what: Literal["keys", "companies", "prospects"] = "keys"

    @property
    def on_page(self) -> str:
        """The contents of a page."""
        return f"{'1,000' if self.what == 'prospects' else '50'} {self.what}"

    def ids(self, count: int) -> list[int | None]:
        """The arguments of `fetch` for so many pages."""
        if self.what == "keys":
            return list(range(1, count + 1))
        return [None if self.what == "companies" else peers.PROSPECTS] * count


def fetch(peer: peers.Peer, batch: Batch) -> float:
    """CPU microseconds per page, without connecting."""

    async def measured() -> float:
        async with peer.open(batch.to) as fetch:
            # First a few pages to open the connections and warm up the code.
            await peers.drive(fetch, batch.ids(max(_WARM, peer.at_once or 0)), peer.at_once)
            with Stopwatch() as watch:
                answered = await peers.drive(fetch, batch.ids(batch.count), peer.at_once)
        assert answered == batch.count
        return watch.spent.cpu / batch.count * 1e6

    return asyncio.run(measured())


def whole(job: Callable[[Target, Iterable[int]], peers.Done], batch: Batch) -> float:
    """CPU microseconds per company of a whole job, including connecting."""
    job(batch.to, range(1, _WARM + 1))
    return job(batch.to, range(1, batch.count + 1)).spent.cpu / batch.count * 1e6


Run = Callable[[], float]
Lines = dict[str, dict[str, list[float]]]  # by row of the table and by client


def chapter(size: Size) -> Chapter:
    """The tables and the picture."""
    generations, rounds, pages = {"tiny": (1, 1, 30), "quick": (1, 3, 200), "full": (3, 4, 400)}[size]
    lines: Lines = defaultdict(lambda: defaultdict(list))
    compared = peers.available(
        [peers.FLOOR, peers.SEVEN, peers.TYPED, peers.FIFTY, peers.UNBOUND, peers.REQUESTS, peers.HTTPX, peers.SAMPLE]
    )
    with answering() as served:
        for _ in range(generations):
            # One process can be a little faster or slower than the next for its whole lifetime, so we use several.
            with client() as theirs, client() as ours:
                for line, runs in _lines(theirs, ours, served.target, pages, compared):
                    for name, figures in in_turn(1 if line == _ALL else rounds, runs).items():
                        lines[line][name] += figures
        with client() as by:
            decoded = decoding.section(by, served.target, size)
    by_client, drawn = _by_client(lines.pop(_ALL))
    per_page, sentence = _per_page(lines)
    return Chapter(
        title="CPU per page",
        text=f"{per_page}\n\n{decoded}\n\n{by_client}",
        short=sentence,
        pictures={"cpu-per-page.svg": drawn},
    )


def _lines(
    theirs: Client, ours: Client, to: Target, pages: int, compared: list[peers.Peer]
) -> Iterator[tuple[str, dict[str, Run]]]:
    """What is measured in one round of each row."""
    few = max(10, pages // 10)  # a page of prospects is as much work as twenty others
    small = itertools.product((Batch(to, pages), Batch(to, pages, "companies")), (1, 7, 50))
    for batch, at_once in (*small, *((Batch(to, few, "prospects"), at_once) for at_once in (1, 7))):
        # With the account's lane there would not be so many in flight: it would find out that fewer than seven keep
        # a server busy that answers immediately.
        sdk = peers.SDK_BY_COMPANY if batch.what == "keys" else peers.SDK_DISCOVER
        yield (
            f"{batch.on_page}, {at_once} at once",
            {
                _DICTS: partial(theirs.run, fetch, attrs.evolve(peers.SEVEN, at_once=at_once), batch),
                _TYPED: partial(theirs.run, fetch, attrs.evolve(peers.TYPED, at_once=at_once), batch),
                _SDK: partial(ours.run, fetch, attrs.evolve(sdk, at_once=at_once), batch),
            },
        )
    batch = Batch(to, pages)
    yield (
        _BULK,
        {
            _DICTS: partial(theirs.run, whole, partial(peers.by_hand, peers.SEVEN), batch),
            _TYPED: partial(theirs.run, whole, partial(peers.by_hand, peers.TYPED), batch),
            _SDK: partial(ours.run, whole, peers.in_bulk, batch),
        },
    )
    batch = Batch(to, max(30, pages // 2))
    yield (
        _ALL,
        {
            **{peer.title: partial(theirs.run, fetch, peer, batch) for peer in compared},
            peers.SDK.title: partial(ours.run, fetch, peers.SDK, batch),
        },
    )


def _per_page(lines: Lines) -> tuple[str, str]:
    worst: dict[tuple[str, str], float] = {}
    rows = []
    for line, results in lines.items():
        of_dicts, of_typed = (ratio(results[_SDK], to=results[name]) for name in (_DICTS, _TYPED))
        rows.append([line, *(f"{Spread.of(figures).median:.0f}" for figures in results.values()), str(of_dicts),
                     str(of_typed)])  # fmt: skip
        if line != _BULK:
            what = line.split()[1].removesuffix(",")
            for name, times in ((_DICTS, of_dicts), (_TYPED, of_typed)):
                worst[name, what] = max(worst.get((name, what), 0.0), times.median)
    targets = [
        target(f"pages of {what} take at most {most} times the CPU of *{name}*; worst row: {worst[name, what]:.2f}",
               met=worst[name, what] <= most)
        for name, bounds in ((_DICTS, AT_MOST_OF_DICTS), (_TYPED, AT_MOST_OF_TYPED))
        for what, most in bounds.items()
    ]  # fmt: skip
    text = (
        "CPU time that the client process spends on one page, in microseconds, from the call to the finished objects. "
        f"The server sends a recorded response immediately, so the client is what is measured. *{_DICTS}*: aiohttp and "
        f"`json.loads`, without validation or retries. *{_TYPED}*: the job that the SDK does, written with aiohttp, "
        "attrs, cattrs and a tenacity retry around each call. *at once* is the number of requests in flight. The last "
        "two columns are the SDK's CPU divided by that of each hand-written client. The last row is a whole bulk run, "
        "per company and including connecting, against hand-written loops over the same companies; it has no target."
    )
    head = ["Page", f"{_DICTS}, µs", f"{_TYPED}, µs", f"{_SDK}, µs", "times dicts", "times typed"]
    sentence = (
        f"A page of 50 validated, typed keys costs at most {worst[_TYPED, 'keys']:.2f} times the CPU of the same job "
        f"written by hand with aiohttp, attrs, cattrs and tenacity, and at most {worst[_DICTS, 'keys']:.2f} times that "
        "of plain dicts."
    )
    return "\n\n".join([text, marked("pages", table(head, rows)), "\n".join(targets)]), sentence


def _by_client(results: dict[str, list[float]]) -> tuple[str, str]:
    medians = {name: Spread.of(figures).median for name, figures in results.items()}
    order = sorted(results, key=lambda name: medians[name])
    reference = results[peers.SEVEN.title]
    rows = [[name, f"{medians[name]:.0f}", str(ratio(results[name], to=reference))] for name in order]
    bars = [
        picture.Bar(
            name=name,
            value=medians[name],
            label=f"{medians[name]:,.0f} µs",
            kind="ours" if name.startswith(peers.SDK.title) else "theirs",
        )
        for name in order
    ]
    text = (
        "CPU per page of 50 keys for more clients, from the cheapest to the most expensive. Raw connections are the "
        "lower bound: they send and read bytes and call `json.loads`, and no HTTP client can do less."
    )
    head = ["Client", "CPU per page, µs", f"times {peers.SEVEN.title}"]
    return f"{text}\n\n{table(head, rows)}", picture.bars("Client CPU for a page of 50 API keys", bars)
