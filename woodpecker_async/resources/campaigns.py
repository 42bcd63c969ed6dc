"""`/v2/campaigns`: campaigns, their steps, and the bounce shield."""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Final

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError, NotFoundError
from woodpecker_async.models.campaigns import (
    Campaign,
    CampaignSettings,
    CampaignStats,
    CampaignStatus,
    CampaignSummary,
    NewCampaign,
)
from woodpecker_async.models.paging import Perhaps
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import PERHAPS_ARRAY
from woodpecker_async.resources import campaign_bodies as bodies
from woodpecker_async.resources.access import Access
from woodpecker_async.resources.base import Resource
from woodpecker_async.resources.campaign_steps import CampaignBounceShield, CampaignSteps

_LIST: Final = "/v1/campaign_list"
_CAMPAIGN: Final = "/v2/campaigns/{campaign_id}"


class Campaigns(Resource):
    """The campaigns of an account.

    A campaign with an IF condition, a scheduled start or manual tasks can be listed and has statistics, but `get` and
    every change raise `UnsupportedCampaignError` for it: the API does not expose such campaigns.

    Attributes:
        steps: the steps of campaigns.
        bounce_shield: pausing a campaign automatically when too many of its messages bounce.
    """

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.steps: Final = CampaignSteps(access)
        self.bounce_shield: Final = CampaignBounceShield(access)

    def list(
        self,
        *,
        status: Iterable[CampaignStatus | str] = (),
        ids: Iterable[int] = (),
        options: CallOptions | None = None,
    ) -> Pager[CampaignSummary]:
        """List all campaigns, in one response.

        Args:
            status: only campaigns with one of these statuses.
            ids: only these campaigns.
            options: for the request.

        Document: "Get a list of campaigns", `GET /v1/campaign_list`.
        """
        states = None if status == () else ",".join(checks.choices("status", status, CampaignStatus))
        wanted = None if ids == () else checks.id_list(ids, "ids")
        if states == "" or (wanted is None and ids != ()):
            raise ConfigError(f"{'status' if states == '' else 'ids'} must not be empty: leave it out to list all")
        return self._list(
            _LIST,
            CampaignSummary,
            PERHAPS_ARRAY,
            key=attrgetter("id"),
            params={"status": states, "id": wanted},
            options=options,
        )

    async def stats(self, campaign_id: int, *, options: CallOptions | None = None) -> CampaignStats:
        """Return the statistics of a campaign, over all versions of its steps.

        Args:
            campaign_id: the campaign.
            options: for this call.

        Raises:
            NotFoundError: the account has no such campaign.

        Document: "Get campaign statistics", `GET /v1/campaign_list`.
        """
        wanted = bodies.campaign_id(campaign_id)
        found = await self._list(
            _LIST, CampaignStats, PERHAPS_ARRAY, key=attrgetter("id"), params={"id": wanted}, options=options
        )
        for campaign in found:
            if campaign.id == wanted:
                return campaign
        account = self._access.account
        raise NotFoundError(
            f"the account has no campaign {wanted}: the list filtered by its id does not contain it",
            status=200,
            method="GET",
            path=_LIST,
            company_id=account if isinstance(account, int) else None,
        )

    async def get(self, campaign_id: int, *, options: CallOptions | None = None) -> Campaign:
        """Return a campaign with its settings and all its steps.

        Custom labels of snippets are not included: the server returns `{{SNIPPET_n}}` instead.

        Args:
            campaign_id: the campaign.
            options: for this call.

        Raises:
            NotFoundError: the account has no such campaign.
            UnsupportedCampaignError: it is of a kind that the API does not expose.

        Document: "Campaigns", `GET /v2/campaigns/{campaign_id}`.
        """
        return await self._call(
            "GET", _CAMPAIGN, Campaign, options=options, campaign_id=bodies.campaign_id(campaign_id)
        )

    async def create(
        self, campaign: NewCampaign | Mapping[str, Any], *, options: CallOptions | None = None
    ) -> Campaign:
        """Create a campaign; it is a draft until `run`.

        Never retried, unless the request was provably not sent or was refused with 429.

        Args:
            campaign: a `NewCampaign`, or a mapping of its fields.
            options: for this call.

        Raises:
            ConfigError: the campaign is invalid; nothing was sent.
            OutcomeUnknownError: it may have been created: check with `campaigns.list` before trying again.

        Example:
            ::

                workdays = {day: [("08:00", "16:00")] for day in ("MONDAY", "TUESDAY", "WEDNESDAY")}
                await client.campaigns.create(
                    NewCampaign(
                        name="Spring",
                        email_account_ids=[101],
                        steps=[
                            NewStep(
                                versions=[NewVersion(subject="Hello", message="<p>Hello</p>")],
                                delivery_time=workdays,
                                followup_after={"range": "DAY", "value": 3},
                            ),
                            NewStep(versions=[NewVersion(message="<p>And?</p>")], delivery_time=workdays),
                        ],
                    )
                )

        Document: "Create campaign", `POST /v2/campaigns`.
        """
        return await self._call(
            "POST",
            "/v2/campaigns",
            Campaign,
            body=bodies.campaign(campaign),
            find_out="check with campaigns.list before trying again",
            options=options,
        )

    async def update(
        self,
        campaign_id: int,
        *,
        name: str | None = None,
        email_account_ids: Iterable[int] | None = None,
        settings: CampaignSettings | Mapping[str, Any] | None = None,
        options: CallOptions | None = None,
    ) -> Campaign | None:
        """Change a campaign; what you leave out stays as it is. Retried like a read.

        The campaign must be a draft, or have been made editable.

        Args:
            campaign_id: the campaign.
            name: its new name.
            email_account_ids: the mailboxes to send from (SMTP ids), replacing the current ones.
            settings: the settings to change.
            options: for this call.

        Returns:
            The campaign; `None` if the server does not return it (the documents do not say whether it does).

        Raises:
            ConfigError: an argument is invalid, or there is nothing to change; nothing was sent.
            ConflictError: the campaign is not editable: call `make_editable` first.

        Document: "Update campaign settings", `PATCH /v2/campaigns/{campaign_id}`.
        """
        body: dict[str, Any] = {}
        if name is not None:
            body["name"] = checks.text(name, "name")
        if email_account_ids is not None:
            body["email_account_ids"] = bodies.mailboxes(email_account_ids)
        if settings is not None and (chosen := bodies.settings(settings)):
            body["settings"] = chosen
        if not body:
            raise ConfigError("there is nothing to change: give name, email_account_ids or settings")
        answer = await self._call(
            "PATCH",
            _CAMPAIGN,
            Perhaps[Campaign],
            body=body,
            idempotent=True,
            options=options,
            campaign_id=bodies.campaign_id(campaign_id),
        )
        return answer.item

    async def delete(self, campaign_id: int, *, options: CallOptions | None = None) -> None:
        """Delete a campaign, whatever its status. It cannot be restored. Retried like a read.

        Args:
            campaign_id: the campaign.
            options: for this call.

        Raises:
            NotFoundError: the account has no such campaign.
            ConflictError: it is part of a workflow.

        Document: "Delete campaign", `DELETE /v2/campaigns/{campaign_id}`.
        """
        await self._call(
            "DELETE", _CAMPAIGN, None, idempotent=True, options=options, campaign_id=bodies.campaign_id(campaign_id)
        )

    async def run(self, campaign_id: int, *, options: CallOptions | None = None) -> None:
        """Start or resume a campaign: from now on it sends real messages.

        Never retried, unless the request was provably not sent or was refused with 429.

        Args:
            campaign_id: the campaign.
            options: for this call.

        Raises:
            NotFoundError: the account has no such campaign.
            ConflictError: it cannot be run as it is.
            OutcomeUnknownError: it may have been started: check its status with `campaigns.list`.

        Document: "Run campaign", `POST /v2/campaigns/{campaign_id}/run`.
        """
        await self._call(
            "POST",
            f"{_CAMPAIGN}/run",
            None,
            find_out="check its status with campaigns.list before trying again",
            options=options,
            campaign_id=bodies.campaign_id(campaign_id),
        )

    async def pause(self, campaign_id: int, *, options: CallOptions | None = None) -> None:
        """Pause a campaign; `run` resumes it. Retried like a read.

        Args:
            campaign_id: the campaign.
            options: for this call.

        Raises:
            NotFoundError: the account has no such campaign.

        Document: "Pause campaign", `POST /v2/campaigns/{campaign_id}/pause`.
        """
        await self._turn(campaign_id, "pause", options)

    async def stop(self, campaign_id: int, *, options: CallOptions | None = None) -> None:
        """Stop a campaign; `run` starts it again. Retried like a read.

        Args:
            campaign_id: the campaign.
            options: for this call.

        Raises:
            NotFoundError: the account has no such campaign.

        Document: "Stop campaign", `POST /v2/campaigns/{campaign_id}/stop`.
        """
        await self._turn(campaign_id, "stop", options)

    async def make_editable(self, campaign_id: int, *, options: CallOptions | None = None) -> None:
        """Make a campaign editable: its status becomes `EDITED`. Retried like a read.

        A running campaign stops sending until you call `run`.

        Args:
            campaign_id: the campaign.
            options: for this call.

        Raises:
            NotFoundError: the account has no such campaign.

        Document: "Update step", `POST /v2/campaigns/{campaign_id}/make_editable`.
        """
        # Two pages of the vendor name the path without a method; a third party's reference says POST.
        await self._turn(campaign_id, "make_editable", options)

    async def _turn(self, campaign_id: int, verb: str, options: CallOptions | None) -> None:
        await self._call(
            "POST",
            f"{_CAMPAIGN}/{verb}",
            None,
            idempotent=True,
            options=options,
            campaign_id=bodies.campaign_id(campaign_id),
        )
