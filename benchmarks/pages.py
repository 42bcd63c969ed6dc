"""What a page costs the client: microseconds of CPU, delivered as typed objects or as dicts.

The server answers at once and always the same, on a core of its own. Each client has a process of its own,
and all take turns.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import ParamSpec

import attrs

from benchmarks import peers, picture
from benchmarks.measure import Chapter, Client, Size, Spread, Stopwatch, client, in_turn, ratio, table, target
from benchmarks.server import Target, answering

P = ParamSpec("P")

AT_MOST = {"plain": 1.6, "fast": 1.15}  # times the hand-written client
_BY_HAND = "by hand"
_WARM = 20  # pages that come before those that are measured


def fast_is_there() -> bool:
    """Whether the SDK reads JSON with the extra `fast`. Asked in a process of its own."""
    import_module("woodpecker_async.engine.codec")
    return sys.modules.get("msgspec") is not None


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


def fetch_in_bulk(batch: Batch) -> float:
    """CPU microseconds for each company of a bulk run, its start and end included."""
    peers.in_bulk(batch.to, range(1, _WARM + 1))
    return peers.in_bulk(batch.to, range(1, batch.count + 1)).spent.cpu / batch.count * 1e6


Run = Callable[[], float]


@attrs.frozen
class _Clients:
    """Client processes: one for what others wrote, one or two for the SDK."""

    by_hand: Client
    sdk: dict[str, Client]

    def ours(self, function: Callable[P, float], *args: P.args, **kwargs: P.kwargs) -> dict[str, Run]:
        """A run of the SDK in each of its forms."""
        return {name: partial(process.run, function, *args, **kwargs) for name, process in self.sdk.items()}


def chapter(size: Size) -> Chapter:
    """Both tables and the picture."""
    rounds, pages = {"tiny": (1, 30), "quick": (3, 200), "full": (9, 500)}[size]
    with ExitStack() as stack:
        served = stack.enter_context(answering())
        sdk = {"plain": stack.enter_context(client(without=["msgspec"]))}
        fast = stack.enter_context(client())
        if fast.run(fast_is_there):
            sdk["fast"] = fast
        clients = _Clients(stack.enter_context(client()), sdk)
        per_page, sentence = _per_page(clients, served.target, rounds, pages)
        by_client, drawn = _by_client(clients, Batch(served.target, max(30, pages // 2)), max(1, rounds // 2))
    return Chapter(
        title="Work per page",
        text=f"{per_page}\n\n{by_client}",
        short=sentence,
        pictures={"cpu-per-page.svg": drawn},
    )


def _per_page(clients: _Clients, to: Target, rounds: int, pages: int) -> tuple[str, str]:
    worst: dict[str, float] = {}
    rows = []

    def compare(name: str, by_hand: Run, ours: dict[str, Run]) -> None:
        results = in_turn(rounds, {_BY_HAND: by_hand, **ours})
        reference = results.pop(_BY_HAND)
        cells = [name, f"{Spread.of(reference).median:.0f}"]
        for variant, figures in results.items():
            times = ratio(figures, to=reference)
            worst[variant] = max(worst.get(variant, 0.0), times.median)
            cells += [f"{Spread.of(figures).median:.0f}", str(times)]
        rows.append(cells)

    for batch in (Batch(to, pages), Batch(to, pages, companies=True)):
        for at_once in (1, 7, 50):
            by_hand = attrs.evolve(peers.SEVEN, at_once=at_once)
            # Fifty at once pass only where the account's limit does not hold.
            many = peers.SDK_DISCOVER if batch.companies else peers.SDK_BY_COMPANY
            ours = attrs.evolve(many if at_once == 50 else peers.SDK, at_once=at_once)
            compare(
                f"50 {'companies' if batch.companies else 'keys'}, {at_once} at once",
                partial(clients.by_hand.run, fetch, by_hand, batch),
                clients.ours(fetch, ours, batch),
            )
    batch = Batch(to, pages)
    in_all = partial(clients.by_hand.run, fetch, peers.SEVEN, batch)
    compare("50 keys, `bulk.list_api_keys`", in_all, clients.ours(fetch_in_bulk, batch))

    head = ["A page of", "aiohttp and `json.loads`, µs"]
    said = []
    for variant, times in worst.items():
        head += [f"{variant}, µs", f"{variant}, times aiohttp"]
        most = AT_MOST[variant]
        said.append(
            target(f"{variant}, at most {most} times by hand; the worst line is {times:.2f}", met=times <= most)
        )
    text = (
        "CPU of the client process for one page, from the call to the objects: dicts by hand, typed and checked "
        "objects with the SDK, with its plain dependencies and, if it is installed, with the extra `fast`. "
    )
    best = "fast" if "fast" in worst else "plain"
    sentence = (
        f"A page of 50 typed and checked objects costs {worst[best]:.1f} times the CPU, or less, of aiohttp and "
        f"`json.loads` with their dicts{' (with the extra `fast`)' if best == 'fast' else ''}."
    )
    return f"{text}{' '.join(said)}\n\n{table(head, rows)}", sentence


def _by_client(clients: _Clients, batch: Batch, rounds: int) -> tuple[str, str]:
    compared = peers.available(
        [peers.FLOOR, peers.SEVEN, peers.FIFTY, peers.UNBOUND, peers.REQUESTS, peers.HTTPX, peers.SAMPLE]
    )
    runs: dict[str, Run] = {peer.title: partial(clients.by_hand.run, fetch, peer, batch) for peer in compared}
    runs |= {f"{peers.SDK.title}, {name}": run for name, run in clients.ours(fetch, peers.SDK, batch).items()}
    results = in_turn(rounds, runs)
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
