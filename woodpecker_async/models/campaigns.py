"""Campaigns, their settings and steps."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs

from woodpecker_async.models._loose import Number, Text, Time
from woodpecker_async.models.enums import OpenEnum


class CampaignStatus(OpenEnum):
    """The state a campaign is in. `DELETED` is in older documents only."""

    DRAFT = "DRAFT"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"
    EDITED = "EDITED"
    COMPLETED = "COMPLETED"
    DELETED = "DELETED"


class StepType(OpenEnum):
    """What a step is. Each campaign begins with `START`, which sends nothing."""

    START = "START"
    EMAIL = "EMAIL"
    LINKEDIN = "LINKEDIN"


class LinkedInAction(OpenEnum):
    """What a step of type `LINKEDIN` does. The API may know more of them."""

    VISIT_PROFILE = "VISIT_PROFILE"
    CONNECTION_REQUEST = "CONNECTION_REQUEST"
    DIRECT_MESSAGE = "DIRECT_MESSAGE"


class StepSignature(OpenEnum):
    """Whether the signature of the sending mailbox goes below a message."""

    SENDER = "SENDER"
    NO_SIGNATURE = "NO_SIGNATURE"


class Weekday(OpenEnum):
    """A day of the week."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


class DelayRange(OpenEnum):
    """The unit of a delay."""

    DAY = "DAY"
    HOUR = "HOUR"
    MINUTE = "MINUTE"


class CatchAllMode(OpenEnum):
    """How addresses of catch-all domains are verified before they are written to."""

    NONE = "NONE"
    BALANCED = "BALANCED"
    MAXIMUM = "MAXIMUM"
    ONLY_VERIFY = "ONLY_VERIFY"


class MailProvider(OpenEnum):
    """Whose recipients open tracking is switched off for."""

    GOOGLE = "google.com"
    OUTLOOK = "outlook.com"
    OTHER = "OTHER_PROVIDER"


class PausingStatus(OpenEnum):
    """What of one prospect pauses the others of its domain."""

    REPLIED = "REPLIED"
    BOUNCED = "BOUNCED"


# By day of the week, up to three windows, each a pair of "HH:mm" or a mapping with `from` and `to`.
DeliveryTime: TypeAlias = Mapping[Weekday | str, Iterable[tuple[str, str] | Mapping[str, str]]]


@attrs.frozen(kw_only=True)
class CampaignSummary:
    """A campaign as it is listed (document "Get a list of campaigns").

    Attributes:
        id: its id.
        name: its name.
        status: the state it is in; a value that this version does not know is kept, see `OpenEnum`.
        created: when it was made.
        from_name: who sends it.
        from_names: all who send it.
        gdpr_unsubscribe: whether the page to unsubscribe offers to delete the prospect's data.
        folder_name: the folder it is in.
        folder_id: the same; 0 for none.
        from_email: the address it is sent from.
        from_emails: all addresses it is sent from.
        per_day: how many opening messages go out in a day.
        bcc: who gets a blind copy.
        cc: who gets a copy.
        error: what is wrong with it.
    """

    id: int
    name: str | None = None
    status: CampaignStatus | None = None
    created: Time = None
    from_name: Text = None
    from_names: tuple[str, ...] | None = None
    gdpr_unsubscribe: bool | None = None
    folder_name: Text = None
    folder_id: Number = None
    from_email: Text = None
    from_emails: tuple[str, ...] | None = None
    per_day: Number = None
    bcc: Text = None
    cc: Text = None
    error: Text = None


@attrs.frozen(kw_only=True)
class CampaignStats(CampaignSummary):
    """A campaign with its figures (document "Get campaign statistics").

    Attributes:
        stats: the figures, of all versions together, such as `stats["sent"]`; and in `stats["emails"]` the steps, with
            the content of version A. The names are those of the server.
    """

    stats: Mapping[str, Any] | None = None


@attrs.frozen(kw_only=True)
class CampaignSettings:
    """How a campaign sends, in answers and in requests; what is `None` is not sent.

    Attributes:
        timezone: the zone that delivery times are in, an IANA name.
        prospect_timezone: whether the prospect's own zone goes before that, where it is known.
        daily_enroll: how many prospects may get their first message in a day, 500 by default at most.
        gdpr_unsubscribe: whether the page to unsubscribe offers to delete the prospect's data.
        list_unsubscribe: whether messages have a `List-Unsubscribe` header.
        open_disabled_list: whose recipients open tracking is switched off for.
        auto_pause_prospect_from_domain: whether a reply pauses the other prospects of that domain.
        auto_pause_prospect_from_domain_statuses: what pauses them; newer than the switch above.
        catch_all_verification_mode: how addresses of catch-all domains are verified.
        count_followup_delay_in_working_days: whether delays count working days only.
    """

    timezone: str | None = None
    prospect_timezone: bool | None = None
    daily_enroll: int | None = None
    gdpr_unsubscribe: bool | None = None
    list_unsubscribe: bool | None = None
    open_disabled_list: tuple[MailProvider, ...] | None = None
    auto_pause_prospect_from_domain: bool | None = None
    auto_pause_prospect_from_domain_statuses: tuple[PausingStatus, ...] | None = None
    catch_all_verification_mode: CatchAllMode | None = None
    count_followup_delay_in_working_days: bool | None = None


@attrs.frozen(kw_only=True)
class FollowupDelay:
    """How long after a step the next one follows, in answers and in requests.

    Attributes:
        range: the unit.
        value: how many of them, 1 or more.
    """

    range: DelayRange
    value: int


@attrs.frozen(kw_only=True)
class StepVersion:
    """One of the texts of a step, which are tested against each other.

    Attributes:
        id: its id, for `steps.update_version`.
        version: its letter, `"A"` to `"E"`.
        subject: `""` or `None` for a message in the same thread.
        message: HTML; plain text on LinkedIn.
        signature: whether the sender's signature goes below it.
        track_opens: whether opening it is tracked.
    """

    id: str | None = None
    version: str | None = None
    subject: str | None = None
    message: str | None = None
    signature: StepSignature | None = None
    track_opens: bool | None = None


@attrs.frozen(kw_only=True)
class StepBody:
    """What a step sends.

    Attributes:
        versions: its texts.
        action_type: what a LinkedIn step does.
        linkedin_account_id: the account that does it.
    """

    versions: tuple[StepVersion, ...] | None = None
    action_type: LinkedInAction | None = None
    linkedin_account_id: int | None = None


@attrs.frozen(kw_only=True)
class CampaignStep:
    """A step of a campaign, with the steps behind it.

    Attributes:
        id: its id, for the methods of `steps`.
        type: what it is; a value that this version does not know is kept, see `OpenEnum`.
        delivery_time: when it sends: a list of `{"from": "08:00", "to": "18:00"}` for each day of the week.
        body: what it sends.
        followup_after: how long after it the next one follows.
        followup: the next one.
    """

    id: str | None = None
    type: StepType | None = None
    delivery_time: Mapping[str, Any] | None = None
    body: StepBody | None = None
    followup_after: FollowupDelay | None = None
    followup: "CampaignStep | None" = None

    def __iter__(self) -> Iterator["CampaignStep"]:
        """This step and those behind it, but for a `START`."""
        step: CampaignStep | None = self
        while step is not None:
            if step.type != StepType.START:
                yield step
            step = step.followup

    @property
    def versions(self) -> tuple[StepVersion, ...]:
        """The texts in its body."""
        return (self.body.versions if self.body else None) or ()


@attrs.frozen(kw_only=True)
class Campaign:
    """A campaign with all its parts (document "Campaigns", section "Campaign body schema").

    Attributes:
        id: its id.
        name: its name.
        status: the state it is in; a value that this version does not know is kept, see `OpenEnum`.
        email_account_ids: the mailboxes it is sent from (SMTP ids).
        settings: how it sends.
        steps: its first step, with the others behind it: `for step in campaign.steps` goes through those that send.
    """

    id: int
    name: str | None = None
    status: CampaignStatus | None = None
    email_account_ids: tuple[int, ...] | None = None
    settings: CampaignSettings | None = None
    steps: CampaignStep | None = None


@attrs.frozen(kw_only=True)
class NewVersion:
    """One of the texts of a new step.

    Attributes:
        message: HTML; plain text on LinkedIn, where it may be empty.
        subject: of an e-mail; `""`, as it is by default, sends it in the thread of the step before. The first e-mail
            needs one before the campaign can run.
        signature: whether the sender's signature goes below it.
        track_opens: whether opening it is tracked.
    """

    message: str
    subject: str = ""
    signature: StepSignature | str | None = None
    track_opens: bool | None = None


@attrs.frozen(kw_only=True)
class NewStep:
    """A new step of a campaign.

    Attributes:
        versions: its texts, each a `NewVersion` or a mapping: 1 to 5 for an e-mail.
        type: `EMAIL` or `LINKEDIN`.
        delivery_time: when it sends: up to three windows for a day of the week, such as
            `{"MONDAY": [("08:00", "12:00"), ("13:00", "18:00")]}`.
        followup_after: how long after it the next one follows, as a `FollowupDelay` or a mapping.
        action_type: what a LinkedIn step does.
        linkedin_account_id: the account that does it.
    """

    versions: Iterable[NewVersion | Mapping[str, Any]] = ()
    type: StepType | str = StepType.EMAIL
    delivery_time: DeliveryTime | None = None
    followup_after: FollowupDelay | Mapping[str, Any] | None = None
    action_type: LinkedInAction | str | None = None
    linkedin_account_id: int | None = None


@attrs.frozen(kw_only=True)
class NewCampaign:
    """A campaign to create.

    Attributes:
        name: its name.
        steps: 1 to 16, in their order, each a `NewStep` or a mapping; or the steps of another `Campaign`.
        email_account_ids: the mailboxes to send it from (SMTP ids), at least one if a step is an e-mail.
        settings: how it sends, as a `CampaignSettings` or a mapping.
    """

    name: str
    steps: Iterable[NewStep | CampaignStep | Mapping[str, Any]] | Mapping[str, Any]
    email_account_ids: Iterable[int] = ()
    settings: CampaignSettings | Mapping[str, Any] = attrs.field(factory=CampaignSettings)


@attrs.frozen(kw_only=True)
class BounceShield:
    """The bounce shield of a campaign.

    Attributes:
        bounce_rate_threshold: the share of bounces, in percent, that pauses it; `None` if it is not set.
    """

    bounce_rate_threshold: int | None
