"""What a lane shared across processes costs, compared with one that is not shared.

A permit is acquired, held for one iteration of the event loop and released, again and again, by one caller and by
seven at once, without competition from others. A Redis is started for the run if `redis-server` is installed.
"""

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.figures import marked
from benchmarks.measure import Chapter, Size, Spread, in_turn, table
from woodpecker_async import Limits
from woodpecker_async.engine.account_lanes import AccountLanes


class _Member:
    """Stands in for a session in the lanes."""


async def microseconds(limits: Limits, turns: int, at_once: int) -> float:
    """The mean time per permit."""
    member, lanes = _Member(), AccountLanes(f"benchmark {time.monotonic_ns()}")
    lanes.join(member, limits)
    lane = lanes.lane(None)
    lane.window.size = lane.window.limit
    lane.bound(lane.window.limit)
    left, inside, most = iter(range(turns)), 0, 0

    async def caller() -> None:
        nonlocal inside, most
        for _ in left:
            with lanes.permit(None, limits) as permit:
                await permit.acquire("interactive")
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

    with lanes.permit(None, limits) as permit:
        await permit.acquire("interactive")  # so that it is connected
    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    took = time.perf_counter() - began
    assert most == at_once
    lanes.leave(member)
    await lanes.aclose()
    return took / turns * 1e6


@contextmanager
def redis_for_the_run() -> Iterator[str | None]:
    """The URL of a Redis started on a free port of this machine; `None` if it is not installed."""
    binary = shutil.which("redis-server")
    if binary is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            for _ in range(500):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.01)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
            process.wait()


def _turns(limits: Limits, turns: int, at_once: int) -> float:
    return asyncio.run(microseconds(limits, turns, at_once))


def chapter(size: Size) -> Chapter:
    """The table."""
    rounds, turns = {"tiny": (1, 20), "quick": (3, 1000), "full": (9, 2000)}[size]
    with redis_for_the_run() as url:
        kinds = {"one process (for comparison)": Limits(), '`"host"`': Limits(shared="host")}
        if url is not None:
            kinds["Redis on the same machine"] = Limits(shared=url)
        one, seven = (
            in_turn(rounds, {name: partial(_turns, limits, turns, at_once) for name, limits in kinds.items()})
            for at_once in (1, 7)
        )
    rows = [[name, *(f"{Spread.of(took[name]).median:.0f} µs" for took in (one, seven))] for name in kinds]
    return Chapter(
        title="Lanes shared across processes",
        text=(
            "The overhead per request of a shared lane: the time to acquire a permit, hold it for one iteration of the "
            f"event loop, and release it. Each figure is the median of {rounds} rounds, each the mean of {turns:,} "
            "permits. The columns are for one caller, and for seven callers at the same time; less is better."
            + ("" if url is not None else " The row for Redis is missing because redis-server is not installed.")
            + "\n\n"
            + marked("lane-turns", table(["Lane", "one caller", "seven callers"], rows))
        ),
    )
