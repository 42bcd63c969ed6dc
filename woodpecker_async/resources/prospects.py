"""Prospects of an account (`/v1/prospects` and related endpoints), and deleting all prospects of a company."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.prospects import (
    AddedProspect,
    AddedProspects,
    NewProspect,
    Prospect,
    ProspectActivity,
    ProspectDeletion,
    ProspectInterest,
    ProspectResponse,
    ProspectsAdded,
    ProspectStatus,
)
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import COUNTED_ARRAY, RESPONSES
from woodpecker_async.resources import prospect_wire as wire
from woodpecker_async.resources.base import LONGEST_URL, Part, Resource

_PROSPECTS: Final = "/v1/prospects"
_MOST: Final = 20_000  # prospects in one request
_FIND_OUT: Final = 'check with prospects.list(search={"email": ...}) before trying again'


class AgencyProspects(Resource):
    """The prospects of client companies."""

    async def delete_all(
        self, company_id: int, *, confirm: int, options: CallOptions | None = None
    ) -> ProspectDeletion:
        """Delete all prospects of a company, permanently.

        Never retried, unless the request was provably not sent or was refused with 429.

        Args:
            company_id: the company.
            confirm: the company's id again.
            options: for this call.

        Raises:
            ConfigError: `confirm` is a different id; nothing was sent.
            OutcomeUnknownError: they may have been deleted: check with `session.company(id).prospects.list` before
                trying again.

        Document: "Delete prospects of a company", `POST /v2/agency/companies/{company_id}/prospects/delete`.
        """
        company_id = checks.company_id(company_id)
        if checks.company_id(confirm) != company_id:
            raise ConfigError(
                f"confirm must be {company_id}, the company's id again, not {confirm}: all its prospects would be "
                "deleted permanently"
            )
        return await self._call(
            "POST",
            "/v2/agency/companies/{company_id}/prospects/delete",
            ProspectDeletion,
            body={"type": "ALL"},
            find_out=f"check with session.company({company_id}).prospects.list() before trying again",
            options=options,
            company_id=company_id,
        )


class Prospects(Resource):
    """The prospects of an account."""

    def list(
        self,
        *,
        status: ProspectStatus | str | None = None,
        contacted: bool | None = None,
        interested: ProspectInterest | str | None = None,
        activity: ProspectActivity | str | None = None,
        changed_since: dt.datetime | str | None = None,
        ids: Iterable[int] = (),
        campaign_ids: Iterable[int] = (),
        campaign_details: bool | None = None,
        search: Mapping[str, str | int | Iterable[str]] | None = None,
        sort: Iterable[str] = (),
        per_page: int | None = None,
        options: CallOptions | None = None,
    ) -> Pager[Prospect]:
        """List all prospects that match; `Page.total_elements` is their number.

        Args:
            status: only prospects with this status; `TO_CHECK`, `TO_REVIEW`, `AUTOREPLIED` and `PAUSED` require
                `campaign_ids`.
            contacted: only prospects that have been written to (`True`), or have not (`False`).
            interested: only prospects with this interest level; hyphens and underscores are interchangeable.
            activity: only prospects that opened or clicked, or did not.
            changed_since: only prospects changed since; a `datetime` needs a time zone.
            ids: only these prospects.
            campaign_ids: only prospects in one of these campaigns; their status is then the one in the campaign.
            campaign_details: whether to include each prospect's campaigns; see `Prospect.campaigns_details`.
            search: the text to search for, by field; a list of texts matches any of them. No text may contain a comma.
                An e-mail address has to match exactly; most other fields only need to contain the text.
            sort: fields, each prefixed with `+` (the default) or `-`, such as `["-updated", "email"]`.
            per_page: page size, 1 to 1000; 100 by default.
            options: for each request.

        Raises:
            ConfigError: a filter is invalid, or the filters together make the URL longer than the API accepts.

        Document: "Get a list of prospects", `GET /v1/prospects`.
        """
        checked_status = checks.choice_or_none("status", status, ProspectStatus)
        campaigns = checks.id_list(campaign_ids, "campaign_ids")
        if checked_status in wire.IN_CAMPAIGN and campaigns is None:
            raise ConfigError(f"status {str(checked_status)!r} exists only in a campaign: give campaign_ids with it")
        checked_activity = checks.choice_or_none("activity", activity, ProspectActivity)
        return self._list(
            _PROSPECTS,
            Prospect,
            COUNTED_ARRAY,
            key=attrgetter("id", "campaign_id"),
            params={
                "status": checked_status,
                "contacted": checks.boolean_or_none(contacted, "contacted"),
                "interested": checks.choice_or_none("interested", interested, ProspectInterest),
                "activity": checked_activity,
                "diff": None if changed_since is None else wire.moment(changed_since, "changed_since"),
                "id": checks.id_list(ids, "ids"),
                "campaigns_id": campaigns,
                "campaigns_details": checks.boolean_or_none(campaign_details, "campaign_details"),
                "search": wire.search(search),
                "sort": wire.sort(sort, with_activity=checked_activity is not None),
                "per_page": None if per_page is None else checks.integer(per_page, "per_page", 1, 1000),
            },
            options=options,
        )

    async def add(
        self,
        prospects: Iterable[NewProspect | Mapping[str, Any]],
        *,
        update: bool = False,
        file_name: str | None = None,
        options: CallOptions | None = None,
    ) -> ProspectsAdded:
        """Add prospects to the account. Existing prospects stay as they are, unless `update` is true.

        Never retried, unless the request was provably not sent or was refused with 429. More than 20,000 prospects are
        sent in several requests, not as one transaction: if one fails, `.done` of the error tells you how many
        prospects were added before.

        Args:
            prospects: at least one prospect, each a `NewProspect` or a mapping of its fields.
            update: whether to change existing prospects.
            file_name: what to show as the source of the prospects.
            options: for each request.

        Raises:
            ConfigError: a prospect is invalid; nothing was sent.
            ApiError: the server rejected all of them, even if it says so inside a 200. What it says about a single
                prospect is in that prospect's row.
            OutcomeUnknownError: they may have been added: check with `prospects.list(search=...)` before trying again.

        Document: "Add prospects to the global database", `POST /v1/add_prospects_list`.
        """
        return await self._add("/v1/add_prospects_list", {}, prospects, update, file_name, options)

    async def add_to_campaign(
        self,
        campaign_id: int,
        prospects: Iterable[NewProspect | Mapping[str, Any]],
        *,
        update: bool = False,
        force: bool = False,
        send_after: dt.datetime | str | None = None,
        file_name: str | None = None,
        options: CallOptions | None = None,
    ) -> ProspectsAdded:
        """Add prospects to a campaign, and to the account if they are not in it. A running campaign writes to them.

        Never retried, unless the request was provably not sent or was refused with 429. More than 20,000 prospects are
        sent in several requests; see `add`.

        Args:
            campaign_id: the campaign.
            prospects: at least one prospect, each a `NewProspect` or a mapping of its fields.
            update: whether to change existing prospects.
            force: whether to add prospects whose status is not `ACTIVE` as well.
            send_after: do not write to them before this time; a `datetime` needs a time zone.
            file_name: what to show as the source of the prospects.
            options: for each request.

        Raises:
            ConfigError: a prospect is invalid; nothing was sent.
            ApiError: the server rejected all of them, even if it says so inside a 200. What it says about a single
                prospect is in that prospect's row.
            OutcomeUnknownError: they may have been added: check with `prospects.list(search=...)` before trying again.

        Document: "Add prospects to a campaign", `POST /v1/add_prospects_campaign`.
        """
        campaign: dict[str, Any] = {"campaign_id": checks.integer(campaign_id, "campaign_id", 1)}
        if send_after is not None:
            campaign["send_after"] = wire.moment(send_after, "send_after")
        around = {"campaign": campaign} | ({"force": True} if checks.boolean(force, "force") else {})
        return await self._add("/v1/add_prospects_campaign", around, prospects, update, file_name, options)

    async def _add(
        self,
        path: str,
        around: Mapping[str, Any],
        prospects: Iterable[NewProspect | Mapping[str, Any]],
        update: bool,
        file_name: str | None,
        options: CallOptions | None,
    ) -> ProspectsAdded:
        """Send prospects in as many requests as it takes; `around` is the rest of the body."""
        if checks.boolean(update, "update"):
            around = {**around, "update": True}
        if file_name is not None:
            around = {**around, "file_name": checks.text(file_name, "file_name")}
        entries = wire.entries(prospects, update=update)
        rows: list[AddedProspect] = []
        unmatched: list[AddedProspect] = []
        for part in self._parts(entries, _MOST):
            with part:
                body = {**around, "prospects": part.entries}
                answer = await self._call("POST", path, AddedProspects, body=body, find_out=_FIND_OUT, options=options)
            matched = wire.matched([entry["email"] for entry in part.entries], answer.prospects or ())
            rows += matched.rows
            unmatched += matched.unmatched
        return ProspectsAdded(rows=tuple(rows), unmatched=tuple(unmatched))

    async def delete(
        self, ids: Iterable[int], *, campaign_ids: Iterable[int] = (), options: CallOptions | None = None
    ) -> None:
        """Delete prospects from the account, or only remove them from campaigns. Retried like a read.

        The ids are part of the URL, which has room for some 300. More are sent in several requests, not as one
        transaction: if one fails, `.done` of the error tells you how many prospects were deleted before.

        Args:
            ids: at least one id.
            campaign_ids: the campaigns to remove them from; they then stay in the account.
            options: for each request.

        Raises:
            ConfigError: there are no ids, or `campaign_ids` is an empty list; nothing was sent.

        Document: "Delete prospects", `DELETE /v1/prospects`.
        """
        campaigns = checks.id_list(campaign_ids, "campaign_ids")
        for part in self._url_parts(checks.ids(ids, "ids"), campaigns):
            with part:
                params = {"id": ",".join(map(str, part.entries)), "campaigns_id": campaigns}
                await self._call("DELETE", _PROSPECTS, None, params=params, idempotent=True, options=options)

    def _url_parts(self, ids: Sequence[int], campaigns: str | None) -> Sequence[Part[int]]:
        """Split ids into parts that each fit into a URL.

        Raises:
            ConfigError: the campaigns leave no room for an id.
        """
        room = LONGEST_URL - self._url_length(_PROSPECTS, {"id": "", "campaigns_id": campaigns})
        parts, start, length = [], 0, 0
        for index, entry in enumerate(ids):
            digits = len(str(entry))
            if digits > room:
                raise ConfigError("campaign_ids has too many entries: together with one id the URL would be too long")
            length += len("%2C") + digits if index > start else digits
            if length > room:
                parts.append(Part(entries=ids[start:index], before=start))
                start, length = index, digits
        return [*parts, Part(entries=ids[start:], before=start)]

    def responses(
        self, prospect_id: int, *, campaign_ids: Iterable[int] = (), options: CallOptions | None = None
    ) -> Pager[ProspectResponse]:
        """List the replies of a prospect, oldest first, in one response.

        Args:
            prospect_id: the prospect.
            campaign_ids: only replies to these campaigns.
            options: for the request.

        Document: "Get prospect responses", `GET /v2/prospects/{prospect_id}/responses`.
        """
        return self._list(
            "/v2/prospects/{prospect_id}/responses",
            ProspectResponse,
            RESPONSES,
            key=attrgetter("response_id"),
            params={"campaign_id": checks.id_list(campaign_ids, "campaign_ids")},
            options=options,
            prospect_id=checks.integer(prospect_id, "prospect_id", 1),
        )
