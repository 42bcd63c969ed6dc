"""`/v2/campaigns/{campaign_id}/steps` and `/bounce_shield`: parts of campaigns."""

from collections.abc import Mapping
from typing import Any, Final

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.campaigns import (
    BounceShield,
    Campaign,
    CampaignStep,
    DeliveryTime,
    NewStep,
    StepSignature,
)
from woodpecker_async.models.paging import Perhaps
from woodpecker_async.options import CallOptions
from woodpecker_async.resources import campaign_bodies as bodies
from woodpecker_async.resources.base import Resource

_CAMPAIGN: Final = "/v2/campaigns/{campaign_id}"
_STEPS: Final = f"{_CAMPAIGN}/steps"
_STEP: Final = f"{_STEPS}/{{step_id}}"
_THRESHOLD: Final = f"{_CAMPAIGN}/bounce_shield/threshold"


class CampaignSteps(Resource):
    """The steps of campaigns. To change them, the campaign must be a draft or have been made editable."""

    async def add(
        self,
        campaign_id: int,
        step: NewStep | CampaignStep | Mapping[str, Any],
        *,
        parent_id: str | None = None,
        options: CallOptions | None = None,
    ) -> Campaign | None:
        """Add a step after the last one.

        The API needs the id of the step that the new one follows. Unless you give it, the campaign is read first. The
        addition itself is never retried, unless the request was provably not sent or was refused with 429.

        Args:
            campaign_id: the campaign.
            step: a `NewStep`, or a mapping of its fields.
            parent_id: the id of the campaign's last step, if you know it.
            options: for each request.

        Returns:
            The campaign; `None` if the server does not return it (the documents do not say whether it does).

        Raises:
            ConfigError: the step is invalid; nothing was sent.
            ConflictError: the campaign is not editable: call `make_editable` first.
            OutcomeUnknownError: it may have been added: check with `campaigns.get` before trying again.

        Document: "Add campaign step", `POST /v2/campaigns/{campaign_id}/steps`.
        """
        wanted, body = bodies.campaign_id(campaign_id), bodies.step(step)
        parent = await self._last(wanted, options) if parent_id is None else checks.text(parent_id, "parent_id")
        answer = await self._call(
            "POST",
            _STEPS,
            Perhaps[Campaign],
            body={"parent_id": parent, "step": body},
            find_out="check with campaigns.get before trying again",
            options=options,
            campaign_id=wanted,
        )
        return answer.item

    async def _last(self, campaign_id: int, options: CallOptions | None) -> str | None:
        """Return the id of a campaign's last step."""
        campaign = await self._call("GET", _CAMPAIGN, Campaign, options=options, campaign_id=campaign_id)
        step = campaign.steps
        while step is not None and step.followup is not None:
            step = step.followup
        return step.id if step is not None else None

    async def update(
        self, campaign_id: int, step_id: str, *, delivery_time: DeliveryTime, options: CallOptions | None = None
    ) -> Campaign | None:
        """Set when a step sends, replacing its previous times on all days. Retried like a read.

        Args:
            campaign_id: the campaign.
            step_id: the step.
            delivery_time: for at least one day of the week, up to three windows, such as
                `{"MONDAY": [("08:00", "12:00"), ("13:00", "18:00")]}`, in the time zone of the campaign.
            options: for this call.

        Returns:
            The campaign; `None` if the server does not return it (the documents do not say whether it does).

        Raises:
            ConfigError: a day or a window is invalid; nothing was sent.
            ConflictError: the campaign is not editable: call `make_editable` first.

        Document: "Update step", `PATCH /v2/campaigns/{campaign_id}/steps/{step_id}`.
        """
        answer = await self._call(
            "PATCH",
            _STEP,
            Perhaps[Campaign],
            body={"delivery_time": bodies.delivery_time(delivery_time)},
            idempotent=True,
            options=options,
            campaign_id=bodies.campaign_id(campaign_id),
            step_id=checks.text(step_id, "step_id"),
        )
        return answer.item

    async def delete(self, campaign_id: int, step_id: str, *, options: CallOptions | None = None) -> Campaign | None:
        """Delete a step other than the first that has not been sent to anyone yet. Retried like a read.

        Args:
            campaign_id: the campaign.
            step_id: the step.
            options: for this call.

        Returns:
            The campaign; `None` if the server does not return it, for example if a retry finds the step already gone.

        Raises:
            NotFoundError: there is no such step.
            ConflictError: the campaign is not editable: call `make_editable` first.

        Document: "Delete campaign step", `DELETE /v2/campaigns/{campaign_id}/steps/{step_id}`.
        """
        answer = await self._call(
            "DELETE",
            _STEP,
            Perhaps[Campaign],
            idempotent=True,
            options=options,
            campaign_id=bodies.campaign_id(campaign_id),
            step_id=checks.text(step_id, "step_id"),
        )
        return answer.item

    async def update_version(
        self,
        campaign_id: int,
        step_id: str,
        version_id: str,
        *,
        subject: str | None = None,
        message: str | None = None,
        signature: StepSignature | str | None = None,
        track_opens: bool | None = None,
        options: CallOptions | None = None,
    ) -> Campaign | None:
        """Change a version of a step; what you leave out stays as it is. Retried like a read.

        Args:
            campaign_id: the campaign.
            step_id: the step.
            version_id: the version's id (not its letter).
            subject: the e-mail's subject; `""` sends it in the thread of the previous step.
            message: the message as HTML, or as plain text for LinkedIn.
            signature: whether the e-mail ends with the sender's signature.
            track_opens: whether opening the e-mail is tracked.
            options: for this call.

        Returns:
            The campaign; `None` if the server does not return it (the documents do not say whether it does).

        Raises:
            ConfigError: an argument is invalid, or there is nothing to change; nothing was sent.
            ConflictError: the campaign is not editable: call `make_editable` first.

        Document: "Update step version", `PATCH /v2/campaigns/{campaign_id}/steps/{step_id}/versions/{version_id}`.
        """
        body = bodies.version(subject=subject, message=message, signature=signature, track_opens=track_opens)
        if not body:
            raise ConfigError("there is nothing to change: give subject, message, signature or track_opens")
        answer = await self._call(
            "PATCH",
            f"{_STEP}/versions/{{version_id}}",
            Perhaps[Campaign],
            body=body,
            idempotent=True,
            options=options,
            campaign_id=bodies.campaign_id(campaign_id),
            step_id=checks.text(step_id, "step_id"),
            version_id=checks.text(version_id, "version_id"),
        )
        return answer.item


class CampaignBounceShield(Resource):
    """The bounce shield, which pauses a campaign when too many of its messages bounce."""

    async def get(self, campaign_id: int, *, options: CallOptions | None = None) -> int | None:
        """Return the bounce rate, in percent, that pauses a campaign; `None` if it is not set.

        Args:
            campaign_id: the campaign.
            options: for this call.

        Document: "Bounce Shield", `GET /v2/campaigns/{campaign_id}/bounce_shield/threshold`.
        """
        answer = await self._call(
            "GET", _THRESHOLD, BounceShield, options=options, campaign_id=bodies.campaign_id(campaign_id)
        )
        return answer.bounce_rate_threshold

    async def set(self, campaign_id: int, threshold: int, *, options: CallOptions | None = None) -> None:
        """Set the bounce rate that pauses a campaign. Retried like a read.

        Args:
            campaign_id: the campaign.
            threshold: the bounce rate in percent, 1 to 99.
            options: for this call.

        Document: "Bounce Shield", `PUT /v2/campaigns/{campaign_id}/bounce_shield/threshold`.
        """
        await self._call(
            "PUT",
            _THRESHOLD,
            None,
            body={"bounce_rate_threshold": checks.integer(threshold, "threshold", 1, 99)},
            idempotent=True,
            options=options,
            campaign_id=bodies.campaign_id(campaign_id),
        )

    async def clear(self, campaign_id: int, *, options: CallOptions | None = None) -> None:
        """Turn off the bounce shield of a campaign. Retried like a read.

        Args:
            campaign_id: the campaign.
            options: for this call.

        Document: "Bounce Shield", `DELETE /v2/campaigns/{campaign_id}/bounce_shield/threshold`.
        """
        await self._call(
            "DELETE", _THRESHOLD, None, idempotent=True, options=options, campaign_id=bodies.campaign_id(campaign_id)
        )
