"""From 12 companies to 5,000: time compared with a hand-written client, memory, and records; and many agencies."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import attrs

from benchmarks import peers, records, sessions
from benchmarks.figures import marked
from benchmarks.measure import Chapter, Client, Size, Spread, client, in_turn, memory, ratio, table, target
from benchmarks.server import Served, Target, answering, serving
from benchmarks.shared import redis_for_the_run

# The number of companies, and how many rounds each case is measured.
SIZES: Mapping[Size, Mapping[int, int]] = {
    "tiny": {10: 1, 20: 1},
    "quick": {12: 3, 75: 2, 1000: 1},
    "full": {12: 9, 75: 5, 1000: 3, 5000: 2},
}
MEMORY_AT_MOST = 1.2  # target: times the peak at the second largest size
USED_AT_LEAST = 0.99  # target: times the server utilisation at the second largest size
SERVICE, ROUND_TRIP = 0.005, 0.02
SEVEN, SIXTY_FOUR = peers.SEVEN, attrs.evolve(peers.SEVEN, title="aiohttp, semaphore of 64", at_once=64)


@attrs.frozen
class Took:
    """One run of one client.

    Attributes:
        seconds: wall time.
        refused: requests that got a 429.
    """

    seconds: float
    refused: int


Jobs = Mapping[str, Callable[..., peers.Done]]
Runs = dict[str, list[Took]]


def _took(work: Callable[[], peers.Done], served: Served, companies: int) -> Took:
    done = work()
    assert done.answered == companies, f"{companies - done.answered} companies were lost"
    return Took(done.spent.seconds, served.refused())


def _in_turn(by: Client, companies: int, rounds: int, scope: str, runs: Jobs) -> Runs:
    with serving(companies=companies, service_time=SERVICE, round_trip=ROUND_TRIP, limit_scope=scope) as served:
        few = served.target.company_ids[:5]
        for work in runs.values():
            by.run(work, served.target, few)  # warm up code and caches
        served.refused()
        measured = {
            name: partial(_took, partial(by.run, work, served.target), served, companies) for name, work in runs.items()
        }
        return in_turn(rounds, measured)


@attrs.frozen
class Grown:
    """Memory and CPU of one run.

    Attributes:
        peak: peak memory in MiB.
        cpu: CPU seconds.
    """

    peak: float
    cpu: float


def grown(job: Callable[[Target, Iterable[int]], peers.Done], to: Target, companies: int) -> Grown:
    """Run a job; call it in a fresh process, because the peak of a process includes all its earlier runs."""
    job(to, range(1, 11))  # warm up the code
    done = job(to, range(1, companies + 1))
    assert done.answered == companies
    return Grown(memory("VmHWM") / 1024, done.spent.cpu)


def _fresh(job: Callable[[Target, Iterable[int]], peers.Done], to: Target, companies: int) -> Grown:
    with client() as process:
        return process.run(grown, job, to, companies)


@attrs.frozen
class Line:
    """All measurements for one number of companies."""

    companies: int
    one_limit: Runs
    own_limits: Runs
    peaks: dict[str, Grown]

    @property
    def times(self) -> Spread:
        """Seconds relative to the hand-written client, with one limit for the account."""
        return self._times(self.one_limit, "ours", "by hand")

    @property
    def used(self) -> float:
        """Server utilisation: the share of the time in which the server was working."""
        return self.companies * SERVICE / self._seconds(self.one_limit["ours"])

    @property
    def refused(self) -> int:
        """How many requests of the SDK were refused."""
        return sum(one.refused for runs in (self.one_limit, self.own_limits) for name, took in runs.items()
                   if name != "by hand" for one in took)  # fmt: skip

    def row(self) -> list[object]:
        """The row of the table."""
        in_redis = "redis" in self.one_limit
        return [
            f"{self.companies:,}",
            f"{self._seconds(self.one_limit['ours']):.2f}",
            self.times,
            f"{self._seconds(self.one_limit['redis']):.2f}" if in_redis else "",
            self._times(self.one_limit, "redis", "by hand") if in_redis else "",
            f"{self._seconds(self.own_limits['ours']):.2f}",
            self._times(self.own_limits, "ours", "by hand"),
            f"{self.peaks['ours'].peak:.1f}",
            f"{self.peaks['by hand'].peak:.1f}",
            f"{self.peaks['ours'].cpu / self.companies * 1e6:.0f}",
        ]

    @staticmethod
    def _seconds(took: list[Took]) -> float:
        return Spread.of([one.seconds for one in took]).median

    @staticmethod
    def _times(runs: Runs, name: str, to: str) -> Spread:
        return ratio([one.seconds for one in runs[name]], to=[one.seconds for one in runs[to]])


def _line(by: Client, canned: Target, redis: str | None, companies: int, rounds: int) -> Line:
    ours: dict[str, Callable[..., peers.Done]] = {"ours": peers.in_bulk}
    if redis is not None:
        ours["redis"] = partial(peers.in_bulk, shared=redis)
    jobs: Jobs = {"ours": peers.in_bulk, "by hand": partial(peers.by_hand, SEVEN)}
    return Line(
        companies,
        _in_turn(by, companies, rounds, "account", {"by hand": partial(peers.by_hand, SEVEN), **ours}),
        _in_turn(by, companies, rounds, "company", {
            "by hand": partial(peers.by_hand, SIXTY_FOUR), "ours": partial(peers.in_bulk, lanes="company"),
        }),
        {name: _fresh(job, canned, companies) for name, job in jobs.items()},
    )  # fmt: skip


def _companies(size: Size) -> tuple[str, str]:
    with answering(keys=100) as canned, redis_for_the_run() as redis, client() as by:
        lines = [_line(by, canned.target, redis, companies, rounds) for companies, rounds in SIZES[size].items()]
    before, last = lines[-2:]
    more = last.peaks["ours"].peak / before.peaks["ours"].peak
    refused = sum(line.refused for line in lines)
    said = [
        target(f"no request refused; measured: {refused}", met=refused == 0),
        target(f"the memory peak at {last.companies:,} companies is at most {MEMORY_AT_MOST} times that at "
               f"{before.companies:,}; measured: {more:.2f}", met=more <= MEMORY_AT_MOST),
        target(f"with one limit, server utilisation at {last.companies:,} companies is at least {USED_AT_LEAST} times "
               f"that at {before.companies:,}; measured: {last.used:.1%} and {before.used:.1%}",
               met=last.used >= before.used * USED_AT_LEAST),
    ]  # fmt: skip
    text = (
        "How time, memory and CPU grow with the number of companies whose keys are listed, with "
        f"{SERVICE * 1000:g} ms of server time per request and a round trip of {ROUND_TRIP * 1000:g} ms. *One limit*: "
        "the account has one limit, and the hand-written client is aiohttp with a semaphore of seven. *Redis*: the "
        "same, with the SDK's lane shared through a Redis, as when several workers use one account. *Own limits*: each "
        'company has its own limit; the SDK runs with `lanes="company"`, and the hand-written client has a semaphore '
        "of 64. Each *ratio* is the SDK's time divided by that of the hand-written client. Peak memory and CPU are "
        "those of the client process, measured on a server without a limit, with two pages per company and without "
        "keeping the outcomes."
        + ("" if redis else " The Redis columns are empty because redis-server is not installed.")
        + "\n\n" + marked(
            "growth",
            table(
                ["Companies", "one limit, s", "ratio", "Redis, s", "ratio", "own limits, s", "ratio", "peak, MiB",
                 "hand-written peak, MiB", "CPU per company, µs"],
                [line.row() for line in lines],
            ),
        )
        + "\n\n" + "\n".join(said)
    )  # fmt: skip
    sizes, times = zip(*((f"{line.companies:,}", f"{line.times.median:.2f}") for line in lines), strict=True)
    return text, (
        f"Listing the keys of {_listed(sizes)} companies takes {_listed(times)} times as long as with hand-written "
        "aiohttp and a semaphore of seven; the SDK finds the number of requests in flight by itself."
    )


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def chapter(size: Size) -> Chapter:
    """All three tables."""
    companies, sentence = _companies(size)
    text = "\n\n".join([companies, records.section(size), sessions.section(size)])
    return Chapter(title="More companies, more agencies", text=text, short=sentence)
