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
        out_of_campaign: bool = False,
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
            prospect_status: only from prospects of this status.
            interest: only from prospects of this interest.
            out_of_campaign: only messages that belong to no campaign. The API takes one of these three at most.
            mailbox_ids: only those that came to these mailboxes (IMAP ids).
            campaign_ids: only those of these campaigns.
            search: only those with one of these phrases: up to 20, each of 3 characters or more, without a comma.
            read: only those that were read, or were not.
            per_page: how many on a page, 1 to 50; 10 by default.
            options: for the calls of this list.

        Document: "Inbox", `GET /v2/inbox/messages`.
        """
        checks.boolean(out_of_campaign, "out_of_campaign")
        if [prospect_status is not None, interest is not None, out_of_campaign].count(True) > 1:
            raise ConfigError(
                "prospect_status, interest and out_of_campaign exclude each other: the API takes one of them"
            )
        phrases = (search,) if isinstance(search, str) else search
        if phrases != ():
            phrases = checks.strings(phrases, "search", '["call me"]')
            if len(phrases) > 20 or any(len(phrase) < 3 for phrase in phrases):
                raise ConfigError("search must be up to 20 phrases of 3 characters or more")
        return self._list(
            "/v2/inbox/messages",
            InboxMessage,
            CURSOR,
            key=attrgetter("id"),
            params={
                "prospect_status": checks.choice_or_none("prospect_status", prospect_status, ProspectReplyStatus),
                "prospect_interest_level": checks.choice_or_none("interest", interest, InterestLevel),
                "out_of_campaign": "YES" if out_of_campaign else None,
                "mailbox_ids": checks.id_list(mailbox_ids, "mailbox_ids"),
                "campaign_ids": checks.id_list(campaign_ids, "campaign_ids"),
                "search_phrases": checks.comma_list(phrases, "search", '["call me"]'),
                "read": checks.boolean_or_none(read, "read"),
                "per_page": None if per_page is None else checks.integer(per_page, "per_page", 1, 50),
            },
            options=options,
        )

    async def reply(
        self,
        message_id: int | str,
        html: str,
        *,
        mailbox_id: int | None = None,
        to: Iterable[str] = (),
        cc: Iterable[str] = (),
        bcc: Iterable[str] = (),
        subject: str | None = None,
        quote_original: bool | None = None,
        options: CallOptions | None = None,
    ) -> None:
        """Reply to a message: this sends a real e-mail, and marks the message as read.

        It is never repeated, unless the request measurably never left or was refused with 429.

        Args:
            message_id: the message, by the id that `list` gives.
            html: the text.
            mailbox_id: the mailbox to send it from (SMTP id); by default the one that the message came to.
            to: who gets it; by default who wrote the message.
            cc: who gets a copy.
            bcc: who gets a blind copy; by default whom the settings of the mailbox name.
            subject: by default that of the message, after `Re:`.
            quote_original: whether the message is quoted below the reply.
            options: for this call.

        Raises:
            ConfigError: an argument is not usable; nothing was sent.
            NotFoundError: there is no such message.
            OutcomeUnknownError: it may have been sent: look into the mailbox's sent mail before trying again.

        Document: "Reply to a message", `POST /v2/inbox/messages/{message_id}/reply`.
        """
        if not checks.content(html, "html").strip():
            raise ConfigError("html is empty")
        body = {
            "mailbox_id": None if mailbox_id is None else checks.integer(mailbox_id, "mailbox_id", 1),
            "to": _addresses(to, "to"),
            "cc": _addresses(cc, "cc"),
            "bcc": _addresses(bcc, "bcc"),
            "subject": None if subject is None else checks.text(subject, "subject"),
            "body": {"html": html},
            "quote_original_message": checks.boolean_or_none(quote_original, "quote_original"),
        }
        is_text = isinstance(message_id, str)
        await self._call(
            "POST",
            "/v2/inbox/messages/{message_id}/reply",
            None,
            body={name: value for name, value in body.items() if value is not None},
            find_out="look into the mailbox's sent mail before trying again",
            options=options,
            message_id=checks.text(message_id, "message_id")
            if is_text
            else checks.integer(message_id, "message_id", 1),
        )


def _addresses(given: Iterable[str], what: str) -> str | None:
    """E-mail addresses as the comma list that the API takes; `None` for none."""
    if given == ():
        return None
    addresses = [checks.email(one, f"an entry of {what}") for one in checks.strings(given, what, '["a@example.com"]')]
    return checks.comma_list(addresses, what, '["a@example.com"]')
