"""The messages that an account received."""

from typing import Annotated, Any, Final, Literal, Self, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Company
from woodpecker_async.sandbox.wire import Answer, bad_request, bodyless, not_found, whole_number

Interest = Literal["INTERESTED", "MAYBE_LATER", "NOT_INTERESTED", "NOT_MARKED"]
Status = Literal["RESPONDED", "AUTOREPLIED", "BOUNCED", "BLACKLISTED", "OPT_OUT"]

_SUBJECTS: Final = (
    "Re: Quick question",
    "Out of office",
    "Re: Your invitation",
    "Please stop",
    "Re: A call next week?",
)


class Filter(Input):
    """Which messages to list. A comma-separated list matches any of its values."""

    prospect_status: Status | UnsetType = UNSET
    prospect_interest_level: Interest | UnsetType = UNSET
    out_of_campaign: Literal["YES"] | UnsetType = UNSET
    read: Literal["true", "false"] | UnsetType = UNSET
    mailbox_ids: str = ""
    campaign_ids: str = ""
    search_phrases: str = ""
    per_page: Annotated[int, Meta(ge=1, le=50)] = 10
    next_page_cursor: str = ""


class ReplyBody(Input):
    """The text of a reply."""

    html: Annotated[str, Meta(min_length=1)]


class Reply(Input):
    """A reply. Addresses are comma-separated lists."""

    body: ReplyBody
    mailbox_id: int | UnsetType = UNSET
    to: str | UnsetType = UNSET
    cc: str | UnsetType = UNSET
    bcc: str | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    quote_original_message: bool | UnsetType = UNSET


class Body(Struct, kw_only=True):
    """The text of a message."""

    html: str


class Campaign(Struct, kw_only=True):
    """A campaign that a message belongs to."""

    id: int


class Message(Struct, kw_only=True):
    """A message in a list."""

    id: int
    prospect_id: int
    subject: str
    body: Body
    stamp: str
    read: bool
    campaigns: list[Campaign]


class Cursor(Struct, kw_only=True):
    """The cursor of the next page; null at the end."""

    next_page_cursor: str | None


class Messages(Struct, kw_only=True):
    """A page of messages."""

    content: list[Message]
    pagination: Cursor


class Known(Struct, kw_only=True):
    """A message, with the properties it can be filtered by."""

    message: Message
    mailbox: int
    status: Status
    interest: Interest
    replies: int = 0


class Inbox(Struct, kw_only=True):
    """The messages that an account received."""

    known: list[Known]

    @classmethod
    def begin(cls, seed: int, account: Company) -> Self:
        """Some in each mailbox, from prospects of the account's initial campaigns."""
        return cls(
            known=[
                _known(seed, account, box.imap_id, count, box.imap_id * 1000 + count)
                for box in account.mailboxes
                for count in range(8 + draw.number(seed, "messages", box.imap_id) % 20)
            ]
        )


def _known(seed: int, account: Company, mailbox: int, count: int, message_id: int) -> Known:
    topic = (seed, "message", mailbox, count)
    subject = draw.pick(_SUBJECTS, *topic)
    message = Message(
        id=message_id,
        prospect_id=1 + draw.number(*topic, "prospect") % 10**9,
        subject=subject,
        body=Body(html=f"<p>{subject}</p>"),
        stamp=f"2026-10-{1 + count % 28:02d}T08:{count % 60:02d}:00+0000",
        read=draw.number(*topic, "read") % 2 == 0,
        campaigns=[Campaign(id=account.id * 100 + count % 3)],
    )
    status: Any = draw.pick(get_args(Status), *topic, "status")
    interest: Any = draw.pick(get_args(Interest), *topic, "interest")
    return Known(message=message, mailbox=mailbox, status=status, interest=interest)


def put_message(account: Company, seed: int, message_id: int, *, out_of_campaign: bool = False) -> None:
    """Give an account a message with that id, as if somebody had written to it."""
    kept = account.of_family(Inbox, seed)
    known = _known(seed, account, 1, len(kept.known), message_id)
    if out_of_campaign:
        known.message.campaigns = []
    kept.known.append(known)


def list_messages(call: Call, query: Filter) -> Answer:
    """``GET /v2/inbox/messages``: paged by an opaque cursor, which is null at the end."""
    start = _from_cursor(query.next_page_cursor, call.account.id)
    if start is None:
        return bad_request("Value of next_page_cursor is incorrect.")
    exclusive = (query.prospect_status, query.prospect_interest_level, query.out_of_campaign)
    if sum(value is not UNSET for value in exclusive) > 1:
        return bad_request("prospect_status, prospect_interest_level and out_of_campaign are mutually exclusive.")
    found = [known.message for known in call.kept(Inbox).known if _fits(known, query)]
    end = start + query.per_page
    cursor = _cursor(end, call.account.id) if end < len(found) else None
    return Answer.of(Messages(content=found[start:end], pagination=Cursor(next_page_cursor=cursor)))


def _fits(known: Known, query: Filter) -> bool:
    mailboxes, campaigns = ({*text.split(",")} - {""} for text in (query.mailbox_ids, query.campaign_ids))
    phrases = [phrase.lower() for phrase in query.search_phrases.split(",") if phrase]
    message = known.message
    return (
        query.prospect_status in (UNSET, known.status)
        and query.prospect_interest_level in (UNSET, known.interest)
        and (query.out_of_campaign is UNSET or not message.campaigns)
        and query.read in (UNSET, str(message.read).lower())
        and (not mailboxes or str(known.mailbox) in mailboxes)
        and (not campaigns or any(str(campaign.id) in campaigns for campaign in message.campaigns))
        and (not phrases or any(phrase in message.subject.lower() for phrase in phrases))
    )


def _cursor(start: int, account: int) -> str:
    return f"{draw.letters(12, 'cursor', account, start)}{start}"


def _from_cursor(cursor: str, account: int) -> int | None:
    """The position that a cursor stands for; `None` if the cursor is not valid."""
    if not cursor:
        return 0
    start = whole_number(cursor[12:32])
    return start if start is not None and cursor == _cursor(start, account) else None


def reply(call: Call, body: Reply) -> Answer:
    """``POST /v2/inbox/messages/{message_id}/reply``: also marks the message as read."""
    wanted = call.parts[0].lstrip("0")
    known = next((known for known in call.kept(Inbox).known if str(known.message.id) == wanted), None)
    if known is None:
        return not_found()
    if body.mailbox_id is not UNSET and all(box.smtp_id != body.mailbox_id for box in call.account.mailboxes):
        return bad_request("Value of mailbox_id is incorrect.")
    known.message.read = True
    known.replies += 1
    call.changed()
    return bodyless(200)


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v2/inbox/messages", run=list_messages, query=Filter, answer=Messages),
    Endpoint(method="POST", path="/v2/inbox/messages/{message_id:int}/reply", run=reply, body=Reply),
)
