"""How each list of the API represents "nothing", and the result of a changing list, on sockets."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.raw import RawServer, answer, raw_server
from woodpecker_async import Pager, WoodpeckerSession, errors
from woodpecker_async.feldera import FelderaSession
from woodpecker_async.sandbox import Fault, Sandbox
from woodpecker_async.settled import SettledPages, read_settled

MESSAGE = {"message": "Nothing found."}
PAGED = {"content": [], "pagination_data": {"total_elements": 0, "total_pages": 0, "current_page_number": 1}}
BODIES: dict[str, Any] = {
    "an object": {"content": []},
    "a page": PAGED,
    "an array": [],
    "a message": MESSAGE,
    "an empty object": {},
    "null content": {"content": None},
    "null": None,
    "no content": {"pagination_data": PAGED["pagination_data"]},
    "a problem": {"title": "x", "status": 503, "detail": "x", "timestamp": "2025-01-01 00:00:00"},
}

LISTS: dict[str, tuple[Callable[[WoodpeckerSession], Pager[Any]], set[str]]] = {
    "agency.companies": (lambda w: w.agency.companies.list(), {"an object", "a page"}),
    "agency.api_keys": (lambda w: w.agency.api_keys.list(1), {"an object", "a page"}),
    "agency.email_accounts": (lambda w: w.agency.email_accounts.list(1), {"an object", "a page"}),
    "mailboxes": (lambda w: w.account.mailboxes.list(), {"an array"}),
    "agency_v1.companies": (lambda w: w.agency_v1.companies(), {"an array", "a message"}),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("name", LISTS)
async def test_a_list_is_empty_only_as_its_endpoint_documents_it(name: str, body: str) -> None:
    list_, nothing = LISTS[name]

    async def handle(server: RawServer, number: int, head: str) -> bytes:
        return answer(json.dumps(BODIES[body]).encode())

    async with raw_server(handle) as server, WoodpeckerSession("1.k", base_url=server.url) as woodpecker:
        pager = list_(woodpecker)
        if body in nothing:
            assert await pager.collect() == []
            assert not pager.drifted
        else:
            with pytest.raises(errors.ResponseDecodeError) as caught:
                await pager.collect()
            assert caught.value.resume == 1


@pytest.mark.parametrize("body", BODIES)
async def test_felderas_list_is_an_array(body: str) -> None:
    async def handle(server: RawServer, number: int, head: str) -> bytes:
        return answer(json.dumps(BODIES[body]).encode())

    async with raw_server(handle) as server:
        async with FelderaSession(f"http://127.0.0.1:{server.port}", token="t") as feldera:
            if body == "an array":
                assert await feldera.api_keys.list().collect() == []
            else:
                with pytest.raises(errors.ResponseDecodeError):
                    await feldera.api_keys.list().collect()


@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize("body", [MESSAGE, {}, [], {"content": None}])
async def test_a_page_that_is_no_page_never_cuts_a_list_short(page: int, body: Any) -> None:
    async with Sandbox(companies=12, page_size=5, service_time=0) as box, box.session() as woodpecker:
        box.faults.add(Fault.status(200, body=body, page=page))
        seen: list[int] = []
        with pytest.raises(errors.ResponseDecodeError) as caught:
            async for company_page in woodpecker.agency.companies.list().pages():
                seen += [company.id for company in company_page]
        assert caught.value.resume == page
        async for company_page in woodpecker.agency.companies.list().pages(start=page):
            seen += [company.id for company in company_page]
        assert seen == list(box.company_ids)


async def test_a_page_without_totals_in_the_middle_of_a_list_is_not_its_end_in_silence() -> None:
    async with Sandbox(companies=12, page_size=5, service_time=0) as box, box.session() as woodpecker:
        box.faults.add(Fault.status(200, body={"content": []}, page=2, times=None))
        pager = woodpecker.agency.companies.list()
        assert len(await pager.collect()) == 5
        assert pager.drifted
        assert not (await read_settled(pager)).settled


@pytest.mark.parametrize("kind", ["the same key", "the same secret under another label"])
async def test_a_key_that_comes_twice_on_one_page_is_given_once(kind: str) -> None:
    async with Sandbox(companies=1, keys_per_company=3, service_time=0) as box, box.session() as woodpecker:

        def twice(info: Any, sent: Any) -> Any:
            data = sent.json()
            again = data["content"][1] | ({} if kind == "the same key" else {"label": "other"})
            return sent.with_json({**data, "content": [*data["content"], again]})

        box.faults.add(Fault.rewriting(twice, times=None))
        pager = woodpecker.agency.api_keys.list(box.company_ids[0])
        keys = await pager.collect()
        assert [key.api_key.reveal() for key in keys] == [key.secret for key in box.state.listed(box.company_ids[0])]
        assert pager.drifted
        settled = await read_settled(pager)
        assert (settled.items, settled.settled) == (tuple(keys), True)  # all three that are announced


async def test_two_halves_of_a_mailbox_may_have_one_id() -> None:
    rows = [{"id": 7, "type": kind, "details": {}} for kind in ("SMTP", "IMAP")]

    async def handle(server: RawServer, number: int, head: str) -> bytes:
        return answer(json.dumps(rows if "/mailboxes" in head else {"content": rows}).encode())

    async with raw_server(handle) as server, WoodpeckerSession("1.k", base_url=server.url) as woodpecker:
        for pager in (woodpecker.account.mailboxes.list(), woodpecker.agency.email_accounts.list(1)):
            assert len(await pager.collect()) == 2
            assert not pager.drifted


async def test_a_list_without_pages_is_compared_with_what_it_announces() -> None:
    body = {"content": [{"id": 7, "type": "SMTP", "details": {}}], "pagination_data": {"total_elements": 3}}

    async def handle(server: RawServer, number: int, head: str) -> bytes:
        return answer(json.dumps(body).encode())

    async with raw_server(handle) as server, WoodpeckerSession("1.k", base_url=server.url) as woodpecker:
        pager = woodpecker.agency.email_accounts.list(1)
        assert len(await pager.collect()) == 1
        assert pager.drifted


async def test_a_list_that_moves_once_is_whole_after_a_second_reading() -> None:
    async with Sandbox(companies=12, page_size=5, service_time=0) as box, box.session() as woodpecker:

        def remove_first(info: Any, sent: Any) -> Any:
            del box.state.companies[box.company_ids[0]]
            return sent

        box.faults.add(Fault.rewriting(remove_first, page=1))
        pages = SettledPages(woodpecker.agency.companies.list())
        seen = [company.id async for page in pages for company in page]
        assert pages.settled
        assert len(seen) == len(set(seen))
        assert set(seen) >= set(box.company_ids)
        assert [record.query["page"] for record in box.journal] == ["1", "2", "3", "1", "2", "3"]
