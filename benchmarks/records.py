"""What is written down costs as much as is new: a job's ledger entry, a run's report, the sandbox's state file."""

import asyncio
import json
import tempfile
import time
from functools import partial
from pathlib import Path

import attrs

from benchmarks.figures import marked
from benchmarks.measure import Client, Size, Spread, client, in_turn, ratio, table, target
from benchmarks.server import Target, answering
from woodpecker_async import WoodpeckerSession, bulk
from woodpecker_async.bulk import Report, Succeeded
from woodpecker_async.sandbox.generate import generate
from woodpecker_async.sandbox.statefile import StateFile
from woodpecker_async.workers import Context, MemoryLedger, Sweep, perform
from woodpecker_async.workers.payload import Result

SIZES = {"tiny": (5, 20), "quick": (100, 1000), "full": (100, 1000)}  # a job has 1,000 companies at the most
ROUNDS = {"tiny": 1, "quick": 3, "full": 5}
FIRST = 1_000_001  # ids that are equally long
REPORTED = 20  # times as many companies are reported, for that takes microseconds
AT_MOST = 1.15  # times as many bytes for each company, where there are ten times as many


class _Weighing(MemoryLedger):
    """A ledger that counts the bytes it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0

    async def save(self, key: str, result: Result) -> Result:
        """See `Ledger.save`."""
        self.written += len(json.dumps(result, separators=(",", ":")))
        return await super().save(key, result)

    async def add(self, key: str, company_id: int, part: Result) -> None:
        """See `Ledger.add`."""
        self.written += len(json.dumps(part, separators=(",", ":")))
        await super().add(key, company_id, part)


@attrs.frozen
class Kept:
    """Of each company of a run.

    Attributes:
        written: bytes written while it went on.
        cpu: microseconds of CPU.
    """

    written: float
    cpu: float


def ledger(to: Target, companies: int) -> Kept:
    """One job of so many companies; CPU is that of the whole job."""

    async def job() -> float:
        async with WoodpeckerSession(to.key, base_url=to.base_url) as woodpecker:
            weighing = _Weighing()
            payload = Sweep(run="r", chunk_size=companies).chunk(0, list(range(FIRST, FIRST + companies)))
            result = await perform(payload, Context(session=woodpecker, ledger=weighing))
            assert result["whole"]
            return weighing.written / companies

    began = time.process_time()
    written = asyncio.run(job())
    return Kept(written, (time.process_time() - began) / companies * 1e6)


def report(_: Target, companies: int) -> Kept:
    """A report that all outcomes are added to, which is saved, loaded, and merged with one of as many others."""
    companies *= REPORTED

    def of(first: int) -> Report:
        made = bulk.Report(task="list")
        for company in range(first, first + companies):
            made.add(Succeeded(company_id=company, index=company))
        return made

    began = time.process_time()
    text = of(FIRST).to_json()
    Report.from_json(text).merge(of(FIRST + companies))
    return Kept(len(text) / companies, (time.process_time() - began) / companies / 2 * 1e6)


def state_file(_: Target, companies: int) -> Kept:
    """A sandbox's state file, to which a new key of each company is written as it is made."""
    state = generate(companies=companies, keys_per_company=3, inactive=0, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state")
        file = StateFile(state, path)
        first, *others = state.companies
        state.add_key(first, "new")
        file.save()  # the whole
        whole, began = path.stat().st_size, time.process_time()
        for company in others:
            state.add_key(company, "new")
            file.save()
        cpu = (time.process_time() - began) / len(others) * 1e6
        return Kept((path.stat().st_size - whole) / len(others), cpu)


def _measured(by: Client, to: Target, size: Size) -> tuple[list[list[str]], list[Spread]]:
    rows, grown = [], []
    small, large = SIZES[size]
    for title, work, times in (
        ("a job in the ledger", ledger, 1),
        ("the report of a run", report, REPORTED),
        ("the sandbox's state file, a new key for each", state_file, 1),
    ):
        runs = in_turn(ROUNDS[size], {str(count): partial(by.run, work, to, count) for count in (small, large)})
        for count in (small, large):
            kept = runs[str(count)]
            rows.append(
                [
                    f"{title}, {count * times:,} companies",
                    f"{kept[-1].written:.0f}",
                    f"{Spread.of([one.cpu for one in kept]).median:.1f}",
                ]
            )
        grown.append(ratio([one.written for one in runs[str(large)]], to=[one.written for one in runs[str(small)]]))
    return rows, grown


def section(size: Size) -> str:
    """The table, and what is to be said of it."""
    with answering() as served, client() as by:
        rows, grown = _measured(by, served.target, size)
    worst = max(spread.median for spread in grown)
    return (
        "What is written to disk or to a ledger, per company. A job's CPU is all of its work, the requests "
        "included; a report's is adding, saving, loading and merging; a state file's is making the keys and appending "
        "them. "
        + target(
            f"with ten times the companies at most {AT_MOST} times the bytes for each; it is {worst:.2f}",
            met=worst <= AT_MOST,
        )
        + "\n\n"
        + marked("records", table(["Kept", "bytes for each", "CPU for each, µs"], rows))
    )
