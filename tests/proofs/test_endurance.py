"""Many requests leave memory, descriptors and tasks unchanged.

The server is in another process, so that only our own usage is measured. It fails now and then in all the ways
it can; we cancel, time out, stop iterating over lists and runs, and create and drop scopes and sessions.
"""

import asyncio
import gc
import random
import time
from collections import Counter
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from resource import getpagesize

import attrs
import pytest

from benchmarks.server import Target, child_server
from woodpecker_async import CallOptions, Limits, RetryPolicy, WoodpeckerSession, bulk, errors
from woodpecker_async.engine.observe import Event
from woodpecker_async.sandbox import Fault, Sandbox

KEYS = 25
QUICK = RetryPolicy(attempts=4, initial_backoff=0.001, max_backoff=0.004)


def _serve(pipe: Connection, _: object) -> None:
    async def main() -> None:
        options = {"service_time": 0, "queue": False, "page_size": 20, "journal_limit": 100}
        async with Sandbox(companies=60, keys_per_company=KEYS, inactive=5, **options) as box:
            often = {"times": None, "probability": 0.01}
            box.faults.add(
                Fault.status(500, **often),
                Fault.status(429, at="arrival", **often),
                Fault.close(**often),
                Fault.half_body(**often),
                Fault.html(503, **often),
                Fault.truncated_json(method="GET", times=None, probability=0.003),
                Fault.wait(0.05, times=None, probability=0.002),
            )
            pipe.send(Target(box.base_url, box.hq_key, box.company_ids))
            await asyncio.to_thread(pipe.recv)

    asyncio.run(main())


@attrs.frozen
class Footprint:
    megabytes: float
    objects: int
    descriptors: int
    tasks: int

    @classmethod
    async def now(cls) -> "Footprint":
        for _ in range(5):
            await asyncio.sleep(0.02)
            gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            pages * getpagesize() / 2**20,
            len(gc.get_objects()),
            len(list(Path("/proc/self/fd").iterdir())),
            len(asyncio.all_tasks()),
        )


class Life:
    """One long-lived session and its work, alongside short-lived ones."""

    def __init__(self, server: Target, session: WoodpeckerSession, chance: random.Random) -> None:
        self.server, self.session, self.chance = server, session, chance
        self.requests = 0
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def count(self, event: Event) -> None:
        self.requests += event.kind == "start"

    def company(self) -> int:
        return self.chance.choice(self.server.company_ids)

    async def until(self, requests: int) -> None:
        deeds = (self.reads,) * 5 + (self.failures, self.cancelled, self.timed_out, self.walks, self.broken_run)
        while self.requests < requests:
            deed = self.chance.choice((*deeds, self.whole_run))
            with suppress(errors.WoodpeckerError):
                await deed()
            self.done[deed.__name__] += 1
            if sum(self.done.values()) % 40 == 0:
                await self.another_session()

    async def reads(self) -> None:
        calls = [self.session.company(self.company()).me() for _ in range(15)]
        calls += [self.session.agency.email_accounts.list(self.company()).collect() for _ in range(15)]
        await asyncio.gather(*calls, return_exceptions=True)

    async def failures(self) -> None:
        scope = self.session.company(999_999)
        calls = [
            scope.me(),
            self.session.agency.api_keys.list(999_999).collect(),
            self.session.request("GET", "/v2/no", company_id=None),
        ]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, errors.CallError) for outcome in outcomes), outcomes

    async def cancelled(self) -> None:
        calls = [asyncio.create_task(self.session.account.me()) for _ in range(20)]
        await asyncio.sleep(self.chance.random() * 0.006)
        for call in calls[::2]:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async def timed_out(self) -> None:
        options = CallOptions(attempt_timeout=0.002, retry=RetryPolicy(attempts=1))
        calls = [self.session.account.me(options=options) for _ in range(6)]
        await asyncio.gather(*calls, return_exceptions=True)

    async def walks(self) -> None:
        """One complete, one stopped early, one that reads ahead and is stopped early."""
        company_id = self.company()
        async with self.session.company(company_id) as client:
            await client.api_keys.list().collect()
            async for _ in client.api_keys.list():
                break
            async for _ in client.api_keys.list().pages():
                break

    async def broken_run(self) -> None:
        async with bulk.list_api_keys(self.session, self.server.company_ids, ordered=self.chance.random() < 0.5) as run:
            seen = 0
            async for _ in run:
                seen += 1
                if seen == 8:
                    break

    async def whole_run(self) -> None:
        found = []
        async with bulk.list_api_keys(self.session) as run:
            async for outcome in run:
                found.append(outcome.company_id)
                if outcome.ok:
                    assert len(outcome.keys) == KEYS
                else:
                    assert isinstance(outcome.error, errors.CallError | errors.PaginationError), outcome
                    self.failed[type(outcome.error).__name__] += 1
        assert sorted(found) == sorted(self.server.company_ids)
        assert run.report.total == len(found)

    async def another_session(self) -> None:
        async with new_session(self.server, hooks=[self.count], limits=Limits(lanes="account")) as other:
            calls = [other.account.me() for _ in range(4)]
            await asyncio.gather(*calls, return_exceptions=True)


def new_session(server: Target, **options: object) -> WoodpeckerSession:
    return WoodpeckerSession(server.key, **{"base_url": server.base_url, "retry": QUICK, **options})


async def live(server: Target, *, warm: int, requests: int) -> tuple[list[Footprint], str]:
    """The footprint before the session, after warming up, at the end, and after closing the session."""
    lives: list[Life] = []

    def tell(event: Event) -> None:
        lives[0].count(event)

    began = time.monotonic()
    before = await Footprint.now()
    async with new_session(server, hooks=[tell]) as session:
        life = Life(server, session, random.Random(3))
        lives.append(life)
        await life.until(warm)
        warmed = await Footprint.now()
        await life.until(requests)
        ended = await Footprint.now()
        told = f"{life.requests} requests in {time.monotonic() - began:.1f} s, {dict(life.done)}, failed companies {dict(life.failed)}"
    lives.clear()
    del life
    closed = await Footprint.now()
    return [before, warmed, ended, closed], told


def proof(*, warm: int, requests: int, megabytes: float, objects: int) -> None:
    with child_server(_serve, {}) as served:
        server = served.target
        footprints, told = asyncio.run(live(server, warm=warm, requests=requests), debug=False)
    before, warmed, ended, closed = footprints
    print(told, *footprints, sep="\n")
    assert ended.megabytes - warmed.megabytes < megabytes
    assert ended.objects - warmed.objects < objects
    assert ended.descriptors <= before.descriptors + 7 + 1  # the connections kept alive
    assert [footprint.tasks for footprint in footprints] == [1, 1, 1, 1]
    assert closed.descriptors <= before.descriptors


@pytest.mark.system
def test_1000_requests_leave_nothing_behind() -> None:
    proof(warm=600, requests=1_000, megabytes=5, objects=700)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_100_000_requests_leave_nothing_behind() -> None:
    proof(warm=20_000, requests=100_000, megabytes=5, objects=2_000)
