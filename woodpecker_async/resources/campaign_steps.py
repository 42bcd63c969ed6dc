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
    """The steps of campaigns. A campaign must be a draft, or have been made editable, for them to be changed."""

    async def add(
        self,
        campaign_id: int,
        step: NewStep | CampaignStep | Mapping[str, Any],
        *,
        parent_id: str | None = None,
        options: CallOptions | None = None,
    ) -> Campaign | None:
        """Add a step behind the last one.

        The API wants the id of the step that the new one is to follow. Unless it is given, the campaign is read
        first. The addition itself is never repeated, unless it was provably not sent or was refused with 429.

        Args:
            campaign_id: the campaign.
            step: a `NewStep`, or a mapping of its fields.
            parent_id: the last step of the campaign, if it is known.
            options: for each of the calls.

        Returns:
            The campaign; `None` if the server does not send it, which the documents leave open.

        Raises:
            ConfigError: something in the step is invalid; nothing was sent.
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
        """The id of the last step of a campaign."""
        campaign = await self._call("GET", _CAMPAIGN, Campaign, options=options, campaign_id=campaign_id)
        step = campaign.steps
        while step is not None and step.followup is not None:
            step = step.followup
        return step.id if step is not None else None

    async def update(
        self, campaign_id: int, step_id: str, *, delivery_time: DeliveryTime, options: CallOptions | None = None
    ) -> Campaign | None:
        """Change when a step sends. Days that are not given are taken from it. Retried like a read.

        Args:
            campaign_id: the campaign.
            step_id: the step.
            delivery_time: for at least one day of the week, up to three windows, such as
                `{"MONDAY": [("08:00", "12:00"), ("13:00", "18:00")]}`, in the time zone of the campaign.
            options: for this call.

        Returns:
            The campaign; `None` if the server does not send it, which the documents leave open.

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
        """Delete a step, which must not be the first one nor have been sent to anybody. Retried like a read.

        Args:
            campaign_id: the campaign.
            step_id: the step.
            options: for this call.

        Returns:
            The campaign; `None` if the server does not send it, such as when a repeated call finds the step gone.

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
        """Change what is given of a step's text, and nothing else. Retried like a read.

        Args:
            campaign_id: the campaign.
            step_id: the step.
            version_id: the text, by its id (not its letter).
            subject: of an e-mail; `""` sends it in the thread of the step before.
            message: HTML, or plain text on LinkedIn.
            signature: of an e-mail: whether the sender's signature goes below it.
            track_opens: of an e-mail: whether opening it is tracked.
            options: for this call.

        Returns:
            The campaign; `None` if the server does not send it, which the documents leave open.

        Raises:
            ConfigError: something is invalid, or nothing is to change; nothing was sent.
            ConflictError: the campaign is not editable: call `make_editable` first.

        Document: "Update step version", `PATCH /v2/campaigns/{campaign_id}/steps/{step_id}/versions/{version_id}`.
        """
        body = bodies.version(subject=subject, message=message, signature=signature, track_opens=track_opens)
        if not body:
            raise ConfigError("say what is to change: subject, message, signature or track_opens")
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
    """The bounce shield of campaigns: it pauses one when too many of its messages bounce."""

    async def get(self, campaign_id: int, *, options: CallOptions | None = None) -> int | None:
        """The share of bounces, in percent, that pauses a campaign; `None` if it is not set.

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
        """Set the share of bounces that pauses a campaign. Retried like a read.

        Args:
            campaign_id: the campaign.
            threshold: in percent, 1 to 99.
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
        """Switch the bounce shield of a campaign off. Retried like a read.

        Args:
            campaign_id: the campaign.
            options: for this call.

        Document: "Bounce Shield", `DELETE /v2/campaigns/{campaign_id}/bounce_shield/threshold`.
        """
        await self._call(
            "DELETE", _THRESHOLD, None, idempotent=True, options=options, campaign_id=bodies.campaign_id(campaign_id)
        )
