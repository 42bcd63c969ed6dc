"""Each style alone, and each with the Pager: every item once, whatever the style, and resumable at any page."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async import Pager
from woodpecker_async.engine.codec import Undecodable, decode
from woodpecker_async.engine.operation import OWN, Operation, Result
from woodpecker_async.errors import ConfigError, ConnectionLostError, PaginationError
from woodpecker_async.models.paging import ListBody, Listing, PaginationData, no_content
from woodpecker_async.options import CallOptions
from woodpecker_async.paging_styles import (
    ARRAY,
    COUNTED_ARRAY,
    CURSOR,
    DOMAINS,
    LEADS,
    LEGACY_ARRAY,
    NUMBERED,
    NUMBERED_FROM_0,
    ONE_ANSWER,
    BodyToken,
    Cursor,
    OneAnswer,
    Position,
)


class Server:
    """A list in any of the styles, with responses as bytes."""

    def __init__(self, style: OneAnswer, items: list[int], size: int, *, naming: int = 0) -> None:
        self.style = style
        self.items = items
        self.size = size
        self.naming = naming
        self.asked: list[Any] = []
        self.fails_at: int | None = None

    async def run(self, operation: Operation[Any], options: CallOptions | None = None) -> Result[Any]:
        asked: Mapping[str, Any] = operation.body if self.style.in_body else operation.params
        self.asked.append(asked.get("page", asked.get("next_page_cursor", asked.get("next_page"))))
        if self.fails_at == len(self.asked):
            raise ConnectionLostError("lost")
        body, headers = self.answer(asked)
        value = decode(body, operation.response_type)
        assert not isinstance(value, Undecodable), value
        return Result(value=value, headers=headers)

    def answer(self, asked: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
        style, total = self.style, len(self.items)
        pages = max(1, -(-total // self.size))
        if isinstance(style, Cursor):
            cursor = asked.get(style.name)
            assert cursor is None or cursor.startswith("c")
            index = 0 if cursor is None else int(cursor[1:])
            following = f"c{index + 1}" if index + 1 < pages else None
            beside = {"next_page": following, "total_found": total} if isinstance(style, BodyToken) else {
                "pagination": {"next_page_cursor": following}
            }  # fmt: skip
        else:
            index = asked.get("page", 1) - (0 if style in (NUMBERED_FROM_0, DOMAINS) else 1)
            names = [("total_elements", "total_pages"), ("total_count", "pages_count")][self.naming]
            beside = (
                {"total": total}
                if style is DOMAINS
                else {"pagination_data": {names[0]: total, names[1]: pages, "current_page_number": index + 1}}
            )
        page = self.items[index * self.size : (index + 1) * self.size]
        if style.items is None:
            return json.dumps(page).encode(), {"x-total-count": str(total)} if style is COUNTED_ARRAY else {}
        return json.dumps({style.items: page, **beside}).encode(), {}


def pager_of(server: Server) -> Pager[int]:
    style = server.style
    shape = style.body(int)

    def page(position: Position) -> Operation[Listing[int]]:
        asked = dict(style.ask(position))
        return Operation.of(
            "POST" if style.in_body else "GET",
            "/x",
            shape,
            account=OWN,
            params=None if style.in_body else asked,
            body=asked if style.in_body else None,
        )

    return Pager(server, page, style, key=lambda item: item)


PAGED = {
    "numbered": NUMBERED,
    "numbered from 0": NUMBERED_FROM_0,
    "total": DOMAINS,
    "counted array": COUNTED_ARRAY,
    "cursor": CURSOR,
    "token in the body": LEADS,
}


@pytest.mark.parametrize("naming", [0, 1])
@pytest.mark.parametrize("name", PAGED)
@given(count=st.integers(0, 12), size=st.integers(1, 5))
async def test_every_item_comes_once(name: str, naming: int, count: int, size: int) -> None:
    server = Server(PAGED[name], list(range(count)), size, naming=naming)
    items = pager_of(server)
    assert await items.collect() == list(range(count))
    assert not items.drifted
    assert len(server.asked) == max(1, -(-count // size)), "no request beyond the last page"
    first = await items
    assert first.total_elements == (None if name == "cursor" else count)


@pytest.mark.parametrize("name", PAGED)
@given(count=st.integers(1, 12), size=st.integers(1, 5), data=st.data())
async def test_after_an_error_it_is_resumed_at_the_page_that_failed(
    name: str, count: int, size: int, data: st.DataObject
) -> None:
    server = Server(PAGED[name], list(range(count)), size)
    items = pager_of(server)
    server.fails_at = data.draw(st.integers(1, max(1, -(-count // size))))
    read: list[int] = []
    with pytest.raises(ConnectionLostError) as failed:
        async for page in items.pages():
            read += page.items
    assert isinstance(failed.value.resume, type(PAGED[name].first))
    async for page in items.pages(start=failed.value.resume):
        read += page.items
    assert read == list(range(count))


@pytest.mark.parametrize("name", PAGED)
async def test_a_page_says_where_the_next_one_is(name: str) -> None:
    items = pager_of(Server(PAGED[name], list(range(5)), 2))
    first = await items
    assert first.next is not None
    pages = [page async for page in items.pages(start=first.next)]
    # Whoever knows totals and no pages cannot tell from the middle on which page is the last, and asks once more.
    assert [list(page) for page in pages] == [[2, 3], [4], *([[]] if name in ("total", "counted array") else [])]
    assert pages[-1].next is None


async def test_what_is_asked_on_the_wire() -> None:
    asked = {}
    for name, style in PAGED.items():
        server = Server(style, list(range(5)), 2)
        await pager_of(server).collect()
        asked[name] = server.asked
    assert asked == {
        "numbered": [1, 2, 3],
        "numbered from 0": [0, 1, 2],
        "total": [0, 1, 2],
        "counted array": [1, 2, 3],
        "cursor": [None, "c1", "c2"],
        "token in the body": [None, "c1", "c2"],
    }


@pytest.mark.parametrize("style", [ONE_ANSWER, ARRAY, LEGACY_ARRAY])
async def test_one_answer_is_all_there_is(style: OneAnswer) -> None:
    server = Server(style, [1, 2, 3], 3)
    assert await pager_of(server).collect() == [1, 2, 3]
    assert server.asked == [None]


async def test_one_answer_that_announces_more_than_it_holds_is_no_whole_list() -> None:
    items = pager_of(Server(ONE_ANSWER, [1, 2, 3], 2))
    assert await items.collect() == [1, 2]
    assert items.drifted


async def test_a_cursor_that_comes_again_is_an_error() -> None:
    class Circle(Server):
        def answer(self, asked: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
            following = {None: "a", "a": "b", "b": "a"}[asked.get("next_page_cursor")]
            body = {"content": [len(self.asked)], "pagination": {"next_page_cursor": following}}
            return json.dumps(body).encode(), {}

    with pytest.raises(PaginationError, match="hands out a cursor again") as failed:
        await pager_of(Circle(CURSOR, [], 1)).collect()
    assert failed.value.resume == "b"


@pytest.mark.parametrize("total", ["", "x", "-1", "1.5", "²"])
async def test_a_total_that_is_no_number_ends_nothing(total: str) -> None:
    class Odd(Server):
        def answer(self, asked: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
            return super().answer(asked)[0], {"x-total-count": total}

    assert await pager_of(Odd(COUNTED_ARRAY, [1, 2, 3], 2)).collect() == [1, 2, 3]


async def test_a_server_that_holds_its_pages_smaller_than_asked_for_loses_nothing() -> None:
    assert await pager_of(Server(DOMAINS, list(range(1200)), 500)).collect() == list(range(1200))


@pytest.mark.parametrize("body", [b'{"message": "No prospects found."}', b"[]"])
async def test_prospects_have_three_ways_to_say_that_there_are_none(body: bytes) -> None:
    assert decode(body, COUNTED_ARRAY.body(int)) == Listing(content=())
    assert no_content(COUNTED_ARRAY.body(int)) == Listing(content=())
    assert no_content(NUMBERED.body(int)) is None


@pytest.mark.parametrize("body", [b"", b"  "])
async def test_no_body_is_no_empty_list_unless_the_status_says_so(body: bytes) -> None:
    assert isinstance(decode(body, COUNTED_ARRAY.body(int)), Undecodable)


def test_totals_have_two_namings() -> None:
    shape = ListBody(int)
    old, new = (
        decode(json.dumps({"content": [1], "pagination_data": data}).encode(), shape)
        for data in ({"total_count": 9, "pages_count": 2}, {"total_elements": 9, "total_pages": 2})
    )
    assert old == new == Listing(content=(1,), pagination_data=PaginationData(total_elements=9, total_pages=2))


@pytest.mark.parametrize(("name", "start"), [("numbered", 0), ("numbered", "c1"), ("cursor", 2), ("total", True)])
def test_a_start_of_another_kind_is_refused(name: str, start: Any) -> None:
    with pytest.raises(ConfigError, match="start"):
        pager_of(Server(PAGED[name], [1], 1)).pages(start=start)
