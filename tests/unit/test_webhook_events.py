"""`webhooks.parse`: every documented shape, odd items, and invalid bodies."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async import webhooks
from woodpecker_async.errors import ConfigError
from woodpecker_async.models import WebhookEventName
from woodpecker_async.webhooks import (
    CampaignEvent,
    EmailSentEvent,
    LinkedInAccountEvent,
    ProspectEvent,
    ReplyEvent,
    SecondaryReplyEvent,
    UnknownEvent,
)

STAMP = "2025-03-21T20:47:47+0100"
PROSPECT = {
    "id": 1234567890,
    "email": "erlich@example.com",
    "first_name": "Erlich",
    "snippet1": "one",
    **{f"snippet{number}": "" for number in range(2, 16)},
    "snippet_labels": {"my label": "one"},
    "last_contacted": "2025-03-20T14:32:34+0100",
    "status": "REPLIED",
    "in_campaign": 2,
    "imported": "list.csv",
    "interested": "",
    "campaign_id": 123456,
    "campaign_emails": ["a@example.com", "b@example.com"],
    "campaign_email_sent": 2,
    "step": 2,
    "step_type": "EMAIL",
    "followup_after": "2025-03-22T00:00:00+0100",
}


def one(method: Any = "prospect_interested", **parts: Any) -> webhooks.WebhookEvent:
    (event,) = webhooks.parse(json.dumps([{"method": method, "timestamp": STAMP, "firm_id": 45678, **parts}]))
    return event


def test_a_prospect() -> None:
    event = one(prospect=PROSPECT)
    assert isinstance(event, ProspectEvent)
    assert event.method is WebhookEventName.PROSPECT_INTERESTED
    assert event.timestamp == datetime(2025, 3, 21, 20, 47, 47, tzinfo=timezone(timedelta(hours=1)))
    assert event.firm_id == 45678
    prospect = event.prospect
    assert (prospect.id, prospect.campaign_id, prospect.step, prospect.campaign_email_sent) == (
        1234567890,
        123456,
        2,
        2,
    )
    assert (prospect.snippet1, prospect.snippet15, prospect.interested, prospect.company) == ("one", None, None, None)
    assert prospect.snippet_labels == {"my label": "one"}
    assert prospect.campaign_emails == ("a@example.com", "b@example.com")
    assert isinstance(prospect.last_contacted, datetime)
    assert isinstance(prospect.followup_after, datetime)
    assert hash(event) == hash(one(prospect=PROSPECT))
    assert event == one(prospect=PROSPECT)


@pytest.mark.parametrize(
    ("sent", "read"),
    [("123456", 123456), (123456, 123456), ("", None), (None, None)],
)
def test_ids_come_in_several_ways(sent: Any, read: int | None) -> None:
    event = one("followup_after_autoreply", prospect={**PROSPECT, "campaign_id": sent, "id": sent}, firm_id=sent)
    assert isinstance(event, ProspectEvent)
    assert event.prospect.campaign_id == event.prospect.id == event.firm_id == read


@pytest.mark.parametrize("nothing", ["", None])
def test_nothing_is_none_everywhere(nothing: Any) -> None:
    event = one("prospect_saved", prospect=dict.fromkeys(PROSPECT, nothing), timestamp=nothing, firm_id=nothing)
    assert isinstance(event, ProspectEvent)
    assert event.prospect == webhooks.WebhookProspect()
    assert (event.timestamp, event.firm_id) == (None, None)


SHAPES: dict[str, tuple[str, dict[str, Any], type[webhooks.WebhookEvent]]] = {
    "a reply": (
        "prospect_replied",
        {"prospect": PROSPECT, "email": {"id": 1, "mail_id": "2", "date": STAMP}},
        ReplyEvent,
    ),
    "a reply by hand": ("prospect_replied", {"prospect": PROSPECT}, ProspectEvent),
    "an empty reply": ("prospect_replied", {"prospect": PROSPECT, "email": None}, ProspectEvent),
    "an automatic reply": ("prospect_autoreplied", {"prospect": PROSPECT, "email": {"id": "x-1"}}, ReplyEvent),
    "interest, with its reply": ("prospect_interested", {"prospect": PROSPECT, "email": {"id": 1}}, ReplyEvent),
    "sent": ("campaign_sent", {"prospect": PROSPECT, "email": {"message_id": "<a@b>", "sent": STAMP}}, EmailSentEvent),
    "secondary": ("secondary_replied", {"prospect": PROSPECT, "secondary_prospect": {"id": 2}}, SecondaryReplyEvent),
    "secondary alone": ("secondary_replied", {"secondary_prospect": {"id": 2}}, SecondaryReplyEvent),
    "campaign": (
        "campaign_paused_by_bounce_shield",
        {"campaign": {"campaign_id": "7", "sent_from_emails": [], "bounce_rate_threshold": 5}},
        CampaignEvent,
    ),
    "account": (
        "linkedin_automation_account_disconnected",
        {"linkedin_account": {"id": 1, "session_status": "DISCONNECTED", "level": None}},
        LinkedInAccountEvent,
    ),
    "upper case": ("PROSPECT_SAVED", {"prospect": PROSPECT}, ProspectEvent),
    "LinkedIn, by third-party notes": ("prospect_li_cr_accepted", {"prospect": PROSPECT}, ProspectEvent),
    "LinkedIn message": ("prospect_li_dm_sent", {"prospect": PROSPECT}, ProspectEvent),
    "tomorrow": ("prospect_cloned", {"prospect": PROSPECT}, UnknownEvent),
    "nobody": ("prospect_saved", {}, UnknownEvent),
    "a prospect in another form": ("prospect_saved", {"prospect": "erlich"}, UnknownEvent),
    "a list of prospects": ("prospect_saved", {"prospect": [PROSPECT]}, UnknownEvent),
    "a reply in another form": ("prospect_replied", {"prospect": PROSPECT, "email": "hello"}, UnknownEvent),
    "a reply of nobody": ("prospect_replied", {"email": {"id": 1}}, UnknownEvent),
    "an id in words": ("prospect_saved", {"prospect": {"id": "one"}}, UnknownEvent),
    "no zone": ("prospect_saved", {"prospect": PROSPECT, "timestamp": "2025-03-21T20:47:47"}, UnknownEvent),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str) -> None:
    method, parts, expected = SHAPES[name]
    event = one(method, **parts)
    assert type(event) is expected
    assert event.firm_id == 45678
    assert event.method == (method.lower() if expected is not UnknownEvent else method)
    if isinstance(event, UnknownEvent):
        assert event.raw == {"method": method, "timestamp": STAMP, "firm_id": 45678, **parts}
        assert bool(event.problems) == (name != "tomorrow")


def test_ids_of_emails_are_integers_where_they_can_be() -> None:
    event = one("prospect_replied", prospect=PROSPECT, email={"id": "12", "mail_id": "m-1", "date": "yesterday"})
    assert isinstance(event, ReplyEvent)
    assert (event.email.id, event.email.mail_id, event.email.date) == (12, "m-1", "yesterday")


def test_fields_beside_the_payload_are_not_lost() -> None:
    clicked = {"click_url": "https://example.com/a", "step": 1, "email_no": "#2"}
    event = one("link_clicked", prospect=PROSPECT, **clicked)
    assert isinstance(event, ProspectEvent)
    assert event.extra == clicked
    assert event.prospect.step == 2
    other = one("link_clicked", prospect=PROSPECT, **{**clicked, "click_url": "https://example.com/b"})
    assert event != other, "two clicks in one second are two"
    assert len({event: 1, other: 2}) == 2
    assert one("task_done", prospect=PROSPECT, task={"name": "Call"}, extra=7).extra == {
        "task": {"name": "Call"},
        "extra": 7,
    }
    assert one(prospect=PROSPECT).extra == {}


ODD: list[Any] = [
    None,
    7,
    "text",
    [],
    [{}],
    {},
    {"method": None},
    {"method": 7},
    {"method": []},
    {"method": ""},
    {"method": "prospect_saved", "prospect": {"id": {}}},
    {"method": "prospect_saved", "prospect": {"id": 1}, "firm_id": True},
    {"method": "prospect_saved", "prospect": {"id": 1}, "timestamp": 10**400},
    {"method": "prospect_saved", "prospect": {"campaign_emails": [7]}},
    {"method": "x", "timestamp": {}, "firm_id": [], "prospect": 1},
]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_one_odd_item_does_not_lose_the_others(odd: Any) -> None:
    good = {"method": "prospect_saved", "prospect": {"id": 1}}
    events = webhooks.parse(json.dumps([good] * 50 + [odd] + [good] * 49))
    assert len(events) == 100
    assert [type(event) for event in events].count(ProspectEvent) == 99
    assert isinstance(events[50], UnknownEvent)
    assert events[50].raw == odd


def test_a_number_that_python_does_not_read_loses_nothing() -> None:
    body = '[{"method": "prospect_saved", "prospect": {"id": ' + "9" * 10_000 + '}}, {"method": "tomorrow"}]'
    first, second = webhooks.parse(body)
    assert isinstance(first, ProspectEvent | UnknownEvent)
    assert second.method == "tomorrow"


def test_more_than_100_items_are_all_read() -> None:
    assert len(webhooks.parse(json.dumps([{"method": "tomorrow"}] * 101))) == 101
    assert webhooks.parse(b"[]") == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"[",
        b"<html>",
        b"\xff\xfe\x00",
        b'[{"method": "prosp',
        b"[1] x",
        b"[" * 100_000,
        "nope sentinel",
    ],
)
def test_a_body_that_is_no_json(body: Any) -> None:
    with pytest.raises(ConfigError, match="no delivery of a webhook") as refused:
        webhooks.parse(body)
    assert "sentinel" not in str(refused.value)


@pytest.mark.parametrize("body", [b"{}", b'{"method": "prospect_saved"}', b"null", b"7", b'"[]"', b"true"])
def test_a_body_that_is_no_array(body: bytes) -> None:
    with pytest.raises(ConfigError, match="not an array of events"):
        webhooks.parse(body)


@pytest.mark.parametrize("body", [None, 7, [], {}, [{"method": "prospect_saved"}]])
def test_a_body_that_is_not_as_it_came(body: Any) -> None:
    with pytest.raises(ConfigError, match="as it came"):
        webhooks.parse(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
items = st.fixed_dictionaries(
    {"method": st.sampled_from([*map(str, WebhookEventName), "tomorrow"]) | json_values},
    optional={
        **dict.fromkeys(("timestamp", "firm_id", "email", "campaign", "linkedin_account"), json_values),
        **{
            part: st.dictionaries(st.sampled_from([*PROSPECT]), json_values, max_size=4) | json_values
            for part in ("prospect", "secondary_prospect")
        },
    },
)


@given(st.lists(items | json_values, max_size=5))
def test_whatever_comes_each_item_becomes_one_event(sent: list[Any]) -> None:
    events = webhooks.parse(json.dumps(sent))
    assert len(events) == len(sent)
    for item, event in zip(sent, events, strict=True):
        assert isinstance(event, webhooks.WebhookEvent)
        assert event.timestamp is None or event.timestamp.tzinfo is not None
        assert not isinstance(event, UnknownEvent) or event.raw == item


@pytest.mark.system
def test_importing_it_imports_no_http() -> None:
    import subprocess
    import sys

    code = "import sys, woodpecker_async.webhooks; print({'aiohttp', 'tenacity', 'asyncio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
