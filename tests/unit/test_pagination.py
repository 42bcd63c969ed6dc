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
from woodpecker_async.engine.operation import OWN, Operation, Result
from woodpecker_async.errors import ConfigError, ConnectionLostError, PaginationError, UnexpectedError
from woodpecker_async.models.paging import ListBody, Listing, PaginationData
from woodpecker_async.paging_styles import DOMAINS, NUMBERED, ONE_ANSWER, Position
from woodpecker_async.settled import SettledPages, read_settled


def page(position: Position) -> Operation[Listing[int]]:
    return Operation.of("GET", "/x", ListBody(int), account=OWN, params={"page": position})


def pager(answer: Callable[[int], Listing[Any]], *, paged: bool = True) -> tuple[Pager[int], ScriptedCaller]:
    caller = ScriptedCaller(answer)
    return Pager(caller, page, NUMBERED if paged else ONE_ANSWER, key=lambda item: item), caller


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
    """Items are added and removed between pages, one at a time."""
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


@pytest.mark.parametrize("paged", [True, False])
@pytest.mark.parametrize(
    ("items", "total", "drifted"),
    [
        ([1, 2], 2, False),
        ([1, 2], None, False),
        ([], 0, False),
        ([1, 1], 2, True),  # an item twice, on the only page there is
        ([1, 1], 1, True),
        ([1, 1], None, True),
        ([1, 2], 9, True),  # fewer than announced
        ([1, 2], 1, True),  # more than announced
        ([], 3, True),  # nothing at all where three are announced
    ],
)
async def test_one_page_is_compared_with_what_it_announces(
    items: list[int], total: int | None, drifted: bool, paged: bool
) -> None:
    keys, _ = pager(lambda number: listing(items, number, 1, total), paged=paged)
    assert await keys.collect() == sorted(set(items))
    assert keys.drifted is drifted
    assert list(await keys) == sorted(set(items))
    assert keys.drifted is drifted


@pytest.mark.parametrize(
    "answers",
    [
        {
            1: listing([1], 1, 3, 3),
            2: Listing(content=()),
            3: listing([3], 3, 3, 3),
        },  # page 2 announces nothing
        {1: listing([1], 1, 2, 2), 2: listing([2], 3, 2, 2)},  # page 3 arrived instead of page 2
        {1: listing([1], 1, 5), 2: listing([2], 2, 2)},  # five pages became two
        {1: listing([1], 1, 3, 3), 2: listing([], 2, 3, 3), 3: listing([3], 3, 3, 3)},  # a gap
        {1: listing([1, 2, 1], 1, 2, 4), 2: listing([3, 4], 2, 2, 4)},  # twice on the first page
        {1: listing([1, 2], 1, 2, 4), 2: listing([3, 3], 2, 2, 4)},  # ... or on the second
    ],
)
async def test_pages_that_contradict_each_other_are_drift(
    answers: dict[int, Listing[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    keys, _ = pager(lambda number: answers[number])
    found = await keys.collect()
    assert len(found) == len(set(found))
    assert keys.drifted
    assert "the list /x changed while it was read" in caplog.text


async def test_what_a_walk_skips_is_not_drift() -> None:
    keys, _ = pager(book(list(range(9))))
    assert len(await keys.collect(limit=4)) == 4
    assert not keys.drifted
    await keys
    assert not keys.drifted


@given(
    st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=4),
    st.integers(0, 12),
    st.booleans(),
)
def test_whatever_a_server_announces_items_come_once_and_a_difference_is_said(
    pages: list[list[int]], total: int, paged: bool
) -> None:
    sent = pages if paged else pages[:1]

    async def walk() -> None:
        keys, _ = pager(lambda number: listing(sent[number - 1], number, len(sent), total), paged=paged)
        try:
            found = await keys.collect()
        except PaginationError:
            return
        everything = [item for page in sent for item in page]
        assert found == list(dict.fromkeys(everything))
        assert keys.drifted == (len(found) != total or len(found) != len(everything))

    asyncio.run(walk())


class Shelf:
    """A server whose list changes as it is read: one change before each request."""

    def __init__(self, items: list[int], changes: list[Callable[[list[int]], object]], size: int = 3) -> None:
        self.items = items
        self.changes = iter(changes)
        self.size = size

    def __call__(self, number: int) -> Listing[Any]:
        next(self.changes, list)(self.items)
        return book(self.items, self.size)(number)


def leave(items: list[int]) -> None:
    items.pop(0)


def stay(items: list[int]) -> None: ...


async def test_a_list_that_moved_once_is_read_again() -> None:
    keys, caller = pager(Shelf(list(range(7)), [stay, leave]))
    settled = await read_settled(keys)
    assert (settled.items, settled.settled) == ((0, 1, 2, 4, 5, 6, 3), True)
    assert caller.asked == [1, 2, 1, 2]
    assert settled.attempts == 4


async def test_a_list_that_held_still_is_read_once() -> None:
    keys, caller = pager(book(list(range(7))))
    settled = await read_settled(keys)
    assert (settled.items, settled.settled, caller.asked) == (tuple(range(7)), True, [1, 2, 3])


async def test_a_list_that_never_settles_says_so(caplog: pytest.LogCaptureFixture) -> None:
    keys, caller = pager(lambda number: listing([1, 2, 3], 1, 1, 9))
    settled = await read_settled(keys)
    assert (settled.items, settled.settled, settled.attempts) == ((1, 2, 3), False, 3)
    assert caller.asked == [1, 1, 1]
    assert [record.message for record in caplog.records] == [
        "the list /x changed each time it was read: 3 items seen, 9 announced"
    ]
    assert not (await read_settled(keys, readings=1)).settled
    assert len(caller.asked) == 4


async def test_readings_that_together_saw_everything_settle(caplog: pytest.LogCaptureFixture) -> None:
    """Each reading sees the list change, and together they miss nothing."""
    # In every reading another item is hidden by a duplicate.
    readings = iter([[1, 1, 2], [2, 2, 3], [3, 3, 1]])
    keys, _ = pager(lambda number: listing(next(readings), 1, 1, 3))
    settled = await read_settled(keys)
    assert (settled.items, settled.settled) == ((1, 2, 3), True)
    assert caplog.text == ""


async def test_more_items_than_announced_do_not_settle_a_list() -> None:
    """Some of them are gone, and others may have been missed."""
    keys, _ = pager(Shelf(list(range(12)), [stay, leave, stay, stay] * 3))
    settled = await read_settled(keys)
    assert not settled.settled


@given(st.data(), st.integers(0, 14))
def test_while_a_list_grows_settled_means_that_all_of_it_was_seen(data: st.DataObject, count: int) -> None:
    items = list(range(count))
    fresh = iter(range(100, 1000))

    def grow(now: list[int]) -> None:
        for _ in range(data.draw(st.integers(0, 2))):
            now.insert(data.draw(st.integers(0, len(now))), next(fresh))

    async def read() -> None:
        keys, _ = pager(Shelf(items, [grow] * data.draw(st.integers(0, 20)), 4))
        settled = await read_settled(keys)
        assert len(settled.items) == len(set(settled.items))
        assert settled.settled == (set(settled.items) == set(items))

    asyncio.run(read())


@given(st.data(), st.integers(0, 14))
def test_what_goes_in_two_of_three_readings_hides_nothing(data: st.DataObject, count: int) -> None:
    items = list(range(count))

    def shrink(now: list[int]) -> None:
        if now:
            now.pop(data.draw(st.integers(0, len(now) - 1)))

    changes = data.draw(st.lists(st.just(stay), max_size=10))
    for _ in range(2):
        changes.insert(data.draw(st.integers(0, len(changes))), shrink)

    async def read() -> None:
        keys, _ = pager(Shelf(items, changes, 4))
        settled = await read_settled(keys)
        assert settled.settled
        assert len(settled.items) == len(set(settled.items))
        assert set(settled.items) >= set(items)

    asyncio.run(read())


async def test_what_has_gone_does_not_stand_in_for_what_was_missed() -> None:
    # 3 and 4 change places while each reading is between its pages; at last 6 goes, which was seen.
    pages = iter([[1, 2, 3], [3, 5, 6]] * 2 + [[1, 2, 3]])
    keys, _ = pager(lambda number: listing(next(pages, [3, 5]), number, 2, 6 if number == 1 else next(totals)))
    totals = iter([6, 6, 5])
    settled = await read_settled(keys)
    assert (settled.items, settled.settled) == ((1, 2, 3, 5, 6), False)


@given(st.data(), st.integers(0, 14))
def test_while_items_go_and_change_places_settled_means_that_all_of_it_was_seen(
    data: st.DataObject, count: int
) -> None:
    items = list(range(count))

    def change(now: list[int]) -> None:
        if now and data.draw(st.integers(0, 3)) == 0:
            now.pop(data.draw(st.integers(0, len(now) - 1)))
        elif now:
            one, other = (data.draw(st.integers(0, len(now) - 1)) for _ in range(2))
            now[one], now[other] = now[other], now[one]

    async def read() -> None:
        keys, _ = pager(Shelf(items, [change] * data.draw(st.integers(0, 20)), 4))
        settled = await read_settled(keys)
        assert not settled.settled or set(settled.items) >= set(items)

    asyncio.run(read())


@pytest.mark.parametrize("prefetch", [0, 2])
async def test_a_call_that_ends_like_an_iterator_does_not_end_the_list(prefetch: int) -> None:
    def answer(number: int) -> Listing[Any]:
        if number == 2:
            raise StopAsyncIteration
        return book(list(range(12)))(number)

    keys, _ = pager(answer)
    with pytest.raises(UnexpectedError, match="page 2 failed: StopAsyncIteration"):
        await keys.collect()
    pages = keys.pages(prefetch=prefetch)
    assert list(await anext(pages)) == [0, 1, 2]
    with pytest.raises(UnexpectedError):
        await anext(pages)
    with pytest.raises(UnexpectedError):
        await read_settled(keys)


async def test_another_walk_of_the_same_pager_does_not_settle_a_reading() -> None:
    totals = iter([9, 9, 3, 9, 3])
    keys, _ = pager(lambda number: listing([1, 2, 3], 1, 1, next(totals)))
    pages = SettledPages(keys, readings=1)
    await anext(pages)
    await keys
    await keys  # this one did not change, and is the pager's latest
    assert not keys.drifted
    with pytest.raises(StopAsyncIteration):
        await anext(pages)
    assert not pages.settled


async def test_an_error_in_a_reading_is_raised_and_the_reading_goes_on_there() -> None:
    broken = [2]

    def answer(number: int) -> Listing[Any]:
        if number in broken:
            broken.remove(number)
            raise ConnectionLostError("broken")
        return book(list(range(7)))(number)

    keys, caller = pager(answer)
    pages = SettledPages(keys)
    await anext(pages)
    with pytest.raises(ConnectionLostError):
        await anext(pages)
    assert not pages.settled
    assert [list(page) async for page in pages] == [[3, 4, 5], [6]]
    assert pages.settled
    assert caller.asked == [1, 2, 2, 3]


@pytest.mark.parametrize("readings", [0, -1, True, 1.5, "3", None])
async def test_readings_are_checked_before_anything_is_sent(readings: Any) -> None:
    keys, caller = pager(book([1]))
    with pytest.raises(ConfigError, match="readings must be an integer >= 1"):
        await read_settled(keys, readings=readings)
    assert caller.asked == []


@pytest.mark.parametrize(
    ("answer", "most"),
    [
        (lambda number: listing([1, 2], 1, 5), 3),  # the page number does not advance
        (lambda number: listing([1, 2], number, 5), 3),  # ignores `page`, but counts
        (lambda number: listing([[1], [2]][number % 2], number, 9), 4),  # A B A B
        (lambda number: listing([], number, number + 1), 2),  # always one more page, and empty
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


async def test_a_page_number_that_does_not_advance_is_an_error_at_once() -> None:
    """Even if each of these pages has something new."""
    keys, caller = pager(lambda number: listing([len(caller.asked)], min(number, 2), 9, 9))
    with pytest.raises(PaginationError, match="asked for page 3, the server sent page 2 again") as caught:
        await keys.collect()
    assert (caught.value.resume, caller.asked) == (3, [1, 2, 3])


@pytest.mark.parametrize("start", [1, 2])
@pytest.mark.parametrize("prefetch", [0, 2])
async def test_a_call_error_carries_the_page_to_go_on_from(start: int, prefetch: int) -> None:
    def answer(number: int) -> Listing[Any]:
        if number == 3:
            raise ConnectionLostError("broken")
        return book(list(range(15)))(number)

    keys, _ = pager(answer)
    walk = keys.pages(start=start, prefetch=prefetch)
    seen: list[int] = []
    with pytest.raises(ConnectionLostError) as caught:
        async for page in walk:
            seen.append(page.number)
    assert (seen, caught.value.resume) == ([1, 2][start - 1 :], 3)


async def test_the_hard_cap_can_be_set() -> None:
    keys, caller = pager(lambda number: listing([number], number, 1000))
    with pytest.raises(PaginationError):
        [page async for page in keys.pages(max_pages=5)]
    assert len(caller.asked) == 6


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        # the latest total counts: the list grows, then shrinks
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
    """When called again it fetches the page that failed; it never takes a truncated list for a complete one."""
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


async def test_an_error_stops_the_prefetches(no_tasks_left: None) -> None:
    before = asyncio.all_tasks()
    broken = [2]
    cancelled: list[int] = []

    class Stuck(ScriptedCaller):
        async def run(self, operation, options=None):
            reply_to = int(operation.params["page"])
            self.asked.append(reply_to)
            if reply_to in broken:
                broken.remove(reply_to)
                raise ConnectionLostError("broken")
            if reply_to > 2 and not cancelled[1:]:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cancelled.append(reply_to)
                    raise
            return Result(value=book(list(range(12)))(reply_to))

    caller = Stuck(book([]))
    walk = Pager(caller, page, key=lambda item: item).pages(prefetch=3)
    await anext(walk)
    with pytest.raises(ConnectionLostError) as caught:
        await anext(walk)
    await asyncio.sleep(0)
    assert (caught.value.resume, cancelled) == (2, [3, 4])
    assert asyncio.all_tasks() == before
    # Nothing that was fetched ahead is left over: iteration continues with the page that failed.
    assert [page.number async for page in walk] == [2, 3, 4]
    assert caller.asked == [1, 2, 3, 4, 2, 3, 4]


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


@pytest.mark.parametrize("told", [True, False])
async def test_a_list_that_tells_how_many_items_it_has_may_have_more_than_a_thousand_pages(told: bool) -> None:
    def answer(number: int) -> Listing[Any]:
        return Listing(content=(number,), pagination_data=PaginationData(total_elements=1200 if told else None))

    pages = Pager(ScriptedCaller(answer), page, DOMAINS, key=lambda item: item)
    if told:
        assert await pages.collect() == list(range(1, 1201))
    else:
        with pytest.raises(PaginationError, match="max_pages=1000"):
            await pages.collect()
