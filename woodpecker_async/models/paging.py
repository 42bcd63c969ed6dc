"""The shapes in which the API answers with items.

Each endpoint has one documented shape, and its answer is read in that shape only. A body of another shape is not an
empty list: it may be a proxy's page, an error in a 200, or half an answer.
"""

from typing import Generic, TypeVar

import attrs

from woodpecker_async._shown import shown

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class PaginationData:
    """`pagination_data` as the server sends it; any part may be missing.

    From the document "Get a company's API keys", section "Pagination".

    Attributes:
        total_elements: how many items there are in all.
        total_pages: how many pages there are.
        current_page_number: this page, counted from 1.
        page_size: how many items a page holds at most.
    """

    __repr__ = shown

    total_elements: int | None = None
    total_pages: int | None = None
    current_page_number: int | None = None
    page_size: int | None = None


@attrs.frozen(kw_only=True)
class Listing(Generic[T]):
    """A list in an object: `{"content": [...], "pagination_data": {...}}`.

    Endpoints without pages send no `pagination_data`.

    Attributes:
        content: the items.
        pagination_data: where in the whole they stand.
        undecodable: what was wrong with each item left out, if `CallOptions(skip_bad_items=True)` asked for that.
    """

    __repr__ = shown

    content: tuple[T, ...]
    pagination_data: PaginationData | None = None
    undecodable: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ArrayListing(Listing[T]):
    """A list that comes as a bare array: `[...]`."""

    __repr__ = shown


@attrs.frozen(kw_only=True)
class LegacyListing(ArrayListing[T]):
    """A list of the v1 API: a bare array, or `{"message": "..."}` where there is nothing to list."""

    __repr__ = shown


@attrs.frozen(kw_only=True)
class Single(Generic[T]):
    """One object, by itself or as an array of one.

    Attributes:
        item: the object.
    """

    __repr__ = shown

    item: T
