"""E-mail statistics of each company."""

from datetime import UTC, date, datetime
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType, field

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.pages import Page, paged
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Company
from woodpecker_async.sandbox.wire import Answer, bad_request

_DAYS: Final = 30  # up to and including today, if no dates are given
_SENT_A_DAY: Final = 40


class Period(Input):
    """The days, and which page."""

    from_: date | UnsetType = field(default=UNSET, name="from")
    to: date | UnsetType = UNSET
    page: Annotated[int, Meta(ge=1)] = 1
    per_page: Annotated[int, Meta(ge=1, le=50)] = 20


class Count(Struct, kw_only=True):
    """The count in a period, and in the period of the same length before it."""

    current_period: int
    previous_period: int


class Figures(Struct, kw_only=True):
    """The statistics of a company."""

    id: int
    name: str
    emails_sent: Count
    delivered_emails: Count
    views: Count
    replies: Count
    bounces: Count


def list_figures(call: Call, query: Period) -> Answer:
    """``GET /v2/agency/deliverability``: companies without activity are omitted."""
    last = datetime.now(UTC).date() if query.to is UNSET else query.to
    first = date.fromordinal(max(last.toordinal() - _DAYS + 1, 1)) if query.from_ is UNSET else query.from_
    if first > last:
        return bad_request("Value of from is incorrect.")
    days = (last - first).days + 1
    rows = [_figures(call.state.seed, company, days) for company in call.state.companies.values()]
    return paged(call, [row for row in rows if row.emails_sent.current_period], query.page, query.per_page)


def _figures(seed: int, company: Company, days: int) -> Figures:
    # A company without running campaigns sends nothing.
    sent = [
        days * min(company.running_campaigns, 1) * (1 + draw.number(seed, when, company.id) % _SENT_A_DAY)
        for when in ("now", "before")
    ]

    def share(what: str, most: float) -> Count:
        now, before = (int(count * most * draw.fraction(seed, what, company.id)) for count in sent)
        return Count(current_period=now, previous_period=before)

    bounces = share("bounces", 0.05)
    return Figures(
        id=company.id,
        name=company.name,
        emails_sent=Count(current_period=sent[0], previous_period=sent[1]),
        delivered_emails=Count(
            current_period=sent[0] - bounces.current_period, previous_period=sent[1] - bounces.previous_period
        ),
        views=share("views", 0.6),
        replies=share("replies", 0.1),
        bounces=bounces,
    )


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v2/agency/deliverability", run=list_figures, query=Period, answer=Page[Figures]),
)
