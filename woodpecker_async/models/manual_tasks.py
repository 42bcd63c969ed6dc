"""Manual tasks: tasks of a campaign for someone to do by hand."""

from typing import Any

import attrs

from woodpecker_async.models._loose import Number, Time
from woodpecker_async.models.enums import OpenEnum
from woodpecker_async.models.prospects import Prospect


class ManualTaskType(OpenEnum):
    """The type of a task."""

    GENERIC = "GENERIC"
    CALL = "CALL"
    SMS = "SMS"
    LINKEDIN = "LINKEDIN"


@attrs.frozen(kw_only=True)
class ManualTaskDetails:
    """The task itself.

    Attributes:
        type: its type.
        name: its title.
        message: what to do.
        due_date: when it is due.
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
        sent_from_emails: the addresses it sends from.
    """

    campaign_id: Number = None
    campaign_name: str | None = None
    sent_from_emails: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class ManualTaskProspect(Prospect):
    """The prospect that a task is about.

    Attributes:
        snippet_labels: the snippets by the account's own names for them.
        in_campaign: how many campaigns the prospect is in.
        emails_sent: how many e-mails the prospect has been sent.
        imported: the file the prospect was imported from.
    """

    snippet_labels: Any = None
    in_campaign: Number = None
    emails_sent: Number = None
    imported: Any = None


@attrs.frozen(kw_only=True)
class ManualTask:
    """An open task (document "Get manual tasks"). It has no id.

    Attributes:
        task: the task itself.
        prospect: the prospect it is about.
        campaign: the campaign it belongs to.
    """

    task: ManualTaskDetails
    prospect: ManualTaskProspect | None = None
    campaign: ManualTaskCampaign | None = None
