"""Many agencies in one process: one session per key, each of which lists the keys of ten companies over TLS."""

import asyncio
import gc
import os
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import attrs

from benchmarks.figures import marked
from benchmarks.measure import Size, client, memory, table, target
from benchmarks.server import Target, answering
from woodpecker_async import WoodpeckerSession, bulk

SESSIONS = {"tiny": 5, "quick": 100, "full": 500}
COMPANIES = 10
LENT = 100  # connections of the connector that is lent to all sessions
AT_MOST_IDLE = 40  # target: KiB per idle session


@attrs.frozen
class Case:
    """A way to run the sessions.

    Attributes:
        title: its name in the table.
        lent: whether one connector is lent to all sessions.
        at_once: whether all sessions work at the same time, or one after another.
    """

    title: str
    lent: bool
    at_once: bool


CASES = (
    Case("one agency after another, one lent connector", lent=True, at_once=False),
    Case(f"all at once, one lent connector of {LENT}", lent=True, at_once=True),
    Case("all at once, each with its own connections", lent=False, at_once=True),
)


@attrs.frozen
class Taken:
    """What the sessions of a process used.

    Attributes:
        memory: KiB per session, while all of them are still open.
        seconds: wall time for all of them.
        contexts: number of TLS contexts.
    """

    memory: float
    seconds: float
    contexts: int


def run(case: Case, to: Target, sessions: int) -> Taken:
    """Open that many sessions, and list keys with each."""
    contexts: set[ssl.SSLContext] = set()
    wrap = ssl.SSLContext.wrap_bio

    def wrapping(context: ssl.SSLContext, *args: Any, **settings: Any) -> ssl.SSLObject:
        contexts.add(context)
        return wrap(context, *args, **settings)

    async def listing(woodpecker: WoodpeckerSession) -> None:
        async with bulk.list_api_keys(woodpecker, range(1, COMPANIES + 1)) as listed:
            assert [outcome.ok async for outcome in listed] == [True] * COMPANIES

    async def all_of_them() -> Taken:
        connector = aiohttp.TCPConnector(limit=LENT)
        async with aiohttp.ClientSession(connector=connector) as theirs:
            lent = theirs if case.lent else None
            async with WoodpeckerSession(to.key, base_url=to.base_url, http_session=lent) as woodpecker:
                await listing(woodpecker)  # warm up the code
            gc.collect()
            before, began = memory("VmRSS"), time.perf_counter()
            keys = [f"{number}.key" for number in range(sessions)]
            agencies = [WoodpeckerSession(key, base_url=to.base_url, http_session=lent) for key in keys]
            if case.at_once:
                await asyncio.gather(*map(listing, agencies))
            else:
                for agency in agencies:
                    await listing(agency)
            seconds = time.perf_counter() - began
            gc.collect()
            taken = memory("VmRSS") - before
            for agency in agencies:
                await agency.aclose()
            return Taken(taken / sessions, seconds, len(contexts))

    ssl.SSLContext.wrap_bio = wrapping  # type: ignore[assignment,method-assign]
    try:
        return asyncio.run(all_of_them())
    finally:
        ssl.SSLContext.wrap_bio = wrap  # type: ignore[method-assign]


@contextmanager
def _trusted_certificate() -> Iterator[str | None]:
    """The path of a certificate for 127.0.0.1 that new processes trust; `None` if none can be created."""
    if find_spec("trustme") is None:
        print("The sessions run without TLS, which needs trustme: pip install '.[bench]'")
        yield None
        return
    authority: Any = import_module("trustme").CA()
    before = os.environ.get("SSL_CERT_FILE")
    with tempfile.TemporaryDirectory() as directory:
        trusted, served = Path(directory, "ca.pem"), Path(directory, "served.pem")
        authority.cert_pem.write_to_path(trusted)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(served)
        os.environ["SSL_CERT_FILE"] = str(trusted)
        try:
            yield str(served)
        finally:
            del os.environ["SSL_CERT_FILE"]
            if before is not None:
                os.environ["SSL_CERT_FILE"] = before


def section(size: Size) -> str:
    """The table and its explanation."""
    sessions = SESSIONS[size]
    rows, idle, contexts = [], 0.0, 0
    with _trusted_certificate() as certificate, answering(certificate=certificate) as served:
        for case in CASES:
            with client() as process:  # a fresh one, because a process keeps the memory it has used
                served.connections()
                taken = process.run(run, case, served.target, sessions)
            sockets = served.connections()
            rows.append([case.title, f"{taken.memory:.0f}", sockets, taken.contexts, f"{taken.seconds:.1f}"])
            contexts = max(contexts, taken.contexts)
            idle = taken.memory if not case.at_once else idle
    said = [target(f"all sessions share one TLS context; measured: at most {contexts}", met=contexts <= 1)]
    if size != "tiny":  # with a few sessions, the memory per session means nothing
        said.append(target(f"an idle session takes at most {AT_MOST_IDLE} KiB; measured: {idle:.0f}",
                           met=idle <= AT_MOST_IDLE))  # fmt: skip
    over = "TLS" if certificate is not None else "plain HTTP (trustme is not installed)"
    return (
        f"Many agencies in one process: {sessions} sessions with different keys, each of which lists the keys of "
        f"{COMPANIES} companies over {over} and stays open. Memory is the growth of the process divided by the number "
        "of sessions; sockets is the highest number open at the same time.\n\n" + marked(
            "sessions",
            table(
                [f"{sessions} sessions, {COMPANIES} companies each", "memory per session, KiB", "peak sockets",
                 "TLS contexts", "seconds in total"],
                rows,
            ),
        )
        + "\n\n" + "\n".join(said)
    )  # fmt: skip
