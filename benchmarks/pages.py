"""What a page costs the client: microseconds of CPU, delivered as typed objects or as dicts.

The server answers at once and always the same, on a core of its own. Each client has a process of its own,
and all take turns.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import ParamSpec

import attrs

from benchmarks import peers, picture
from benchmarks.measure import Chapter, Client, Size, Spread, Stopwatch, client, in_turn, ratio, table, target
from benchmarks.server import Target, answering
from woodpecker_async.engine.fast import reader
from woodpecker_async.models import CreatedApiKey

P = ParamSpec("P")

AT_MOST = {"plain": 1.6, "fast": 1.15}  # times the hand-written client
_BY_HAND = "by hand"
_BULK = "50 keys, `bulk.list_api_keys`"
_ALL = "all clients"
_WARM = 20  # pages that come before those that are measured


def fast_is_there() -> bool:
    """Whether the SDK reads JSON with the extra `fast`. Asked in a process of its own."""
    return reader(CreatedApiKey) is not None


@attrs.frozen
class Batch:
    """What one measurement is of.

    Attributes:
        to: the server.
        count: how many pages.
        companies: pages of companies, not of keys.
    """

    to: Target
    count: int
    companies: bool = False

    def ids(self, count: int) -> list[int | None]:
        """What to fetch for so many pages."""
        return [None] * count if self.companies else list(range(1, count + 1))


def fetch(peer: peers.Peer, batch: Batch) -> float:
    """CPU microseconds for each page, connecting not included."""

    async def measured() -> float:
        async with peer.open(batch.to) as fetch:
            # First some that open the connections and warm the code.
            await peers.drive(fetch, batch.ids(max(_WARM, peer.at_once or 0)), peer.at_once)
            with Stopwatch() as watch:
                answered = await peers.drive(fetch, batch.ids(batch.count), peer.at_once)
        assert answered == batch.count
        return watch.spent.cpu / batch.count * 1e6

    return asyncio.run(measured())


def whole(job: Callable[[Target, Iterable[int]], peers.Done], batch: Batch) -> float:
    """CPU microseconds for each company of a whole job, connecting included."""
    job(batch.to, range(1, _WARM + 1))
    return job(batch.to, range(1, batch.count + 1)).spent.cpu / batch.count * 1e6


Run = Callable[[], float]
Lines = dict[str, dict[str, list[float]]]  # by line of the table and by client


@attrs.frozen
class _Clients:
    """Client processes: one for what others wrote, one or two for the SDK."""

    by_hand: Client
    sdk: dict[str, Client]

    def ours(self, function: Callable[P, float], *args: P.args, **kwargs: P.kwargs) -> dict[str, Run]:
        """A run of the SDK in each of its forms."""
        return {name: partial(process.run, function, *args, **kwargs) for name, process in self.sdk.items()}


@contextmanager
def _clients() -> Iterator[_Clients]:
    with client() as by_hand, client(without=["msgspec"]) as plain, client() as fast:
        yield _Clients(by_hand, {"plain": plain, "fast": fast} if fast.run(fast_is_there) else {"plain": plain})


def chapter(size: Size) -> Chapter:
    """Both tables and the picture."""
    generations, rounds, pages = {"tiny": (1, 1, 30), "quick": (1, 3, 200), "full": (3, 4, 400)}[size]
    lines: Lines = defaultdict(lambda: defaultdict(list))
    compared = peers.available(
        [peers.FLOOR, peers.SEVEN, peers.FIFTY, peers.UNBOUND, peers.REQUESTS, peers.HTTPX, peers.SAMPLE]
    )
    with answering() as served:
        for _ in range(generations):
            # A process is a little quicker or slower than the next one all its life, so there are several.
            with _clients() as clients:
                for line, runs in _lines(clients, served.target, pages, compared):
                    for name, figures in in_turn(1 if line == _ALL else rounds, runs).items():
                        lines[line][name] += figures
    by_client, drawn = _by_client(lines.pop(_ALL))
    per_page, sentence = _per_page(lines)
    return Chapter(
        title="Work per page",
        text=f"{per_page}\n\n{by_client}",
        short=sentence,
        pictures={"cpu-per-page.svg": drawn},
    )


def _lines(
    clients: _Clients, to: Target, pages: int, compared: list[peers.Peer]
) -> Iterator[tuple[str, dict[str, Run]]]:
    """What is measured in one round of each line."""
    for batch in (Batch(to, pages), Batch(to, pages, companies=True)):
        for at_once in (1, 7, 50):
            by_hand = attrs.evolve(peers.SEVEN, at_once=at_once)
            # So many at once pass only where the account's limit does not hold: its lane finds out that a server
            # which answers at once is kept busy by fewer than seven.
            ours = peers.SDK_DISCOVER if batch.companies else peers.SDK_BY_COMPANY
            yield (
                f"50 {'companies' if batch.companies else 'keys'}, {at_once} at once",
                {
                    _BY_HAND: partial(clients.by_hand.run, fetch, by_hand, batch),
                    **clients.ours(fetch, attrs.evolve(ours, at_once=at_once), batch),
                },
            )
    batch = Batch(to, pages)
    yield (
        _BULK,
        {
            _BY_HAND: partial(clients.by_hand.run, whole, partial(peers.by_hand, peers.SEVEN), batch),
            **clients.ours(whole, peers.in_bulk, batch),
        },
    )
    batch = Batch(to, max(30, pages // 2))
    theirs = {peer.title: partial(clients.by_hand.run, fetch, peer, batch) for peer in compared}
    ours_all = {f"{peers.SDK.title}, {name}": run for name, run in clients.ours(fetch, peers.SDK, batch).items()}
    yield _ALL, {**theirs, **ours_all}


def _per_page(lines: Lines) -> tuple[str, str]:
    worst: dict[str, float] = {}
    rows = []
    head = ["A page of", "by hand, µs"]
    for line, results in lines.items():
        reference = results[_BY_HAND]
        cells = [line, f"{Spread.of(reference).median:.0f}"]
        for variant in results:
            if variant != _BY_HAND:
                times = ratio(results[variant], to=reference)
                cells += [f"{Spread.of(results[variant]).median:.0f}", str(times)]
                if line != _BULK:
                    worst[variant] = max(worst.get(variant, 0.0), times.median)
        rows.append(cells)
    said = []
    for variant, largest in worst.items():
        head += [f"{variant}, µs", f"{variant}, times by hand"]
        most = AT_MOST[variant]
        what = f"{variant}, at most {most} times by hand; the worst line is {largest:.2f}"
        said.append(target(what, met=largest <= most))
    text = (
        "CPU of the client process for one page, from the call to the objects: by hand is aiohttp and `json.loads`, "
        "which gives dicts; the SDK gives typed and checked objects, with its plain dependencies and, if it is "
        "installed, with the extra `fast`. The line of the bulk run is a whole job for as many companies, "
        "connecting included; it has no target. "
    )
    best = "fast" if "fast" in worst else "plain"
    with_what = " with the extra `fast`" if best == "fast" else ""
    sentence = (
        f"A page of 50 typed and checked objects costs at most {worst[best]:.2f} times the CPU of the same page as "
        f"dicts, read with aiohttp and `json.loads`{with_what}."
    )
    return f"{text}{' '.join(said)}\n\n{table(head, rows)}", sentence


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
    text = "The same page of 50 keys by other clients. Raw connections are the floor: no client does less."
    head = ["Client", "CPU for a page, µs", f"times {peers.SEVEN.title}"]
    return f"{text}\n\n{table(head, rows)}", picture.bars("CPU of the client for a page of 50 API keys", bars)
