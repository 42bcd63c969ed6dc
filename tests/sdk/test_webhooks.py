"""Webhooks: subscriptions, and deliveries of the sandbox to a server on this machine, read by `webhooks.parse`."""

import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from tests.raw import answer, raw_server
from woodpecker_async import WoodpeckerSession, errors, webhooks
from woodpecker_async.models import Webhook, WebhookEventName
from woodpecker_async.sandbox import Fault, Sandbox

URL = "https://example.com/hook"


async def test_subscriptions_are_kept(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    hooks = woodpecker.account.webhooks
    assert await hooks.list().collect() == []  # the server responds with a sentence
    made = await hooks.subscribe(URL, "prospect_replied")
    assert made == Webhook(target_url=URL, event=WebhookEventName.PROSPECT_REPLIED)
    await hooks.subscribe(URL, WebhookEventName.TASK_DONE)
    assert await hooks.list().collect() == [made, Webhook(target_url=URL, event=WebhookEventName.TASK_DONE)]
    assert b"PROSPECT_REPLIED" not in b"".join(record.body for record in box.journal)
    assert await woodpecker.company(box.company_ids[0]).webhooks.list().collect() == []
    with pytest.raises(errors.ConflictError, match="Event defined for this url") as twice:
        await hooks.subscribe(URL, "PROSPECT_REPLIED")
    assert (twice.value.status, twice.value.code) == (409, "E_WRONG_PARAM")
    for number in (2, 3):
        await hooks.subscribe(f"{URL}{number}", "prospect_replied")
    with pytest.raises(errors.ConflictError):
        await hooks.subscribe(f"{URL}4", "prospect_replied")
    box.faults.add(Fault.close(at="after_commit", path="/v1/webhooks/unsubscribe"))
    for hook in await hooks.list().collect():
        await hooks.unsubscribe(hook.target_url, hook.event)
    assert await hooks.list().collect() == []


async def test_a_lost_subscription_is_not_sent_again(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    box.faults.add(Fault.close(at="after_commit", method="POST"))
    with pytest.raises(errors.OutcomeUnknownError, match=r"look with webhooks\.list\(\)"):
        await woodpecker.account.webhooks.subscribe(URL, "task_done")
    assert len(await woodpecker.account.webhooks.list()) == 1
    assert sum(record.method == "POST" for record in box.journal) == 1


async def test_an_event_of_tomorrow_is_listed_and_can_be_unsubscribed() -> None:
    sent: list[bytes] = []

    async def handle(server, number, head):
        sent.append(head)
        return answer(json.dumps({"webhooks": [{"target_url": URL, "event": "NEW_THING"}]}).encode())

    async with raw_server(handle) as server, WoodpeckerSession("1.key", base_url=server.url) as woodpecker:
        (hook,) = await woodpecker.account.webhooks.list().collect()
        assert hook.event == "NEW_THING"
        await woodpecker.account.webhooks.unsubscribe(hook.target_url, hook.event)
        with pytest.raises(errors.ConfigError, match="event must be one of"):
            await woodpecker.account.webhooks.subscribe(hook.target_url, hook.event)


REFUSED: dict[str, tuple[Callable[[WoodpeckerSession], Any], str]] = {
    "unknown event": (lambda w: w.account.webhooks.subscribe(URL, "prospect_reply"), "did you mean 'prospect_replied'"),
    "a name without automation": (
        lambda w: w.account.webhooks.subscribe(URL, "LINKEDIN_ACCOUNT_CONNECTED"),
        "did you mean 'linkedin_automation_account_connected'",
    ),
    "event 7": (lambda w: w.account.webhooks.subscribe(URL, 7), "event must be one of"),
    "unknown event to end": (lambda w: w.account.webhooks.unsubscribe(URL, "replied"), "event must be one of"),
    "no URL": (lambda w: w.account.webhooks.subscribe("", "task_done"), "target_url is empty"),
    "relative URL": (lambda w: w.account.webhooks.subscribe("/hook", "task_done"), "target_url must be an http"),
    "another scheme": (lambda w: w.account.webhooks.subscribe("ftp://a.example", "task_done"), "must be an http"),
    "odd port": (lambda w: w.account.webhooks.subscribe("http://a.example:x/", "task_done"), "must be an http"),
    "a space": (lambda w: w.account.webhooks.unsubscribe("http://a.example/a b", "task_done"), "must be an http"),
    "URL 7": (lambda w: w.account.webhooks.unsubscribe(7, "task_done"), "target_url must be a str"),
}


async def test_bad_input_is_refused_before_anything_is_sent() -> None:
    async with WoodpeckerSession("1.key", base_url="http://127.0.0.1:9/rest") as woodpecker:
        for name, (call, message) in REFUSED.items():
            with pytest.raises(errors.ConfigError, match=message):
                await call(woodpecker)
                pytest.fail(name)


# Deliveries ------------------------------------------------------------------------------------------------------


class Receiver:
    """A web server that sends given responses, and records what it received."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.statuses: list[int] = []
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    def events(self) -> list[webhooks.WebhookEvent]:
        return [event for body in self.bodies for event in webhooks.parse(body)]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    receiver.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


EXPECTED = {
    "prospect_replied": webhooks.ReplyEvent,
    "prospect_autoreplied": webhooks.ReplyEvent,
    "campaign_sent": webhooks.EmailSentEvent,
    "secondary_replied": webhooks.SecondaryReplyEvent,
    "campaign_paused_by_bounce_shield": webhooks.CampaignEvent,
    "linkedin_automation_account_connected": webhooks.LinkedInAccountEvent,
    "linkedin_automation_account_disconnected": webhooks.LinkedInAccountEvent,
}


async def test_every_event_is_delivered_and_read(
    box: Sandbox, woodpecker: WoodpeckerSession, receiver: Receiver
) -> None:
    company = box.company_ids[0]
    for event in WebhookEventName:
        await woodpecker.company(company).webhooks.subscribe(receiver.url, event)
        assert await box.deliver(event) == []  # nobody is subscribed to HQ's own
        (delivery,) = await box.deliver(event, company_id=company)
        assert (delivery.delivered, delivery.items, delivery.statuses) == (True, 1, (200,))
        (read,) = webhooks.parse(receiver.bodies.pop())
        assert type(read) is EXPECTED.get(event, webhooks.ProspectEvent)
        assert (read.method, read.firm_id) == (event, company)
        assert read.timestamp is not None
        assert read.timestamp.utcoffset() is not None
        await woodpecker.company(company).webhooks.unsubscribe(receiver.url, event)


async def test_arrays_have_up_to_100_items(box: Sandbox, woodpecker: WoodpeckerSession, receiver: Receiver) -> None:
    await woodpecker.account.webhooks.subscribe(receiver.url, "email_opened")
    done = await box.deliver("email_opened", count=250)
    assert [delivery.items for delivery in done] == [100, 100, 50]
    events = receiver.events()
    assert len({event.prospect.id for event in events if isinstance(event, webhooks.ProspectEvent)}) == 250


async def test_odd_items_do_not_lose_the_others(
    box: Sandbox, woodpecker: WoodpeckerSession, receiver: Receiver
) -> None:
    await woodpecker.account.webhooks.subscribe(receiver.url, "prospect_replied")
    items: list[Any] = [box.sample_event("prospect_replied", number) for number in range(99)]
    items.insert(50, {"method": "prospect_replied", "prospect": "gone"})
    await box.deliver("prospect_replied", items)
    kinds = Counter(type(event) for event in receiver.events())
    assert kinds == {webhooks.ReplyEvent: 99, webhooks.UnknownEvent: 1}


async def test_a_delivery_is_repeated_after_an_error(
    box: Sandbox, woodpecker: WoodpeckerSession, receiver: Receiver
) -> None:
    await woodpecker.account.webhooks.subscribe(receiver.url, "task_done")
    receiver.statuses = [500, 302]
    (delivery,) = await box.deliver("task_done", pauses=(0, 0, 0))
    assert (delivery.statuses, delivery.delivered) == ((500, 302, 200), True)
    assert len(receiver.bodies) == 3
    assert len(set(receiver.bodies)) == 1


@pytest.mark.parametrize("status", [410, 310])
async def test_a_receiver_can_say_never_again(
    box: Sandbox, woodpecker: WoodpeckerSession, receiver: Receiver, status: int
) -> None:
    await woodpecker.account.webhooks.subscribe(receiver.url, "task_done")
    receiver.statuses = [status]
    (delivery,) = await box.deliver("task_done", count=101, pauses=(0,))
    assert (delivery.unsubscribed, delivery.delivered) == (True, False)
    assert await woodpecker.account.webhooks.list().collect() == []


async def test_repeated_failures_end_a_subscription(
    box: Sandbox, woodpecker: WoodpeckerSession, receiver: Receiver
) -> None:
    await woodpecker.account.webhooks.subscribe(receiver.url, "task_done")
    await woodpecker.account.webhooks.subscribe("http://127.0.0.1:9/", "task_done")
    receiver.statuses = [500, 500, 200, 500, 500]
    for _ in range(3):
        fine, nobody = await box.deliver("task_done", pauses=(0,))
        assert nobody.statuses == (None, None)
    assert nobody.unsubscribed
    assert not fine.unsubscribed
    assert [hook.target_url for hook in await woodpecker.account.webhooks.list()] == [receiver.url]


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "http://localhost/", "http://example.com/", "http://127.0.0.2/"])
async def test_the_sandbox_delivers_to_this_machine_only(
    box: Sandbox, woodpecker: WoodpeckerSession, receiver: Receiver, url: str
) -> None:
    for target in (receiver.url, url):
        await woodpecker.account.webhooks.subscribe(target, "task_done")
    with pytest.raises(ValueError, match=r"127\.0\.0\.1 only"):
        await box.deliver("task_done")
    assert not receiver.bodies
    with pytest.raises(ValueError, match="no event"):
        await box.deliver("task_dome")


async def test_what_ends_a_subscription_is_in_the_state_file(tmp_path, receiver: Receiver) -> None:
    file = tmp_path / "state"
    async with Sandbox(companies=1, state_file=file) as box, box.session() as woodpecker:
        await woodpecker.account.webhooks.subscribe(receiver.url, "task_done")
        await woodpecker.account.webhooks.subscribe(receiver.url, "task_created")
        receiver.statuses = [410]
        await box.deliver("task_done")
        with contextlib.suppress(errors.ApiError):
            await woodpecker.account.mailboxes.set_footer(woodpecker_smtp(box), "x")
    async with Sandbox(state_file=file) as box, box.session() as woodpecker:
        (hook,) = await woodpecker.account.webhooks.list()
        assert hook.event == "task_created"
        assert (await woodpecker.account.mailboxes.get(woodpecker_smtp(box))).details.signature == "x"


def woodpecker_smtp(box: Sandbox) -> int:
    return box.state.hq.mailboxes[0].smtp_id
