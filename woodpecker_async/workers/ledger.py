"""State shared between jobs: results of earlier runs of a job, and which companies are being processed now."""

import copy
from typing import Protocol

from woodpecker_async.workers.payload import Result


class Ledger(Protocol):
    """Stores the results of jobs during a run.

    A queue may deliver a job again, after a kill or while a slow worker is still running it. So a result that is whole
    (complete) is final; one that is not may be replaced. While a job runs, the result for each company is stored as a
    *part* of its own, so that the amount of data written grows only linearly with the number of companies.
    """

    async def load(self, key: str) -> Result | None:
        """Return the whole result of that job, else its result so far, else `None`.

        A result that is not whole has its parts in `"parts"`, by company id as a string.
        """
        ...

    async def save(self, key: str, result: Result) -> Result:
        """Store a result, unless there is a whole one; return the one that counts. A whole result has no parts."""
        ...

    async def add(self, key: str, company_id: int, part: Result) -> None:
        """Store the result for one company of a job that is not whole, replacing the company's previous one.

        Args:
            key: the job's key.
            company_id: the company.
            part: a JSON object: `report` and `found` as in a result; `outcomes`, the number of companies of the job
                that have an outcome by now.
        """
        ...


class Claims(Protocol):
    """Claims on the companies that workers are processing right now.

    Two workers that ensure a key for the same company at the same time could create two keys. So a company is claimed
    before its keys are listed, the claim is checked right before a key is created, and it is released once there is an
    outcome.
    """

    async def take(self, company_id: int) -> None:
        """Wait until nobody has a claim on the company, and claim it."""
        ...

    def check(self, company_id: int) -> None:
        """Check that the claim cannot have expired.

        Raises:
            ClaimLostError: it may have expired.
        """
        ...

    async def give_back(self, company_id: int) -> None:
        """Release the claim.

        Raises:
            ClaimLostError: another worker could have claimed the company in the meantime.
        """
        ...


class MemoryLedger:
    """A ledger in the memory of this process."""

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
