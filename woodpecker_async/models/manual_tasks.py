"""Manual tasks: what somebody is to do by hand for a campaign."""

from typing import Any

import attrs

from woodpecker_async.models._loose import Number, Time
from woodpecker_async.models.enums import OpenEnum
from woodpecker_async.models.prospects import Prospect


class ManualTaskType(OpenEnum):
    """What is to be done."""

    GENERIC = "GENERIC"
    CALL = "CALL"
    SMS = "SMS"
    LINKEDIN = "LINKEDIN"


@attrs.frozen(kw_only=True)
class ManualTaskDetails:
    """The task itself.

    Attributes:
        type: its kind.
        name: its title.
        message: what is to be done.
        due_date: until when.
    """

    type: ManualTaskType | None = None
    name: str | None = None
    message: str | None = None
    due_date: Time = None


@attrs.frozen(kw_only=True)
class ManualTaskCampaign:
    """The campaign that a task belongs to.

    Attributes:
        campaign_id: its id.
        campaign_name: its name.
        sent_from_emails: the addresses that it is sent from.
    """

    campaign_id: Number = None
    campaign_name: str | None = None
    sent_from_emails: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class ManualTaskProspect(Prospect):
    """The prospect that a task is about.

    Attributes:
        snippet_labels: the account's own names for snippets, with the snippets.
        in_campaign: how many campaigns the prospect is in.
        emails_sent: how many e-mails were sent.
        imported: the file that the prospect came from.
    """

    snippet_labels: Any = None
    in_campaign: Number = None
    emails_sent: Number = None
    imported: Any = None


@attrs.frozen(kw_only=True)
class ManualTask:
    """A task that waits for somebody (document "Get manual tasks"). It has no id.

    Attributes:
        task: what is to be done.
        prospect: whom it is about.
        campaign: what it is a step of.
    """

    task: ManualTaskDetails
    prospect: ManualTaskProspect | None = None
    campaign: ManualTaskCampaign | None = None
