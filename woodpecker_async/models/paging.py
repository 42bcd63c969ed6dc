"""The shapes in which the API answers with items.

Each endpoint has one documented shape, a `ListBody`, and its answer is read in that shape only. A body of another shape
is not an empty list: it may be a proxy's page, an error in a 200, or half an answer.
"""

from functools import cache
from typing import Any, Final, Generic, TypeVar

import attrs

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class PaginationData:
    """Where in the whole a page stands; any part may be missing.

    From the document "Get a company's API keys", section "Pagination".

    Attributes:
        total_elements: how many items there are in all.
        total_pages: how many pages there are.
        current_page_number: this page, counted from 1.
        page_size: how many items a page holds at most.
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
        """The same in one naming."""
        return PaginationData(
            total_elements=self.total_elements if self.total_elements is not None else self.total_count,
            total_pages=self.total_pages if self.total_pages is not None else self.pages_count,
            current_page_number=self.current_page_number,
            page_size=self.page_size,
        )


@attrs.frozen(kw_only=True)
class CursorFields:
    """`pagination` as the server sends it in lists with a cursor."""

    next_page_cursor: str | None = None


@attrs.frozen(kw_only=True)
class Listing(Generic[T]):
    """One answer of a list endpoint, whatever its shape was.

    Attributes:
        content: the items.
        pagination_data: where in the whole they stand, as far as the server says.
        next_cursor: what to ask for the next page with, in lists that have a cursor.
        undecodable: what was wrong with each item left out, if `CallOptions(skip_bad_items=True)` asked for that.
    """

    content: tuple[T, ...]
    pagination_data: PaginationData | None = None
    next_cursor: str | None = None
    undecodable: tuple[str, ...] = ()


# What may stand beside the items.
_BESIDE: Final[dict[str, Any]] = {
    "pagination_data": PaginationFields | None,
    "pagination": CursorFields | None,
    "total": int | None,
    "total_found": int | None,
    "next_page": str | None,
}


UNDOCUMENTED: Final = "*"
"""In place of the name of the field that holds the items, where no document tells the shape of the answer."""


def found_anywhere(value: Any) -> tuple[Any, ...]:
    """The items of an answer whose shape is not documented, and nothing of it is left out.

    They are the array that it is, or that it has as its only field. Any other answer is the one item.
    """
    if isinstance(value, dict) and len(value) == 1:
        (inner,) = value.values()
        value = inner if type(inner) is list else value
    return tuple(value) if type(value) is list else () if value is None else (value,)


@attrs.frozen(cache_hash=True)
class ListBody(Generic[T]):
    """The documented shape of a list answer: what a body is decoded by, in place of a model.

    Attributes:
        item: the type of an item.
        items: the name of the field that holds the items; `None` if the body is the array of them;
            `UNDOCUMENTED` if no document tells.
        beside: which of the known fields may stand beside the items.
        nothing: how the endpoint may say that there are no items, other than by an empty array in its place: with an
            object `{"message": "..."}`, with status 204, or with `[]` for the whole body.
        or_anywhere: whether an answer without that field is read like one whose shape is not documented.
    """

    item: type[T]
    items: str | None = "content"
    beside: tuple[str, ...] = ("pagination_data",)
    nothing: frozenset[str] = frozenset()
    or_anywhere: bool = False

    def is_anywhere(self, value: object) -> bool:
        """Whether the items of this decoded body have to be looked for."""
        return self.items == UNDOCUMENTED or (
            self.or_anywhere and not (isinstance(value, dict) and type(value.get(self.items)) is list)
        )

    def says_nothing(self, value: object) -> bool:
        """Whether a decoded body says that there are no items in the documented words for it."""
        if value == []:
            return "[]" in self.nothing
        return (
            "message" in self.nothing
            and isinstance(value, dict)
            and value.keys() == {"message"}
            and type(value["message"]) is str
        )

    def listing(self, value: Any) -> Listing[T]:
        """The answer from its `envelope`, or from the tuple of items where the body is the array."""
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
    """What a 204 says, which has no body: that a list is empty, where that is documented for it; else `None`."""
    return Listing(content=()) if isinstance(into, ListBody) and "204" in into.nothing else None


@cache
def envelope(body: ListBody[Any]) -> type:
    """The class that an answer of this shape is decoded to; the tuple of items where the body is the array."""
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
    """One object, by itself or as an array of one.

    Attributes:
        item: the object.
    """

    item: T


@attrs.frozen(kw_only=True)
class Perhaps(Generic[T]):
    """An object that the documents do not promise for certain.

    Attributes:
        item: the object; `None` if the body is something else, or if there is none.
    """

    item: T | None
