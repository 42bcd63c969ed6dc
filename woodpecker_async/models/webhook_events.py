"""Webhook events: one class for each shape, and the objects in them."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from woodpecker_async.models._loose import Number, Text, loose, read_number, read_time
from woodpecker_async.models.webhooks import WebhookEventName


def _read_id(value: object) -> int | str | None:
    """Read an id whose type is not documented: as an integer if possible."""
    try:
        return read_number(value)
    except ValueError:
        if isinstance(value, str):
            return value
        raise


def _read_moment(value: object) -> datetime | str | None:
    """Read a time whose format is not documented: as a datetime if possible, otherwise as received."""
    try:
        return read_time(value)
    except ValueError:
        if isinstance(value, str):
            return value
        raise


def _read_stamp(value: object) -> datetime | None:
    """Read the time of an event, which must have a time zone."""
    moment = read_time(value)
    if moment is not None and moment.tzinfo is None:
        raise ValueError
    return moment


def _read_texts(value: object) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise TypeError
    return tuple(value)


def _read_table(value: object) -> Mapping[str, Any]:
    if value is None or value in ("", []):
        return {}
    if not isinstance(value, dict):
        raise TypeError
    return value


if TYPE_CHECKING:
    _Id: TypeAlias = int | str | None
    _Moment: TypeAlias = datetime | str | None
    _Stamp: TypeAlias = datetime | None
    _Texts: TypeAlias = tuple[str, ...]
    _Table: TypeAlias = Mapping[str, Any]
else:
    _Id = loose("an id", _read_id)
    _Moment = loose("a date and time", _read_moment)
    _Stamp = loose("a date and time with its zone", _read_stamp)
    _Texts = loose("an array of strings", _read_texts)
    _Table = loose("an object", _read_table)


@attrs.frozen(kw_only=True)
class WebhookProspect:
    """A prospect, as sent in events. Fields without a value (`""` or null) are `None`.

    Attributes:
        id: the prospect's id.
        email: the e-mail address.
        first_name, last_name, company, industry, website, linkedin_url, title, phone: personal details.
        address, city, state, country: the postal address.
        tags: such as `"#VISIONARY #HOT"`.
        snippet1, snippet2, snippet3, snippet4, snippet5, snippet6, snippet7, snippet8, snippet9, snippet10, snippet11,
            snippet12, snippet13, snippet14, snippet15: the snippets.
        snippet_labels: the snippets by the account's own names for them.
        status: such as `"REPLIED"`, which the application calls "responded".
        interested: such as `"INTERESTED"`.
        last_contacted: when the prospect was last written to.
        imported: where the prospect was imported from, such as the name of a file.
        in_campaign: how many campaigns the prospect is in.
        emails_sent: how many e-mails the prospect has been sent.
        campaign_id, campaign_name: the campaign that the event belongs to, if any.
        campaign_email: the address from which the campaign writes to the prospect.
        campaign_emails: all addresses that the campaign sends from.
        campaign_email_sent: how many e-mails of the campaign the prospect has been sent.
        step: the current step of the campaign, counted from 1.
        step_type: such as `"EMAIL"`.
        followup_after: when the next step is due.
    """

    id: Number = None
    email: Text = None
    first_name: Text = None
    last_name: Text = None
    company: Text = None
    industry: Text = None
    website: Text = None
    linkedin_url: Text = None
    tags: Text = None
    title: Text = None
    phone: Text = None
    address: Text = None
    city: Text = None
    state: Text = None
    country: Text = None
    snippet1: Text = None
    snippet2: Text = None
    snippet3: Text = None
    snippet4: Text = None
    snippet5: Text = None
    snippet6: Text = None
    snippet7: Text = None
    snippet8: Text = None
    snippet9: Text = None
    snippet10: Text = None
    snippet11: Text = None
    snippet12: Text = None
    snippet13: Text = None
    snippet14: Text = None
    snippet15: Text = None
    snippet_labels: _Table = attrs.field(factory=dict, hash=False)
    status: Text = None
    interested: Text = None
    last_contacted: _Moment = None
    imported: Text = None
    in_campaign: Number = None
    emails_sent: Number = None
    campaign_id: Number = None
    campaign_name: Text = None
    campaign_email: Text = None
    campaign_emails: _Texts = ()
    campaign_email_sent: Number = None
    step: Number = None
    step_type: Text = None
    followup_after: _Moment = None


@attrs.frozen(kw_only=True)
class ReplyEmail:
    """The e-mail of a reply.

    Attributes:
        id, mail_id: its ids.
        subject: its subject.
        sender: the sender's name.
        email: the sender's address.
        date: when it was written.
        message: its text.
    """

    id: _Id = None
    mail_id: _Id = None
    subject: Text = None
    sender: Text = None
    email: Text = None
    date: _Moment = None
    message: Text = None


@attrs.frozen(kw_only=True)
class SentEmail:
    """An e-mail that a campaign sent.

    Attributes:
        id, message_id: its ids.
        campaign_id: the campaign.
        name_from, email_from: the sender.
        name_to, email_to: the recipient.
        email_cc, email_bcc: the recipients of copies.
        subject: its subject.
        sent: when it was sent.
        host: the server that sent it.
        number: the number of the e-mail.
        step: the step of the campaign.
        message: its text, in HTML.
    """

    id: _Id = None
    message_id: _Id = None
    campaign_id: Number = None
    name_from: Text = None
    email_from: Text = None
    name_to: Text = None
    email_to: Text = None
    email_cc: Text = None
    email_bcc: Text = None
    subject: Text = None
    sent: _Moment = None
    host: Text = None
    number: Number = None
    step: Number = None
    message: Text = None


@attrs.frozen(kw_only=True)
class WebhookCampaign:
    """A campaign, as sent in events.

    Attributes:
        campaign_id, campaign_name: its id and name.
        sent_from: the address it sends from.
        sent_from_emails: all addresses it sends from.
        bounce_rate_threshold: the bounce rate at which it is paused, in percent.
    """

    campaign_id: Number = None
    campaign_name: Text = None
    sent_from: Text = None
    sent_from_emails: _Texts = ()
    bounce_rate_threshold: Number = None


@attrs.frozen(kw_only=True)
class WebhookLinkedInAccount:
    """A LinkedIn account, as sent in events.

    Attributes:
        id: its id.
        session_status: such as `"CONNECTED"`.
        full_name: its owner's name.
        linkedin_url: the URL of its profile.
        level: such as `"PREMIUM"`; `None` once it is disconnected.
    """

    id: Number = None
    session_status: Text = None
    full_name: Text = None
    linkedin_url: Text = None
    level: Text = None


@attrs.frozen(kw_only=True)
class WebhookEvent:
    """The fields that every event has.

    Attributes:
        method: the name of the event; it compares as a str.
        timestamp: when it happened, as an aware datetime.
        firm_id: the id of the account it happened in.
        extra: the fields of the item without an attribute here, as received, such as the `click_url` of
            `link_clicked`.
    """

    method: WebhookEventName | None = None
    timestamp: _Stamp = None
    firm_id: Number = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True)
class ProspectEvent(WebhookEvent):
    """Something happened to a prospect.

    Attributes:
        prospect: the prospect.
    """

    prospect: WebhookProspect


@attrs.frozen(kw_only=True)
class ReplyEvent(WebhookEvent):
    """A prospect replied, or an automatic reply was received.

    Attributes:
        prospect: the prospect who replied.
        email: the reply.
    """

    prospect: WebhookProspect
    email: ReplyEmail


@attrs.frozen(kw_only=True)
class EmailSentEvent(WebhookEvent):
    """A campaign sent an e-mail.

    Attributes:
        prospect: the recipient.
        email: the e-mail.
    """

    prospect: WebhookProspect
    email: SentEmail


@attrs.frozen(kw_only=True)
class SecondaryReplyEvent(WebhookEvent):
    """Someone else replied instead of the prospect. The event does not contain the text; see `prospects.responses`.

    Attributes:
        prospect: the prospect who was written to.
        secondary_prospect: the person who replied.
    """

    prospect: WebhookProspect | None = None
    secondary_prospect: WebhookProspect


@attrs.frozen(kw_only=True)
class CampaignEvent(WebhookEvent):
    """Something happened to a campaign.

    Attributes:
        campaign: the campaign.
    """

    campaign: WebhookCampaign


@attrs.frozen(kw_only=True)
class LinkedInAccountEvent(WebhookEvent):
    """A LinkedIn account was connected or disconnected.

    Attributes:
        linkedin_account: the account.
    """

    linkedin_account: WebhookLinkedInAccount


@attrs.frozen(kw_only=True)
class UnknownEvent(WebhookEvent):
    """An item of a kind that this version does not know, or that is not as documented.

    Attributes:
        raw: the item, as returned by `json.loads`.
        problems: what is not as documented; empty for a new kind of event.
    """

    raw: Any = attrs.field(hash=False)
    problems: tuple[str, ...] = ()
