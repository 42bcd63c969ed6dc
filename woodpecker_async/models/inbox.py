"""The inbox: messages received by an account."""

from typing import Any

import attrs

from woodpecker_async.models._loose import Time
from woodpecker_async.models.enums import OpenEnum


class ProspectReplyStatus(OpenEnum):
    """The status of the prospect who sent a message."""

    RESPONDED = "RESPONDED"
    AUTOREPLIED = "AUTOREPLIED"
    BOUNCED = "BOUNCED"
    BLACKLISTED = "BLACKLISTED"
    OPT_OUT = "OPT_OUT"


class InterestLevel(OpenEnum):
    """How interested a prospect is. The v1 endpoints spell these with hyphens."""

    INTERESTED = "INTERESTED"
    MAYBE_LATER = "MAYBE_LATER"
    NOT_INTERESTED = "NOT_INTERESTED"
    NOT_MARKED = "NOT_MARKED"


@attrs.frozen(kw_only=True)
class InboxMessage:
    """A message in the inbox. Only `id` is certain: the other fields are known from a third party.

    Attributes:
        id: the message's id, for `inbox.reply`.
        prospect_id: the prospect who sent it.
        subject: its subject.
        body: its body, such as `{"html": "..."}`.
        stamp: when it was received; naive if the server sends no time zone.
        read: whether it has been read.
        campaigns: the campaigns it belongs to.
    """

    id: int | str
    prospect_id: int | str | None = None
    subject: str | None = None
    body: Any = None
    stamp: Time = None
    read: bool | None = None
    campaigns: Any = None

    @property
    def html(self) -> str | None:
        """The HTML in its body; `None` if there is none."""
        html = self.body.get("html") if isinstance(self.body, dict) else self.body
        return html if isinstance(html, str) else None
