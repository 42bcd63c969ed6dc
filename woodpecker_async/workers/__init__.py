"""Sweeps over all companies by many worker processes: jobs for any queue, and an adapter for SAQ on Redis.

`payload` defines jobs, `jobs` runs them, `ledger` keeps their results. None of these depends on a queue: a job takes
and returns JSON, and running it again does no harm. `saq` runs them on Redis.
"""

from woodpecker_async.workers.jobs import Context, chunks, found_keys, gather, perform
from woodpecker_async.workers.ledger import Claims, Ledger, MemoryLedger
from woodpecker_async.workers.payload import Job, Payload, Result, Sweep, new_run_id

__all__ = [
    "Claims",
    "Context",
    "Job",
    "Ledger",
    "MemoryLedger",
    "Payload",
    "Result",
    "Sweep",
    "chunks",
    "found_keys",
    "gather",
    "new_run_id",
    "perform",
]
