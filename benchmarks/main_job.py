"""The main job: the keys of all companies of an agency, under the documented limit.

The server is the sandbox: one request of the account at work, six queued, 429 for the rest.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import attrs

from benchmarks import peers, picture
from benchmarks.measure import Chapter, Client, Size, Spread, client, in_turn, ratio, table, target
from benchmarks.server import Served, serving

OF_SEVEN = 0.97  # of the speed of a hand-written client with a semaphore of seven
FROM = 1000  # companies from which on that holds: below it, finding the limit still shows
SMALL = {12: 1.10, 75: 1.04}  # companies, and at most how many times the seconds of that client they take


@attrs.frozen(kw_only=True)
class Case:
    """A server and how much there is to do.

    Attributes:
        companies: how many there are.
        service: seconds of work for each request.
        round_trip: seconds on the way, there and back.
        rounds: how often it is measured.
        keys: how many each company has, 50 on a page.
    """

    companies: int
    service: float
    round_trip: float
    rounds: int
    keys: int = 3

    @property
    def pages(self) -> int:
        """Requests for each company."""
        return -(-self.keys // 50)

    def __str__(self) -> str:
        pages = f", {self.pages} pages each" if self.pages > 1 else ""
        return f"{self.companies:,} companies{pages}, {self.service * 1000:g} ms, {self.round_trip * 1000:g} ms"


APPROACHES = {
    "tiny": Case(companies=20, service=0.002, round_trip=0.01, rounds=1),
    "quick": Case(companies=30, service=0.01, round_trip=0.06, rounds=1),
    "full": Case(companies=150, service=0.01, round_trip=0.06, rounds=2),
}
CASES = {
    "tiny": [Case(companies=30, service=0.002, round_trip=0.01, rounds=1)],
    "quick": [
        Case(companies=12, service=0.01, round_trip=0.06, rounds=3, keys=60),
        Case(companies=75, service=0.01, round_trip=0.06, rounds=1, keys=60),
        Case(companies=300, service=0.005, round_trip=0.02, rounds=1),
        Case(companies=1000, service=0.005, round_trip=0.02, rounds=1),
    ],
    "full": [
        Case(companies=12, service=0.01, round_trip=0.06, rounds=5, keys=60),
        Case(companies=75, service=0.01, round_trip=0.06, rounds=3, keys=60),
        Case(companies=150, service=0.02, round_trip=0.02, rounds=3),
        Case(companies=1000, service=0.003, round_trip=0.0, rounds=3),
        Case(companies=1000, service=0.005, round_trip=0.02, rounds=3),
        Case(companies=1000, service=0.01, round_trip=0.06, rounds=2),
    ],
}


@attrs.frozen
class Measured:
    """One run of one client.

    Attributes:
        seconds: of wall time.
        refused: requests that got 429.
        lost: companies without an answer.
        share: of what the server can do: service time × requests that were served ÷ wall time.
        server_cpu: share of a core that the server's process used.
    """

    seconds: float
    refused: int
    lost: int
    share: float
    server_cpu: float


def _measure(work: Callable[[], peers.Done], served: Served, case: Case) -> Measured:
    cpu = served.cpu()
    done = work()
    seconds = done.spent.seconds
    return Measured(
        seconds=seconds,
        refused=served.refused(),
        lost=case.companies - done.answered,
        share=case.service * case.pages * done.answered / seconds,
        server_cpu=(served.cpu() - cpu) / seconds,
    )


def _run(case: Case, by: Client, compared: list[peers.Peer]) -> dict[str, list[Measured]]:
    """All of them in turn on one server."""
    options = {"keys_per_company": case.keys, "service_time": case.service, "round_trip": case.round_trip}
    with serving(companies=case.companies, **options) as served:
        few = served.target.company_ids[:5]
        runs: dict[str, Callable[[], peers.Done]] = {}
        for peer in compared:
            by.run(peers.by_hand, peer, served.target, few)  # code and caches are warm
            runs[peer.title] = partial(by.run, peers.by_hand, peer, served.target)
        by.run(peers.in_bulk, served.target, few)
        runs[peers.SDK.title] = partial(by.run, peers.in_bulk, served.target)
        served.refused()
        return in_turn(case.rounds, {name: partial(_measure, work, served, case) for name, work in runs.items()})


def chapter(size: Size) -> Chapter:
    """Both tables and the picture."""
    with ExitStack() as stack:
        by = stack.enter_context(client())
        approaches, sentence, drawn = _approaches(APPROACHES[size], by)
        cases = _cases(CASES[size], by)
    return Chapter(
        title="The main job under the documented limit",
        text=f"{approaches}\n\n{cases}",
        short=sentence,
        pictures={"main-job.svg": drawn},
    )


def _approaches(case: Case, by: Client) -> tuple[str, str, str]:
    compared = peers.available([peers.SAMPLE, peers.ONE_BY_ONE, peers.HTTPX, peers.SEVEN, peers.FIFTY, peers.UNBOUND])
    results = _run(case, by, compared)
    rows, bars = [], []
    for name, runs in results.items():
        seconds = Spread.of([one.seconds for one in runs])
        lost, refused = max(one.lost for one in runs), max(one.refused for one in runs)
        share = Spread.of([one.share for one in runs])
        rows.append([name, str(seconds), refused, lost, f"{share.median:.0%}"])
        bars.append(
            picture.Bar(
                name=name,
                value=seconds.median,
                label=f"{seconds.median:.1f} s" + (f", {lost} of {case.companies} companies lost" if lost else ""),
                kind="lost" if lost else "ours" if name == peers.SDK.title else "theirs",
            )
        )
    one_by_one = Spread.of([one.seconds for one in results[peers.ONE_BY_ONE.title]]).median
    ours = Spread.of([one.seconds for one in results[peers.SDK.title]]).median
    lost = max(one.lost for one in results[peers.FIFTY.title])
    where = f"({case.service * 1000:g} ms of work for each, {case.round_trip * 1000:g} ms of travel)"
    text = (
        f"The keys of {case.companies} companies {where}. One after another leaves the server idle; fifty at once "
        "are quick because most of their requests are refused, and those companies are lost unless the client "
        "asks again.\n\n"
        + table(["Client", "seconds", "refused (429)", "companies lost", "share of the server used"], rows)
    )
    sentence = (
        f"The keys of {case.companies} companies {where} take {ours:.1f} s and lose no "
        f"company; one after another takes {one_by_one:.1f} s, and fifty at once lose {lost} companies to 429."
    )
    return text, sentence, picture.bars(f"The API keys of {case.companies} companies, seconds", bars)


def _cases(cases: list[Case], by: Client) -> str:
    rows: list[list[object]] = []
    slow, small_slow, refused, lost, server_cpu = [], [], 0, 0, 0.0
    for case in cases:
        results = _run(case, by, [peers.SEVEN])
        seven, ours = results[peers.SEVEN.title], results[peers.SDK.title]
        speed = ratio([one.seconds for one in seven], to=[one.seconds for one in ours])
        share = Spread.of([one.share for one in ours]).median
        if case.companies >= FROM and speed.median < OF_SEVEN:
            slow.append(f"{case}: {speed.median:.2f}")
        if case.companies in SMALL and (times := 1 / speed.median) > SMALL[case.companies]:
            small_slow.append(f"{case}: {times:.2f}")
        refused += sum(one.refused for one in ours)
        lost += sum(one.lost for one in ours)
        server_cpu = max(server_cpu, *(one.server_cpu for one in (*seven, *ours)))
        rows.append(
            [
                str(case),
                f"{Spread.of([one.seconds for one in seven]).median:.2f}",
                f"{Spread.of([one.seconds for one in ours]).median:.2f}",
                str(speed),
                f"{Spread.of([one.share for one in seven]).median:.1%}",
                f"{share:.1%}",
                sum(one.refused for one in ours),
            ]
        )
    said = [
        target(f"from {FROM:,} companies on, at least {OF_SEVEN} times the speed of a semaphore of seven"
               + (f"; below it: {', '.join(slow)}" if slow else ""), met=not slow),
        target("; ".join(f"{count} companies in at most {most:.2f} times" for count, most in SMALL.items())
               + " the seconds of a semaphore of seven"
               + (f"; above it: {', '.join(small_slow)}" if small_slow else ""), met=not small_slow),
        target(f"nothing refused and nothing lost; it was {refused} and {lost}", met=refused == lost == 0),
    ]  # fmt: skip
    return (
        "Other sizes, service times and round trips (in this order in the first column), against the best that "
        "can be written by hand where the limit is known. "
        + " ".join(said)
        + f" The server's own work (its process used at most {server_cpu:.0%} of a core) is not in the service "
        "time, so no client reaches 100 %.\n\n"
        + table(
            ["Case", "semaphore of 7, s", "woodpecker-async, s", "speed to semaphore of 7",
             "share used, semaphore of 7", "share used, woodpecker-async", "refused"],
            rows,
        )
    )  # fmt: skip
