"""Webhook subscriptions. For the deliveries, see `woodpecker_async.webhooks`."""

from typing import Self

import attrs

from woodpecker_async.models.enums import OpenEnum


class WebhookEventName(OpenEnum):
    """The events you can subscribe to. The server lists them in upper case, which is accepted too."""

    CAMPAIGN_COMPLETED = "campaign_completed"
    CAMPAIGN_SENT = "campaign_sent"
    CAMPAIGN_PAUSED_BY_BOUNCE_SHIELD = "campaign_paused_by_bounce_shield"
    FOLLOWUP_AFTER_AUTOREPLY = "followup_after_autoreply"
    EMAIL_OPENED = "email_opened"
    LINK_CLICKED = "link_clicked"
    PROSPECT_REPLIED = "prospect_replied"
    PROSPECT_INTERESTED = "prospect_interested"
    PROSPECT_MAYBE_LATER = "prospect_maybe_later"
    PROSPECT_NOT_INTERESTED = "prospect_not_interested"
    PROSPECT_AUTOREPLIED = "prospect_autoreplied"
    PROSPECT_BOUNCED = "prospect_bounced"
    PROSPECT_INVALID = "prospect_invalid"
    PROSPECT_BLACKLISTED = "prospect_blacklisted"
    PROSPECT_OPT_OUT = "prospect_opt_out"
    PROSPECT_NON_RESPONSIVE = "prospect_non_responsive"
    PROSPECT_SAVED = "prospect_saved"
    SECONDARY_REPLIED = "secondary_replied"
    TASK_CREATED = "task_created"
    TASK_DONE = "task_done"
    TASK_IGNORED = "task_ignored"
    LINKEDIN_AUTOMATION_CONNECTION_REQUEST_ACCEPTED = "linkedin_automation_connection_request_accepted"
    LINKEDIN_AUTOMATION_ACCOUNT_CONNECTED = "linkedin_automation_account_connected"
    LINKEDIN_AUTOMATION_ACCOUNT_DISCONNECTED = "linkedin_automation_account_disconnected"
    LINKEDIN_AUTOMATION_DIRECT_MESSAGE_SENT = "linkedin_automation_direct_message_sent"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if isinstance(value, str) and (known := cls._value2member_map_.get(value.lower())) is not None:
            return known  # type: ignore[return-value]
        return super()._missing_(value)


@attrs.frozen(kw_only=True)
class Webhook:
    """A subscription.

    Attributes:
        target_url: the URL that events are sent to.
        event: the kind of event.
    """

    target_url: str
    event: WebhookEventName
