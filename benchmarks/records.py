"""What is written per company to a job's ledger entry, a run's report and the sandbox's state file."""

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

SIZES = {"tiny": (5, 20), "quick": (100, 1000), "full": (100, 1000)}  # a job has at most 1,000 companies
ROUNDS = {"tiny": 1, "quick": 3, "full": 5}
FIRST = 1_000_001  # so that all ids have the same length
REPORTED = 20  # times as many companies for a report, because adding one takes only microseconds
AT_MOST = 1.15  # target: times the bytes per company, with ten times as many companies


class _Weighing(MemoryLedger):
    """A ledger that counts the bytes written to it."""

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
    """What was written per company.

    Attributes:
        written: bytes written.
        cpu: CPU microseconds.
    """

    written: float
    cpu: float


def ledger(to: Target, companies: int) -> Kept:
    """Run one job with so many companies; the CPU is that of the whole job."""

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
    """Add all outcomes to a report, save it, load it, and merge it with another one of the same size."""
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
    """Create a key at each company of a sandbox with a state file, which appends every key as it is created."""
    state = generate(companies=companies, keys_per_company=3, inactive=0, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state")
        file = StateFile(state, path)
        first, *others = state.companies
        state.add_key(first, "new")
        file.save()  # writes the whole state
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
        ("the sandbox's state file, one new key per company", state_file, 1),
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
    """The table and its explanation."""
    with answering() as served, client() as by:
        rows, grown = _measured(by, served.target, size)
    worst = max(spread.median for spread in grown)
    return (
        "Bytes written to a ledger or to disk, per company; they should not grow with the number of companies. The CPU "
        "of a *job in the ledger* is that of all its work, including the requests; for the *report of a run* it is for "
        "adding outcomes, saving, loading and merging; for the *state file* it is for creating the keys and appending "
        "them to the file.\n\n"
        + marked("records", table(["Record", "bytes per company", "CPU per company, µs"], rows))
        + "\n\n"
        + target(
            f"with ten times the companies, at most {AT_MOST} times the bytes per company; measured: {worst:.2f}",
            met=worst <= AT_MOST,
        )
    )
