"""Searching for leads, and enriching them."""

from typing import Annotated, Any, Final, Literal, Self

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Company
from woodpecker_async.sandbox.wire import Answer, bad_request, not_found

_VALUES: Final = {
    "job_title": ("CEO", "CTO", "Head of Sales", "Marketing Manager", "Office Manager"),
    "country": ("Austria", "France", "Germany", "Poland", "United Kingdom"),
    "industry": ("Construction", "Education", "Logistics", "Retail", "Software"),
}
_FIRST: Final = ("Anna", "Ben", "Carla", "David", "Eva", "Felix", "Greta", "Hugo")
_LAST: Final = ("Berg", "Costa", "Dvorak", "Ek", "Fischer", "Garcia", "Hansen", "Ito")

Text = Annotated[str, Meta(min_length=1)]


class Enrichment(Struct):
    """An enrichment that was started.

    Attributes:
        uuid: its id.
        of: `leads` or `prospects`.
        asked: how often it was polled; it is done the second time.
        entries: the leads or prospects to enrich.
    """

    uuid: str
    of: str
    created: str
    entries: list[dict[str, Any]]
    asked: int = 0

    def row(self) -> dict[str, Any]:
        """The enrichment, as the API returns it."""
        return {"uuid": self.uuid, "status": "DONE" if self.asked > 1 else "IN_PROGRESS", "created": self.created}


class Bought(Struct):
    """What an account has spent its credits on."""

    credits_spent: float = 0
    enrichments: list[Enrichment] = field(default_factory=list)

    @classmethod
    def begin(cls, seed: int, account: Company) -> Self:  # noqa: ARG003
        """Nothing yet."""
        return cls()


class ValuesQuery(Input):
    """The query for the values of a criterion; pages are numbered from 1."""

    search_phrase: Annotated[str, Meta(max_length=50)] | UnsetType = UNSET
    page: Annotated[int, Meta(ge=1)] = 1
    limit: Annotated[int, Meta(ge=1, le=50)] = 10


class Criterion(Struct):
    """One criterion of a search."""

    name: Text
    value: Any
    operator: Literal["INCLUDE", "EXCLUDE"] = "INCLUDE"


class Search(Input):
    """The body of a search."""

    search_criteria: Annotated[list[Criterion], Meta(min_length=1)]
    size: Annotated[int, Meta(ge=1, le=50)] = 1
    next_page: str | None = None


class Lead(Struct):
    """A person who was found."""

    id: int
    first_name: str
    last_name: str
    job_title: str
    country: str
    industry: str


class Found(Struct):
    """The response to a search."""

    leads: list[Lead]
    total_found: int
    next_page: str | None


class LeadsToEnrich(Input):
    """The body that starts an enrichment of leads."""

    leads: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=50)]
    target_campaign_ids: list[int] = field(default_factory=list)


class EnrichmentsQuery(Input):
    """The query for the list of enrichments."""

    created_after: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")] | UnsetType = UNSET


class ProspectToEnrich(Struct):
    """A prospect to enrich."""

    email: Text
    first_name: str | None = None
    last_name: str | None = None
    linkedin_url: str | None = None
    company_name: str | None = None
    company_website: str | None = None


class ProspectsToEnrich(Input):
    """The body that starts an enrichment of prospects."""

    prospects: Annotated[list[ProspectToEnrich], Meta(min_length=1)]


class Uuids(Input):
    """The body that asks for statuses."""

    uuids: Annotated[list[Text], Meta(min_length=1)]


class Started(Struct):
    """The response to starting an enrichment."""

    uuid: str
    status: str


def list_criteria(_: Call) -> Answer:
    """``GET /v2/lead_finder/search_criteria``: the format is not documented."""
    return Answer.of({"search_criteria": [{"name": name, "type": "LIST"} for name in _VALUES]})


def list_values(call: Call, query: ValuesQuery) -> Answer:
    """``GET /v2/lead_finder/search_criteria/{criterion_name}/values``: the format is not documented either."""
    values = _VALUES.get(call.parts[0])
    if values is None:
        return not_found()
    phrase = "" if query.search_phrase is UNSET else query.search_phrase
    found = [value for value in values if phrase.lower() in value.lower()]
    page = found[(query.page - 1) * query.limit :][: query.limit]
    return Answer.of({"values": page, "page": query.page, "limit": query.limit, "total_found": len(found)})


def search(call: Call, body: Search) -> Answer:
    """``POST /v2/lead_finder/leads``: paged by a token in the body; each lead costs a credit."""
    found = [lead for lead in _all_leads(call) if all(map(_meets(lead), body.search_criteria))]
    start = _from_token(call, body.next_page)
    if start is None:
        return bad_request("Value of next_page is incorrect.")
    end = start + body.size
    leads = found[start:end]
    call.kept(Bought).credits_spent += len(leads)
    call.changed()
    return Answer.of(
        Found(leads=leads, total_found=len(found), next_page=_token(call, end) if end < len(found) else None)
    )


def enrich_leads(call: Call, body: LeadsToEnrich) -> Answer:
    """``POST /v2/lead_finder/leads/enrichments``: one and a half credits per hit."""
    return _start(call, "leads", body.leads)


def list_enrichments(call: Call, _: EnrichmentsQuery) -> Answer:
    """``GET /v2/lead_finder/leads/enrichments``."""
    return Answer.of({"enrichments": [one.row() for one in call.kept(Bought).enrichments if one.of == "leads"]})


def get_leads_enrichment(call: Call) -> Answer:
    """``GET /v2/lead_finder/leads/enrichments/{uuid}``: done the second time it is requested."""
    return _get(call, "leads")


def enrich_prospects(call: Call, body: ProspectsToEnrich) -> Answer:
    """``POST /v2/lead_finder/prospects/enrichments``."""
    return _start(call, "prospects", msgspec.to_builtins(body.prospects))


def query_statuses(call: Call, body: Uuids) -> Answer:
    """``POST /v2/lead_finder/prospects/enrichments/statuses/query``: of those that exist."""
    wanted = set(body.uuids)
    return Answer.of(
        [one.row() for one in call.kept(Bought).enrichments if one.of == "prospects" and one.uuid in wanted]
    )


def get_prospects_enrichment(call: Call) -> Answer:
    """``GET /v2/lead_finder/prospects/enrichments/{uuid}``."""
    return _get(call, "prospects")


def _all_leads(call: Call) -> list[Lead]:
    seed = call.state.seed
    return [
        Lead(
            id=1 + place,
            first_name=draw.pick(_FIRST, seed, "lead", place, "first"),
            last_name=draw.pick(_LAST, seed, "lead", place, "last"),
            **{name: draw.pick(values, seed, "lead", place, name) for name, values in _VALUES.items()},
        )
        for place in range(400)
    ]


def _meets(lead: Lead) -> Any:
    def meets(criterion: Criterion) -> bool:
        is_so = getattr(lead, criterion.name, None) == criterion.value if criterion.name in _VALUES else True
        return is_so == (criterion.operator == "INCLUDE")

    return meets


def _token(call: Call, start: int) -> str:
    return f"{draw.letters(12, 'leads', call.account.id, start)}{start}"


def _from_token(call: Call, token: str | None) -> int | None:
    if not token:
        return 0
    digits = token[12:]
    start = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 9 else None
    return start if start is not None and token == _token(call, start) else None


def _start(call: Call, of: str, entries: list[dict[str, Any]]) -> Answer:
    kept = call.kept(Bought)
    uuid = draw.identifier(call.state.seed, "enrichment", call.account.id, len(kept.enrichments))
    kept.enrichments.append(Enrichment(uuid=uuid, of=of, created="2026-11-02T09:30:00", entries=entries))
    kept.credits_spent += 1.5 * len(entries)
    call.changed()
    return Answer.of(Started(uuid=uuid, status="IN_PROGRESS"), 201)


def _get(call: Call, of: str) -> Answer:
    for one in call.kept(Bought).enrichments:
        if one.uuid == call.parts[0] and one.of == of:
            one.asked += 1
            call.changed()
            return Answer.of({**one.row(), of: one.entries if one.asked > 1 else []})
    return not_found()


_CRITERIA: Final = "/v2/lead_finder/search_criteria"
_LEADS: Final = "/v2/lead_finder/leads"
_PROSPECTS: Final = "/v2/lead_finder/prospects/enrichments"

ENDPOINTS: Final = (
    Endpoint(method="GET", path=_CRITERIA, run=list_criteria, answer=dict[str, Any]),
    Endpoint(
        method="GET",
        path=_CRITERIA + "/{criterion_name}/values",
        run=list_values,
        query=ValuesQuery,
        answer=dict[str, Any],
    ),
    Endpoint(method="POST", path=_LEADS, run=search, body=Search, answer=Found),
    Endpoint(
        method="POST", path=_LEADS + "/enrichments", run=enrich_leads, body=LeadsToEnrich, answer=Started, status=201
    ),
    Endpoint(
        method="GET", path=_LEADS + "/enrichments", run=list_enrichments, query=EnrichmentsQuery, answer=dict[str, Any]
    ),
    Endpoint(method="GET", path=_LEADS + "/enrichments/{uuid}", run=get_leads_enrichment, answer=dict[str, Any]),
    Endpoint(method="POST", path=_PROSPECTS, run=enrich_prospects, body=ProspectsToEnrich, answer=Started, status=201),
    Endpoint(
        method="POST", path=_PROSPECTS + "/statuses/query", run=query_statuses, body=Uuids, answer=list[dict[str, Any]]
    ),
    Endpoint(method="GET", path=_PROSPECTS + "/{uuid}", run=get_prospects_enrichment, answer=dict[str, Any]),
)
