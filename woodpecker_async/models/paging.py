"""The envelope of a list: items, and where in the whole they stand."""

from typing import Generic, TypeVar

import attrs

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

    total_elements: int | None = None
    total_pages: int | None = None
    current_page_number: int | None = None
    page_size: int | None = None


@attrs.frozen(kw_only=True)
class Listing(Generic[T]):
    """One answer of a list endpoint. Endpoints without pages send no `pagination_data`.

    Attributes:
        content: the items.
        pagination_data: where in the whole they stand.
        undecodable: what was wrong with each item left out, if `CallOptions(skip_bad_items=True)` asked for that.
    """

    content: tuple[T, ...]
    pagination_data: PaginationData | None = None
    undecodable: tuple[str, ...] = ()
