"""`/v2/inbox`: the messages that came to one account."""

from collections.abc import Iterable
from operator import attrgetter

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.inbox import InboxMessage, InterestLevel, ProspectReplyStatus
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import CURSOR
from woodpecker_async.resources.base import Resource


class Inbox(Resource):
    """The messages that came to the account."""

    def list(
        self,
        *,
        prospect_status: ProspectReplyStatus | str | None = None,
        interest: InterestLevel | str | None = None,
        mailbox_ids: Iterable[int] = (),
        campaign_ids: Iterable[int] = (),
        search: Iterable[str] = (),
        read: bool | None = None,
        per_page: int | None = None,
        options: CallOptions | None = None,
    ) -> Pager[InboxMessage]:
        """All messages that match, by cursor.

        In an account that is not a client's, these are the messages of the mailboxes that the key's owner connected.

        Args:
            prospect_status: only from prospects of this status; excludes `interest`.
            interest: only from prospects of this interest; excludes `prospect_status`.
            mailbox_ids: only those that came to these mailboxes (IMAP ids).
            campaign_ids: only those of these campaigns.
            search: only those with one of these phrases: up to 20, each of 3 characters or more, without a comma.
            read: only those that were read, or were not.
            per_page: how many on a page, 1 to 50; 10 by default.
            options: for the calls of this list.

        Document: "Inbox", `GET /v2/inbox/messages`.
        """
        if prospect_status is not None and interest is not None:
            raise ConfigError("prospect_status and interest exclude each other: the API takes one of them")
        if read is not None and not isinstance(read, bool):
            raise ConfigError(f"read must be True, False or None, not {read!r}")
        phrases = tuple(search) if not isinstance(search, str) else (search,)
        if len(phrases) > 20 or any(isinstance(phrase, str) and len(phrase) < 3 for phrase in phrases):
            raise ConfigError("search must be up to 20 phrases of 3 characters or more")
        return self._list(
            "/v2/inbox/messages",
            InboxMessage,
            CURSOR,
            key=attrgetter("id"),
            params={
                "prospect_status": checks.choice_or_none("prospect_status", prospect_status, ProspectReplyStatus),
                "prospect_interest_level": checks.choice_or_none("interest", interest, InterestLevel),
                "mailbox_ids": checks.id_list(mailbox_ids, "mailbox_ids"),
                "campaign_ids": checks.id_list(campaign_ids, "campaign_ids"),
                "search_phrases": checks.comma_list(phrases, "search", '["call me"]'),
                "read": read,
                "per_page": None if per_page is None else checks.integer(per_page, "per_page", 1, 50),
            },
            options=options,
        )
