"""`python -m benchmarks.lanes`: does the lane find the server's limit, and what does that cost?

The first table is computed on a model of the server, in virtual time: our window against a fixed window of
seven that is spared the 15 s of the queue. The second is measured on sockets, against hand-written clients,
in turn in one run; the server is a process of its own.
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
# Of the wall time of a hand-written client with 64 in flight, where each company has a limit of its own.
AT_MOST = {"company": 1.25, "discover": 1.5}


@attrs.frozen
class Case:
    """A server, whom to compare with, and the lanes that are tried."""

    title: str
    options: dict[str, object]
    by_hand: int
    lanes: tuple[Lanes, ...]
    own_limits: bool = False
    often: int = 1  # so many times the rounds, for a case whose runs are over in a fifth of a second


def _own(companies: int, service: float, often: int = 1) -> Case:
    return Case(
        title=f"{companies} companies with limits of their own, {service * 1000:g} ms",
        options={"companies": companies, "keys_per_company": 3, "service_time": service, "limit_scope": "company"},
        by_hand=64,
        lanes=("company", "discover"),
        own_limits=True,
        often=often,
    )


def _one(companies: int) -> Case:
    return Case(
        title=f"{companies:,} companies with one limit, 10 ms, round trip 60 ms",
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
    """The grid of service times and round trips, and a sentence about it."""
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
        "On a model of the server, in virtual time: 2,000 requests, service times off by up to 30 %. The last "
        "column is how long an interactive call waits among bulk ones.\n\n"
        + table(
            ["service time, round trip", "speed to a fixed seven", "server used", "refused", "longest wait there",
             "interactive wait, service times"],
            rows,
        )
    )  # fmt: skip
    spans = f"service times of {min(services):g} to {max(services):g} s and round trips of up to {max(ROUND_TRIPS):g} s"
    return text, (
        f"On a model of the limit, with {spans}, the lane reaches {int(slowest * 100)} % and more of the speed of a "
        f"fixed seven, and {refused or 'nothing'} is refused."
    )


def _measure(work: Callable[[], peers.Done], served: Served) -> Measured:
    done = work()
    return Measured(done.spent.seconds, served.refused(), len(served.target.company_ids) - done.answered)


def _compare(case: Case, by: Client, rounds: int) -> tuple[list[list[object]], dict[str, float]]:
    """The rows of a case, and the ratio of each of its lanes to the client by hand."""
    peer = attrs.evolve(peers.SEVEN, title=f"aiohttp, semaphore of {case.by_hand}", at_once=case.by_hand)
    with serving(**case.options) as served:
        runs: dict[str, Callable[[], peers.Done]] = {
            peer.title: partial(by.run, peers.by_hand, peer, served.target),
            **{lanes: partial(by.run, peers.in_bulk, served.target, lanes=lanes) for lanes in case.lanes},
        }
        in_turn(1, runs)  # connections, code and caches are warm
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
            f'with limits of their own, `lanes="{name}"` takes at most {most} times as long as 64 at once by hand; '
            f"the worst case is {worst[name]:.2f}",
            met=worst[name] <= most,
        )
        for name, most in AT_MOST.items()
    ]
    return (
        'On sockets. Whether each company has a limit of its own is not documented: `"company"` is for those who '
        'know that it has, `"discover"` finds out by itself. '
        + " ".join(said)
        + "\n\n"
        + table(["Case and client", "seconds", "times the client by hand", "refused (429)", "lost"], rows)
    )


def chapter(size: Size) -> Chapter:
    """Both tables."""
    cases, rounds = CASES[size]
    services = SERVICES if size == "full" else SERVICES[:1]
    computed, sentence = virtual(services)
    return Chapter(title="Lanes", text=f"{computed}\n\n{sockets(cases, rounds)}", short=sentence)


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
