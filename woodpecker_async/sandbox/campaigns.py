"""The campaigns of an account: their steps, their status, and the bounce shield."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.campaign_bodies import (
    AddedStep,
    CampaignChange,
    Filter,
    LinkedStep,
    NewCampaign,
    NewStep,
    StepChange,
    Threshold,
    ThresholdAnswer,
    VersionChange,
)
from woodpecker_async.sandbox.campaign_data import Campaign, Campaigns, Step
from woodpecker_async.sandbox.endpoint import Endpoint
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Company
from woodpecker_async.sandbox.wire import Answer, bodyless, error, malformed

_MOST_STEPS: Final = 16
_EDITABLE: Final = ("DRAFT", "EDITED")
_FIGURES: Final = ("prospects", "sent", "delivery", "bounced", "opened", "clicked", "replied", "autoreplied", "optout")


def has_campaign(call: Call, campaign_id: int) -> bool:
    """Whether the account that the request acts on has a campaign with that id."""
    return any(campaign.id == campaign_id for campaign in call.kept(Campaigns).rows)


def put_campaign(account: Company, seed: int, campaign_id: int, *, status: str = "DRAFT") -> Campaign:
    """Give an account a campaign with that id and one step, as if created in the application."""
    return account.of_family(Campaigns, seed).add(
        seed, account, f"Campaign {campaign_id}", status=status, campaign_id=campaign_id
    )


def list_campaigns(call: Call, query: Filter) -> Answer:
    """``GET /v1/campaign_list``: includes statistics if there is exactly one id."""
    ids = set() if query.id is UNSET else set(query.id.split(","))
    statuses = set() if query.status is UNSET else set(query.status.split(","))
    rows = [
        campaign
        for campaign in call.kept(Campaigns).rows
        if (not ids or str(campaign.id) in ids) and (not statuses or campaign.status in statuses)
    ]
    return Answer.of([_summary(call, campaign, with_stats=len(ids) == 1) for campaign in rows])


def _summary(call: Call, campaign: Campaign, *, with_stats: bool) -> dict[str, Any]:
    senders = [mailbox for mailbox in call.account.mailboxes if mailbox.smtp_id in campaign.mailboxes]
    day = 1 + draw.number(call.state.seed, "created", campaign.id) % 28
    row = {
        "id": campaign.id,
        "name": campaign.name,
        "status": campaign.status,
        "created": f"2026-09-{day:02d}T13:14:57+0200",
        "from_name": senders[0].from_name if senders else "",
        "from_names": [mailbox.from_name for mailbox in senders],
        "gdpr_unsubscribe": bool(campaign.settings.get("gdpr_unsubscribe", False)),
        "folder_name": "",
        "folder_id": 0,
        "from_email": senders[0].email if senders else "",
        "from_emails": [mailbox.email for mailbox in senders],
        "per_day": campaign.settings.get("daily_enroll", 0),
        "bcc": "",
        "cc": "",
        "error": "",
    }
    if with_stats:
        row["stats"] = {**dict.fromkeys(_FIGURES, 0), "emails": [_figures(step) for step in campaign.steps]}
    return row


def _figures(step: Step) -> dict[str, Any]:
    first = step.versions[0] if step.versions else {}
    return {"subject": first.get("subject"), "msg": first.get("message"), "emailSend": 0, "open": 0, "reply": 0}


def get_campaign(call: Call) -> Answer:
    """``GET /v2/campaigns/{campaign_id}``."""
    return _with(call, lambda campaign: Answer.of(campaign.whole()))


def create_campaign(call: Call, body: NewCampaign) -> Answer:
    """``POST /v2/campaigns``: a draft."""
    steps: list[LinkedStep] = []
    following: LinkedStep | None = body.steps.followup
    while following is not None:
        steps.append(following)
        following = following.followup
    unsent = not body.email_account_ids and any(step.type == "EMAIL" for step in steps)
    if unsent or len(steps) > _MOST_STEPS or not all(map(_fits, steps)):
        return malformed()
    campaign = call.kept(Campaigns).empty(call.state.seed, call.account, body.name)
    campaign.mailboxes = body.email_account_ids
    campaign.settings = msgspec.to_builtins(body.settings)
    for step in steps:
        campaign.add_step(call.state.seed, step)
    call.changed()
    return Answer.of(campaign.whole(), 201)


def _fits(step: NewStep) -> bool:
    versions = step.body.versions if step.body is not UNSET and step.body.versions is not UNSET else []
    in_time = step.delivery_time is UNSET or step.delivery_time.fits()
    return in_time and (step.type == "LINKEDIN" or bool(versions))


def update_campaign(call: Call, body: CampaignChange) -> Answer:
    """``PATCH /v2/campaigns/{campaign_id}``: fields that were not sent stay unchanged."""

    def change(campaign: Campaign) -> Answer:
        campaign.name = campaign.name if body.name is UNSET else body.name
        campaign.mailboxes = campaign.mailboxes if body.email_account_ids is UNSET else body.email_account_ids
        if body.settings is not UNSET:
            campaign.settings = {**campaign.settings, **msgspec.to_builtins(body.settings)}
        return _changed(call, campaign)

    return _with(call, change, edit=True)


def delete_campaign(call: Call) -> Answer:
    """``DELETE /v2/campaigns/{campaign_id}``: whatever its status."""

    def delete(campaign: Campaign) -> Answer:
        call.kept(Campaigns).rows.remove(campaign)
        call.changed()
        return bodyless(200)

    return _with(call, delete, conditional=True)


def run_campaign(call: Call) -> Answer:
    """``POST /v2/campaigns/{campaign_id}/run``."""

    def run(campaign: Campaign) -> Answer:
        if campaign.status not in ("DRAFT", "EDITED", "PAUSED", "STOPPED"):
            return _conflict(f"A campaign that is {campaign.status} cannot be run.")
        return _turn(call, campaign, "RUNNING")

    return _with(call, run)


def pause_campaign(call: Call) -> Answer:
    """``POST /v2/campaigns/{campaign_id}/pause``: one that is not running stays unchanged."""
    return _with(
        call,
        lambda campaign: _turn(call, campaign, "PAUSED" if campaign.status == "RUNNING" else campaign.status),
        conditional=True,
    )


def stop_campaign(call: Call) -> Answer:
    """``POST /v2/campaigns/{campaign_id}/stop``: a draft stays a draft."""
    return _with(
        call,
        lambda campaign: _turn(call, campaign, "STOPPED" if campaign.status != "DRAFT" else campaign.status),
        conditional=True,
    )


def make_campaign_editable(call: Call) -> Answer:
    """``POST /v2/campaigns/{campaign_id}/make_editable``: a draft is already editable."""
    return _with(
        call, lambda campaign: _turn(call, campaign, "EDITED" if campaign.status != "DRAFT" else campaign.status)
    )


def add_step(call: Call, body: AddedStep) -> Answer:
    """``POST /v2/campaigns/{campaign_id}/steps``: after the last one."""

    def add(campaign: Campaign) -> Answer:
        last = campaign.steps[-1].id if campaign.steps else campaign.start_id
        if body.parent_id != last or len(campaign.steps) >= _MOST_STEPS or not _fits(body.step):
            return malformed()
        campaign.add_step(call.state.seed, body.step)
        return _changed(call, campaign)

    return _with(call, add, edit=True)


def update_step(call: Call, body: StepChange) -> Answer:
    """``PATCH /v2/campaigns/{campaign_id}/steps/{step_id}``: days that were not sent are removed."""

    def change(campaign: Campaign) -> Answer:
        step = campaign.step(call.parts[1])
        if step is None:
            return _absent("STEP_NOT_EXIST")
        if not body.delivery_time.fits():
            return malformed()
        step.data["delivery_time"] = msgspec.to_builtins(body.delivery_time)
        return _changed(call, campaign)

    return _with(call, change, edit=True)


def delete_step(call: Call) -> Answer:
    """``DELETE /v2/campaigns/{campaign_id}/steps/{step_id}``: not the first one."""

    def delete(campaign: Campaign) -> Answer:
        step = campaign.step(call.parts[1])
        if step is None:
            return _absent("STEP_NOT_EXIST")
        if step is campaign.steps[0]:
            return _conflict("The first step cannot be deleted.")
        campaign.steps.remove(step)
        return _changed(call, campaign)

    return _with(call, delete, edit=True)


def update_version(call: Call, body: VersionChange) -> Answer:
    """``PATCH /v2/campaigns/{campaign_id}/steps/{step_id}/versions/{version_id}``: fields that were not sent stay."""

    def change(campaign: Campaign) -> Answer:
        step = campaign.step(call.parts[1])
        version = next((row for row in step.versions if row["id"] == call.parts[2]), None) if step else None
        if version is None:
            return _absent("STEP_VERSION_NOT_EXIST")
        version |= msgspec.to_builtins(body)
        return _changed(call, campaign)

    return _with(call, change, edit=True)


def get_threshold(call: Call) -> Answer:
    """``GET /v2/campaigns/{campaign_id}/bounce_shield/threshold``: null if there is none."""
    return _with(call, lambda campaign: Answer.of({"bounce_rate_threshold": campaign.threshold}), conditional=True)


def set_threshold(call: Call, body: Threshold) -> Answer:
    """``PUT /v2/campaigns/{campaign_id}/bounce_shield/threshold``."""
    return _with(call, lambda campaign: _shield(call, campaign, body.bounce_rate_threshold), conditional=True)


def clear_threshold(call: Call) -> Answer:
    """``DELETE /v2/campaigns/{campaign_id}/bounce_shield/threshold``: works even if there is none."""
    return _with(call, lambda campaign: _shield(call, campaign, None), conditional=True)


def _shield(call: Call, campaign: Campaign, threshold: int | None) -> Answer:
    campaign.threshold = threshold
    call.changed()
    return bodyless(204)


def _with(call: Call, work: Callable[[Campaign], Answer], *, edit: bool = False, conditional: bool = False) -> Answer:
    """Do something with the campaign in the path, if it exists and its state allows that.

    Args:
        call: the request.
        work: what to do.
        edit: whether the campaign must be editable.
        conditional: whether the campaign may have a condition.
    """
    campaign = next((row for row in call.kept(Campaigns).rows if str(row.id) == call.parts[0].lstrip("0")), None)
    if campaign is None:
        return _absent("CAMPAIGN_NOT_EXIST")
    if campaign.conditional and not conditional:
        text = "The campaign has features that the API does not support."
        return Answer.of({"code": "API_UNSUPPORTED_CAMPAIGN_FEATURES", "message": text, "details": []}, 409)
    if edit and campaign.status not in _EDITABLE:
        return _conflict(f"A campaign that is {campaign.status} cannot be edited.")
    return work(campaign)


def _changed(call: Call, campaign: Campaign) -> Answer:
    call.changed()
    return Answer.of(campaign.whole())


def _turn(call: Call, campaign: Campaign, status: str) -> Answer:
    campaign.status = status
    call.changed()
    return bodyless(200)


def _absent(code: str) -> Answer:
    return Answer.of({"code": code, "message": "There is no such thing in this account.", "details": []}, 404)


def _conflict(detail: str) -> Answer:
    return error(409, "Conflict", detail)


_CAMPAIGN: Final = "/v2/campaigns/{campaign_id:int}"
_STEP: Final = f"{_CAMPAIGN}/steps/{{step_id}}"
_THRESHOLD: Final = f"{_CAMPAIGN}/bounce_shield/threshold"
_WHOLE: Final = dict[str, Any]

ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v1/campaign_list", run=list_campaigns, query=Filter, answer=list[dict[str, Any]]),
    Endpoint(method="POST", path="/v2/campaigns", run=create_campaign, body=NewCampaign, answer=_WHOLE, status=201),
    Endpoint(method="GET", path=_CAMPAIGN, run=get_campaign, answer=_WHOLE),
    Endpoint(method="PATCH", path=_CAMPAIGN, run=update_campaign, body=CampaignChange, answer=_WHOLE),
    Endpoint(method="DELETE", path=_CAMPAIGN, run=delete_campaign),
    Endpoint(method="POST", path=f"{_CAMPAIGN}/run", run=run_campaign),
    Endpoint(method="POST", path=f"{_CAMPAIGN}/pause", run=pause_campaign),
    Endpoint(method="POST", path=f"{_CAMPAIGN}/stop", run=stop_campaign),
    Endpoint(method="POST", path=f"{_CAMPAIGN}/make_editable", run=make_campaign_editable),
    Endpoint(method="POST", path=f"{_CAMPAIGN}/steps", run=add_step, body=AddedStep, answer=_WHOLE),
    Endpoint(method="PATCH", path=_STEP, run=update_step, body=StepChange, answer=_WHOLE),
    Endpoint(method="DELETE", path=_STEP, run=delete_step, answer=_WHOLE),
    Endpoint(
        method="PATCH",
        path=f"{_STEP}/versions/{{version_id}}",
        run=update_version,
        body=VersionChange,
        answer=_WHOLE,
    ),
    Endpoint(method="GET", path=_THRESHOLD, run=get_threshold, answer=ThresholdAnswer),
    Endpoint(method="PUT", path=_THRESHOLD, run=set_threshold, body=Threshold, status=204),
    Endpoint(method="DELETE", path=_THRESHOLD, run=clear_threshold, status=204),
)
