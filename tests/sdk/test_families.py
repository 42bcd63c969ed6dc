"""The families of endpoints against the sandbox: writes take effect, and lists are read to the end."""

import pytest

from woodpecker_async import RetryPolicy, WoodpeckerSession, errors
from woodpecker_async.models import CompanyRole, InboxMessage, NewGuest
from woodpecker_async.sandbox import Fault, Sandbox


async def test_guests_are_invited_once_and_listed(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    company = box.company_ids[0]
    guests = [
        NewGuest(name="Monica Hall", email="monica@example.com"),
        {"name": "Jared Dunn", "email": "jared@example.com", "permissions": ["mailboxes"]},
    ]
    first = await woodpecker.agency.guests.invite(company, guests)
    async with woodpecker.company(company) as client:
        again = await client.guests.invite(guests)
    assert dict(first) == dict(again)
    users = await woodpecker.agency.users.list(company, role=CompanyRole.GUEST).collect()
    assert [(user.name, user.guest_permissions) for user in users] == [
        ("Monica Hall", ()),
        ("Jared Dunn", ("mailboxes",)),
    ]
    assert {user.roles[0] for user in await woodpecker.agency.users.list(company)} == {
        "admin",
        "authorized_team_member",
        "guest",
    }
    assert all("x-company-id" not in record.headers for record in box.journal)


async def test_a_lost_invitation_is_not_sent_again(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    box.faults.add(Fault.close(at="after_commit", method="POST"))
    with pytest.raises(errors.OutcomeUnknownError):
        await woodpecker.agency.guests.invite(box.company_ids[0], [NewGuest(name="n", email="n@example.com")])
    assert len(await woodpecker.agency.users.list(box.company_ids[0], role="guest")) == 1
    assert sum(record.method == "POST" for record in box.journal) == 1


async def test_a_blacklist_keeps_what_was_added(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    domains = [f"{number:04}.example" for number in range(1203)]
    blacklist = woodpecker.agency.blacklist.domains
    await blacklist.add(domains)
    listed = blacklist.list(per_page=1000)
    assert await listed.collect() == domains
    assert (await listed).total_elements == 1203
    assert await blacklist.list(filter=["0001.example", "1202.example"]).collect() == ["0001.example", "1202.example"]
    await blacklist.remove([*domains[1:], "never.there"])
    assert await blacklist.list().collect() == domains[:1]
    sent = [record.method for record in box.journal if record.method != "GET"]
    assert sent == ["POST"] * 3 + ["DELETE"] * 3


async def test_a_lost_removal_is_sent_again(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    await woodpecker.agency.blacklist.domains.add(["a.example"])
    box.faults.add(Fault.close(at="after_commit", method="DELETE"))
    await woodpecker.agency.blacklist.domains.remove(["a.example"])
    assert sum(record.method == "DELETE" for record in box.journal) == 2


async def test_an_inbox_is_read_by_its_cursor(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    everything: list[InboxMessage] = []
    for company in box.company_ids:
        try:
            async with woodpecker.company(company) as client:
                messages = await client.inbox.list(per_page=7).collect()
                assert messages == await client.inbox.list(per_page=50).collect()
                unread = await client.inbox.list(read=False).collect()
        except errors.CompanyInactiveError:
            continue
        assert unread == [message for message in messages if not message.read]
        everything += messages
    assert len({message.id for message in everything}) == len(everything) > 50
    asked = [record for record in box.journal if record.path.endswith("/inbox/messages")]
    assert all("x-company-id" in record.headers for record in asked)


async def test_a_cursor_is_resumed_where_it_failed(box: Sandbox) -> None:
    async with box.session(retry=RetryPolicy(attempts=2, initial_backoff=0.01)) as woodpecker:
        await resumed(box, woodpecker)


async def resumed(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    messages = woodpecker.account.inbox.list(per_page=1)
    whole = await messages.collect()
    assert len(whole) > 2
    box.faults.add(Fault.status(503, path="/v2/inbox/messages", skip=1, times=2))
    read: list[InboxMessage] = []
    with pytest.raises(errors.ServerError) as failed:
        async for page in messages.pages():
            read += page
    assert isinstance(failed.value.resume, str)
    async for page in messages.pages(start=failed.value.resume):
        read += page
    assert read == whole
