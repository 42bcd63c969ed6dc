"""A sandbox in its own process, controlled by lines: `report` prints what it has seen, `end` ends it."""

import asyncio
import json
import sys
from typing import Any

import attrs

from tests.shared.processes import Child
from woodpecker_async.sandbox import Sandbox


@attrs.frozen
class Seen:
    """The server's report about a run.

    Attributes:
        refused: requests refused with 429.
        peak: the most in progress or waiting at once.
        requests: for each, its worker, when it was received and when the response was sent.
    """

    refused: int
    peak: int
    requests: list[tuple[str, float, float]]

    def used(self, since: float, until: float) -> float:
        """The share of a period in which the server was busy (without a round trip)."""
        busy, end = 0.0, since
        for _, received, finished in sorted(self.requests, key=lambda request: request[1]):
            begin, finish = max(received, end), min(finished, until)
            if finish > begin:
                busy += finish - begin
                end = finish
        return busy / (until - since)

    @property
    def all_busy(self) -> tuple[float, float]:
        """From when each worker has had ten responses until the first one has its last response."""
        by_worker: dict[str, list[float]] = {}
        for worker, _, finished in self.requests:
            by_worker.setdefault(worker, []).append(finished)
        return max(sorted(times)[9] for times in by_worker.values()), min(map(max, by_worker.values()))

    def shares(self, since: float, until: float) -> dict[str, float]:
        """Each worker's share of the responses in a period."""
        counts: dict[str, int] = {}
        for worker, _, finished in self.requests:
            if since <= finished <= until:
                counts[worker] = counts.get(worker, 0) + 1
        return {worker: count / sum(counts.values()) for worker, count in counts.items()}


class Server:
    """The sandbox, as seen from this process."""

    def __init__(self, **options: Any) -> None:
        self._child = Child("tests.shared.server", options)
        self.base_url, self.key = self._child.read()

    def report(self) -> Seen:
        """What it has seen so far."""
        self._child.say("report")
        refused, peak, requests = self._child.read()
        return Seen(refused, peak, [tuple(request) for request in requests])

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._child.end()


async def main(options: dict[str, Any]) -> None:
    async with Sandbox(**options) as box:
        print(json.dumps([box.base_url, box.hq_key]), flush=True)
        while (await asyncio.to_thread(sys.stdin.readline)).strip() == "report":
            requests = [
                [record.headers.get("x-worker", ""), record.received, record.finished]
                for record in box.journal
                if record.finished is not None
            ]
            print(json.dumps([box.stats.refused, max(box.stats.peak_queued.values(), default=0), requests]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
