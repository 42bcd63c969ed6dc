"""Pages from a script: it always ends, and for the right reason."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import ScriptedCaller, listing
from woodpecker_async import Page, Pager
from woodpecker_async.engine.operation import Operation, get
from woodpecker_async.errors import ConfigError, PaginationError
from woodpecker_async.models.paging import Listing


def page(number: int) -> Operation[Listing[int]]:
    return get("/x", Listing[int], params={"page": number})


def pager(answer: Callable[[int], Listing[Any]], *, paged: bool = True) -> tuple[Pager[int], ScriptedCaller]:
    caller = ScriptedCaller(answer)
    return Pager(caller, page, key=lambda item: item, paged=paged), caller


def book(items: list[int], size: int = 3) -> Callable[[int], Listing[Any]]:
    """An honest server."""
    pages = max(1, -(-len(items) // size))

    def answer(number: int) -> Listing[Any]:
        return listing(items[(number - 1) * size : number * size], number, pages, len(items))

    return answer


async def test_making_one_sends_nothing() -> None:
    keys, caller = pager(book([1, 2]))
    keys.pages()
    assert caller.asked == []


async def test_await_gives_the_first_page() -> None:
    keys, caller = pager(book([1, 2, 3, 4]))
    first = await keys
    assert isinstance(first, Page)
    assert (list(first), len(first), first[0], first[1:]) == ([1, 2, 3], 3, 1, (2, 3))
    assert (first.number, first.total_pages, first.total_elements, first.page_size) == (1, 2, 4, 50)
    assert first.items == (1, 2, 3)
    assert caller.asked == [1]


async def test_each_use_is_a_new_walk() -> None:
    keys, caller = pager(book([1, 2, 3, 4]))
    assert [item async for item in keys] == [1, 2, 3, 4]
    assert await keys.collect() == [1, 2, 3, 4]
    assert [page.number async for page in keys.pages()] == [1, 2]
    assert caller.asked == [1, 2] * 3


async def test_pages_are_fetched_when_they_are_needed() -> None:
    keys, caller = pager(book(list(range(9))))
    walk = aiter(keys)
    for _ in range(3):
        await anext(walk)
    assert caller.asked == [1]
    await anext(walk)
    assert caller.asked == [1, 2]


async def test_collect_stops_at_its_limit() -> None:
    keys, caller = pager(book(list(range(9))))
    assert await keys.collect(limit=4) == [0, 1, 2, 3]
    assert caller.asked == [1, 2]
    assert await keys.collect(limit=0) == []
    assert caller.asked == [1, 2]


async def test_a_walk_can_start_anywhere() -> None:
    keys, caller = pager(book(list(range(9))))
    assert [list(page) async for page in keys.pages(start=2)] == [[3, 4, 5], [6, 7, 8]]
    assert caller.asked == [2, 3]
    assert not keys.drifted


@given(st.lists(st.integers(), unique=True, max_size=60), st.integers(1, 7))
def test_every_item_comes_once_whatever_the_size(items: list[int], size: int) -> None:
    async def walk() -> None:
        keys, _ = pager(book(items, size))
        assert await keys.collect() == items
        assert not keys.drifted

    asyncio.run(walk())


@given(st.data())
def test_drift_never_doubles_and_is_seen(data: st.DataObject) -> None:
    """Items come and go between pages, one at a time."""
    items = list(range(20))
    fresh = iter(range(100, 200))
    changed = False

    def answer(number: int) -> Listing[Any]:
        nonlocal changed
        change = data.draw(st.sampled_from(["none", "insert", "delete"]))
        changed |= number > 1 and change != "none"
        if number > 1 and change == "insert":
            items.insert(0, next(fresh))
        elif number > 1 and change == "delete" and items:
            items.pop(0)
        return book(items, 4)(number)

    async def walk() -> None:
        keys, _ = pager(answer)
        seen = await keys.collect()
        assert len(seen) == len(set(seen))
        assert keys.drifted == changed

    asyncio.run(walk())


@pytest.mark.parametrize(
    ("answer", "most"),
    [
        (lambda number: listing([1, 2], 1, 5), 3),  # the page number does not advance
        (lambda number: listing([1, 2], number, 5), 3),  # ignores `page`, but counts
        (lambda number: listing([[1], [2]][number % 2], number, 9), 4),  # A B A B
        (lambda number: listing([], number, number + 1), 2),  # always one more, and empty
        (lambda number: listing([number], number, number + 1), 110),  # always one more
        (lambda number: listing([1], None, 5), 3),  # no page numbers at all
    ],
)
async def test_walks_that_would_not_end_are_errors(answer: Callable[[int], Listing[Any]], most: int) -> None:
    keys, caller = pager(answer)
    with pytest.raises(PaginationError) as caught:
        await keys.collect()
    assert len(caller.asked) <= most
    assert caught.value.resume == caller.asked[-1]


async def test_the_hard_cap_can_be_set() -> None:
    keys, caller = pager(lambda number: listing([number], number, 1000))
    with pytest.raises(PaginationError):
        [page async for page in keys.pages(max_pages=5)]
    assert len(caller.asked) == 6


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        # the latest word counts: the list grows, then shrinks
        ({1: listing([1], 1, 2), 2: listing([2], 2, 3), 3: listing([3], 3, 3)}, [1, 2, 3]),
        ({1: listing([1], 1, 5), 2: listing([2], 2, 2)}, [1, 2]),
        # an empty page in the middle is not the end
        ({1: listing([1], 1, 3), 2: listing([], 2, 3), 3: listing([3], 3, 3)}, [1, 3]),
        # nothing at all, with 0 or 1 pages
        ({1: listing([], 1, 0, 0)}, []),
        ({1: listing([], 1, 1, 0)}, []),
        # no totals: an empty page ends it
        ({1: listing([1], 1, None), 2: listing([2], 2, None), 3: listing([], 3, None)}, [1, 2]),
        # no pagination_data: read on until nothing new comes
        ({1: Listing(content=(1,)), 2: Listing(content=())}, [1]),
        ({1: Listing(content=(1, 2)), 2: Listing(content=(1, 2))}, [1, 2]),
    ],
)
async def test_the_end_is_what_the_latest_page_says(answers: dict[int, Listing[Any]], expected: list[int]) -> None:
    keys, caller = pager(lambda number: answers[number])
    assert await keys.collect() == expected
    assert caller.asked == sorted(answers)


async def test_a_walk_goes_on_after_an_error() -> None:
    """Asked again it fetches the page that failed; it never takes a cut list for a whole one."""
    broken = {2}

    def answer(number: int) -> Listing[Any]:
        if number in broken:
            broken.remove(number)
            raise ConnectionError
        return book(list(range(9)))(number)

    keys, caller = pager(answer)
    walk = keys.pages()
    assert list(await anext(walk)) == [0, 1, 2]
    with pytest.raises(ConnectionError):
        await anext(walk)
    assert [list(page) async for page in walk] == [[3, 4, 5], [6, 7, 8]]
    assert caller.asked == [1, 2, 2, 3]
    assert not keys.drifted


async def test_without_totals_a_page_of_old_items_is_not_the_end() -> None:
    pages = {1: [1, 2], 2: [1, 2], 3: [3], 4: []}
    keys, _ = pager(lambda number: listing(pages[number], number, None))
    assert await keys.collect() == [1, 2, 3]


async def test_lists_without_pages_take_one_request() -> None:
    keys, caller = pager(lambda number: Listing(content=(1, 2)), paged=False)
    assert await keys.collect() == [1, 2]
    assert [list(page) async for page in keys.pages(prefetch=2)] == [[1, 2]]
    assert caller.asked == [1, 1]


@pytest.mark.parametrize(
    "bad",
    [{"start": 0}, {"start": -1}, {"start": True}, {"start": "2"}, {"prefetch": -1}, {"prefetch": 7}, {"max_pages": 0}],
)
async def test_bounds_are_checked_before_anything_is_sent(bad: dict[str, Any]) -> None:
    keys, caller = pager(book([1]))
    with pytest.raises(ConfigError):
        keys.pages(**bad)
    with pytest.raises(ConfigError):
        await keys.collect(limit=-1)
    assert caller.asked == []


class SlowCaller(ScriptedCaller):
    async def run(self, operation, options=None):
        reply = await super().run(operation, options)
        await asyncio.sleep(0.005)
        return reply


def slow(answer: Callable[[int], Listing[Any]]) -> tuple[Pager[int], SlowCaller]:
    caller = SlowCaller(answer)
    return Pager(caller, page, key=lambda item: item), caller


async def test_prefetch_is_bounded_and_never_past_the_last_page() -> None:
    keys, caller = slow(book(list(range(15))))
    walk = keys.pages(prefetch=2)
    assert (await anext(walk)).number == 1
    await asyncio.sleep(0.02)
    assert caller.asked == [1, 2, 3]
    assert [page.number async for page in walk] == [2, 3, 4, 5]
    assert caller.asked == [1, 2, 3, 4, 5]


async def test_a_break_cancels_the_prefetch_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    for _ in range(200):
        keys, _ = slow(book(list(range(15))))
        async for _page in keys.pages(prefetch=3):
            break
    gc.collect()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_aclose_ends_a_walk() -> None:
    before = asyncio.all_tasks()
    keys, _ = slow(book(list(range(15))))
    walk = keys.pages(prefetch=2)
    await anext(walk)
    await walk.aclose()
    assert asyncio.all_tasks() == before
    with pytest.raises(StopAsyncIteration):
        await anext(walk)


async def test_a_failed_prefetch_nobody_comes_for_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    def answer(number: int) -> Listing[Any]:
        if number > 1:
            raise PaginationError("broken", resume=number)
        return book(list(range(9)))(number)

    keys, _ = slow(answer)
    async for _page in keys.pages(prefetch=1):
        await asyncio.sleep(0.02)
        break
    gc.collect()
    await asyncio.sleep(0)
    assert "never retrieved" not in caplog.text


async def test_many_pages_need_no_deep_stack() -> None:
    keys, _ = pager(book(list(range(3000)), 1))
    assert len(await keys.collect()) == 3000
