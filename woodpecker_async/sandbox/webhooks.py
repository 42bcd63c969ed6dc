"""Subscriptions to events, and their deliveries."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import aiohttp
from attrs import frozen
from msgspec import Meta, Struct

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import ChangedAccount, Company, State
from woodpecker_async.sandbox.wire import Answer, bodyless, v1_error

_MOST_URLS = 3
_MOST_ITEMS = 100
_FAILURES = 3
_GONE = frozenset({310, 410})
_PATIENCE = 10.0  # seconds

_REPLIES: Final = ("prospect_replied", "prospect_autoreplied")
_ACCOUNTS: Final = ("linkedin_automation_account_connected", "linkedin_automation_account_disconnected")
EventName = Literal[
    "campaign_completed",
    "campaign_sent",
    "campaign_paused_by_bounce_shield",
    "followup_after_autoreply",
    "email_opened",
    "link_clicked",
    "prospect_replied",
    "prospect_interested",
    "prospect_maybe_later",
    "prospect_not_interested",
    "prospect_autoreplied",
    "prospect_bounced",
    "prospect_invalid",
    "prospect_blacklisted",
    "prospect_opt_out",
    "prospect_non_responsive",
    "prospect_saved",
    "secondary_replied",
    "task_created",
    "task_done",
    "task_ignored",
    "linkedin_automation_connection_request_accepted",
    "linkedin_automation_account_connected",
    "linkedin_automation_account_disconnected",
    "linkedin_automation_direct_message_sent",
]


class Hook(Input):
    """A request to subscribe or to unsubscribe."""

    target_url: Annotated[str, Meta(pattern=r"^https?://[^\s/?#]")]
    event: EventName


class Subscription(Struct, kw_only=True):
    """A subscription, and how many deliveries in a row have failed."""

    target_url: str
    event: str
    failures: int = 0


class WebhooksOfAccount(Struct, kw_only=True):
    """The subscriptions of an account."""

    hooks: list[Subscription]

    @classmethod
    def begin(cls, seed: int, account: Company) -> "WebhooksOfAccount":  # noqa: ARG003 - as every family
        """None."""
        return cls(hooks=[])

    def of(self, event: str) -> list[Subscription]:
        """Those to an event."""
        return [hook for hook in self.hooks if hook.event == event]


class Subscribed(Struct, kw_only=True):
    """The response to a subscription."""

    target_url: str
    event: str
    message: str


@frozen(kw_only=True)
class Delivery:
    """The result of posting one array to one URL.

    Attributes:
        target_url: the URL.
        items: the number of items in the array.
        statuses: the response status of each attempt; None if there was no response.
        delivered: whether the last attempt succeeded.
        unsubscribed: whether this delivery ended the subscription.
    """

    target_url: str
    items: int
    statuses: tuple[int | None, ...]
    delivered: bool
    unsubscribed: bool


def list_webhooks(call: Call) -> Answer:
    """``GET /v2/webhooks``: event names in upper case; a message if there are no webhooks."""
    hooks = call.kept(WebhooksOfAccount).hooks
    if not hooks:
        return Answer.of({"message": "You haven't subscribed to any webhooks."})
    return Answer.of({"webhooks": [{"target_url": hook.target_url, "event": hook.event.upper()} for hook in hooks]})


def subscribe(call: Call, body: Hook) -> Answer:
    """``POST /v1/webhooks/subscribe``: 409 for an existing subscription, and for a fourth URL."""
    kept = call.kept(WebhooksOfAccount)
    urls = [hook.target_url for hook in kept.of(body.event)]
    if body.target_url in urls:
        return v1_error("E_WRONG_PARAM", "Event defined for this url.", 409)
    if len(urls) >= _MOST_URLS:
        return v1_error("E_WRONG_PARAM", f"Event defined for {_MOST_URLS} urls.", 409)
    kept.hooks.append(Subscription(target_url=body.target_url, event=body.event))
    call.changed()
    return Answer.of(Subscribed(target_url=body.target_url, event=body.event, message="Subscribed."), 201)


def unsubscribe(call: Call, body: Hook) -> Answer:
    """``POST /v1/webhooks/unsubscribe``: 200 without a body, even if it was not subscribed."""
    kept = call.kept(WebhooksOfAccount)
    kept.hooks = [hook for hook in kept.hooks if (hook.target_url, hook.event) != (body.target_url, body.event)]
    call.changed()
    return bodyless(200)


async def deliver(
    state: State, account: Company, event: str, items: Sequence[Any], pauses: Sequence[float]
) -> list[Delivery]:
    """Post items to all URLs that are subscribed to an event, in arrays of up to 100.

    Raises:
        ValueError: a URL is not on 127.0.0.1. Nothing was sent to any of them.
    """
    kept = account.of_family(WebhooksOfAccount, state.seed)
    hooks = kept.of(event)
    for hook in hooks:
        parts = urlsplit(hook.target_url)
        if (parts.scheme, parts.hostname) != ("http", "127.0.0.1"):
            raise ValueError(f"the sandbox delivers to http://127.0.0.1 only, not to {hook.target_url}")
    done = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE)) as session:
        for hook in hooks:
            for start in range(0, len(items), _MOST_ITEMS):
                if hook not in kept.hooks:
                    break
                array = items[start : start + _MOST_ITEMS]
                statuses = await _post(session, hook.target_url, array, pauses)
                delivered = statuses[-1] is not None and 200 <= statuses[-1] < 300
                hook.failures = 0 if delivered else hook.failures + 1
                ended = statuses[-1] in _GONE or hook.failures >= _FAILURES
                if ended and hook in kept.hooks:
                    kept.hooks.remove(hook)
                    state.note(ChangedAccount(account.id))
                done.append(
                    Delivery(
                        target_url=hook.target_url,
                        items=len(array),
                        statuses=tuple(statuses),
                        delivered=delivered,
                        unsubscribed=ended,
                    )
                )
    return done


async def _post(
    session: aiohttp.ClientSession, url: str, array: Sequence[Any], pauses: Sequence[float]
) -> list[int | None]:
    """The status of each attempt. Stops when one succeeds, or when the response ends the subscription."""
    statuses: list[int | None] = []
    for pause in (*pauses, None):
        try:
            async with session.post(url, json=list(array), allow_redirects=False) as answer:
                statuses.append(answer.status)
        except (aiohttp.ClientError, TimeoutError):
            statuses.append(None)
        status = statuses[-1]
        if pause is None or (status is not None and (200 <= status < 300 or status in _GONE)):
            break
        await asyncio.sleep(pause)
    return statuses


def sample(event: str, account: Company, seed: int, number: int = 0) -> dict[str, Any]:
    """An item of an event, as in the API documentation.

    Raises:
        ValueError: there is no such event.
    """
    if event not in EventName.__args__:  # type: ignore[attr-defined]
        raise ValueError(f"there is no event {event!r}")
    stamp = f"2026-03-{1 + number % 28:02d}T20:47:{number % 60:02d}+0100"
    item: dict[str, Any] = {"method": event}
    if event == "campaign_paused_by_bounce_shield":
        item["campaign"] = {
            "campaign_id": account.id * 10,
            "campaign_name": "Campaign 1",
            "sent_from": "jared.dunn@example.com",
            "sent_from_emails": ["jared.dunn@example.com"],
            "bounce_rate_threshold": 5,
        }
    elif event in _ACCOUNTS:
        connected = event == _ACCOUNTS[0]
        item["linkedin_account"] = {
            "id": account.id * 100 + number,
            "session_status": "CONNECTED" if connected else "DISCONNECTED",
            "full_name": "Jared Dunn",
            "linkedin_url": "https://linkedin.com/in/jared-dunn",
            "level": "PREMIUM" if connected else None,
        }
    else:
        item["prospect"] = _prospect(event, account, seed, number)
    if event in _REPLIES:
        item["email"] = {
            "id": 1 + draw.number(seed, "reply", account.id, number) % 10**9,
            "mail_id": 1000 + number,
            "subject": "Re: Quick question",
            "sender": "Erlich Bachman",
            "email": item["prospect"]["email"],
            "date": stamp,
            "message": "Sounds good.",
        }
    elif event == "campaign_sent":
        item["email"] = _sent(item["prospect"], account, number, stamp)
    elif event == "link_clicked":
        item |= {"click_url": "https://example.com/offer", "step": 1, "email_no": "#2"}
    elif event == "secondary_replied":
        item["secondary_prospect"] = {**_prospect("prospect_saved", account, seed, number + 1), "imported": ""}
    return {**item, "timestamp": stamp, "firm_id": account.id}


def _prospect(event: str, account: Company, seed: int, number: int) -> dict[str, Any]:
    name = f"prospect{number}"
    campaign: Mapping[str, Any] = {
        # The documentation pages differ: mostly a number, here a string, and empty if there is no campaign.
        "campaign_id": str(account.id * 10) if event == "followup_after_autoreply" else account.id * 10,
        "campaign_name": "Campaign 1",
        "campaign_email": "jared.dunn@example.com",
        "campaign_emails": ["jared.dunn@example.com", "richard.hendricks@example.com"],
        "campaign_email_sent": 2,
        "step": 2,
        "step_type": "EMAIL",
        "followup_after": "2026-03-30T00:00:00+0200",
    }
    none = {"campaign_id": "", "campaign_name": "", "campaign_email": "", "campaign_emails": []}
    return {
        "id": 1 + draw.number(seed, "prospect", account.id, number) % 10**9,
        "email": f"{name}@example.com",
        "first_name": "Erlich",
        "last_name": "Bachman",
        "company": "Bachmanity",
        "website": "",
        "linkedin_url": "",
        "tags": "#VISIONARY",
        "title": "",
        "phone": "",
        "address": "",
        "city": "Palo Alto",
        "country": "United States",
        **{f"snippet{count}": "" for count in range(1, 16)},
        "snippet_labels": {},
        "industry": "IT",
        "state": "California",
        "last_contacted": "2026-03-01T14:32:34+0100",
        "status": "REPLIED" if event in _REPLIES[:1] else "ACTIVE",
        "in_campaign": 1,
        "emails_sent": 2,
        "imported": "list.csv",
        "interested": "",
        **(campaign if event != "prospect_saved" else {**none, "campaign_email_sent": None, "step": None}),
    }


def _sent(prospect: Mapping[str, Any], account: Company, number: int, stamp: str) -> dict[str, Any]:
    return {
        "id": 5000 + number,
        "campaign_id": account.id * 10,
        "message_id": f"<{number}@example.com>",
        "name_from": "Jared Dunn",
        "email_from": "jared.dunn@example.com",
        "name_to": "Erlich Bachman",
        "email_to": prospect["email"],
        "email_cc": "",
        "email_bcc": None,
        "subject": "Quick question",
        "sent": stamp,
        "host": "smtp.example.com",
        "number": 1,
        "step": 1,
        "message": "<p>Hello</p>",
    }


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v2/webhooks", run=list_webhooks, answer=dict[str, Any]),
    Endpoint(method="POST", path="/v1/webhooks/subscribe", run=subscribe, body=Hook, answer=Subscribed, status=201),
    Endpoint(method="POST", path="/v1/webhooks/unsubscribe", run=unsubscribe, body=Hook),
)
