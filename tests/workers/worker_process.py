"""A worker in its own process, for tests that kill it: `python -m tests.workers.worker_process SETTINGS`.

SETTINGS is JSON. Exits successfully on SIGTERM.
"""

import asyncio
import json
import signal
import sys

from woodpecker_async import Limits, WoodpeckerSession
from woodpecker_async.workers import payload
from woodpecker_async.workers.saq import Heartbeat, work

# A short one, so that tests need not wait long for a dead worker's jobs.
HEARTBEAT = Heartbeat(interval=0.2, timeout=1, check_every=1)


async def main(settings: dict) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    limits = Limits(shared=settings["redis"] if settings.get("shared") else None)
    async with WoodpeckerSession(settings["api_key"], base_url=settings["base_url"], limits=limits) as session:
        await work(
            session,
            settings["redis"],
            sinks=settings.get("sinks"),
            concurrency=settings.get("concurrency", 1),
            grace=settings.get("grace", 8.0),
            stop=stop,
            on_news=lambda line: print(line, file=sys.stderr, flush=True),
            heartbeat=HEARTBEAT,
        )


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    payload.VERSION = given.get("version", payload.VERSION)
    asyncio.run(main(given))
