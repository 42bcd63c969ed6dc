"""Fakes for the pure tests: a controllable clock, and a caller that responds from a script."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from woodpecker_async.engine.clock import SystemClock
from woodpecker_async.engine.operation import Operation, Result
from woodpecker_async.models.paging import Listing, PaginationData
from woodpecker_async.options import CallOptions


class VirtualClock:
    """Time passes only in `sleep`; random numbers are set by the test."""

    def __init__(self, chance: float = 0.5) -> None:
        self.time = 1000.0
        self.chance = chance
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def utcnow(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.time)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def random(self) -> float:
        return self.chance


class ScriptedCaller:
    """Responds to each page with a function of its number."""

    def __init__(self, answer: Callable[[int], Listing[Any]]) -> None:
        self.answer = answer
        self.asked: list[int] = []

    async def run(self, operation: Operation[Any], options: CallOptions | None = None) -> Result[Any]:
        number = int(operation.params.get("page") or 1)
        self.asked.append(number)
        return Result(value=self.answer(number))


def listing(items: list[Any], number: int | None, total_pages: int | None, total: int | None = None) -> Listing[Any]:
    """A response as the server sends it."""
    data = PaginationData(total_elements=total, total_pages=total_pages, current_page_number=number, page_size=50)
    return Listing(content=tuple(items), pagination_data=data)


class Hasty(SystemClock):
    """Does not wait between two attempts or two lists."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
