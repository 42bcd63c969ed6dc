"""The shapes of the API's list responses.

Each endpoint has one documented shape, a `ListBody`, and its response is decoded in that shape only. A body of another
shape is not an empty list: it may be a proxy's page, an error in a 200, or half a response.
"""

from functools import cache
from typing import Any, Final, Generic, TypeVar

import attrs

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class PaginationData:
    """The page number and the totals of a list; any field may be missing.

    From the document "Get a company's API keys", section "Pagination".

    Attributes:
        total_elements: the number of items in the whole list.
        total_pages: the number of pages.
        current_page_number: the number of this page, counted from 1.
        page_size: the maximum number of items on a page.
    """

    total_elements: int | None = None
    total_pages: int | None = None
    current_page_number: int | None = None
    page_size: int | None = None


@attrs.frozen(kw_only=True)
class PaginationFields(PaginationData):
    """`pagination_data` as the server sends it: older documents name two of its fields differently."""

    total_count: int | None = None
    pages_count: int | None = None

    def plain(self) -> PaginationData:
        """Return the same data under the current names."""
        return PaginationData(
            total_elements=self.total_elements if self.total_elements is not None else self.total_count,
            total_pages=self.total_pages if self.total_pages is not None else self.pages_count,
            current_page_number=self.current_page_number,
            page_size=self.page_size,
        )


@attrs.frozen(kw_only=True)
class CursorFields:
    """`pagination` as the server sends it in lists with cursors."""

    next_page_cursor: str | None = None


@attrs.frozen(kw_only=True)
class Listing(Generic[T]):
    """One response of a list endpoint, whatever its shape was.

    Attributes:
        content: the items.
        pagination_data: the page number and the totals, as far as the server gives them.
        next_cursor: the cursor of the next page, in lists with cursors.
        undecodable: what was wrong with each item that `CallOptions(skip_bad_items=True)` left out.
    """

    content: tuple[T, ...]
    pagination_data: PaginationData | None = None
    next_cursor: str | None = None
    undecodable: tuple[str, ...] = ()


# The fields that may appear next to the items.
_BESIDE: Final[dict[str, Any]] = {
    "pagination_data": PaginationFields | None,
    "pagination": CursorFields | None,
    "total": int | None,
    "total_found": int | None,
    "next_page": str | None,
}


UNDOCUMENTED: Final = "*"
"""Used in place of the name of the field with the items if the shape of the response is not documented."""


def found_anywhere(value: Any) -> tuple[Any, ...]:
    """Return the items of a response whose shape is not documented, without leaving anything out.

    They are the array that the response is, or has as its only field. Any other response is a single item.
    """
    if isinstance(value, dict) and len(value) == 1:
        (inner,) = value.values()
        value = inner if type(inner) is list else value
    return tuple(value) if type(value) is list else () if value is None else (value,)


@attrs.frozen(cache_hash=True)
class ListBody(Generic[T]):
    """The documented shape of a list response, used for decoding in place of a model.

    Attributes:
        item: the type of an item.
        items: the name of the field with the items; `None` if the body itself is the array; `UNDOCUMENTED` if the shape
            is not documented.
        beside: which of the known fields may appear next to the items.
        nothing: how the endpoint may say that there are no items, other than by an empty array in the usual place: with
            an object `{"message": "..."}`, with status 204, or with `[]` as the whole body.
        or_anywhere: whether a response without that field is read like one whose shape is not documented.
    """

    item: type[T]
    items: str | None = "content"
    beside: tuple[str, ...] = ("pagination_data",)
    nothing: frozenset[str] = frozenset()
    or_anywhere: bool = False

    def is_anywhere(self, value: object) -> bool:
        """Whether this decoded body has to be read as one whose shape is not documented."""
        return self.items == UNDOCUMENTED or (
            self.or_anywhere and not (isinstance(value, dict) and type(value.get(self.items)) is list)
        )

    def says_nothing(self, value: object) -> bool:
        """Whether a decoded body says in a documented way that there are no items."""
        if value == []:
            return "[]" in self.nothing
        return (
            "message" in self.nothing
            and isinstance(value, dict)
            and value.keys() == {"message"}
            and type(value["message"]) is str
        )

    def listing(self, value: Any) -> Listing[T]:
        """Build the listing from the decoded `envelope`, or from the tuple of items if the body is the array."""
        if self.items is None:
            return Listing(content=value)
        data: PaginationFields | None = getattr(value, "pagination_data", None)
        total: int | None = getattr(value, "total", None)
        total = getattr(value, "total_found", None) if total is None else total
        cursor: CursorFields | None = getattr(value, "pagination", None)
        plain = data.plain() if data is not None else None
        if total is not None and (plain is None or plain.total_elements is None):
            plain = attrs.evolve(plain or PaginationData(), total_elements=total)
        return Listing(
            content=getattr(value, self.items),
            pagination_data=plain,
            next_cursor=cursor.next_page_cursor if cursor is not None else getattr(value, "next_page", None),
        )


def no_content(into: Any) -> Listing[Any] | None:
    """Return what a 204, which has no body, means: an empty list if documented for that list, else `None`."""
    return Listing(content=()) if isinstance(into, ListBody) and "204" in into.nothing else None


@cache
def envelope(body: ListBody[Any]) -> type:
    """Return the class to decode a response of this shape to; the tuple of items if the body is the array."""
    items: Any = tuple.__class_getitem__((body.item, ...))
    if body.items is None:
        return items  # type: ignore[no-any-return]
    fields: dict[str, Any] = {body.items: items, **{name: _BESIDE[name] for name in body.beside}}
    made = attrs.make_class(
        "Envelope",
        {
            name: attrs.field(type=kind, default=attrs.NOTHING if name == body.items else None)
            for name, kind in fields.items()
        },
        kw_only=True,
    )
    made.__annotations__ = fields  # where msgspec looks
    return made


@attrs.frozen(kw_only=True)
class Single(Generic[T]):
    """One object, either by itself or in an array of one.

    Attributes:
        item: the object.
    """

    item: T


@attrs.frozen(kw_only=True)
class Perhaps(Generic[T]):
    """An object that the documents do not reliably promise.

    Attributes:
        item: the object; `None` if the body is something else, or if there is none.
    """

    item: T | None
