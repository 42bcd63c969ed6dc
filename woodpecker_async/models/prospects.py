"""Prospects: the people an account writes to."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, overload

import attrs

from woodpecker_async.models._loose import Number, Text, Time
from woodpecker_async.models.enums import OpenEnum


class ProspectStatus(OpenEnum):
    """The status of a prospect. `TO_CHECK` and those after it exist only within a campaign."""

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
    """How interested a prospect is. The inbox endpoints spell these with underscores; see `InterestLevel`."""

    INTERESTED = "INTERESTED"
    MAYBE_LATER = "MAYBE-LATER"
    NOT_INTERESTED = "NOT-INTERESTED"
    NOT_MARKED = "NOT-MARKED"


class ProspectActivity(OpenEnum):
    """What a prospect did with the e-mails received."""

    OPENED = "OPENED"
    NOT_OPENED = "NOT-OPENED"
    CLICKED = "CLICKED"
    NOT_CLICKED = "NOT-CLICKED"


@attrs.frozen(kw_only=True)
class Prospect:
    """A prospect. Which fields are set depends on the request; `""` in a text field is kept.

    Attributes:
        id: the prospect's id.
        email: the e-mail address.
        organization_id: the organization, if one is assigned.
        tags: all tags in one string, such as `"#A #B"`.
        status: the status in the account or, in a list filtered by campaigns, in the campaign.
        last_contacted: when the latest e-mail was sent.
        last_replied: when the latest reply was received.
        updated: when the prospect was last changed.
        interested: how interested the prospect is, in a list filtered by campaigns.
        campaign_id: the campaign, in a list filtered by campaigns.
        campaigns_details: what `campaign_details=True` requested, as received; the format is not documented.
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
    # Each field that a page of a thousand lacks makes decoding it 3 % slower, so there are few of these.
    interested: ProspectInterest | None = None
    campaign_id: Number = None
    campaigns_details: Any = None


@attrs.frozen(kw_only=True)
class NewProspect:
    """One entry of the requests that add and update prospects.

    Fields that are `None` are not sent. When a prospect is updated, a field that is not sent stays as it is, `""`
    clears it, and tags are added to the existing ones.

    Attributes:
        email: the e-mail address, which identifies the prospect.
        status: a `ProspectStatus`; the server's default is `ACTIVE`.
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
        """The entry in the API's format."""
        return {name: value for name in _SENT if (value := getattr(self, name)) is not None}


_SENT: Final = tuple(field.name for field in attrs.fields(NewProspect))


@attrs.frozen(kw_only=True)
class AddedProspect:
    """The server's result for one prospect to add.

    Attributes:
        email: the e-mail address.
        id: the prospect's id.
        prospect: `"DUPLICATE"` if the prospect was already in the account.
        prospect_campaign: `"DUPLICATE"` if the prospect was already in the campaign.
        status: `"ERROR"` if the prospect was rejected.
        code: the reason for that, as a code.
        msg: the reason for that, in words.
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
        """Whether the server added it or already had it, which is so if it returned an id and no error."""
        return self.status != "ERROR" and self.id is not None


@attrs.frozen(kw_only=True)
class AddedProspects:
    """The response to one request that adds prospects. It is known only from third parties, so all is optional."""

    prospects: tuple[AddedProspect, ...] | None = None


@attrs.frozen(kw_only=True)
class ProspectsAdded(Sequence[AddedProspect]):
    """The result of adding prospects: a sequence of rows.

    Attributes:
        rows: one row per prospect, in the order of the input, matched by address. If the server did not mention a
            prospect, its row has only the address.
        unmatched: the server's results for addresses that were not in the input.
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
    """A reply from a prospect.

    Attributes:
        response_id: the reply's id.
        campaign_id: the campaign it replies to.
        step: the step of the campaign.
        campaign_email_sent: how many e-mails of the campaign had been sent.
        subject: its subject.
        message: its text, in HTML.
        delivered: when it was delivered; naive, because the documents do not say which time zone it is in.
        secondary_prospect_email: the sender's address, if someone else replied.
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
    """The deletion of all prospects of a company (document "Delete prospects of a company").

    Attributes:
        deletion_request_id: the id of the deletion. There is no documented way to query its status.
        count: how many prospects are deleted.
    """

    deletion_request_id: int
    count: int
