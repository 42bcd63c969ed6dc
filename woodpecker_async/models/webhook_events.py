"""Events that webhooks are told of: one class for each shape, and what is in them."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from woodpecker_async.models._loose import Number, Text, loose, read_number, read_time
from woodpecker_async.models.webhooks import WebhookEventName


def _read_id(value: object) -> int | str | None:
    """An id of a kind that is not documented: an integer where it can be one."""
    try:
        return read_number(value)
    except ValueError:
        if isinstance(value, str):
            return value
        raise


def _read_moment(value: object) -> datetime | str | None:
    """A time of a form that is not documented: a moment where it can be read as one, else as it came."""
    try:
        return read_time(value)
    except ValueError:
        if isinstance(value, str):
            return value
        raise


def _read_stamp(value: object) -> datetime | None:
    """The moment of an event, which says its zone."""
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
    """A prospect, as events speak of it. What the server has no value for, `""` or null, is `None`.

    Attributes:
        id: the prospect's id.
        email: the address it is written to.
        first_name, last_name, company, industry, website, linkedin_url, title, phone: who it is.
        address, city, state, country: where it is.
        tags: such as `"#VISIONARY #HOT"`.
        snippet1, snippet2, snippet3, snippet4, snippet5, snippet6, snippet7, snippet8, snippet9, snippet10, snippet11,
            snippet12, snippet13, snippet14, snippet15: its snippets.
        snippet_labels: the snippets by the names that the account gave them.
        status: such as `"REPLIED"`, which the application calls "responded".
        interested: such as `"INTERESTED"`.
        last_contacted: when it was last written to.
        imported: where it came from, such as the name of a file.
        in_campaign: in how many campaigns it is.
        emails_sent: how many e-mails it got.
        campaign_id, campaign_name: the campaign that the event belongs to, if it belongs to one.
        campaign_email: the address that the campaign writes to it from.
        campaign_emails: all addresses that the campaign writes from.
        campaign_email_sent: how many e-mails of the campaign it got.
        step: the step of the campaign it is at, counted from 1.
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
        sender: the name of who wrote it.
        email: the address of who wrote it.
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
        name_from, email_from: whom it is from.
        name_to, email_to: whom it was sent to.
        email_cc, email_bcc: who got a copy.
        subject: its subject.
        sent: when it was sent.
        host: the server it was sent by.
        number: the number of the e-mail.
        step: the step of the campaign.
        message: HTML.
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
    """A campaign, as events speak of it.

    Attributes:
        campaign_id, campaign_name: which one.
        sent_from: the address it writes from.
        sent_from_emails: all of these.
        bounce_rate_threshold: the share of bounced e-mails at which it is paused, in percent.
    """

    campaign_id: Number = None
    campaign_name: Text = None
    sent_from: Text = None
    sent_from_emails: _Texts = ()
    bounce_rate_threshold: Number = None


@attrs.frozen(kw_only=True)
class WebhookLinkedInAccount:
    """A LinkedIn account, as events speak of it.

    Attributes:
        id: its id.
        session_status: such as `"CONNECTED"`.
        full_name: whose it is.
        linkedin_url: its profile.
        level: such as `"PREMIUM"`; `None` once it is disconnected.
    """

    id: Number = None
    session_status: Text = None
    full_name: Text = None
    linkedin_url: Text = None
    level: Text = None


@attrs.frozen(kw_only=True)
class WebhookEvent:
    """What every event has.

    Attributes:
        method: the name of the event; it compares as a str.
        timestamp: when it happened, aware.
        firm_id: the account it happened in.
        extra: the fields of the item that have no attribute here, as they came, such as the `click_url` of
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
    """A prospect replied, or an automatic reply came.

    Attributes:
        prospect: who replied.
        email: the reply.
    """

    prospect: WebhookProspect
    email: ReplyEmail


@attrs.frozen(kw_only=True)
class EmailSentEvent(WebhookEvent):
    """A campaign sent an e-mail.

    Attributes:
        prospect: whom it was sent to.
        email: the e-mail.
    """

    prospect: WebhookProspect
    email: SentEmail


@attrs.frozen(kw_only=True)
class SecondaryReplyEvent(WebhookEvent):
    """Somebody else replied in place of a prospect. The text is not part of it: see `prospects.responses`.

    Attributes:
        prospect: who was written to.
        secondary_prospect: who replied.
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
    """An item of a kind that this version does not know, or that is not what the documents say.

    Attributes:
        raw: the item, as `json.loads` gives it.
        problems: why it is none of the known ones; empty for a new kind of event.
    """

    raw: Any = attrs.field(hash=False)
    problems: tuple[str, ...] = ()
