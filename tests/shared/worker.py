"""A process that makes calls on an account that it shares with others.

It reports that it is ready, waits for `go`, makes its calls, and prints their results and the logged warnings.
With `hold`, it takes a permit and keeps it until it is killed.
"""

import asyncio
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.shared.lanes import lanes_of
from tests.shared.processes import Child
from woodpecker_async import CallOptions, Limits, WoodpeckerSession
from woodpecker_async.engine.account_lanes import shared_lanes
from woodpecker_async.engine.shared import redis as redis_places


class Worker:
    """One of them, as seen from this process."""

    def __init__(self, **options: Any) -> None:
        self._child = Child("tests.shared.worker", options)
        self.say, self.read, self.kill, self.end = self._child.say, self._child.read, self._child.kill, self._child.end


@contextmanager
def workers(number: int, **options: Any) -> Iterator[list[Worker]]:
    """Several, ready to go."""
    some: list[Worker] = []
    try:
        for name in range(number):
            some.append(Worker(name=str(name), **options))
        for worker in some:
            assert worker.read() == "ready"
        yield some
    finally:
        for worker in some:
            worker.end()


class Warnings(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, record.getMessage()))


async def main(
    base_url: str,
    key: str,
    shared: str,
    name: str,
    calls: int = 0,
    at_once: int = 20,
    lease: float = 5.0,
    outage: Any = "local",
    max_in_flight: int = 7,
) -> None:
    redis_places.LEASE = lease  # type: ignore[misc]
    heard = Warnings()
    logger = logging.getLogger("woodpecker_async")
    logger.addHandler(heard)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    limits = Limits(shared=shared, shared_outage=outage, max_in_flight=max_in_flight)
    async with WoodpeckerSession(key, base_url=base_url, limits=limits) as woodpecker:
        lanes = await lanes_of(woodpecker)
        options = CallOptions(headers={"X-Worker": name})
        print('"ready"', flush=True)
        order = (await asyncio.to_thread(sys.stdin.readline)).strip()
        assert lanes is shared_lanes(asyncio.get_running_loop(), await woodpecker.identify())
        if order == "hold":
            lane = lanes.lane(None)
            lane.window.size = lane.window.limit
            lane.bound(lane.window.limit)
            with ExitStack() as held:
                for _ in range(calls):
                    permit = held.enter_context(lanes.permit(None, limits))
                    await permit.acquire("interactive")
                print('"held"', flush=True)
                await asyncio.to_thread(sys.stdin.readline)
            return
        outcomes: Counter[str] = Counter()
        left = iter(range(calls))

        async def caller() -> None:
            for _ in left:
                try:
                    await woodpecker.account.me(options=options)
                    outcomes["ok"] += 1
                except Exception as error:
                    outcomes[type(error).__name__] += 1

        await asyncio.gather(*(caller() for _ in range(at_once)))
    assert asyncio.all_tasks() == {asyncio.current_task()}
    print(json.dumps([outcomes, heard.lines]), flush=True)
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
