"""Prospects: the people whom an account writes to."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, overload

import attrs

from woodpecker_async.models._loose import Number, Text, Time
from woodpecker_async.models.enums import OpenEnum


class ProspectStatus(OpenEnum):
    """What a prospect's status is; those from `TO_CHECK` on only within a campaign."""

    ACTIVE = "ACTIVE"
    BOUNCED = "BOUNCED"
    REPLIED = "REPLIED"
    BLACKLIST = "BLACKLIST"
    INVALID = "INVALID"
    TO_CHECK = "TO-CHECK"
    TO_REVIEW = "TO-REVIEW"
    AUTOREPLIED = "AUTOREPLIED"
    PAUSED = "PAUSED"


class ProspectInterest(OpenEnum):
    """How interested a prospect is. The endpoints of the inbox spell these with underscores, see `InterestLevel`."""

    INTERESTED = "INTERESTED"
    MAYBE_LATER = "MAYBE-LATER"
    NOT_INTERESTED = "NOT-INTERESTED"
    NOT_MARKED = "NOT-MARKED"


class ProspectActivity(OpenEnum):
    """What a prospect did with the e-mails that came."""

    OPENED = "OPENED"
    NOT_OPENED = "NOT-OPENED"
    CLICKED = "CLICKED"
    NOT_CLICKED = "NOT-CLICKED"


@attrs.frozen(kw_only=True)
class Prospect:
    """A prospect. Which of the fields come depends on what was asked for; `""` in a text stays what it is.

    Attributes:
        id: the prospect's id.
        email: the address.
        organization_id: the organization, if one is assigned.
        tags: all tags in one string, such as `"#A #B"`.
        status: of the prospect in the account, or in the campaigns that a list was limited to.
        last_contacted: when the latest e-mail was sent.
        last_replied: when the latest answer came.
        updated: when the prospect was last changed.
        interested: how interested the prospect is, in a list that was limited to campaigns.
        campaign_id: the campaign, likewise.
        campaigns_details: what `campaign_details=True` asked for, as it came: its form is not documented.
    """

    id: int
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    organization_id: int | str | None = None
    industry: str | None = None
    website: str | None = None
    linkedin_url: str | None = None
    tags: str | None = None
    title: str | None = None
    phone: str | None = None
    address: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    status: ProspectStatus | None = None
    snippet1: str | None = None
    snippet2: str | None = None
    snippet3: str | None = None
    snippet4: str | None = None
    snippet5: str | None = None
    snippet6: str | None = None
    snippet7: str | None = None
    snippet8: str | None = None
    snippet9: str | None = None
    snippet10: str | None = None
    snippet11: str | None = None
    snippet12: str | None = None
    snippet13: str | None = None
    snippet14: str | None = None
    snippet15: str | None = None
    last_contacted: Time = None
    last_replied: Time = None
    updated: Time = None
    # Reading a page of a thousand takes 3 % longer for each field that is not in it: these are few for that reason.
    interested: ProspectInterest | None = None
    campaign_id: Number = None
    campaigns_details: Any = None


@attrs.frozen(kw_only=True)
class NewProspect:
    """One entry of the requests that add and update prospects.

    A field that is `None` is not sent. When a prospect is updated, what is not sent stays as it is, `""` clears it, and
    tags are added to those that are there.

    Attributes:
        email: the address, which a prospect is known by.
        status: a `ProspectStatus`; without it the server takes `ACTIVE`.
        tags: all tags in one string, such as `"#A #B"`.
        interested: a `ProspectInterest`; only for an update.
    """

    email: str
    status: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    organization_id: int | None = None
    industry: str | None = None
    website: str | None = None
    linkedin_url: str | None = None
    tags: str | None = None
    title: str | None = None
    phone: str | None = None
    address: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    snippet1: str | None = None
    snippet2: str | None = None
    snippet3: str | None = None
    snippet4: str | None = None
    snippet5: str | None = None
    snippet6: str | None = None
    snippet7: str | None = None
    snippet8: str | None = None
    snippet9: str | None = None
    snippet10: str | None = None
    snippet11: str | None = None
    snippet12: str | None = None
    snippet13: str | None = None
    snippet14: str | None = None
    snippet15: str | None = None
    interested: str | None = None

    @property
    def wire(self) -> Mapping[str, Any]:
        """The entry as the API wants it."""
        return {name: value for name in _SENT if (value := getattr(self, name)) is not None}


_SENT: Final = tuple(field.name for field in attrs.fields(NewProspect))


@attrs.frozen(kw_only=True)
class AddedProspect:
    """What the server said of one prospect that was to be added.

    Attributes:
        email: the address.
        id: the prospect's id.
        prospect: `"DUPLICATE"` if the account had the prospect already.
        prospect_campaign: `"DUPLICATE"` if the campaign had the prospect already.
        status: `"ERROR"` if the prospect was not taken.
        code: why not, as a code.
        msg: why not, in words.
    """

    email: Text = None
    id: Number = None
    prospect: str | None = None
    prospect_campaign: str | None = None
    status: str | None = None
    code: str | None = None
    msg: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the server took it, or had it before; it gave an id, and no error."""
        return self.status != "ERROR" and self.id is not None


@attrs.frozen(kw_only=True)
class AddedProspects:
    """The answer to one request that adds prospects. How it looks is known from third parties, so all is optional."""

    prospects: tuple[AddedProspect, ...] | None = None


@attrs.frozen(kw_only=True)
class ProspectsAdded(Sequence[AddedProspect]):
    """What became of prospects that were to be added; a sequence of its rows.

    Attributes:
        rows: one for each prospect, in the order of the input, found by its address; with an address and nothing else
            where the server said nothing of it.
        unmatched: what the server said of addresses that were not in the input.
    """

    rows: tuple[AddedProspect, ...]
    unmatched: tuple[AddedProspect, ...] = ()

    @property
    def failed(self) -> tuple[AddedProspect, ...]:
        """The rows that are not `ok`."""
        return tuple(row for row in self.rows if not row.ok)

    @overload
    def __getitem__(self, index: int) -> AddedProspect: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[AddedProspect, ...]: ...
    def __getitem__(self, index: int | slice) -> AddedProspect | tuple[AddedProspect, ...]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[AddedProspect]:
        return iter(self.rows)


@attrs.frozen(kw_only=True)
class ProspectResponse:
    """An answer that came from a prospect.

    Attributes:
        response_id: the answer's id.
        campaign_id: the campaign that it answers.
        step: the step of the campaign.
        campaign_email_sent: how many e-mails of the campaign had been sent.
        subject: its subject.
        message: its text, in HTML.
        delivered: when it came; the documents do not tell the time zone, so the moment has none.
        secondary_prospect_email: who wrote it, if that was somebody else.
    """

    response_id: int
    campaign_id: Number = None
    step: Number = None
    campaign_email_sent: Number = None
    subject: str | None = None
    message: str | None = None
    delivered: Time = None
    secondary_prospect_email: Text = None


@attrs.frozen(kw_only=True)
class ProspectDeletion:
    """The removal of all prospects of a company (document "Delete prospects of a company").

    Attributes:
        deletion_request_id: the id of the request to remove them. No document tells how to ask for its state.
        count: how many prospects are removed.
    """

    deletion_request_id: int
    count: int
