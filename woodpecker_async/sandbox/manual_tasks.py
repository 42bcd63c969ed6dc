"""Manual tasks for prospects in campaigns."""

from typing import Annotated, Any, Final

from msgspec import Meta

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.campaign_data import Campaigns
from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.prospect_data import Prospect, Prospects, epoch_milliseconds, profile
from woodpecker_async.sandbox.prospect_list import Nothing
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.wire import Answer

_TYPES: Final = ("GENERIC", "CALL", "SMS", "LINKEDIN")
_EVERY: Final = 3  # one in this many prospects in campaigns has a task


class TasksQuery(Input):
    """Of `GET /v2/manual_tasks`."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 500


def list_tasks(call: Call, query: TasksQuery) -> Answer:
    """``GET /v2/manual_tasks``: a bare array, or if there are none an object, whose form is not documented."""
    waiting = [
        prospect
        for prospect in call.kept(Prospects).all
        if prospect.status == "ACTIVE" and prospect.campaigns and prospect.id % _EVERY == 0
    ]
    if not waiting:
        return Answer.of(Nothing("No tasks"))
    return Answer.of([_task(call, prospect) for prospect in waiting[: query.limit]])


def _task(call: Call, prospect: Prospect) -> dict[str, Any]:
    topic = (call.state.seed, "task", prospect.id)
    campaign_id = prospect.campaigns[0].campaign_id
    return {
        "prospect": {
            **profile(prospect),
            "company": prospect.texts.get("company") or None,
            "snippet_labels": {},
            "status": prospect.status,
            "last_contacted": epoch_milliseconds(prospect.last_contacted),
            "in_campaign": len(prospect.campaigns),
            "emails_sent": prospect.emails_sent,
            "imported": prospect.imported,
            "interested": None if prospect.interested == "NOT-MARKED" else prospect.interested,
        },
        "campaign": {
            "campaign_id": campaign_id,
            "campaign_name": next((each.name for each in call.kept(Campaigns).rows if each.id == campaign_id), ""),
            "sent_from_emails": [mailbox.email for mailbox in call.account.mailboxes],
        },
        "task": {
            "type": draw.pick(_TYPES, *topic),
            "name": "Reminder",
            "message": f"Send a postcard to {prospect.texts.get('first_name') or prospect.email}",
            "due_date": f"2026-12-{1 + draw.number(*topic, 'day') % 28:02}T12:59:30.814+0200",
        },
    }


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v2/manual_tasks",
        run=list_tasks,
        query=TasksQuery,
        answer=list[dict[str, Any]] | Nothing,
    ),
)
