"""Does a run over many companies stay flat, in memory and in time for each company?

Each size has a fresh process, for the peak of a process is what its largest run left behind.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import attrs

from benchmarks import peers
from benchmarks.measure import Chapter, Size, Spread, client, in_turn, table, target
from benchmarks.server import Target, answering

SIZES = {"tiny": (10, 20), "quick": (100, 1000), "full": (100, 1000, 10_000)}
AT_MOST = 1.2  # times the peak at a tenth of the companies


@attrs.frozen
class Grown:
    """What a run took.

    Attributes:
        peak: mebibytes of memory at the most.
        seconds: of wall time.
        cpu: seconds of CPU.
    """

    peak: float
    seconds: float
    cpu: float


def _peak() -> float:
    # Not getrusage: what it says begins with the peak of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def in_bulk(to: Target, companies: int) -> Grown:
    """`bulk.list_api_keys`, outcomes read and let go."""
    return _grown(peers.in_bulk, to, companies)


def in_gather(to: Target, companies: int) -> Grown:
    """aiohttp and `gather`, only the number of keys kept."""
    return _grown(partial(peers.by_hand, peers.SEVEN), to, companies)


def _grown(job: Callable[[Target, Iterable[int]], peers.Done], to: Target, companies: int) -> Grown:
    job(to, range(1, 21))  # code is warm
    done = job(to, range(1, companies + 1))
    assert done.answered == companies
    return Grown(_peak(), done.spent.seconds, done.spent.cpu)


def _fresh(work: Callable[[Target, int], Grown], to: Target, companies: int) -> Grown:
    with client() as process:
        return process.run(work, to, companies)


def chapter(size: Size) -> Chapter:
    """The table."""
    rounds = {"tiny": 1, "quick": 1, "full": 2}[size]
    ways = {"woodpecker-async": in_bulk, "aiohttp, gather": in_gather}
    with answering(keys=100) as served:
        results = in_turn(
            rounds,
            {
                f"{name}, {companies:,} companies": partial(_fresh, work, served.target, companies)
                for name, work in ways.items()
                for companies in SIZES[size]
            },
        )
    rows = []
    for name in ways:
        for companies in SIZES[size]:
            runs = results[f"{name}, {companies:,} companies"]
            rows.append(
                [
                    f"{name}, {companies:,} companies",
                    f"{Spread.of([run.peak for run in runs]).median:.1f}",
                    f"{Spread.of([run.cpu / companies * 1e6 for run in runs]).median:.0f}",
                    f"{Spread.of([run.seconds / companies * 1e6 for run in runs]).median:.0f}",
                ]
            )
    small, large = SIZES[size][-2:]
    peaks = [
        Spread.of([run.peak for run in results[f"woodpecker-async, {companies:,} companies"]]).median
        for companies in (small, large)
    ]
    grown = peaks[1] / peaks[0]
    each = (peaks[1] - peaks[0]) * 1024 * 1024 / (large - small)
    return Chapter(
        title="Growth",
        text=(
            "Companies with 100 keys each, two pages, without a limit at the server; outcomes are read and let go. "
            f"From {small:,} to {large:,} companies the peak of the process grows by {each:.0f} bytes for each "
            "company: the report keeps their ids. "
            + target(
                f"the peak at {large:,} companies is at most {AT_MOST} times that at {small:,}; it is {grown:.2f}",
                met=grown <= AT_MOST,
            )
            + "\n\n"
            + table(["Client", "peak memory, MiB", "CPU for each, µs", "time for each, µs"], rows)
        ),
    )
