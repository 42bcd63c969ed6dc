"""What Woodpecker delivers to a webhook: `parse` the body of the request, and match on the class of each event.

    for event in webhooks.parse(await request.read()):
        match event:
            case webhooks.ReplyEvent(prospect=prospect, email=email):
                ...

No session is needed. A delivery is not signed: whoever knows the URL can send one, so keep the URL secret, and look at
the API where it matters. Deliveries are repeated after an error, so an event may come more than once.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

from woodpecker_async.engine import codec
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.webhook_events import (
    CampaignEvent,
    EmailSentEvent,
    LinkedInAccountEvent,
    ProspectEvent,
    ReplyEmail,
    ReplyEvent,
    SecondaryReplyEvent,
    SentEmail,
    UnknownEvent,
    WebhookCampaign,
    WebhookEvent,
    WebhookLinkedInAccount,
    WebhookProspect,
)
from woodpecker_async.models.webhooks import WebhookEventName

__all__ = [
    "CampaignEvent",
    "EmailSentEvent",
    "LinkedInAccountEvent",
    "ProspectEvent",
    "ReplyEmail",
    "ReplyEvent",
    "SecondaryReplyEvent",
    "SentEmail",
    "UnknownEvent",
    "WebhookCampaign",
    "WebhookEvent",
    "WebhookLinkedInAccount",
    "WebhookProspect",
    "parse",
]


# Third-party notes give these as the `method` of two LinkedIn events; unconfirmed, and not to be subscribed to.
_OTHER_NAMES: Final = ("prospect_li_cr_accepted", "prospect_li_dm_sent")
_KNOWN: Final = frozenset({*WebhookEventName, *map(WebhookEventName, _OTHER_NAMES)})

# What Python refuses to read as an integer would lose all other items of the delivery.
_MOST_DIGITS: Final = 4000


def parse(body: bytes | str) -> tuple[WebhookEvent, ...]:
    """The events of a delivery, in their order.

    By the documents a delivery has up to 100 items; longer ones are read all the same. An item of a new kind, or one
    that is not what the documents say, becomes an `UnknownEvent`, and the others are not lost by it.

    Args:
        body: the body of the request, as it came.

    Raises:
        ConfigError: the body is not JSON, or not an array: it is no delivery of Woodpecker's.

    Example:
        >>> parse('[{"method": "prospect_saved", "firm_id": 7, "prospect": {"id": "12", "email": ""}}]')[0].prospect.id
        12
    """
    if not isinstance(body, str | bytes | bytearray | memoryview):
        raise ConfigError(f"body must be the bytes or the str of the request as it came, not {type(body).__name__}")
    try:
        items = json.loads(body if isinstance(body, str) else bytes(body), parse_int=_integer)
    except (ValueError, RecursionError) as error:
        problem = "it is nested too deeply" if isinstance(error, RecursionError) else "it is not JSON"
        raise ConfigError(f"the body is no delivery of a webhook: {problem} ({len(body)} long)") from None
    if not isinstance(items, list):
        raise ConfigError(f"the body is no delivery of a webhook: it is {type(items).__name__}, not an array of events")
    return tuple(map(_event, items))


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


def _event(item: Any) -> WebhookEvent:
    if not isinstance(item, dict):
        return UnknownEvent(raw=item, problems=(f"$: expected an object, got {type(item).__name__}",))
    shape = _shape(item)
    if shape is None:
        return _unknown(item)
    names = attrs.fields_dict(shape).keys() - {"extra"}
    event = codec.build({name: value for name, value in item.items() if name in names}, shape)
    if isinstance(event, codec.Undecodable):
        return _unknown(item, event.paths)
    assert isinstance(event, WebhookEvent)
    return attrs.evolve(event, extra={name: value for name, value in item.items() if name not in names})


def _shape(item: Mapping[str, Any]) -> type[WebhookEvent] | None:
    """The class of an item, by what is in it; `None` for an event that this version does not know."""
    method = item.get("method")
    if not isinstance(method, str) or (name := WebhookEventName(method)) not in _KNOWN:
        return None
    there = {part for part, value in item.items() if value not in (None, "", {}, [])}
    if "secondary_prospect" in there:
        return SecondaryReplyEvent
    if "prospect" not in there and there & {"campaign", "linkedin_account"}:
        return CampaignEvent if "campaign" in there else LinkedInAccountEvent
    if "email" in there:
        return EmailSentEvent if name == WebhookEventName.CAMPAIGN_SENT else ReplyEvent
    return ProspectEvent


def _unknown(item: Mapping[str, Any], problems: tuple[str, ...] = ()) -> UnknownEvent:
    """An unknown event, with as much of what all events have as can be read."""
    common: dict[str, Any] = {}
    for name in ("method", "timestamp", "firm_id"):
        one = codec.build({name: item.get(name)}, WebhookEvent)
        if isinstance(one, WebhookEvent):
            common[name] = getattr(one, name)
        else:
            problems += one.paths
    return UnknownEvent(**common, raw=item, problems=tuple(dict.fromkeys(problems)))
