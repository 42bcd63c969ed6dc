"""The campaign data of an account."""

from typing import Any, Final

import msgspec

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.campaign_bodies import NewStep
from woodpecker_async.sandbox.state import Company


class Step(msgspec.Struct):
    """A step as stored: as it was sent, with the ids it was given."""

    id: str
    data: dict[str, Any]

    @property
    def versions(self) -> list[dict[str, Any]]:
        """Its versions, A to E."""
        found: list[dict[str, Any]] = self.data.get("body", {}).get("versions", [])
        return found


class Campaign(msgspec.Struct, kw_only=True):
    """A campaign.

    Attributes:
        id: its id.
        name: its name.
        status: its status.
        mailboxes: the SMTP ids of the mailboxes it sends from.
        settings: its settings, as they were sent.
        start_id: the id of the START step.
        steps: the steps after START.
        made_steps: how many steps it has ever had.
        threshold: the threshold of the bounce shield.
        conditional: whether it has a condition, which the v2 endpoints do not support.
    """

    id: int
    name: str
    status: str = "DRAFT"
    mailboxes: list[int] = []
    settings: dict[str, Any] = {}
    start_id: str = ""
    steps: list[Step] = []
    made_steps: int = 0
    threshold: int | None = None
    conditional: bool = False

    def add_step(self, seed: int, sent: NewStep) -> None:
        """Add a step after the others."""
        self.made_steps += 1
        topic = (seed, "step", self.id, self.made_steps)
        data: dict[str, Any] = {**msgspec.to_builtins(sent), "type": sent.type}
        data.pop("followup", None)
        data.setdefault("followup_after", None)
        for place, version in enumerate(data.get("body", {}).get("versions", [])):
            letter = "ABCDE"[place]
            version |= {"id": f"{draw.number(*topic, letter):016x}" * 2, "version": letter}
        self.steps.append(Step(id=draw.identifier(*topic), data=data))

    def step(self, step_id: str) -> Step | None:
        """The step with that id."""
        return next((step for step in self.steps if step.id == step_id), None)

    def whole(self) -> dict[str, Any]:
        """The campaign as v2 returns it: each step is nested in the one before it."""
        followup: dict[str, Any] | None = None
        for step in reversed(self.steps):
            followup = {"id": step.id, **step.data, "followup": followup}
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "email_account_ids": self.mailboxes,
            "settings": self.settings,
            "steps": {"id": self.start_id, "type": "START", "followup": followup},
        }


class Campaigns(msgspec.Struct):
    """The campaigns of an account, and how many it has ever had."""

    rows: list[Campaign]
    made: int = 0

    @classmethod
    def begin(cls, seed: int, account: Company) -> "Campaigns":
        """A running one, a draft, a paused one, and a running one with a condition."""
        kept = cls([])
        for name, status in (("Spring", "RUNNING"), ("Follow-ups", "DRAFT"), ("Summer", "PAUSED"), ("IF", "RUNNING")):
            campaign = kept.add(seed, account, f"{name} of {account.name}", status=status)
            campaign.conditional = name == "IF"
        return kept

    def add(
        self, seed: int, account: Company, name: str, *, status: str = "DRAFT", campaign_id: int | None = None
    ) -> Campaign:
        """Create a campaign with one step."""
        campaign = self.empty(seed, account, name, campaign_id)
        campaign.status = status
        campaign.mailboxes = [mailbox.smtp_id for mailbox in account.mailboxes[:1]]
        campaign.settings = {"timezone": "Europe/Warsaw", "prospect_timezone": True, "daily_enroll": 50}
        campaign.add_step(seed, msgspec.convert(_FIRST_STEP, NewStep))
        return campaign

    def empty(self, seed: int, account: Company, name: str, campaign_id: int | None = None) -> Campaign:
        """Create a campaign without steps."""
        new_id = account.id * 100 + self.made if campaign_id is None else campaign_id
        self.made += 1
        campaign = Campaign(id=new_id, name=name, start_id=draw.identifier(seed, "start", new_id))
        self.rows.append(campaign)
        return campaign


_WORKDAYS: Final = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")
_FIRST_STEP: Final = {
    "type": "EMAIL",
    "delivery_time": {day: [{"from": "08:00", "to": "18:00"}] for day in _WORKDAYS},
    "body": {"versions": [{"subject": "Hello", "message": "<p>Hello</p>", "signature": "SENDER", "track_opens": True}]},
}
