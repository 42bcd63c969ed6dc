"""The main job: list the keys of all companies of an agency, under the documented limit.

The server is the sandbox: it works on one request per account, queues six, and answers 429 to the rest.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import attrs

from benchmarks import peers, picture
from benchmarks.figures import marked
from benchmarks.measure import Chapter, Client, Size, Spread, client, in_turn, ratio, table, target
from benchmarks.server import Served, serving

OF_SEVEN = 0.97  # target: times the speed of a hand-written client with a semaphore of seven
FROM = 1000  # companies from which that target applies: with fewer, the time to find the limit is noticeable
SMALL = {12: 1.10, 75: 1.04}  # companies, and the target for them: at most this many times that client's seconds


@attrs.frozen(kw_only=True)
class Case:
    """A server and the amount of work.

    Attributes:
        companies: number of companies.
        service: seconds the server works on each request.
        round_trip: seconds of network travel, both ways together.
        rounds: number of measurements.
        keys: keys per company, 50 on a page.
    """

    companies: int
    service: float
    round_trip: float
    rounds: int
    keys: int = 3

    @property
    def pages(self) -> int:
        """Requests per company."""
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
        seconds: wall time.
        refused: requests that got a 429.
        lost: companies whose keys the client did not get.
        share: utilisation of the server: service time × requests served ÷ wall time.
        server_cpu: share of a core that the server process used.
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
    """Run all clients in turn against one server."""
    options = {"keys_per_company": case.keys, "service_time": case.service, "round_trip": case.round_trip}
    with serving(companies=case.companies, **options) as served:
        few = served.target.company_ids[:5]
        runs: dict[str, Callable[[], peers.Done]] = {}
        for peer in compared:
            by.run(peers.by_hand, peer, served.target, few)  # warm up code and caches
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
    lost, ours_lost = (max(one.lost for one in results[peer.title]) for peer in (peers.FIFTY, peers.SDK))
    where = f"({case.service * 1000:g} ms of server time per request, {case.round_trip * 1000:g} ms round trip)"
    text = (
        f"Each client lists the API keys of {case.companies} companies, one request per company {where}. One request "
        "at a time leaves the server idle most of the time. Fifty at once look fast only because most requests are "
        "refused: the hand-written clients do not retry, so those companies are lost. The best result is few seconds "
        "with no company lost. Server utilisation is the share of the time in which the server was working on "
        "requests that it answered.\n\n"
        + marked(
            "main-job", table(["Client", "seconds", "refused (429)", "companies lost", "server utilisation"], rows)
        )
    )
    sentence = (
        f"Listing the API keys of {case.companies} companies {where} takes {ours:.1f} s and loses "
        f"{_companies(ours_lost)}. One request at a time takes {one_by_one:.1f} s; fifty at once lose "
        f"{_companies(lost)} to 429s."
    )
    return text, sentence, picture.bars(f"Seconds to list the API keys of {case.companies} companies", bars)


def _companies(count: int) -> str:
    return f"{count or 'no'} {'company' if count < 2 else 'companies'}"


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
        target(f"with {FROM:,} companies or more, at least {OF_SEVEN} times the speed of the semaphore of 7"
               + (f"; slower: {', '.join(slow)}" if slow else ""), met=not slow),
        target("compared with the semaphore of 7, "
               + " and ".join(f"at most {most:.2f} times the seconds for {count} companies"
                              for count, most in SMALL.items())
               + (f"; slower: {', '.join(small_slow)}" if small_slow else ""), met=not small_slow),
        target(f"no request refused and no company lost; measured: {refused} and {lost}", met=refused == lost == 0),
    ]  # fmt: skip
    return (
        "The same job with other numbers of companies, server times per request and round trips, compared with the "
        "best hand-written client: aiohttp with a semaphore of 7, the limit that its author has to know. Relative "
        "speed is that client's seconds divided by the SDK's: 1 means equally fast, and more means that the SDK is "
        "faster. The server's own overhead (its process used at most "
        f"{server_cpu:.0%} of a core) comes on top of its time per request, so no client reaches 100 % utilisation.\n\n"
        + table(
            ["Companies, server time, round trip", "semaphore of 7, s", "woodpecker-async, s", "relative speed",
             "server utilisation, semaphore of 7", "server utilisation, woodpecker-async", "refused (429)"],
            rows,
        )
        + "\n\n" + "\n".join(said)
    )  # fmt: skip
