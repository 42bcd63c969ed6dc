"""`python -m benchmarks.lanes`: does the lane find the server's limit, and what does that cost?

The first table is simulated with a model of the server, in virtual time: our adaptive window against a window fixed at
seven, for which the queue has no 15 s limit. The second is measured over sockets, against hand-written clients that
take turns with the SDK; the server is a separate process.
"""

import argparse
from collections.abc import Callable
from functools import partial

import attrs

from benchmarks import peers
from benchmarks.measure import Chapter, Client, Size, Spread, client, in_turn, ratio, table, target
from benchmarks.model import Fixed, run
from benchmarks.server import Served, serving
from woodpecker_async.engine.window import DOCUMENTED, AdaptiveWindow
from woodpecker_async.options import Lanes

SERVICES = (0.005, 0.02, 0.1, 0.5, 3.0)
ROUND_TRIPS = (0.0, 0.02, 0.06, 0.2)
# Targets: times the wall time of a hand-written client with 64 in flight, where each company has its own limit.
AT_MOST = {"company": 1.25, "discover": 1.5}


@attrs.frozen
class Case:
    """A server, the concurrency of the hand-written client, and the `lanes=` settings to measure."""

    title: str
    options: dict[str, object]
    by_hand: int
    lanes: tuple[Lanes, ...]
    own_limits: bool = False
    often: int = 1  # multiplies the rounds, for a case whose runs take a fifth of a second


def _own(companies: int, service: float, often: int = 1) -> Case:
    return Case(
        title=f"{companies} companies with a limit each, {service * 1000:g} ms",
        options={"companies": companies, "keys_per_company": 3, "service_time": service, "limit_scope": "company"},
        by_hand=64,
        lanes=("company", "discover"),
        own_limits=True,
        often=often,
    )


def _one(companies: int) -> Case:
    return Case(
        title=f"{companies:,} companies with a common limit, 10 ms, round trip 60 ms",
        options={"companies": companies, "keys_per_company": 3, "service_time": 0.01, "round_trip": 0.06},
        by_hand=7,
        lanes=("account", "discover"),
    )


CASES = {
    "tiny": ([_own(20, 0.005)], 1),
    "quick": ([_own(300, 0.005), _one(100)], 2),
    "full": ([_own(300, 0.005, often=5), _own(300, 0.02, often=5), _one(150)], 5),
}


@attrs.frozen
class Measured:
    """One run of one client."""

    seconds: float
    refused: int
    lost: int


def virtual(services: tuple[float, ...] = SERVICES) -> tuple[str, str]:
    """The table over service times and round trips, and a sentence about it."""
    rows, slowest, refused = [], 1.0, 0
    for service in services:
        for round_trip in ROUND_TRIPS:
            window = AdaptiveWindow(DOCUMENTED, 15.0)
            how = {"requests": 2000, "service": service, "round_trip": round_trip}
            result = run(window, jitter=0.3, interactive_at=1000, **how)  # type: ignore[arg-type]
            fixed = run(Fixed(7), queue_wait=1e9, **how)  # type: ignore[arg-type]
            slowest = min(slowest, fixed.seconds / result.seconds)
            refused += result.refused
            rows.append(
                [
                    f"{service * 1000:.0f} ms, {round_trip * 1000:.0f} ms",
                    f"{fixed.seconds / result.seconds:.1%}",
                    f"{result.used:.0%}",
                    result.refused,
                    f"{result.longest_wait:.2f} s",
                    f"{max(0.0, result.interactive_wait or 0.0) / service:.1f}",
                ]
            )
    text = (
        "How well the lane finds the number of requests to keep in flight, simulated in virtual time: 2,000 requests "
        "whose service times vary by up to 30 %. Relative speed compares the lane with a client that always keeps "
        "seven in flight, with constant service times and no time limit in the server's queue: 100 % means equally "
        "fast. Utilisation is the share of the time in which the server works; it stays below 100 % if seven requests "
        "in flight cannot fill the round trip. The longest wait is that in the server's queue, which drops requests "
        "after 15 s. The last column shows how long an interactive call waits among bulk calls, as a multiple of the "
        "service time; less is better.\n\n"
        + table(
            ["Service time, round trip", "relative speed", "server utilisation", "refused (429)", "longest wait",
             "interactive wait, × service time"],
            rows,
        )
    )  # fmt: skip
    spans = f"service times of {min(services):g} to {max(services):g} s and round trips of up to {max(ROUND_TRIPS):g} s"
    return text, (
        f"In a simulation of the limit, with {spans}, the lane reaches at least {int(slowest * 100)} % of the speed of "
        f"a client that always keeps seven requests in flight; {refused or 'none'} of its requests are refused."
    )


def _measure(work: Callable[[], peers.Done], served: Served) -> Measured:
    done = work()
    return Measured(done.spent.seconds, served.refused(), len(served.target.company_ids) - done.answered)


def _compare(case: Case, by: Client, rounds: int) -> tuple[list[list[object]], dict[str, float]]:
    """The rows of a case, and the time of each `lanes=` setting relative to the hand-written client."""
    peer = attrs.evolve(peers.SEVEN, title=f"aiohttp, semaphore of {case.by_hand}", at_once=case.by_hand)
    with serving(**case.options) as served:
        runs: dict[str, Callable[[], peers.Done]] = {
            peer.title: partial(by.run, peers.by_hand, peer, served.target),
            **{lanes: partial(by.run, peers.in_bulk, served.target, lanes=lanes) for lanes in case.lanes},
        }
        in_turn(1, runs)  # warm up connections, code and caches
        served.refused()
        results = in_turn(rounds, {name: partial(_measure, work, served) for name, work in runs.items()})
    reference = [one.seconds for one in results[peer.title]]
    rows: list[list[object]] = []
    times = {}
    for name, measured in results.items():
        spread = ratio([one.seconds for one in measured], to=reference)
        times[name] = spread.median
        shown = name if name == peer.title else f'woodpecker-async, `lanes="{name}"`'
        rows.append(
            [
                f"{case.title}: {shown}",
                f"{Spread.of([one.seconds for one in measured]).median:.2f}",
                str(spread),
                max(one.refused for one in measured),
                max(one.lost for one in measured),
            ]
        )
    return rows, times


def sockets(cases: list[Case], rounds: int) -> str:
    """The second table."""
    rows: list[list[object]] = []
    worst: dict[str, float] = {}
    with client() as by:
        for case in cases:
            shown, times = _compare(case, by, case.often * rounds)
            rows += shown
            if case.own_limits:
                worst = {name: max(worst.get(name, 0.0), times[name]) for name in AT_MOST}
    said = [
        target(
            f'if each company has its own limit, `lanes="{name}"` takes at most {most} times as long as the '
            f"hand-written client with 64 at once; worst case: {worst[name]:.2f}",
            met=worst[name] <= most,
        )
        for name, most in AT_MOST.items()
    ]
    return (
        "The `lanes=` settings, measured over sockets. It is not documented whether each company has a limit of its "
        'own: `"company"` is for users who know that it has, and `"discover"` finds out by itself. The case says how '
        "the server's limit applies, how long it works on a request, and the round trip. In each case the first row is "
        "the best hand-written client, and the ratio is the time relative to it. A few refused requests are the price "
        "of finding out; what matters is that no company is lost.\n\n"
        + table(["Case and client", "seconds", "times hand-written", "refused (429)", "companies lost"], rows)
        + "\n\n"
        + "\n".join(said)
    )


def chapter(size: Size) -> Chapter:
    """Both tables."""
    cases, rounds = CASES[size]
    services = SERVICES if size == "full" else SERVICES[:1]
    computed, sentence = virtual(services)
    return Chapter(title="How the lane finds the limit", text=f"{computed}\n\n{sockets(cases, rounds)}", short=sentence)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds on sockets (default 5)")
    parser.add_argument("--virtual", action="store_true", help="only the table in virtual time")
    arguments = parser.parse_args()
    print(virtual()[0])
    if not arguments.virtual:
        print(f"\n{sockets(CASES['full'][0], arguments.rounds)}")


if __name__ == "__main__":
    main()
