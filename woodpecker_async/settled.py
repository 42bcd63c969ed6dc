"""Reading a whole list that may change meanwhile: read it again while it does, and say so if it never settles."""

from collections.abc import AsyncIterator, Hashable
from typing import Generic, TypeVar

import attrs

from woodpecker_async import checks
from woodpecker_async.pagination import Page, Pager, _Pages, warn_of_drift

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Settled(Generic[T]):
    """The result of `read_settled`.

    Attributes:
        items: every item that was seen, in the order received.
        settled: whether the list did not change during a reading, or all the items it announces were seen. If not, an
            item may be missing.
        attempts: how many requests it took.
        undecodable: what was wrong with each item that `CallOptions(skip_bad_items=True)` left out.
    """

    items: tuple[T, ...]
    settled: bool
    attempts: int
    undecodable: tuple[str, ...] = ()


async def read_settled(pager: Pager[T], *, readings: int = 3) -> Settled[T]:
    """Read a whole list, and read it again if it changed meanwhile.

    Args:
        pager: the list.
        readings: how many times to read it at most, an integer >= 1.

    Raises:
        ConfigError: `readings` is not an integer >= 1.
    """
    pages = SettledPages(pager, readings=readings)
    items: list[T] = []
    undecodable: dict[str, None] = {}
    attempts = 0
    async for page in pages:
        items.extend(page.items)
        undecodable.update(dict.fromkeys(page.undecodable))
        attempts += page.attempts
    return Settled(items=tuple(items), settled=pages.settled, attempts=attempts, undecodable=tuple(undecodable))


class SettledPages(AsyncIterator[Page[T]]):
    """The pages of a list, read again while it changes; each item is returned once.

    The pages of a second reading have only the items that were not in the first, and may be empty.

    Args:
        pager: the list.
        readings: how many times to read it at most, an integer >= 1.

    Attributes:
        settled: at the end, whether the list did not change during one reading, or all the items announced by the last
            reading were seen. If not, an item may be missing.

    Raises:
        ConfigError: `readings` is not an integer >= 1.
    """

    def __init__(self, pager: Pager[T], *, readings: int = 3) -> None:
        checks.integer(readings, "readings", 1)
        self.settled = False
        self._pager = pager
        self._left = readings
        self._walk: _Pages[T] | None = None
        self._seen: set[Hashable] = set()
        self._undecodable = 0
        self._announced: int | None = None
        # How the totals changed, over all readings.
        self._steady = True
        self._fell = False

    def __aiter__(self) -> "SettledPages[T]":
        return self

    async def __anext__(self) -> Page[T]:
        while True:
            if self._walk is None:
                if not self._left:
                    raise StopAsyncIteration
                self._left -= 1
                self._walk = self._pager._iterate(log_drift=False)
                self._undecodable = 0
            try:
                page = await anext(self._walk)
            except StopAsyncIteration:
                self._end_reading(self._walk)
                continue
            self._note_total(page.total_elements)
            self._undecodable += len(page.undecodable)
            return attrs.evolve(page, items=self._pager._unseen(page.items, self._seen))

    def _note_total(self, total: int | None) -> None:
        before, self._announced = self._announced, total
        if before is not None and total != before:
            self._steady = False
            self._fell = self._fell or total is None or total < before

    def _end_reading(self, walk: "_Pages[T]") -> None:
        self._walk = None
        if not walk.drifted:
            self.settled = True
            self._left = 0
        elif not self._left:
            # Drift alone does not mean that anything is missing: the readings together may have seen everything, and
            # then the number seen equals the total. But that number includes items removed since, each of which could
            # hide a missed one, so the two are only compared where nothing can have been removed.
            seen = len(self._seen) + self._undecodable
            none_has_gone = self._steady or (not self._fell and walk._count == seen)
            self.settled = seen == self._announced and none_has_gone
            if not self.settled:
                warn_of_drift(self._pager, "changed each time it was read", seen, self._announced)
