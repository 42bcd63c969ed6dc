"""`Pager` and `Page`: every list of the SDK.

A walk over pages is not a snapshot: while it goes on, others add and remove items, and page numbers shift.
An item that comes twice is given once, and what came is compared with what the server announced. `Pager.drifted`
says that something moved, and `settled.read_settled` reads such a list again.

A walk always ends: on the latest page's word that it is the last, or on a guard. The guards are: the page
number must advance; a second page in a row without anything new is an error; and there is a hard cap.

Nothing is held between pages: no connection, no place in the lane, no task (except the prefetches asked for,
which are cancelled with the iterator). The iterators are classes, not async generators, so `break` is clean.

Pager, iteration and prefetching stand in one module, for they share the state of one reading.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Hashable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

import attrs

from woodpecker_async import checks
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

# A list that has grown to twice its first size and a hundred pages more while it was read has no end.
_GROWTH_FACTOR = 2
_GROWTH_ROOM = 100
# The cap where the server does not say how many pages or items there are.
_UNCOUNTED = 1000


@attrs.frozen(kw_only=True)
class Page(Sequence[T_co]):
    """One page of a list; a sequence of its items.

    Attributes:
        items: the items, without those that came on an earlier page of the same walk.
        number: which page this is, counted from 1; in a list that has a cursor, from where the iteration began.
        total_pages: how many pages there are, as far as the server says.
        total_elements: how many items there are in all, as far as the server says.
        page_size: how many items a page holds at most, as far as the server says.
        undecodable: what was wrong with each item that `CallOptions(skip_bad_items=True)` left out.
        attempts: how many requests it took to get it.
        raw: the answer's body as it came, if `CallOptions(keep_raw=True)` asked for it.
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


class Pager(Generic[T]):
    """A list that fetches itself, page by page, when it is read. Making one sends nothing.

    Each `await`, `async for`, `pages()` or `collect()` is a new walk from its start.

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
        """What a resource says of a list.

        Args:
            caller: who runs the operations.
            page: the operation that fetches the page at this position.
            style: how the endpoint turns pages.
            key: what an item is known by, to notice that it comes twice.
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
        """Whether the list was seen to change during the latest iteration, so that an item may have been missed.

        That is so if an item came twice, if the totals changed between pages, or if a walk from the first page to
        the last brought more or fewer items than the server announced.
        """
        return self._drifted

    def __repr__(self) -> str:
        return "<Pager: `async for` over it, or `await pager.collect()`, which can be made a task of>"

    def __await__(self) -> Generator[Any, None, Page[T]]:
        return self._iterate().__anext__().__await__()

    if not TYPE_CHECKING:

        def __iter__(self) -> NoReturn:
            raise TypeError("a list is read with `async for item in ...`, or all at once with `await ....collect()`")

    def __aiter__(self) -> AsyncIterator[T]:
        return _Items(self._iterate())

    def pages(
        self, start: Position | None = None, prefetch: int = 0, *, max_pages: int | None = None
    ) -> AsyncIterator[Page[T]]:
        """Iterate page by page.

        Args:
            start: the page to begin with; after an error, its `.resume`. An integer >= 1, or in a list that has a
                cursor the string that a page had as its `.next`. By default the first page.
            prefetch: pages to fetch ahead while one is being used, 0 to 6; of a list with a cursor none can be. They
                pass the lane like others.
            max_pages: pages to read at most; more raise `PaginationError`. By default twice the number of
                pages (or else of items) the first answer speaks of, and a hundred; a thousand where it tells neither.

        Raises:
            ConfigError: one of them is out of bounds.
        """
        if start is None:
            start = self._style.first
        elif isinstance(self._style.first, int):
            checks.integer(start, "start", 1)
        elif not isinstance(start, str):
            raise ConfigError(f"start must be the cursor of a page, a str, in a list that has cursors; not {start!r}")
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
        """All items in one list.

        Args:
            limit: stop after that many; pages beyond are not fetched.

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
        except StopAsyncIteration:  # a key function's: it would look like the end of the list
            pass
        raise UnexpectedError(f"the call for page {position} failed: StopAsyncIteration")

    def _unseen(self, items: tuple[T, ...], seen: set[Hashable]) -> tuple[T, ...]:
        """Those of the items that were not seen before, each once; from now on they are."""
        keys = set(self._keys(items))
        if len(keys) < len(items) or not seen.isdisjoint(keys):  # hardly ever
            fresh: dict[Hashable, T] = {}
            for key, item in zip(self._keys(items), items, strict=True):
                if key not in seen:
                    fresh.setdefault(key, item)
            items = tuple(fresh.values())
        seen |= keys
        return items


def warn_of_drift(pager: Pager[Any], what: str, seen: int, announced: int | None) -> None:
    """Log that a list moved while it was read."""
    path = pager._page(pager._style.first).path
    fields = {"woodpecker_path": path, "woodpecker_seen": seen, "woodpecker_announced": announced}
    _logger.warning("the list %s %s: %s items seen, %s announced", path, what, seen, announced, extra=fields)


class _Pages(AsyncIterator[Page[T]]):
    """One walk."""

    drifted = False
    _latest: Page[T] | None = None
    _latest_reported: int | None = None
    _came = 0  # items, those included that came before
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

    if not TYPE_CHECKING:

        def __iter__(self) -> NoReturn:
            raise TypeError("a list is read with `async for item in ...`, or all at once with `await ....collect()`")

    def __aiter__(self) -> "_Pages[T]":
        return self

    async def __anext__(self) -> Page[T]:
        if self._ended:
            raise StopAsyncIteration
        position = self._next
        try:
            reply = await (self._ahead.first() if self._ahead else self._pager._fetch(position))
        except BaseException as error:
            # Not the end of the list: asked again, the iteration goes on with this page.
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
        """Make the page."""
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
        """See whether this page follows the one before, in the same list."""
        reported = data.current_page_number
        if self._latest_reported is not None and reported is not None:
            if reported <= self._latest_reported:
                raise PaginationError(
                    f"asked for page {position}, the server sent page {reported} again: it does not turn pages",
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
            total = before.total_elements if before.total_pages is None else before.total_pages  # a page has an item
            self._cap = _UNCOUNTED if total is None else _GROWTH_FACTOR * total + _GROWTH_ROOM
        if self._read > self._cap:
            raise PaginationError(
                f"{self._read} pages read and the server still says there are more: the list does not end "
                f"(max_pages={self._cap})",
                resume=position,
            )
        if not items and not before.items and following is not None:
            raise PaginationError(
                f"pages {self._read - 1} and {self._read} hold nothing new, and the server does not say that the list "
                "ends",
                resume=position,
            )

    def _guard_cursor(self, position: Position, following: str) -> None:
        self._cursors.add(str(position))
        if following in self._cursors:
            raise PaginationError("the server hands out a cursor again: the list does not end", resume=position)

    def _compare_with_announced(self, last: Page[T]) -> None:
        """At the end: whether the walk brought as many items as the server announced."""
        if self._whole and last.total_elements is not None and last.total_elements != self._count:
            self._note_drift()
        if self.drifted and self._log_drift:
            warn_of_drift(self._pager, "changed while it was read", self._count, last.total_elements)

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
    """The pages of one walk that are fetched before they are asked for. They are cancelled when the walk is dropped."""

    def __init__(self, fetch: Fetch[T], count: int) -> None:
        self._fetch = fetch
        self._count = count
        self._tasks: deque[asyncio.Task[Result[Listing[T]] | Exception]] = deque()

    def __len__(self) -> int:
        return len(self._tasks)

    def schedule(self, number: int, total: int | None) -> None:
        """From this page on, keep `count` pages in flight, never one that the server does not speak of."""
        last = number + self._count - 1
        if total is not None:
            last = min(last, total)
        for ahead in range(number + len(self._tasks), last + 1):
            self._tasks.append(asyncio.create_task(_capture(self._fetch, ahead)))

    async def first(self) -> Result[Listing[T]]:
        """Wait for the page that is next."""
        result = await self._tasks.popleft()
        if isinstance(result, Exception):
            raise result
        return result

    def stop(self) -> list["asyncio.Task[Any]"]:
        """Cancel them; those that were."""
        stopped = list(self._tasks)
        self._tasks.clear()
        for task in stopped:
            if not task.get_loop().is_closed():
                task.cancel()
        return stopped

    def __del__(self) -> None:
        self.stop()


async def _capture(fetch: Fetch[T], number: int) -> Result[Listing[T]] | Exception:
    # A prefetch nobody comes for must not complain about an exception that was never looked at.
    try:
        return await fetch(number)
    except Exception as error:  # handed over, not swallowed
        return error


class _Items(AsyncIterator[T]):
    """The items of a walk, one by one."""

    def __init__(self, pages: AsyncIterator[Page[T]]) -> None:
        self._pages = pages
        self._items: Sequence[T] = ()
        self._at = 0

    if not TYPE_CHECKING:

        def __iter__(self) -> NoReturn:
            raise TypeError("a list is read with `async for item in ...`, or all at once with `await ....collect()`")

    def __aiter__(self) -> "_Items[T]":
        return self

    async def __anext__(self) -> T:
        while self._at >= len(self._items):
            self._items = (await anext(self._pages)).items
            self._at = 0
        item = self._items[self._at]
        self._at += 1
        return item
