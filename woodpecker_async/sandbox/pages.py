"""Pages with `pagination_data`."""

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct

from woodpecker_async.sandbox.endpoint import Input
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.wire import Answer

T = TypeVar("T")


class PageQuery(Input):
    """Which page."""

    page: Annotated[int, Meta(ge=1)] = 1


class PaginationData(Struct, kw_only=True):
    """The position of a page in the whole list; pages are numbered from 1."""

    total_elements: int
    total_pages: int
    current_page_number: int
    page_size: int


class Page(Struct, Generic[T], kw_only=True):
    """A page of a list."""

    content: list[T]
    pagination_data: PaginationData


def paged(call: Call, rows: Sequence[T], page: int, size: int | None = None) -> Answer:
    """The page with this number; pages are numbered from 1."""
    size = size or call.rules.page_size
    data = PaginationData(
        total_elements=len(rows),
        total_pages=-(-len(rows) // size) if rows else call.rules.empty_total_pages,
        current_page_number=page,
        page_size=size,
    )
    # Not documented: a page past the end is a page without content, not an error.
    return Answer.of(Page(content=list(rows[(page - 1) * size : page * size]), pagination_data=data))
