"""The inbox and LinkedIn accounts: replies, and odd messages and accounts."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.raw import RawServer, answer, raw_server
from woodpecker_async import WoodpeckerSession, errors
from woodpecker_async.models import InboxMessage, LinkedInAccount
from woodpecker_async.sandbox import Sandbox
from woodpecker_async.sandbox.inbox import put_message


async def test_a_reply_marks_the_message_as_read(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    inbox = woodpecker.account.inbox
    unread = await inbox.list(read=False).collect()
    assert unread
    assert all(message.stamp is not None and message.html for message in unread)
    mailbox = box.state.hq.mailboxes[0].smtp_id
    await inbox.reply(unread[0].id, "<p>Gladly!</p>", mailbox_id=mailbox, cc=["jared@example.com"])
    assert await inbox.list(read=False).collect() == unread[1:]
    with pytest.raises(errors.NotFoundError):
        await inbox.reply(1, "<p>Gladly!</p>")
    with pytest.raises(errors.BadRequestError, match="mailbox_id"):
        await inbox.reply(unread[1].id, "<p>Gladly!</p>", mailbox_id=1)
    assert await inbox.list(read=False).collect() == unread[1:]


async def test_messages_out_of_campaigns(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    inbox = woodpecker.account.inbox
    assert await inbox.list(out_of_campaign=True).collect() == []
    put_message(box.state.hq, box.state.seed, 12, out_of_campaign=True)
    assert [message.id for message in await inbox.list(out_of_campaign=True)] == [12]
    assert box.journal[-1].query == {"out_of_campaign": "YES"}
    await inbox.list(out_of_campaign=False)
    assert box.journal[-1].query == {}


async def read(call: Callable[[WoodpeckerSession], Any], body: Any) -> Any:
    async def handle(server: RawServer, number: int, head: str) -> bytes:
        return answer(json.dumps(body).encode())

    async with raw_server(handle) as server, WoodpeckerSession("1.k", base_url=server.url) as woodpecker:
        return await call(woodpecker).collect()


STAMPS = {
    "2025-03-21T20:47:47+0100": datetime(2025, 3, 21, 20, 47, 47, tzinfo=timezone(timedelta(hours=1))),
    "2025-03-21T20:47:47Z": datetime(2025, 3, 21, 20, 47, 47, tzinfo=UTC),
    "2025-03-21 20:47:47": datetime(2025, 3, 21, 20, 47, 47),  # noqa: DTZ001 - it has no time zone
    "2025-05-06T12:59:30.814+0200": datetime(2025, 5, 6, 12, 59, 30, 814000, tzinfo=timezone(timedelta(hours=2))),
    1735056455867: datetime(2024, 12, 24, 16, 7, 35, 867000, tzinfo=UTC),
    "": None,
    None: None,
}


async def test_a_message_may_be_of_many_forms() -> None:
    rows = [
        {"id": 1},
        {"id": "a2", "prospect_id": None, "subject": None, "body": None, "read": None, "campaigns": None},
        {"id": 3, "body": "<p>x</p>", "campaigns": [12], "thread": {}},
        {"id": 4, "body": {"html": None, "text": "x"}},
        {"id": 5, "body": {"html": "<p>y</p>"}, "prospect_id": "7"},
        *({"id": 10 + place, "stamp": stamp} for place, stamp in enumerate(STAMPS)),
    ]
    messages: list[InboxMessage] = await read(
        lambda w: w.account.inbox.list(), {"content": rows, "pagination": {"next_page_cursor": None}}
    )
    assert [message.html for message in messages[:5]] == [None, None, "<p>x</p>", None, "<p>y</p>"]
    assert [message.stamp for message in messages[5:]] == list(STAMPS.values())


async def test_linkedin_accounts_may_be_of_many_forms() -> None:
    rows = [
        {"id": 1},
        {"id": 2, "username": "", "session_status": "PENDING", "full_name": None, "linkedin_url": "", "level": "GOLD"},
        {"id": 3, "session_status": "DISCONNECTED", "level": None, "new": 1},
    ]
    accounts: list[LinkedInAccount] = await read(
        lambda w: w.account.linkedin_accounts.list(status="CONNECTED"), {"linkedin_accounts": rows}
    )
    assert [account.session_status for account in accounts] == [None, "PENDING", "DISCONNECTED"]
    assert [account.level for account in accounts] == [None, "GOLD", None]
    assert accounts[1].linkedin_url is accounts[1].username is None
    assert await read(lambda w: w.account.linkedin_accounts.list(), {"linkedin_accounts": []}) == []
    with pytest.raises(errors.ResponseDecodeError):
        await read(lambda w: w.account.linkedin_accounts.list(), {})


def reply(*args: Any, **kwargs: Any) -> Callable[[WoodpeckerSession], Any]:
    return lambda w: w.account.inbox.reply(*args, **kwargs)


REFUSED: dict[str, tuple[Callable[[WoodpeckerSession], Any], str]] = {
    "message 0": (reply(0, "x"), "message_id must be an integer >= 1"),
    "an empty id": (reply("", "x"), "message_id is empty"),
    "no text": (reply(1, " \n"), "html is empty"),
    "bytes": (reply(1, b"x"), "html must be a str, not bytes"),
    "one address alone": (reply(1, "x", to="a@example.com"), "to must be a list of strings"),
    "an empty list of addresses": (reply(1, "x", cc=[]), "cc must not be empty"),
    "an address that is none": (reply(1, "x", bcc=["a"]), "an entry of bcc must be an e-mail address"),
    "two addresses in one": (reply(1, "x", to=["a@example.com,b@example.com"]), "comma"),
    "a mailbox that is none": (reply(1, "x", mailbox_id="7"), "mailbox_id must be an integer"),
    "an empty subject": (reply(1, "x", subject=""), "subject is empty"),
    "a quote that is none": (reply(1, "x", quote_original="yes"), "quote_original must be True, False or None"),
    "two that exclude each other": (
        lambda w: w.account.inbox.list(out_of_campaign=True, interest="INTERESTED"),
        "exclude each other",
    ),
    "YES": (lambda w: w.account.inbox.list(out_of_campaign="YES"), "out_of_campaign must be True or False"),
    "a search for a number": (lambda w: w.account.inbox.list(search=5), "search must be a list of strings"),
    "21 phrases": (lambda w: w.account.inbox.list(search=["abc"] * 21), "up to 20 phrases"),
    "an unknown state": (lambda w: w.account.linkedin_accounts.list(status="connected"), "must be one of 'CONNECTED'"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_arguments_are_refused_before_anything_is_sent(name: str) -> None:
    call, message = REFUSED[name]
    async with WoodpeckerSession("1.key", base_url="http://127.0.0.1:9/rest") as woodpecker:
        with pytest.raises(errors.ConfigError, match=message):
            await call(woodpecker)
