"""The messages that came to an account."""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Company
from woodpecker_async.sandbox.wire import Answer, bad_request, bodyless, not_found, whole_number

_INTERESTS: Final = ("INTERESTED", "MAYBE_LATER", "NOT_INTERESTED", "NOT_MARKED")
_STATUSES: Final = ("RESPONDED", "AUTOREPLIED", "BOUNCED", "BLACKLISTED", "OPT_OUT")
_SUBJECTS: Final = (
    "Re: Quick question",
    "Out of office",
    "Re: Your invitation",
    "Please stop",
    "Re: A call next week?",
)

_Ids = Annotated[str, Meta(pattern=r"^\d+(,\d+)*$")] | UnsetType


class Filter(Input):
    """Which messages to list."""

    prospect_status: Literal[_STATUSES] | UnsetType = UNSET  # type: ignore[valid-type]
    prospect_interest_level: Literal[_INTERESTS] | UnsetType = UNSET  # type: ignore[valid-type]
    mailbox_ids: _Ids = UNSET
    campaign_ids: _Ids = UNSET
    search_phrases: str | UnsetType = UNSET
    read: bool | UnsetType = UNSET
    per_page: Annotated[int, Meta(ge=1, le=50)] = 10
    next_page_cursor: str = ""


class Html(Input):
    """The text of a reply."""

    html: Annotated[str, Meta(min_length=1)]


class Reply(Input):
    """A reply. Addresses are comma lists."""

    body: Html
    mailbox_id: int | UnsetType = UNSET
    to: str | UnsetType = UNSET
    cc: str | UnsetType = UNSET
    bcc: str | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    quote_original_message: bool | UnsetType = UNSET


class Message(Struct, kw_only=True):
    """A message, and what it is filtered by."""

    id: int
    prospect_id: int
    subject: str
    stamp: str
    read: bool
    campaign: int
    mailbox: int
    status: str
    interest: str
    replies: int = 0

    def shown(self) -> dict[str, Any]:
        """It as it is listed."""
        return {
            "id": self.id,
            "prospect_id": self.prospect_id,
            "subject": self.subject,
            "body": {"html": f"<p>{self.subject}</p>"},
            "stamp": self.stamp,
            "read": self.read,
            "campaigns": [{"id": self.campaign}],
        }


class Inbox(Struct):
    """The messages that came to an account."""

    messages: list[Message]

    @classmethod
    def begin(cls, seed: int, account: Company) -> "Inbox":
        """Some for each mailbox, from prospects of the first three campaigns."""
        return cls(
            [
                _message(seed, account, box.imap_id, count, box.imap_id * 1000 + count)
                for box in account.mailboxes
                for count in range(8 + draw.number(seed, "messages", box.imap_id) % 20)
            ]
        )


def _message(seed: int, account: Company, mailbox: int, count: int, message_id: int) -> Message:
    topic = (seed, "message", mailbox, count)
    return Message(
        id=message_id,
        prospect_id=1 + draw.number(*topic, "prospect") % 10**9,
        subject=draw.pick(_SUBJECTS, *topic),
        stamp=f"2026-10-{1 + count % 28:02d}T08:{count % 60:02d}:00+0000",
        read=draw.number(*topic, "read") % 2 == 0,
        campaign=account.id * 100 + count % 3,
        mailbox=mailbox,
        status=draw.pick(_STATUSES, *topic, "status"),
        interest=draw.pick(_INTERESTS, *topic, "interest"),
    )


def put_message(account: Company, seed: int, message_id: int) -> Message:
    """Give an account a message of that id, as somebody does who writes to it."""
    kept = account.of_family(Inbox, seed)
    kept.messages.append(_message(seed, account, 1, len(kept.messages), message_id))
    return kept.messages[-1]


def list_messages(call: Call, query: Filter) -> Answer:
    """``GET /v2/inbox/messages``: a cursor, which is opaque and null at the end."""
    if query.prospect_status is not UNSET and query.prospect_interest_level is not UNSET:
        return bad_request("prospect_status and prospect_interest_level are mutually exclusive.")
    start = _from_cursor(query.next_page_cursor, call.account.id)
    if start is None:
        return bad_request("Value of next_page_cursor is incorrect.")
    rows = list(filter(_filter(query), call.kept(Inbox).messages))
    end = start + query.per_page
    cursor = _cursor(end, call.account.id) if end < len(rows) else None
    content = [message.shown() for message in rows[start:end]]
    return Answer.of({"content": content, "pagination": {"next_page_cursor": cursor}})


def _filter(query: Filter) -> Callable[[Message], bool]:
    mailboxes = query.mailbox_ids.split(",") if query.mailbox_ids is not UNSET else ()
    campaigns = query.campaign_ids.split(",") if query.campaign_ids is not UNSET else ()
    phrases = query.search_phrases.lower().split(",") if query.search_phrases is not UNSET else ()

    def keep(message: Message) -> bool:
        return (
            query.prospect_status in (UNSET, message.status)
            and query.prospect_interest_level in (UNSET, message.interest)
            and query.read in (UNSET, message.read)
            and (not mailboxes or str(message.mailbox) in mailboxes)
            and (not campaigns or str(message.campaign) in campaigns)
            and (not phrases or any(phrase in message.subject.lower() for phrase in phrases))
        )

    return keep


def _cursor(start: int, account: int) -> str:
    return f"{draw.letters(12, 'cursor', account, start)}{start}"


def _from_cursor(cursor: str, account: int) -> int | None:
    """The place that a cursor stands for; `None` if it was not handed out."""
    if not cursor:
        return 0
    start = whole_number(cursor[12:32])
    return start if start is not None and cursor == _cursor(start, account) else None


def reply(call: Call, body: Reply) -> Answer:
    """``POST /v2/inbox/messages/{id}/reply``: the message is read from then on."""
    messages = call.kept(Inbox).messages
    message = next((row for row in messages if str(row.id) == call.parts[0].lstrip("0")), None)
    if message is None:
        return not_found()
    if body.mailbox_id is not UNSET and all(box.smtp_id != body.mailbox_id for box in call.account.mailboxes):
        return bad_request("Value of mailbox_id is incorrect.")
    message.read = True
    message.replies += 1
    call.changed()
    return bodyless(200)


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v2/inbox/messages", run=list_messages, query=Filter, answer=dict[str, Any]),
    Endpoint(method="POST", path="/v2/inbox/messages/{id:int}/reply", run=reply, body=Reply),
)
