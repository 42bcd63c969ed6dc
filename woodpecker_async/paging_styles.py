"""The API's paging styles: one pure value for each, all behind the one `Pager`.

A style says how to request a page, and reads from a response where the next page is. The position of a page is
its number (always counted from 1, whatever the API counts from) or an opaque string.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Final, TypeVar

import attrs

from woodpecker_async.models.paging import UNDOCUMENTED, ListBody, Listing, PaginationData

T = TypeVar("T")

Position = int | str


@attrs.frozen
class Turn:
    """What a response says about the pages.

    Attributes:
        data: the page number and the totals, as far as the server gives them.
        next: the position of the next page; `None` if this was the last one.
        sure: whether the server itself says that there is a next page. If not, a page without a new item ends the list.
    """

    data: PaginationData
    next: Position | None
    sure: bool = True


_UNSAID: Final = PaginationData()


@attrs.frozen(kw_only=True)
class OneAnswer:
    """No paging: all items in one response. The base of the other styles.

    Attributes:
        items: the name of the field with the items; `None` if the body itself is the array.
        nothing: other ways in which the endpoint says that there are no items; see `ListBody`.
        first: the position of the first page.
        numbered: whether positions are page numbers, so that a page can be requested before its predecessor arrives.
        in_body: whether the position goes into the JSON body of the request rather than its query.
    """

    items: str | None = "content"
    nothing: frozenset[str] = frozenset()
    first: ClassVar[Position] = 1
    numbered: ClassVar[bool] = False
    in_body: ClassVar[bool] = False

    def body(self, item: type[T]) -> ListBody[T]:
        """Return the shape of a response with items of this type."""
        return ListBody(item, self.items, nothing=self.nothing)

    def ask(self, position: Position) -> Mapping[str, int | str]:  # noqa: ARG002 - there is only one page
        """Return what to add to the request for this page."""
        return {}

    def turn(self, listing: Listing[Any], position: Position, *, seen: int, total_count: str | None) -> Turn:  # noqa: ARG002
        """Read the paging from a response.

        Args:
            listing: the response.
            position: the page that was requested.
            seen: how many items have been received so far, this page included, in an iteration from the first page; 0
                if the iteration began elsewhere.
            total_count: the header `X-Total-Count`, if present.
        """
        return Turn(listing.pagination_data or _UNSAID, None)


@attrs.frozen(kw_only=True)
class Numbered(OneAnswer):
    """A page number in the query, and `pagination_data` in the response.

    Attributes:
        base: the API's number for the first page, 1 or 0. `current_page_number` is counted from 1 either way.
    """

    base: int = 1
    numbered: ClassVar[bool] = True

    def ask(self, position: Position) -> Mapping[str, int | str]:
        """Return the page number as the API counts it."""
        assert isinstance(position, int)
        return {"page": position - 1 + self.base}

    def turn(self, listing: Listing[Any], position: Position, *, seen: int, total_count: str | None) -> Turn:  # noqa: ARG002
        """Go on to the next page, up to `total_pages`; without that, until a page has no items."""
        assert isinstance(position, int)
        data = listing.pagination_data
        if data is None:  # no paging information: the server may be ignoring the page number
            return Turn(_UNSAID, position + 1, sure=False)
        if data.total_pages is not None:
            return Turn(data, None if position >= data.total_pages else position + 1)
        return Turn(data, position + 1 if listing.content or listing.undecodable else None)


class Totalled(Numbered):
    """A page number in the query; the response has the total number of items but no number of pages.

    The total is in the field `total` or, if the body is an array, in the header `X-Total-Count`; an older server may
    send `pagination_data` instead. The page size is not relied on: a page may have fewer items than requested.
    """

    def body(self, item: type[T]) -> ListBody[T]:
        """Return the shape of a response with items of this type."""
        return ListBody(item, self.items, ("total", "pagination_data"), self.nothing)

    def turn(self, listing: Listing[Any], position: Position, *, seen: int, total_count: str | None) -> Turn:
        """Go on to the next page until all items have been received, or a page has none."""
        assert isinstance(position, int)
        data = listing.pagination_data or _UNSAID
        if total_count is not None and total_count.isascii() and total_count.isdigit():
            data = PaginationData(total_elements=int(total_count))
        if data.total_elements is None and data.total_pages is not None:
            over = position >= data.total_pages
        else:
            over = data.total_elements is not None and seen >= data.total_elements
        return Turn(data, None if over or not (listing.content or listing.undecodable) else position + 1)


class TotalledOrWhole(Totalled):
    """The same if the response has a total (`total_found`); any other response is taken as the whole list.

    For endpoints whose response format is not certain from the documents.
    """

    def body(self, item: type[T]) -> ListBody[T]:
        """Return the shape of a response with items of this type."""
        return ListBody(item, self.items, ("total_found",), self.nothing, or_anywhere=True)

    def turn(self, listing: Listing[Any], position: Position, *, seen: int, total_count: str | None) -> Turn:
        """Go on to the next page until all items have been received."""
        turn = super().turn(listing, position, seen=seen, total_count=total_count)
        return turn if turn.data.total_elements is not None else Turn(turn.data, None)


@attrs.frozen(kw_only=True)
class Cursor(OneAnswer):
    """A cursor: each response has an opaque string for the next page.

    Attributes:
        name: the name of the cursor in the request.
        beside: the fields next to the items in the response: the cursor's, and possibly one with a total.
    """

    name: str = "next_page_cursor"
    beside: tuple[str, ...] = ("pagination",)
    first: ClassVar[Position] = ""  # stands for no cursor

    def body(self, item: type[T]) -> ListBody[T]:
        """Return the shape of a response with items of this type."""
        return ListBody(item, self.items, self.beside, self.nothing)

    def ask(self, position: Position) -> Mapping[str, int | str]:
        """Return the cursor; nothing for the first page."""
        return {self.name: position} if position else {}

    def turn(self, listing: Listing[Any], position: Position, *, seen: int, total_count: str | None) -> Turn:  # noqa: ARG002
        """Go on with the cursor in the response, if there is one."""
        return Turn(listing.pagination_data or _UNSAID, listing.next_cursor or None)


class BodyToken(Cursor):
    """A cursor that goes into the JSON body of a POST."""

    in_body: ClassVar[bool] = True


@cache
def shape_of(style: OneAnswer, item: type[T]) -> ListBody[T]:
    """Return the shape of a response with items of this type; cached."""
    return style.body(item)


NUMBERED: Final = Numbered()
NUMBERED_FROM_0: Final = Numbered(base=0)
CURSOR: Final = Cursor()
ONE_ANSWER: Final = OneAnswer()
ARRAY: Final = OneAnswer(items=None)
UNDOCUMENTED_LIST: Final = OneAnswer(items=UNDOCUMENTED)
LEGACY_ARRAY: Final = OneAnswer(items=None, nothing=frozenset({"message"}))
PERHAPS_ARRAY: Final = OneAnswer(items=None, nothing=frozenset({"message", "204"}))
COUNTED_ARRAY: Final = Totalled(items=None, nothing=frozenset({"message", "204"}))
RESPONSES: Final = OneAnswer(items="responses", nothing=frozenset({"[]"}))
DOMAINS: Final = Totalled(items="domains", base=0)
EMAILS: Final = Totalled(items="emails", base=0)
CRITERION_VALUES: Final = TotalledOrWhole(items="values")
LEADS: Final = BodyToken(items="leads", name="next_page", beside=("next_page", "total_found"))
LINKEDIN_ACCOUNTS: Final = OneAnswer(items="linkedin_accounts", nothing=frozenset({"[]"}))
