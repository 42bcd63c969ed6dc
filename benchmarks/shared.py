"""`python -m benchmarks.shared`: what a lane that is shared across processes costs, beside one that is not.

A turn is taken, kept for a round of the event loop and given back, again and again, by one caller and by seven
at once; nobody else wants a place. The kinds of lane take turns in one run. With `--redis URL` that Redis is used;
else one is started for the run, if `redis-server` is installed.
"""

import argparse
import asyncio
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from woodpecker_async import Limits
from woodpecker_async.engine.account_lanes import AccountLanes


class _Member:
    """A session, as far as the lanes are concerned."""


async def microseconds(limits: Limits, turns: int, at_once: int) -> float:
    """A turn, on average."""
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
        await permit.acquire("interactive")  # connected
    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    took = time.perf_counter() - began
    assert most == at_once
    lanes.leave(member)
    await lanes.aclose()
    return took / turns * 1e6


@contextmanager
def redis_for_the_run() -> Iterator[str | None]:
    """The URL of a Redis on a free port of this machine; nothing, if there is none to start."""
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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds, in each of which every kind has its turn")
    parser.add_argument("--turns", type=int, default=2000, help="turns in a round")
    parser.add_argument("--redis", help="the URL of a Redis that is there to be used")
    arguments = parser.parse_args()
    with redis_for_the_run() as started:
        url = arguments.redis or started
        kinds = {"in process": Limits(), "host": Limits(shared="host")}
        if url is not None:
            kinds["redis"] = Limits(shared=url)
        print(f"Microseconds for a turn, {arguments.rounds} rounds of {arguments.turns} turns, in turn:\n")
        print("callers  lane             min    median       max   to that in process (median)")
        for at_once in (1, 7):
            results: dict[str, list[float]] = {name: [] for name in kinds}
            for _ in range(arguments.rounds):
                for name, limits in kinds.items():
                    results[name].append(asyncio.run(microseconds(limits, arguments.turns, at_once)))
            for name, took in results.items():
                more = [shared - alone for shared, alone in zip(took, results["in process"], strict=True)]
                print(
                    f"{at_once:7}  {name:10} {min(took):9.1f} {statistics.median(took):9.1f} {max(took):9.1f}"
                    f" {statistics.median(more):+12.1f}"
                )
        if url is None:
            print("\nNo Redis: install redis-server, or pass --redis URL.")


if __name__ == "__main__":
    main()
