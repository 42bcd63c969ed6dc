"""The prospects of an account: add, enrol in campaigns, list and delete them; and their responses."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from woodpecker_async.sandbox.campaigns import has_campaign
from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.prospect_data import (
    TEXTS,
    Ids,
    Interest,
    Membership,
    Moment,
    Prospect,
    Prospects,
    Status,
    ids_in,
    written,
)
from woodpecker_async.sandbox.prospect_list import ListQuery, Nothing, list_prospects
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Company
from woodpecker_async.sandbox.wire import Answer, not_found

_MOST: Final = 20_000

Sent: Any = msgspec.defstruct(
    "Sent",
    [
        ("email", str),
        ("status", Status | UnsetType, UNSET),
        ("organization_id", int | None | UnsetType, UNSET),
        ("interested", Interest | UnsetType, UNSET),
        *((name, str | None | UnsetType, UNSET) for name in TEXTS),
    ],
    bases=(Input,),
    kw_only=True,
    module=__name__,
)
Many: Any = Annotated[list[Sent], Meta(min_length=1, max_length=_MOST)]


class AddBody(Input):
    """Of `POST /v1/add_prospects_list`."""

    prospects: Many
    update: bool = False
    file_name: str | None = None


class Enrolment(Input):
    """The campaign that prospects are added to."""

    campaign_id: Annotated[int, Meta(ge=1, le=2**53)]
    send_after: Moment | None = None


class EnrolBody(AddBody, kw_only=True):
    """Of `POST /v1/add_prospects_campaign`."""

    campaign: Enrolment
    force: bool = False


class Told(Struct, kw_only=True):
    """The status of one prospect, or of all."""

    status: str | None = None
    code: str | None = None
    msg: str | None = None


class ToldOfOne(Told, kw_only=True):
    """The result for one prospect."""

    email: str
    id: int | None = None
    prospect: Literal["DUPLICATE"] | None = None
    prospect_campaign: Literal["DUPLICATE"] | None = None


class Added(Struct, kw_only=True):
    """The results of adding prospects."""

    prospects: list[ToldOfOne]
    status: Told


def add(call: Call, body: AddBody) -> Answer:
    """``POST /v1/add_prospects_list``."""
    return _add(call, body, None, force=False)


def add_to_campaign(call: Call, body: EnrolBody) -> Answer:
    """``POST /v1/add_prospects_campaign``: if all of them fail, the error is in a response with status 200."""
    if not has_campaign(call, body.campaign.campaign_id):
        return Answer.of(
            Added(prospects=[], status=Told(status="ERROR", code="E_RECORD_NOT_FOUND", msg="Campaign does not exist"))
        )
    return _add(call, body, body.campaign, force=body.force)


def _add(call: Call, body: AddBody, campaign: Enrolment | None, *, force: bool) -> Answer:
    kept = call.kept(Prospects)
    known = kept.by_email()
    told = []
    for sent in body.prospects:
        name, at, domain = sent.email.rpartition("@")
        if not (name and at and domain) or sent.email.split() != [sent.email]:
            told.append(ToldOfOne(email=sent.email, status="ERROR", code="E_EMAIL", msg="Email is not valid"))
            continue
        prospect = known.get(sent.email.lower())
        row = ToldOfOne(email=sent.email, prospect=None if prospect is None or body.update else "DUPLICATE")
        if prospect is None:
            prospect = Prospect(id=kept.next_id, email=sent.email, updated=_now(), imported=body.file_name)
            kept.next_id += 1
            kept.all.append(prospect)
            known[sent.email.lower()] = prospect
            _write(prospect, sent)
        elif body.update:
            _write(prospect, sent)
        row.id = prospect.id
        if campaign is not None:
            _enrol(prospect, campaign, row, force=force)
        told.append(row)
    call.changed()
    return Answer.of(Added(prospects=told, status=Told(status="OK", code="OK", msg="OK")))


def _write(prospect: Prospect, sent: Any) -> None:
    """Change the fields that were sent; tags are added to the existing ones, unless they are cleared."""
    for name in TEXTS:
        value = getattr(sent, name)
        if value is UNSET or value is None:
            continue
        if name == "tags" and value:
            value = " ".join(dict.fromkeys((*prospect.texts.get("tags", "").split(), *value.split())))
        prospect.texts[name] = value
    for name in ("status", "organization_id", "interested"):
        if (value := getattr(sent, name)) is not UNSET:
            setattr(prospect, name, value)
    prospect.updated = _now()


def _enrol(prospect: Prospect, campaign: Enrolment, row: ToldOfOne, *, force: bool) -> None:
    if any(member.campaign_id == campaign.campaign_id for member in prospect.campaigns):
        row.prospect_campaign = "DUPLICATE"
    elif prospect.status != "ACTIVE" and not force:
        row.status, row.code, row.msg = "ERROR", "E_INV_STATUS", f"Status of the prospect is {prospect.status}"
    else:
        send_after = None if campaign.send_after is None else written(campaign.send_after)
        prospect.campaigns.append(Membership(campaign_id=campaign.campaign_id, send_after=send_after))


def _now() -> str:
    return written(datetime.now(UTC))


class DeleteQuery(Input):
    """Of `DELETE /v1/prospects`."""

    id: Ids
    campaigns_id: Ids | UnsetType = UNSET


def delete(call: Call, query: DeleteQuery) -> Answer:
    """``DELETE /v1/prospects``: from the account, or from campaigns only."""
    kept, ids = call.kept(Prospects), ids_in(query.id)
    if query.campaigns_id is UNSET:
        kept.all = [prospect for prospect in kept.all if prospect.id not in ids]
    else:
        campaigns = ids_in(query.campaigns_id)
        for prospect in kept.all:
            if prospect.id in ids:
                prospect.campaigns = [each for each in prospect.campaigns if each.campaign_id not in campaigns]
    call.changed()
    return Answer()


def delete_all(account: Company, seed: int) -> int:
    """Delete all prospects of an account, and return how many there were. Call `changed` afterwards."""
    kept = account.of_family(Prospects, seed)
    count = len(kept.all)
    kept.all = []
    return count


# Responses ----------------------------------------------------------------------------------------------------


class ResponsesQuery(Input):
    """Of `GET /v2/prospects/{prospect_id}/responses`."""

    campaign_id: Ids | UnsetType = UNSET


class Response(Struct, kw_only=True):
    """A prospect's response."""

    response_id: int
    campaign_id: int
    step: int
    campaign_email_sent: int
    subject: str
    message: str
    delivered: str
    secondary_prospect_email: str | None


class Responses(Struct, kw_only=True):
    """All responses of a prospect."""

    prospect_id: int
    email: str
    responses: list[Response]


def list_responses(call: Call, query: ResponsesQuery) -> Answer:
    """``GET /v2/prospects/{prospect_id}/responses``: the oldest first."""
    prospect_id = int(call.parts[0])
    prospect = next((each for each in call.kept(Prospects).all if each.id == prospect_id), None)
    if prospect is None:
        return not_found()
    campaigns = None if query.campaign_id is UNSET else ids_in(query.campaign_id)
    rows = [
        Response(
            response_id=prospect.id * 10 + count,
            campaign_id=member.campaign_id,
            step=1 + count,
            campaign_email_sent=1 + count,
            subject=f"Re: {prospect.texts.get('company', '')}",
            message="<div>This is a reply.</div>",
            delivered=(prospect.last_replied or "2026-09-30T10:00:00")[:17] + f"{count:02}",
            secondary_prospect_email=None if count else f"office@{prospect.email.partition('@')[2]}",
        )
        for member in prospect.campaigns
        for count in range(2 if prospect.status == "REPLIED" else 0)
        if campaigns is None or member.campaign_id in campaigns
    ]
    return Answer.of(Responses(prospect_id=prospect.id, email=prospect.email, responses=rows))


ENDPOINTS: Final = (
    Endpoint(
        method="GET", path="/v1/prospects", run=list_prospects, query=ListQuery, answer=list[dict[str, Any]] | Nothing
    ),
    Endpoint(method="DELETE", path="/v1/prospects", run=delete, query=DeleteQuery),
    Endpoint(method="POST", path="/v1/add_prospects_list", run=add, body=AddBody, answer=Added),
    Endpoint(method="POST", path="/v1/add_prospects_campaign", run=add_to_campaign, body=EnrolBody, answer=Added),
    Endpoint(
        method="GET",
        path="/v2/prospects/{prospect_id:int}/responses",
        run=list_responses,
        query=ResponsesQuery,
        answer=Responses,
    ),
)
