"""`Pager` and `Page`: every list of the SDK.

Iterating over pages is not a snapshot: meanwhile others add and remove items, and page numbers shift. An item that the
server sends twice is returned once, and the items received are compared with the totals announced. `Pager.drifted` says
that the list changed, and `settled.read_settled` reads such a list again.

An iteration always ends: when the latest page says that it is the last, or at a guard. The guards are: the page
number must advance; a second page in a row without anything new is an error; and there is a hard cap.

Nothing is held between pages: no connection, no permit of the lane, no task (except requested prefetches, which are
cancelled with the iterator). The iterators are classes, not async generators, so `break` cleans up at once.

Pager, iteration and prefetching are in one module because they share the state of one iteration.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Hashable, Iterable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar, overload

import attrs

from woodpecker_async import checks
from woodpecker_async._async_only import AsyncForOnly
from woodpecker_async.engine.operation import Caller, Operation, Result
from woodpecker_async.errors import CallError, ConfigError, PaginationError, UnexpectedError
from woodpecker_async.models.paging import Listing, PaginationData
from woodpecker_async.options import CallOptions, call_options
from woodpecker_async.paging_styles import NUMBERED, OneAnswer, Position
from woodpecker_async.secret import Secret

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Fetch = Callable[[Position], Coroutine[Any, Any, Result[Listing[T]]]]

_logger = logging.getLogger("woodpecker_async")

# A list that more than doubles, plus a hundred pages, while it is being read is taken to be endless.
_GROWTH_FACTOR = 2
_GROWTH_ROOM = 100
# The cap if the server does not say how many pages or items there are.
_UNCOUNTED = 1000


@attrs.frozen(kw_only=True)
class Page(Sequence[T_co]):
    """One page of a list: a sequence of its items.

    Attributes:
        items: the items, without those already returned on an earlier page of the same iteration.
        number: the number of this page, counted from 1; in a list with cursors, counted from where the iteration began.
        total_pages: the number of pages, if the server says.
        total_elements: the number of items in the whole list, if the server says.
        page_size: the maximum number of items on a page, if the server says.
        undecodable: what was wrong with each item that `CallOptions(skip_bad_items=True)` left out.
        attempts: how many requests it took to get the page.
        raw: the response body as received, if requested with `CallOptions(keep_raw=True)`.
        next: the position of the next page, for `pages(start=...)`; `None` if this is the last one.
    """

    items: tuple[T_co, ...]
    number: int
    total_pages: int | None = None
    total_elements: int | None = None
    page_size: int | None = None
    undecodable: tuple[str, ...] = ()
    attempts: int = 1
    raw: Secret | None = None
    next: Position | None = None

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T_co, ...]: ...
    def __getitem__(self, index: int | slice) -> T_co | tuple[T_co, ...]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)


class _List(AsyncForOnly):
    _how_to_read = "a list is read with `async for item in ...`, or all at once with `await ....collect()`"


class Pager(_List, Generic[T]):
    """A lazy list: it fetches its pages as you read it. Creating one sends nothing.

    Each `await`, `async for`, `pages()` or `collect()` starts a new iteration.

    Example:
        ::

            keys = woodpecker.agency.api_keys.list(company_id=123)
            first = await keys                      # the first Page
            async for key in keys: ...              # every item of every page
            async for page in keys.pages(): ...     # page by page
            everything = await keys.collect()
    """

    def __init__(
        self,
        caller: Caller,
        page: Callable[[Position], Operation[Listing[T]]],
        style: OneAnswer = NUMBERED,
        *,
        key: Callable[[T], Hashable] | None = None,
        keys: Callable[[Iterable[T]], Iterable[Hashable]] | None = None,
        options: CallOptions | None = None,
    ) -> None:
        """Describe a list; called by the resources.

        Args:
            caller: runs the operations.
            page: returns the operation that fetches the page at a position.
            style: how the endpoint pages.
            key: returns the key that identifies an item, to notice duplicates.
            keys: the same for all items of a page, where that is cheaper than one by one.
            options: for each of the calls.
        """
        self._caller = caller
        self._page = page
        self._style = style
        assert key is not None or keys is not None
        self._keys = keys if keys is not None else partial(map, key)
        self._options = None if options is None else call_options(options)
        self._drifted = False

    @property
    def drifted(self) -> bool:
        """Whether the list changed during the latest iteration, so that an item may have been missed.

        It is set if an item came twice, if the totals changed between pages, or if an iteration from the first page to
        the last returned more or fewer items than the server announced.
        """
        return self._drifted

    def __repr__(self) -> str:
        return "<Pager: iterate with `async for`, or `await pager.collect()`, which you can also wrap in a task>"

    def __await__(self) -> Generator[Any, None, Page[T]]:
        return self._iterate().__anext__().__await__()

    def __aiter__(self) -> AsyncIterator[T]:
        return _Items(self._iterate())

    def pages(
        self, start: Position | None = None, prefetch: int = 0, *, max_pages: int | None = None
    ) -> AsyncIterator[Page[T]]:
        """Iterate page by page.

        Args:
            start: the page to begin with; after an error, its `.resume`. An integer >= 1, or in a list with cursors
                the `.next` of a page, a str. By default the first page.
            prefetch: how many pages to fetch ahead, 0 to 6. They go through the lane like other calls. Has no effect
                on a list with cursors.
            max_pages: how many pages to read at most; more raise `PaginationError`. By default twice the number of
                pages (or, without that, of items) in the first response plus 100; 1000 if the response has neither.

        Raises:
            ConfigError: an argument is out of bounds.
        """
        if start is None:
            start = self._style.first
        elif isinstance(self._style.first, int):
            checks.integer(start, "start", 1)
        elif not isinstance(start, str):
            raise ConfigError(f"start must be the cursor of a page (a str) in a list that has cursors, not {start!r}")
        checks.integer(prefetch, "prefetch", 0, 6)
        if max_pages is not None:
            checks.integer(max_pages, "max_pages", 1)
        return self._iterate(start, prefetch, max_pages)

    def _iterate(
        self,
        start: Position | None = None,
        prefetch: int = 0,
        max_pages: int | None = None,
        *,
        log_drift: bool = True,
    ) -> "_Pages[T]":
        start = self._style.first if start is None else start
        return _Pages(self, start, prefetch if self._style.numbered else 0, max_pages, log_drift=log_drift)

    async def collect(self, limit: int | None = None) -> list[T]:
        """Read the list and return its items.

        Args:
            limit: stop after this many items; later pages are not fetched.

        Raises:
            ConfigError: `limit` is not an integer >= 0.
        """
        if limit is not None:
            checks.integer(limit, "limit", 0)
        collected: list[T] = []
        if limit == 0:
            return collected
        async for page in self._iterate():
            collected.extend(page.items)
            if limit is not None and len(collected) >= limit:
                return collected[:limit]
        return collected

    async def _fetch(self, position: Position) -> Result[Listing[T]]:
        try:
            return await self._caller.run(self._page(position), self._options)
        except StopAsyncIteration:  # raised by a key function: it would look like the end of the list
            pass
        raise UnexpectedError(f"the call for page {position} failed: StopAsyncIteration")

    def _unseen(self, items: tuple[T, ...], seen: set[Hashable]) -> tuple[T, ...]:
        """Return the items not seen before, each once, and add them to `seen`."""
        keys = set(self._keys(items))
        if len(keys) < len(items) or not seen.isdisjoint(keys):  # rare
            fresh: dict[Hashable, T] = {}
            for key, item in zip(self._keys(items), items, strict=True):
                if key not in seen:
                    fresh.setdefault(key, item)
            items = tuple(fresh.values())
        seen |= keys
        return items


def warn_of_drift(pager: Pager[Any], what: str, seen: int, announced: int | None) -> None:
    """Log that a list changed while it was being read."""
    path = pager._page(pager._style.first).path
    fields = {"woodpecker_path": path, "woodpecker_seen": seen, "woodpecker_announced": announced}
    _logger.warning("the list %s %s: %s items seen, %s announced", path, what, seen, announced, extra=fields)


class _Pages(_List, AsyncIterator[Page[T]]):
    """One iteration over the pages."""

    drifted = False
    _latest: Page[T] | None = None
    _latest_reported: int | None = None
    _came = 0  # items received, duplicates included
    _count = 0
    _ended = False

    def __init__(
        self, pager: Pager[T], start: Position, prefetch: int, max_pages: int | None, *, log_drift: bool
    ) -> None:
        self._pager = pager
        self._style = pager._style
        self._whole = start == self._style.first
        self._next = start
        self._read = 0
        self._cap = max_pages
        self._log_drift = log_drift
        self._seen: set[Hashable] = set()
        self._cursors: set[str] = set()
        # The pager's fetch: a task that referred to this iterator would keep it alive after a `break`.
        self._ahead = _Ahead(pager._fetch, prefetch) if prefetch else None
        pager._drifted = False

    def __aiter__(self) -> "_Pages[T]":
        return self

    async def __anext__(self) -> Page[T]:
        if self._ended:
            raise StopAsyncIteration
        position = self._next
        try:
            reply = await (self._ahead.first() if self._ahead else self._pager._fetch(position))
        except BaseException as error:
            # This is not the end of the list: the next `__anext__` tries this page again.
            self._stop()
            if isinstance(error, CallError):
                error.resume = position
            raise
        page = self._accept(position, reply)
        self._latest = page
        if page.next is None:
            self._end()
            self._compare_with_announced(page)
        else:
            self._next = page.next
            if self._ahead is not None and isinstance(page.next, int):
                self._ahead.schedule(page.next, page.total_pages)
        return page

    def _accept(self, position: Position, reply: Result[Listing[T]]) -> Page[T]:
        """Build the page from a response, and check it against the one before."""
        listing = reply.value
        items = self._pager._unseen(listing.content, self._seen)
        if len(items) < len(listing.content):
            self._note_drift()
        self._read += 1
        self._came += len(listing.content) + len(listing.undecodable)
        self._count += len(items) + len(listing.undecodable)
        turn = self._style.turn(
            listing, position, seen=self._came if self._whole else 0, total_count=reply.headers.get("x-total-count")
        )
        following = turn.next if turn.sure or items else None
        if self._latest is not None:
            self._compare(self._latest, position, turn.data)
            self._guard(self._latest, position, following, items)
        if isinstance(following, str):
            self._guard_cursor(position, following)
        self._latest_reported = turn.data.current_page_number
        return Page(
            items=items,
            number=position if isinstance(position, int) else self._read,
            total_pages=turn.data.total_pages,
            total_elements=turn.data.total_elements,
            page_size=turn.data.page_size,
            undecodable=listing.undecodable,
            attempts=reply.attempts,
            raw=reply.raw,
            next=following,
        )

    def _compare(self, before: Page[T], position: Position, data: PaginationData) -> None:
        """Check that this page follows the previous one, and note any change in the list."""
        reported = data.current_page_number
        if self._latest_reported is not None and reported is not None:
            if reported <= self._latest_reported:
                raise PaginationError(
                    f"asked for page {position}, but the server sent page {reported} again: it ignores the page number",
                    resume=position,
                )
            if reported > self._latest_reported + 1:
                self._note_drift()
        if (data.total_elements, data.total_pages) != (before.total_elements, before.total_pages):
            self._note_drift()

    def _note_drift(self) -> None:
        self.drifted = self._pager._drifted = True

    def _guard(self, before: Page[T], position: Position, following: Position | None, items: tuple[T, ...]) -> None:
        if self._cap is None:
            total = before.total_elements if before.total_pages is None else before.total_pages  # a page has >= 1 item
            self._cap = _UNCOUNTED if total is None else _GROWTH_FACTOR * total + _GROWTH_ROOM
        if self._read > self._cap:
            raise PaginationError(
                f"{self._read} pages read and the server still says there are more: the list does not end "
                f"(max_pages={self._cap})",
                resume=position,
            )
        if not items and not before.items and following is not None:
            raise PaginationError(
                f"pages {self._read - 1} and {self._read} have nothing new, but the server does not say that the list "
                "ends",
                resume=position,
            )

    def _guard_cursor(self, position: Position, following: str) -> None:
        self._cursors.add(str(position))
        if following in self._cursors:
            raise PaginationError("the server returned the same cursor twice: the list does not end", resume=position)

    def _compare_with_announced(self, last: Page[T]) -> None:
        """At the end of the iteration, compare the number of items with the server's total."""
        if self._whole and last.total_elements is not None and last.total_elements != self._count:
            self._note_drift()
        if self.drifted and self._log_drift:
            warn_of_drift(self._pager, "changed while it was being read", self._count, last.total_elements)

    def _end(self) -> list["asyncio.Task[Any]"]:
        self._ended = True
        self._seen = set()
        return self._stop()

    def _stop(self) -> list["asyncio.Task[Any]"]:
        return self._ahead.stop() if self._ahead is not None else []

    async def aclose(self) -> None:
        """End the iteration early; prefetches have been cancelled when this returns."""
        stopped = self._end()
        if stopped:
            await asyncio.gather(*stopped, return_exceptions=True)


class _Ahead(Generic[T]):
    """The prefetched pages of one iteration. They are cancelled when the iteration is dropped."""

    def __init__(self, fetch: Fetch[T], count: int) -> None:
        self._fetch = fetch
        self._count = count
        self._tasks: deque[asyncio.Task[Result[Listing[T]] | Exception]] = deque()

    def __len__(self) -> int:
        return len(self._tasks)

    def schedule(self, number: int, total: int | None) -> None:
        """Keep `count` pages in flight from this one on, never beyond the last page."""
        last = number + self._count - 1
        if total is not None:
            last = min(last, total)
        for ahead in range(number + len(self._tasks), last + 1):
            self._tasks.append(asyncio.create_task(_capture(self._fetch, ahead)))

    async def first(self) -> Result[Listing[T]]:
        """Wait for the next page."""
        result = await self._tasks.popleft()
        if isinstance(result, Exception):
            raise result
        return result

    def stop(self) -> list["asyncio.Task[Any]"]:
        """Cancel the prefetches, and return their tasks."""
        stopped = list(self._tasks)
        self._tasks.clear()
        for task in stopped:
            if not task.get_loop().is_closed():
                task.cancel()
        return stopped

    def __del__(self) -> None:
        self.stop()


async def _capture(fetch: Fetch[T], number: int) -> Result[Listing[T]] | Exception:
    # A prefetch that is never awaited must not log "Task exception was never retrieved".
    try:
        return await fetch(number)
    except Exception as error:  # raised by first(), not swallowed
        return error


class _Items(_List, AsyncIterator[T]):
    """Iterates over the items of all pages."""

    def __init__(self, pages: AsyncIterator[Page[T]]) -> None:
        self._pages = pages
        self._items: Sequence[T] = ()
        self._at = 0

    def __aiter__(self) -> "_Items[T]":
        return self

    async def __anext__(self) -> T:
        while self._at >= len(self._items):
            self._items = (await anext(self._pages)).items
            self._at = 0
        item = self._items[self._at]
        self._at += 1
        return item
