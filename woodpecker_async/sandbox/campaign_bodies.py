"""The declared inputs of the campaign endpoints."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from woodpecker_async.sandbox.endpoint import Input

_STATUSES: Final = ("RUNNING", "DRAFT", "EDITED", "PAUSED", "STOPPED", "COMPLETED", "DELETED")
_Moment = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
_Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class Window(Input):
    """When e-mail may be sent on a day."""

    start: _Moment = msgspec.field(name="from")
    to: _Moment


_Windows = Annotated[list[Window], Meta(min_length=1, max_length=3)] | UnsetType


class DeliveryTime(Input):
    """When e-mail may be sent in a week."""

    MONDAY: _Windows = UNSET
    TUESDAY: _Windows = UNSET
    WEDNESDAY: _Windows = UNSET
    THURSDAY: _Windows = UNSET
    FRIDAY: _Windows = UNSET
    SATURDAY: _Windows = UNSET
    SUNDAY: _Windows = UNSET

    def fits(self) -> bool:
        """Whether there is at least one day, and each window ends after it starts."""
        days = [windows for name in self.__struct_fields__ if (windows := getattr(self, name)) is not UNSET]
        return bool(days) and all(window.start < window.to for windows in days for window in windows)


class VersionChange(Input):
    """Changes to the text of a step."""

    subject: str | UnsetType | None = UNSET
    message: str | UnsetType = UNSET
    signature: Literal["SENDER", "NO_SIGNATURE"] | UnsetType = UNSET
    track_opens: bool | UnsetType = UNSET


class NewVersion(VersionChange):
    """Text of a step."""

    message: str = ""


class Delay(Input):
    """How long to wait after a step before the next one."""

    range: Literal["DAY", "HOUR", "MINUTE"]
    value: Annotated[int, Meta(ge=1)]


class StepBody(Input):
    """What a step sends."""

    versions: Annotated[list[NewVersion], Meta(max_length=5)] | UnsetType = UNSET
    action_type: str | UnsetType = UNSET
    linkedin_account_id: _Id | UnsetType = UNSET


class NewStep(Input):
    """A step."""

    type: Literal["EMAIL", "LINKEDIN"]
    body: StepBody | UnsetType = UNSET
    delivery_time: DeliveryTime | UnsetType = UNSET
    followup_after: Delay | UnsetType = UNSET


class LinkedStep(NewStep):
    """A step, and the steps after it."""

    followup: "LinkedStep | None" = None


class Start(Input):
    """The start of a campaign's steps."""

    type: Literal["START"]
    followup: LinkedStep


class Settings(Input):
    """How a campaign sends."""

    timezone: str | UnsetType = UNSET
    prospect_timezone: bool | UnsetType = UNSET
    daily_enroll: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    gdpr_unsubscribe: bool | UnsetType = UNSET
    list_unsubscribe: bool | UnsetType = UNSET
    open_disabled_list: list[Literal["google.com", "outlook.com", "OTHER_PROVIDER"]] | UnsetType = UNSET
    auto_pause_prospect_from_domain: bool | UnsetType = UNSET
    auto_pause_prospect_from_domain_statuses: list[Literal["REPLIED", "BOUNCED"]] | UnsetType = UNSET
    catch_all_verification_mode: Literal["NONE", "BALANCED", "MAXIMUM", "ONLY_VERIFY"] | UnsetType = UNSET
    count_followup_delay_in_working_days: bool | UnsetType = UNSET


_Mailboxes = Annotated[list[_Id], Meta(min_length=1)]
_Name = Annotated[str, Meta(min_length=1)]


class NewCampaign(Input):
    """A campaign."""

    name: _Name
    email_account_ids: list[_Id]
    settings: Settings
    steps: Start


class CampaignChange(Input):
    """Changes to a campaign."""

    name: _Name | UnsetType = UNSET
    email_account_ids: _Mailboxes | UnsetType = UNSET
    settings: Settings | UnsetType = UNSET


class AddedStep(Input):
    """A step to add, and the step it follows."""

    parent_id: str
    step: NewStep


class StepChange(Input):
    """The new delivery times of a step."""

    delivery_time: DeliveryTime


class Threshold(Input):
    """The share of bounces, in percent, at which a campaign is paused."""

    bounce_rate_threshold: Annotated[int, Meta(ge=1, le=99)]


class ThresholdAnswer(Input):
    """The same; null if it is not set."""

    bounce_rate_threshold: int | None


class Filter(Input):
    """Which campaigns to list."""

    id: Annotated[str, Meta(pattern=r"^\d+(,\d+)*$")] | UnsetType = UNSET
    status: Annotated[str, Meta(pattern=f"^({'|'.join(_STATUSES)})(,({'|'.join(_STATUSES)}))*$")] | UnsetType = UNSET
