"""What a job knows of others: what came of it when it was done before, and which companies are worked on now."""

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


class Claims(Protocol):
    """Which companies are worked on right now, by any worker.

    Two that ensure a key at the same company at the same moment could make two. So a company is claimed before
    it is looked at, and given back when there is an outcome.
    """

    async def take(self, company_id: int) -> None:
        """Wait until nobody has it, and have it."""
        ...

    async def give_back(self, company_id: int) -> None:
        """Let others have it."""
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
