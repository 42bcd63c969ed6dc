"""Campaigns, their settings and steps."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs

from woodpecker_async.models._loose import Number, Text, Time
from woodpecker_async.models.enums import OpenEnum


class CampaignStatus(OpenEnum):
    """The status of a campaign. `DELETED` appears only in older documents."""

    DRAFT = "DRAFT"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"
    EDITED = "EDITED"
    COMPLETED = "COMPLETED"
    DELETED = "DELETED"


class StepType(OpenEnum):
    """The type of a step. Every campaign begins with `START`, which sends nothing."""

    START = "START"
    EMAIL = "EMAIL"
    LINKEDIN = "LINKEDIN"


class LinkedInAction(OpenEnum):
    """What a step of type `LINKEDIN` does. The API may know other actions."""

    VISIT_PROFILE = "VISIT_PROFILE"
    CONNECTION_REQUEST = "CONNECTION_REQUEST"
    DIRECT_MESSAGE = "DIRECT_MESSAGE"


class StepSignature(OpenEnum):
    """Whether a message ends with the signature of the sending mailbox."""

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
    """How addresses of catch-all domains are verified before e-mail is sent to them."""

    NONE = "NONE"
    BALANCED = "BALANCED"
    MAXIMUM = "MAXIMUM"
    ONLY_VERIFY = "ONLY_VERIFY"


class MailProvider(OpenEnum):
    """A mail provider for whose users open tracking can be turned off."""

    GOOGLE = "google.com"
    OUTLOOK = "outlook.com"
    OTHER = "OTHER_PROVIDER"


class PausingStatus(OpenEnum):
    """The status of one prospect that pauses the other prospects of its domain."""

    REPLIED = "REPLIED"
    BOUNCED = "BOUNCED"


# By day of the week, up to three windows, each a pair of "HH:mm" or a mapping with `from` and `to`.
DeliveryTime: TypeAlias = Mapping[Weekday | str, Iterable[tuple[str, str] | Mapping[str, str]]]


@attrs.frozen(kw_only=True)
class CampaignSummary:
    """A campaign as listed (document "Get a list of campaigns").

    Attributes:
        id: its id.
        name: its name.
        status: its status; a value that this version does not know is kept, see `OpenEnum`.
        created: when it was created.
        from_name: the sender's name.
        from_names: the names of all senders.
        gdpr_unsubscribe: whether the unsubscribe page offers to delete the prospect's data.
        folder_name: the name of its folder.
        folder_id: the id of its folder; 0 for none.
        from_email: the sender's address.
        from_emails: the addresses of all senders.
        per_day: how many opening messages are sent per day.
        bcc: the recipient of a blind copy.
        cc: the recipient of a copy.
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
    """A campaign with its statistics (document "Get campaign statistics").

    Attributes:
        stats: the statistics over all versions, such as `stats["sent"]`; `stats["emails"]` has the steps, with the
            content of version A. The names are the server's.
    """

    stats: Mapping[str, Any] | None = None


@attrs.frozen(kw_only=True)
class CampaignSettings:
    """How a campaign sends, in responses and requests; fields that are `None` are not sent.

    Attributes:
        timezone: the time zone of delivery times, an IANA name.
        prospect_timezone: whether to use the prospect's own time zone instead, if it is known.
        daily_enroll: how many prospects may get their first message per day; the API's maximum is 500 by default.
        gdpr_unsubscribe: whether the unsubscribe page offers to delete the prospect's data.
        list_unsubscribe: whether messages have a `List-Unsubscribe` header.
        open_disabled_list: the mail providers for whose users open tracking is turned off.
        auto_pause_prospect_from_domain: whether a reply pauses the other prospects of the same domain.
        auto_pause_prospect_from_domain_statuses: which statuses pause them; newer than the setting above.
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
    """The delay between a step and the next one, in responses and requests.

    Attributes:
        range: the unit.
        value: how many units, an integer >= 1.
    """

    range: DelayRange
    value: int


@attrs.frozen(kw_only=True)
class StepVersion:
    """One version of a step, for A/B tests.

    Attributes:
        id: its id, for `steps.update_version`.
        version: its letter, `"A"` to `"E"`.
        subject: its subject; `""` or `None` for a message in the same thread.
        message: the message as HTML, or as plain text for LinkedIn.
        signature: whether it ends with the sender's signature.
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
        versions: its versions.
        action_type: the action of a LinkedIn step.
        linkedin_account_id: the account that performs it.
    """

    versions: tuple[StepVersion, ...] | None = None
    action_type: LinkedInAction | None = None
    linkedin_account_id: int | None = None


@attrs.frozen(kw_only=True)
class CampaignStep:
    """A step of a campaign, with the steps that follow it.

    Attributes:
        id: its id, for the methods of `steps`.
        type: its type; a value that this version does not know is kept, see `OpenEnum`.
        delivery_time: when it sends: by day of the week, a list of `{"from": "08:00", "to": "18:00"}`.
        body: what it sends.
        followup_after: the delay before the next step.
        followup: the next step.
    """

    id: str | None = None
    type: StepType | None = None
    delivery_time: Mapping[str, Any] | None = None
    body: StepBody | None = None
    followup_after: FollowupDelay | None = None
    followup: "CampaignStep | None" = None

    def __iter__(self) -> Iterator["CampaignStep"]:
        """Iterate over this step and those that follow it, except a `START`."""
        step: CampaignStep | None = self
        while step is not None:
            if step.type != StepType.START:
                yield step
            step = step.followup

    @property
    def versions(self) -> tuple[StepVersion, ...]:
        """The versions in its body."""
        return (self.body.versions if self.body else None) or ()


@attrs.frozen(kw_only=True)
class Campaign:
    """A campaign with all its parts (document "Campaigns", section "Campaign body schema").

    Attributes:
        id: its id.
        name: its name.
        status: its status; a value that this version does not know is kept, see `OpenEnum`.
        email_account_ids: the mailboxes it sends from (SMTP ids).
        settings: how it sends.
        steps: its first step, followed by the others: `for step in campaign.steps` iterates over those that send.
    """

    id: int
    name: str | None = None
    status: CampaignStatus | None = None
    email_account_ids: tuple[int, ...] | None = None
    settings: CampaignSettings | None = None
    steps: CampaignStep | None = None


@attrs.frozen(kw_only=True)
class NewVersion:
    """One version of a new step.

    Attributes:
        message: the message as HTML, or as plain text for LinkedIn, where it may be empty.
        subject: the e-mail's subject; `""`, the default, sends it in the thread of the previous step. The first e-mail
            needs a subject before the campaign can run.
        signature: whether it ends with the sender's signature.
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
        versions: its versions, each a `NewVersion` or a mapping: 1 to 5 for an e-mail.
        type: `EMAIL` or `LINKEDIN`.
        delivery_time: when it sends: up to three windows per day of the week, such as
            `{"MONDAY": [("08:00", "12:00"), ("13:00", "18:00")]}`.
        followup_after: the delay before the next step, as a `FollowupDelay` or a mapping.
        action_type: the action of a LinkedIn step.
        linkedin_account_id: the account that performs it.
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
        steps: 1 to 16 steps in order, each a `NewStep` or a mapping; or the steps of another `Campaign`.
        email_account_ids: the mailboxes to send from (SMTP ids), at least one if a step is an e-mail.
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
        bounce_rate_threshold: the bounce rate in percent that pauses it; `None` if it is not set.
    """

    bounce_rate_threshold: int | None
