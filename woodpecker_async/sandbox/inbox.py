"""The messages that came to an account."""

from collections.abc import Callable
from typing import Any, Final

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.endpoint import Endpoint
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.wire import Answer, bad_request, whole_number

_PER_PAGE = 10
_MOST_PER_PAGE = 50
_INTERESTS = ("INTERESTED", "MAYBE_LATER", "NOT_INTERESTED", "NOT_MARKED")
_STATUSES = ("RESPONDED", "AUTOREPLIED", "BOUNCED", "BLACKLISTED", "OPT_OUT")
_SUBJECTS = ("Re: Quick question", "Out of office", "Re: Your invitation", "Please stop", "Re: A call next week?")


def list_messages(call: Call) -> Answer:
    """``GET /v2/inbox/messages``: a cursor, which is opaque and null at the end."""
    query = call.info.query
    size = whole_number(query.get("per_page", str(_PER_PAGE)))
    start = _from_cursor(query.get("next_page_cursor"), call.account.id)
    if not size or size > _MOST_PER_PAGE or start is None:
        return bad_request("Value of per_page or next_page_cursor is incorrect.")
    if "prospect_status" in query and "prospect_interest_level" in query:
        return bad_request("prospect_status and prospect_interest_level are mutually exclusive.")
    keep = _filter(query)
    if keep is None:
        return bad_request("Value of a filter is incorrect.")
    rows = [row for row in _messages(call) if keep(row)]
    end = start + size
    cursor = _cursor(end, call.account.id) if end < len(rows) else None
    content = [{name: value for name, value in row.items() if not name.startswith("_")} for row in rows[start:end]]
    return Answer.of({"content": content, "pagination": {"next_page_cursor": cursor}})


def _filter(query: Any) -> Callable[[dict[str, Any]], bool] | None:
    status, interest, read = (query.get(name) for name in ("prospect_status", "prospect_interest_level", "read"))
    if status not in (None, *_STATUSES) or interest not in (None, *_INTERESTS) or read not in (None, "true", "false"):
        return None
    mailboxes, campaigns = (set(query.get(name, "").split(",")) - {""} for name in ("mailbox_ids", "campaign_ids"))
    phrases = [phrase.lower() for phrase in query.get("search_phrases", "").split(",") if phrase]

    def keep(row: dict[str, Any]) -> bool:
        return (
            status in (None, row["_status"])
            and interest in (None, row["_interest"])
            and read in (None, str(row["read"]).lower())
            and (not mailboxes or str(row["_mailbox"]) in mailboxes)
            and (not campaigns or any(str(campaign["id"]) in campaigns for campaign in row["campaigns"]))
            and (not phrases or any(phrase in row["subject"].lower() for phrase in phrases))
        )

    return keep


def _messages(call: Call) -> list[dict[str, Any]]:
    account, seed = call.account, call.state.seed
    rows = []
    for box in account.mailboxes:
        for count in range(8 + draw.number(seed, "messages", box.imap_id) % 20):
            topic = (seed, "message", box.imap_id, count)
            subject = draw.pick(_SUBJECTS, *topic)
            rows.append(
                {
                    "id": box.imap_id * 1000 + count,
                    "prospect_id": 1 + draw.number(*topic, "prospect") % 10**9,
                    "subject": subject,
                    "body": {"html": f"<p>{subject}</p>"},
                    "stamp": f"2026-10-{1 + count % 28:02d}T08:{count % 60:02d}:00+0000",
                    "read": draw.number(*topic, "read") % 2 == 0,
                    "campaigns": [{"id": account.id * 10 + count % 3}],
                    "_mailbox": box.imap_id,
                    "_status": draw.pick(_STATUSES, *topic, "status"),
                    "_interest": draw.pick(_INTERESTS, *topic, "interest"),
                }
            )
    return rows


def _cursor(start: int, account: int) -> str:
    return f"{draw.letters(12, 'cursor', account, start)}{start}"


def _from_cursor(cursor: str | None, account: int) -> int | None:
    """The place that a cursor stands for; `None` if it was not handed out."""
    if not cursor:
        return 0
    start = whole_number(cursor[12:])
    return start if start is not None and cursor == _cursor(start, account) else None


ENDPOINTS: Final = (Endpoint(method="GET", path="/v2/inbox/messages", run=list_messages),)
