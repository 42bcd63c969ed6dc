"""What came of the jobs so far, by job key: how a job that comes a second time knows what is done already."""

import copy
from typing import Protocol

from woodpecker_async.workers.payload import Result


class Ledger(Protocol):
    """Where results are kept while a run goes on.

    A queue may hand out a job again: after a kill, or while somebody slow still works on it. So a result that
    is whole is final; one that is not may be replaced.
    """

    async def load(self, key: str) -> Result | None:
        """The whole result of that job, else what came of it so far, else nothing."""
        ...

    async def save(self, key: str, result: Result) -> Result:
        """Keep a result, unless there is a whole one; give the one that counts."""
        ...


class MemoryLedger:
    """A ledger in this process."""

    def __init__(self) -> None:
        self._kept: dict[str, Result] = {}

    async def load(self, key: str) -> Result | None:
        """See `Ledger.load`."""
        return copy.deepcopy(self._kept.get(key))

    async def save(self, key: str, result: Result) -> Result:
        """See `Ledger.save`."""
        kept = self._kept.get(key)
        if kept is None or not kept["whole"]:
            self._kept[key] = kept = copy.deepcopy(result)
        return copy.deepcopy(kept if kept["whole"] else result)
