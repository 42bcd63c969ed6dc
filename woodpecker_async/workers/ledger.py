"""What a job knows of others: what came of it when it was done before, and which companies are worked on now."""

import copy
from typing import Protocol

from woodpecker_async.workers.payload import Result


class Ledger(Protocol):
    """Where results are kept while a run goes on.

    A queue may hand out a job again: after a kill, or while somebody slow still works on it. So a result that
    is whole is final; one that is not may be replaced. While a job is done, what came of each company is added
    to its result in a *part* of its own, so that what is written grows with the number of companies and no
    faster.
    """

    async def load(self, key: str) -> Result | None:
        """The whole result of that job, else what came of it so far, else nothing.

        A result that is not whole has its parts under `"parts"`, by company id as a string.
        """
        ...

    async def save(self, key: str, result: Result) -> Result:
        """Keep a result, unless there is a whole one; return the one that counts. A whole one has no parts."""
        ...

    async def add(self, key: str, company_id: int, part: Result) -> None:
        """Keep what came of one company of a job that is not whole, in place of what was kept of it before.

        Args:
            key: the job's.
            company_id: the company's.
            part: a JSON object: `report` and `found` as in a result; `outcomes`, how many companies of the job
                have one by now.
        """
        ...


class Claims(Protocol):
    """Which companies are worked on right now, by any worker.

    Two that ensure a key at the same company at the same moment could make two. So a company is claimed before
    it is looked at, checked just before the key is made, and given back when there is an outcome.
    """

    async def take(self, company_id: int) -> None:
        """Wait until nobody has it, and have it."""
        ...

    def check(self, company_id: int) -> None:
        """See that the claim cannot have expired.

        Raises:
            ClaimLostError: it may have.
        """
        ...

    async def give_back(self, company_id: int) -> None:
        """Let others have it.

        Raises:
            ClaimLostError: others could have had it before.
        """
        ...


class MemoryLedger:
    """A ledger in this process."""

    def __init__(self) -> None:
        self._kept: dict[str, Result] = {}
        self._parts: dict[str, dict[str, Result]] = {}

    async def load(self, key: str) -> Result | None:
        """See `Ledger.load`."""
        kept = self._kept.get(key)
        if kept is None or kept["whole"]:
            return copy.deepcopy(kept)
        return copy.deepcopy({**kept, "parts": self._parts.get(key, {})})

    async def save(self, key: str, result: Result) -> Result:
        """See `Ledger.save`."""
        kept = self._kept.get(key)
        if kept is None or not kept["whole"]:
            self._kept[key] = kept = copy.deepcopy(result)
        if kept["whole"]:
            self._parts.pop(key, None)
        return copy.deepcopy(kept if kept["whole"] else result)

    async def add(self, key: str, company_id: int, part: Result) -> None:
        """See `Ledger.add`."""
        self._parts.setdefault(key, {})[str(company_id)] = copy.deepcopy(part)
