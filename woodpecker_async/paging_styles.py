"""The styles in which the API turns pages: one pure value for each, all behind the one `Pager`.

A style says how a request asks for a page, and reads from an answer where the next page is. The position of a page is
its number, counted from 1 whatever the API counts from, or an opaque string.
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
    """What an answer says of the pages.

    Attributes:
        data: where in the whole the page stands, as far as the server says.
        next: the position of the next page; `None` if this was the last one.
        sure: whether the server itself says that there is a next page. If not, a page without a new item ends the list.
    """

    data: PaginationData
    next: Position | None
    sure: bool = True


_UNSAID: Final = PaginationData()


@attrs.frozen(kw_only=True)
class OneAnswer:
    """All items in one answer: no pages. The base of the other styles.

    Attributes:
        items: the name of the field that holds the items; `None` if the body is the array of them.
        nothing: other ways in which the endpoint says that there are no items, see `ListBody`.
        first: the position of the first page.
        numbered: whether positions are page numbers, so that a page can be asked for before the one ahead of it came.
        in_body: whether the position stands in the JSON body of the request, rather than in its query.
    """

    items: str | None = "content"
    nothing: frozenset[str] = frozenset()
    first: ClassVar[Position] = 1
    numbered: ClassVar[bool] = False
    in_body: ClassVar[bool] = False

    def body(self, item: type[T]) -> ListBody[T]:
        """The shape of an answer with items of this type."""
        return ListBody(item, self.items, nothing=self.nothing)

    def ask(self, position: Position) -> Mapping[str, int | str]:  # noqa: ARG002 - there is one page only
        """What to add to the request for this page."""
        return {}

    def turn(self, listing: Listing[Any], position: Position, *, seen: int, total_count: str | None) -> Turn:  # noqa: ARG002
        """What an answer says of the pages.

        Args:
            listing: the answer.
            position: the page that was asked for.
            seen: how many items came so far when reading from the first page on, this page included; 0 if the reading
                began elsewhere.
            total_count: the header `X-Total-Count`, if it came.
        """
        return Turn(listing.pagination_data or _UNSAID, None)


@attrs.frozen(kw_only=True)
class Numbered(OneAnswer):
    """A page number in the query, and `pagination_data` in the answer.

    Attributes:
        base: what the API calls the first page: 1, or 0. `current_page_number` is counted from 1 either way.
    """

    base: int = 1
    numbered: ClassVar[bool] = True

    def ask(self, position: Position) -> Mapping[str, int | str]:
        """The number of the page."""
        assert isinstance(position, int)
        return {"page": position - 1 + self.base}

    def turn(self, listing: Listing[Any], position: Position, *, seen: int, total_count: str | None) -> Turn:  # noqa: ARG002
        """The page after this one, up to `total_pages`; without that, up to a page without items."""
        assert isinstance(position, int)
        data = listing.pagination_data
        if data is None:  # it does not speak of pages at all, and may well ignore the page asked for
            return Turn(_UNSAID, position + 1, sure=False)
        if data.total_pages is not None:
            return Turn(data, None if position >= data.total_pages else position + 1)
        return Turn(data, position + 1 if listing.content or listing.undecodable else None)


class Totalled(Numbered):
    """A page number in the query; the answer says how many items there are in all, and nothing of pages.

    The total is in the field `total`, or where the body is an array in the header `X-Total-Count`; an older server may
    send `pagination_data` instead. How many items a page holds is not relied upon: there may be fewer than asked for.
    """

    def body(self, item: type[T]) -> ListBody[T]:
        """The shape of an answer with items of this type."""
        return ListBody(item, self.items, ("total", "pagination_data"), self.nothing)

    def turn(self, listing: Listing[Any], position: Position, *, seen: int, total_count: str | None) -> Turn:
        """The page after this one, until as many items came as there are, or none came."""
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
    """The same where the answer says how many items there are in all (`total_found`); any other answer is all there is.

    For endpoints whose answer no document tells for certain.
    """

    def body(self, item: type[T]) -> ListBody[T]:
        """The shape of an answer with items of this type."""
        return ListBody(item, self.items, ("total_found",), self.nothing, or_anywhere=True)

    def turn(self, listing: Listing[Any], position: Position, *, seen: int, total_count: str | None) -> Turn:
        """The page after this one, until as many items came as there are."""
        turn = super().turn(listing, position, seen=seen, total_count=total_count)
        return turn if turn.data.total_elements is not None else Turn(turn.data, None)


@attrs.frozen(kw_only=True)
class Cursor(OneAnswer):
    """An opaque string, which each answer hands out for the next page.

    Attributes:
        name: what it is called in the request.
        beside: the fields of the answer beside the items: the one that holds the string, and perhaps one with a total.
    """

    name: str = "next_page_cursor"
    beside: tuple[str, ...] = ("pagination",)
    first: ClassVar[Position] = ""  # stands for no cursor

    def body(self, item: type[T]) -> ListBody[T]:
        """The shape of an answer with items of this type."""
        return ListBody(item, self.items, self.beside, self.nothing)

    def ask(self, position: Position) -> Mapping[str, int | str]:
        """The cursor, but for the first page."""
        return {self.name: position} if position else {}

    def turn(self, listing: Listing[Any], position: Position, *, seen: int, total_count: str | None) -> Turn:  # noqa: ARG002
        """The page that the answer names."""
        return Turn(listing.pagination_data or _UNSAID, listing.next_cursor or None)


class BodyToken(Cursor):
    """A cursor that goes into the JSON body of a POST."""

    in_body: ClassVar[bool] = True


@cache
def shape_of(style: OneAnswer, item: type[T]) -> ListBody[T]:
    """The shape of an answer with items of this type, made once."""
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
