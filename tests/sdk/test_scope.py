"""The company can neither get lost nor leak."""

import asyncio
import random

import pytest

from woodpecker_async import CallOptions, RetryPolicy, WoodpeckerSession, errors
from woodpecker_async.sandbox import Fault, Sandbox


async def test_the_header_is_on_account_level_calls_only(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    company_id = box.company_ids[0]
    async with woodpecker.company(company_id) as client:
        await client.me()
        await client.mailboxes.list()
        await client.api_keys.list()
        await client.api_keys.create("crm")
        await client.email_accounts.list()
        assert client.id == company_id
    assert [record.company_header for record in box.journal] == [str(company_id)] * 2 + [None] * 4


async def test_it_is_on_every_attempt(box: Sandbox) -> None:
    company_id = box.company_ids[0]
    box.faults.add(Fault.status(500, times=2), Fault.close(), Fault.status(429))
    async with box.session(retry=RetryPolicy(initial_backoff=0.01)) as woodpecker:
        await woodpecker.company(company_id).me()
    assert [record.company_header for record in box.journal] == [str(company_id)] * 5


async def test_many_companies_at_once_never_mix() -> None:
    chance = random.Random(7)
    async with Sandbox(companies=50, keys_per_company=0, service_time=0.0005) as box:
        box.faults.add(
            Fault.status(500, probability=0.05, times=None),
            Fault.status(429, probability=0.05, times=None),
            Fault.close(probability=0.05, times=None),
        )
        async with box.session(retry=RetryPolicy(attempts=20, initial_backoff=0.01)) as woodpecker:

            async def ask(company_id: int) -> None:
                for _ in range(6):
                    client = woodpecker.company(company_id)
                    assert (await client.me())["company"]["id"] == company_id
                    await asyncio.sleep(chance.random() / 200)

            await asyncio.gather(*(ask(company_id) for company_id in box.company_ids))


async def test_what_was_made_in_a_scope_keeps_its_company(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    first, second = box.company_ids[:2]
    async with woodpecker.company(first) as a:
        pager = a.mailboxes.list()
        async with woodpecker.company(second):
            await pager
            await asyncio.create_task(pager.collect())
    assert {record.company_header for record in box.journal} == {str(first)}


async def test_what_was_made_in_a_scope_ends_with_it(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    company_id = box.company_ids[0]
    async with woodpecker.company(company_id) as client:
        mailboxes, keys, walk = client.mailboxes, client.api_keys, client.api_keys.list().pages()
        pager = client.mailboxes.list()
        await pager
    sent = len(box.journal)
    for call in (
        client.me,
        pager.collect,
        mailboxes.list().collect,
        keys.list().collect,
        walk.__anext__,
        lambda: keys.create("crm"),
        lambda: keys.create_once("crm"),
        lambda: client.request("GET", "/v2/mailboxes"),
        client.__aenter__,
    ):
        with pytest.raises(errors.ScopeClosedError, match=str(company_id)):
            await call()
    assert len(box.journal) == sent
    await woodpecker.account.me()


async def test_a_view_lives_without_a_block_and_only_the_child_ends(
    box: Sandbox, woodpecker: WoodpeckerSession
) -> None:
    view = woodpecker.company(box.company_ids[0])
    async with view as child:
        assert child is not view
        async with view as second, child as grandchild:
            await grandchild.me()
            await second.me()
        with pytest.raises(errors.ScopeClosedError):
            await second.me()
        with pytest.raises(errors.ScopeClosedError):
            await grandchild.me()
        await child.me()
    with pytest.raises(errors.ScopeClosedError):
        await child.me()
    await view.me()
    assert [record.company_header for record in box.journal] == [str(box.company_ids[0])] * 4


async def test_one_view_entered_by_many_tasks(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    view = woodpecker.company(box.company_ids[0])

    async def use(pause: float) -> None:
        async with view as client:
            await asyncio.sleep(pause)
            await client.me()
            await asyncio.sleep(pause)
            await client.me()

    await asyncio.gather(*(use(pause / 500) for pause in (5, 1, 4, 2, 3)))
    assert [record.company_header for record in box.journal] == [str(box.company_ids[0])] * 10


async def test_a_scope_may_be_left_in_another_task(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    """Like fixtures and web frameworks that set up in one task and tear down in another."""
    view = woodpecker.company(box.company_ids[0])
    client = await asyncio.create_task(view.__aenter__())
    await client.me()
    await asyncio.create_task(view.__aexit__(None, None, None))
    with pytest.raises(errors.ScopeClosedError):
        await client.me()
    assert [record.company_header for record in box.journal] == [str(box.company_ids[0])]


async def test_a_scope_ends_when_its_body_raises(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    with pytest.raises(ZeroDivisionError):
        async with woodpecker.company(box.company_ids[0]) as client:
            raise ZeroDivisionError
    with pytest.raises(errors.ScopeClosedError):
        await client.me()


async def test_a_scopes_options_hold_for_its_calls(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    options = CallOptions(headers={"X-Tenant": "a"}, retry=RetryPolicy(attempts=1))
    async with woodpecker.company(box.company_ids[0], options=options) as client:
        await client.me()
        await client.api_keys.list(options=CallOptions(headers={"X-Job": "7"}))
        box.faults.add(Fault.status(500))
        with pytest.raises(errors.ServerError):
            await client.me()
    assert [record.headers.get("x-tenant") for record in box.journal] == ["a"] * 3
    assert [record.company_header for record in box.journal] == [str(box.company_ids[0]), None, str(box.company_ids[0])]
    assert box.journal[1].headers["x-job"] == "7"


async def test_every_row_of_the_documented_error_table(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    inactive, active = box.company_ids[-1], box.company_ids[0]
    with pytest.raises(errors.CompanyNotFoundError) as not_found:
        await woodpecker.company(999_999).me()
    assert (not_found.value.status, not_found.value.detail) == (404, "Company not found")
    assert not_found.value.company_id == 999_999
    with pytest.raises(errors.CompanyInactiveError) as conflict:
        await woodpecker.company(inactive).mailboxes.list()
    assert (conflict.value.status, conflict.value.title, conflict.value.detail) == (
        409,
        "Conflict",
        "Company is inactive",
    )
    assert conflict.value.timestamp is not None
    assert conflict.value.timestamp.tzinfo is not None
    async with WoodpeckerSession(box.client_key(active), base_url=box.base_url) as client:
        with pytest.raises(errors.PermissionDeniedError) as denied:
            await client.company(active).me()
    assert (denied.value.status, denied.value.detail) == (403, "")
    assert "main agency account" in str(denied.value)
    async with WoodpeckerSession("1.wrong", base_url=box.base_url) as stranger:
        with pytest.raises(errors.AuthenticationError) as unauthorized:
            await stranger.company(active).me()
    assert unauthorized.value.detail == "Invalid api key"
    box.faults.add(Fault.status(400, body={"title": "Bad request", "status": 400, "detail": "X", "timestamp": "2025-03-05 17:57:00"}))  # fmt: skip
    with pytest.raises(errors.BadRequestError):
        await woodpecker.company(active).me()
    box.faults.add(Fault.status(500, times=None))
    with pytest.raises(errors.ServerError) as failed:
        await woodpecker.company(active).me(options=CallOptions(retry=RetryPolicy(attempts=2, initial_backoff=0.01)))
    assert failed.value.detail.startswith("An unexpected error has occurred")
    assert len(failed.value.attempts) == 2
