"""Sweeps over all companies by many worker processes: jobs for any queue, and the adapter for SAQ on Redis.

`payload` says what a job is, `jobs` does it, `ledger` remembers what came of it. None of them knows a queue:
JSON goes in and comes out, and doing a job once more does no harm. `saq` puts them on Redis.
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
