"""`python -m benchmarks.lanes`: does the lane find the server's limit, and what does that cost?

The first table is computed on a model of the server, in virtual time: our window against a fixed window of
seven that is spared the 15 s of the queue. The second is measured on sockets, against hand-written clients,
in turn in one run; the server is a process of its own.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine

import aiohttp
import attrs

from benchmarks.model import Fixed, run
from benchmarks.server import Served, serving
from woodpecker_async import Limits, WoodpeckerSession, bulk
from woodpecker_async.engine.window import DOCUMENTED, AdaptiveWindow
from woodpecker_async.options import Lanes

SERVICES = (0.005, 0.02, 0.1, 0.5, 3.0)
ROUND_TRIPS = (0.0, 0.02, 0.06, 0.2)


def virtual() -> None:
    """The grid of service times and round trips."""
    print("On a model of the server, 2,000 requests, service times off by up to 30 %:\n")
    print("service  round trip  of fixed seven  server used  refused  longest wait  interactive waits")
    for service in SERVICES:
        for round_trip in ROUND_TRIPS:
            window = AdaptiveWindow(DOCUMENTED, 15.0)
            how = {"requests": 2000, "service": service, "round_trip": round_trip}
            result = run(window, jitter=0.3, interactive_at=1000, **how)  # type: ignore[arg-type]
            fixed = run(Fixed(7), queue_wait=1e9, **how)  # type: ignore[arg-type]
            print(
                f"{service * 1000:5.0f} ms {round_trip * 1000:8.0f} ms {fixed.seconds / result.seconds:14.1%}"
                f" {result.used:12.0%} {result.refused:8} {result.longest_wait:11.2f} s"
                f" {(result.interactive_wait or 0) / service:11.1f} services"
            )


@attrs.frozen
class Measured:
    """One run of one client."""

    seconds: float
    refused: int
    lost: int


Client = Callable[[Served], Coroutine[None, None, int]]


def by_hand(at_once: int) -> Client:
    """What an engineer would write: aiohttp, a semaphore, gather. Refused requests are lost."""

    async def client(served: Served) -> int:
        gate = asyncio.Semaphore(at_once)
        async with aiohttp.ClientSession(
            headers={"x-api-key": served.key}, connector=aiohttp.TCPConnector(limit=0)
        ) as session:

            async def keys(company_id: int) -> int:
                url = f"{served.base_url}/v2/agency/companies/{company_id}/api_keys"
                async with gate, session.get(url) as response:
                    if response.status != 200:
                        return 0
                    return len((await response.json())["content"])

            return sum(1 for count in await asyncio.gather(*map(keys, served.company_ids)) if count)

    return client


def sdk(lanes: Lanes) -> Client:
    """`bulk.list_api_keys`."""

    async def client(served: Served) -> int:
        limits = Limits(lanes=lanes)
        async with (
            WoodpeckerSession(served.key, base_url=served.base_url, limits=limits) as woodpecker,
            bulk.list_api_keys(woodpecker, served.company_ids) as running,
        ):
            return sum([bool(outcome.ok and outcome.keys) async for outcome in running])

    return client


def measure(client: Client, served: Served) -> Measured:
    """Run it once, in an event loop of its own."""
    began = time.perf_counter()
    listed = asyncio.run(client(served))
    seconds = time.perf_counter() - began
    return Measured(seconds, served.refused(), len(served.company_ids) - listed)


def compare(title: str, served: Served, reference: Client, clients: dict[str, Client], rounds: int) -> None:
    """Alternate the clients and print the ratio of each to the reference, pair by pair."""
    print(f"\n{title}")
    results: dict[str, list[tuple[Measured, float]]] = {name: [] for name in clients}
    references: list[Measured] = []
    for _ in range(rounds):
        references.append(measure(reference, served))
        for name, client in clients.items():
            measured = measure(client, served)
            results[name].append((measured, measured.seconds / references[-1].seconds))
    seconds = statistics.median(one.seconds for one in references)
    print(f"  {'by hand':10} {seconds:7.2f} s   refused {references[-1].refused}, lost {references[-1].lost}")
    for name, pairs in results.items():
        ratios = [ratio for _, ratio in pairs]
        seconds = statistics.median(measured.seconds for measured, _ in pairs)
        print(
            f"  {name:10} {seconds:7.2f} s   refused {max(one.refused for one, _ in pairs)}, "
            f"lost {max(one.lost for one, _ in pairs)}; wall time to that by hand: "
            f"min {min(ratios):.2f}, median {statistics.median(ratios):.2f}, max {max(ratios):.2f}"
        )


def sockets(rounds: int) -> None:
    """The second table."""
    print(f"\n\nOn sockets, {rounds} rounds in turn, medians:")
    with serving(companies=1000, keys_per_company=3, service_time=0.01, round_trip=0.06) as served:
        title = "1,000 companies, 10 ms of service, 60 ms round trip, one limit; by hand: a semaphore of seven"
        compare(title, served, by_hand(7), {"account": sdk("account"), "discover": sdk("discover")}, rounds)
    for service in (0.005, 0.02):
        with serving(companies=300, keys_per_company=3, service_time=service, limit_scope="company") as served:
            title = f"300 companies with limits of their own, {service * 1000:.0f} ms of service; by hand: 64 at once"
            compare(title, served, by_hand(64), {"company": sdk("company"), "discover": sdk("discover")}, rounds)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds on sockets (default 5)")
    parser.add_argument("--virtual", action="store_true", help="only the table in virtual time")
    arguments = parser.parse_args()
    virtual()
    if not arguments.virtual:
        sockets(arguments.rounds)


if __name__ == "__main__":
    main()
