"""`/v2/lead_finder`: searching for and enriching leads."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

import attrs

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError, PaginationError
from woodpecker_async.models.lead_finder import (
    Enrichment,
    EnrichmentDetails,
    Lead,
    Leads,
    ProspectToEnrich,
    SearchCriterion,
    SearchOperator,
)
from woodpecker_async.models.paging import Listing
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import CRITERION_VALUES, LEADS, UNDOCUMENTED_LIST
from woodpecker_async.resources.access import Access
from woodpecker_async.resources.base import Resource

_LEADS: Final = "/v2/lead_finder/leads"
_ENRICHMENTS: Final = "/v2/lead_finder/leads/enrichments"
_PROSPECTS: Final = "/v2/lead_finder/prospects/enrichments"
_AT_ONCE: Final = 50
_LONGEST_PHRASE: Final = 50  # from the document "Get search criteria values"
_ANYTHING: Final[Any] = Any


class LeadFinder(Resource):
    """Searching for leads.

    Attributes:
        enrichments: enriching leads that were found.
        prospect_enrichments: enriching existing prospects.
    """

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.enrichments: Final = Enrichments(access)
        self.prospect_enrichments: Final = ProspectEnrichments(access)

    def criteria(self, *, options: CallOptions | None = None) -> Pager[Any]:
        """List all search criteria, in one response; as received, because their fields are not documented.

        Args:
            options: for the request.

        Document: "Lead Finder", `GET /v2/lead_finder/search_criteria`.
        """
        return self._list("/v2/lead_finder/search_criteria", _ANYTHING, UNDOCUMENTED_LIST, key=id, options=options)

    def criterion_values(
        self, name: str, *, search_phrase: str | None = None, options: CallOptions | None = None
    ) -> Pager[Any]:
        """List the values of a criterion, 50 per page; as received, because their format is not documented.

        Args:
            name: the name of the criterion.
            search_phrase: only values that contain this, up to 50 characters.
            options: for each request.

        Document: "Lead Finder", `GET /v2/lead_finder/search_criteria/{criterion_name}/values`.
        """
        return self._list(
            "/v2/lead_finder/search_criteria/{criterion_name}/values",
            _ANYTHING,
            CRITERION_VALUES,
            key=lambda value: json.dumps(value, sort_keys=True),
            params={
                "search_phrase": None if search_phrase is None else _phrase(search_phrase),
                "limit": _AT_ONCE,
            },
            options=options,
            criterion_name=checks.text(name, "the name of a criterion"),
        )

    async def leads(
        self,
        criteria: Iterable[SearchCriterion | Mapping[str, Any]],
        *,
        limit: int,
        next_page: str | None = None,
        options: CallOptions | None = None,
    ) -> Leads:
        """Buy up to `limit` leads that meet the criteria, at one credit each, in requests of up to 50 leads.

        A request is never retried, unless it was provably not sent or was refused with 429.

        Args:
            criteria: at least one criterion, each a `SearchCriterion` or a mapping of its fields.
            limit: the maximum number of leads to buy, an integer >= 1.
            next_page: where to continue: `.next_page` of an earlier result or of its error.
            options: for each request.

        Raises:
            ConfigError: an argument is invalid; nothing was sent.
            OutcomeUnknownError: the leads of the last request may have been paid for.
            PaginationError: the server returned a `next_page` that it had returned before.

        Any exception that ends the call has `.leads`, the leads paid for so far, and `.next_page`, where to continue.

        Example:
            ::

                leads = await woodpecker.account.lead_finder.leads(
                    [SearchCriterion(name="job_title", value="CEO")], limit=100
                )

        Document: "Lead Finder", `POST /v2/lead_finder/leads`.
        """
        checked = checks.models("criteria", criteria, SearchCriterion)
        asked = [_criterion(f"criteria[{index}]", criterion) for index, criterion in enumerate(checked)]
        checks.integer(limit, "limit", 1)
        if next_page is not None:
            checks.text(next_page, "next_page")
        bought: list[Lead] = []
        found: int | None = None
        used = {next_page}
        try:
            while True:
                listing = await self._search(asked, min(_AT_ONCE, limit - len(bought)), next_page, options)
                bought += listing.content
                found = listing.pagination_data.total_elements if listing.pagination_data is not None else found
                next_page = listing.next_cursor or None
                if next_page is None or not listing.content or len(bought) >= limit:
                    return Leads(tuple(bought), found, next_page)
                if next_page in used:
                    raise PaginationError(
                        "the server returned a next_page that it had returned before: continuing would pay for the "
                        "same leads again",
                        resume=next_page,
                    )
                used.add(next_page)
        except BaseException as error:
            paid: Any = error
            paid.leads, paid.next_page = tuple(bought), next_page
            raise

    async def _search(
        self, criteria: "list[dict[str, Any]]", size: int, next_page: str | None, options: CallOptions | None
    ) -> Listing[Lead]:
        shape: Any = LEADS.body(Lead)
        token = {} if next_page is None else {"next_page": next_page}
        listing: Listing[Lead] = await self._call(
            "POST",
            _LEADS,
            shape,
            body={"search_criteria": criteria, "size": size, **token},
            find_out=f"up to {size} leads may have been paid for: check the credits of the account first",
            options=options,
        )
        return listing


class Enrichments(Resource):
    """Enriching leads that were found."""

    async def start(
        self,
        leads: Iterable[Lead | Mapping[str, Any]],
        *,
        campaign_ids: Iterable[int],
        options: CallOptions | None = None,
    ) -> Enrichment:
        """Enrich leads, at one and a half credits per hit, and add them to campaigns.

        Never retried, unless the request was provably not sent or was refused with 429.

        Args:
            leads: 1 to 50 leads, as returned by `lead_finder.leads`.
            campaign_ids: the campaigns; `()` for none, and then they only become prospects of the account.
            options: for this call.

        Raises:
            ConfigError: an argument is invalid; nothing was sent.
            OutcomeUnknownError: it may have been started: check with `enrichments.list` before trying again.

        Document: "Lead Finder", `POST /v2/lead_finder/leads/enrichments`.
        """
        target = {} if campaign_ids == () else {"target_campaign_ids": checks.ids(campaign_ids, "campaign_ids")}
        listed = tuple(checks.entries(leads, f"leads must be a list, not {type(leads).__name__}"))
        checks.counted(listed, "leads", _AT_ONCE)
        wire = [_lead(f"leads[{index}]", lead) for index, lead in enumerate(listed)]
        return await self._call(
            "POST",
            _ENRICHMENTS,
            Enrichment,
            body={"leads": wire, **target},
            find_out="check with lead_finder.enrichments.list before trying again",
            options=options,
        )

    def list(self, *, created_after: date | str | None = None, options: CallOptions | None = None) -> Pager[Any]:
        """List the enrichments of leads, in one response; as received, because their fields are not documented.

        Args:
            created_after: a `datetime.date` or `"YYYY-MM-DD"`; by default those of the last 24 hours.
            options: for this call.

        Document: "Lead Finder", `GET /v2/lead_finder/leads/enrichments`.
        """
        after = None if created_after is None else checks.date(created_after, "created_after")
        return self._list(
            _ENRICHMENTS, _ANYTHING, UNDOCUMENTED_LIST, key=id, params={"created_after": after}, options=options
        )

    async def get(self, uuid: str, *, options: CallOptions | None = None) -> EnrichmentDetails:
        """Return the progress of an enrichment and what it has found.

        Args:
            uuid: what `start` returned.
            options: for this call.

        Raises:
            NotFoundError: there is no such enrichment.

        Document: "Lead Finder", `GET /v2/lead_finder/leads/enrichments/{uuid}`.
        """
        return await self._call("GET", _ENRICHMENTS + "/{uuid}", EnrichmentDetails, options=options, uuid=_uuid(uuid))


class ProspectEnrichments(Resource):
    """Enriching existing prospects."""

    async def start(
        self, prospects: Iterable[ProspectToEnrich | Mapping[str, Any]], *, options: CallOptions | None = None
    ) -> Enrichment:
        """Enrich existing prospects, at one and a half credits per success. No prospect is created.

        Never retried, unless the request was provably not sent or was refused with 429.

        Args:
            prospects: at least one prospect, each a `ProspectToEnrich` or a mapping of its fields.
            options: for this call.

        Raises:
            ConfigError: an argument is invalid; nothing was sent.
            OutcomeUnknownError: it may have been started. There is no documented way to list these enrichments.

        Document: "Lead Finder", `POST /v2/lead_finder/prospects/enrichments`.
        """
        checked = checks.models("prospects", prospects, ProspectToEnrich)
        return await self._call(
            "POST",
            _PROSPECTS,
            Enrichment,
            body={"prospects": [_prospect(f"prospects[{i}]", prospect) for i, prospect in enumerate(checked)]},
            find_out="check the credits of the account before trying again",
            options=options,
        )

    def statuses(self, uuids: Iterable[str], *, options: CallOptions | None = None) -> Pager[Any]:
        """List the progress of enrichments, in one response; as received, because their fields are not documented.

        How to name the enrichments is not documented either. A server that does not know `uuids` may list all recent
        ones, so look for yours in the result.

        Args:
            uuids: at least one id of an enrichment.
            options: for this call.

        Document: "Lead Finder", `POST /v2/lead_finder/prospects/enrichments/statuses/query`.
        """
        return self._list(
            _PROSPECTS + "/statuses/query",
            _ANYTHING,
            UNDOCUMENTED_LIST,
            key=id,
            method="POST",
            body={"uuids": checks.strings(uuids, "uuids", '["7b1f..."]')},
            options=options,
        )

    async def get(self, uuid: str, *, options: CallOptions | None = None) -> EnrichmentDetails:
        """Return the progress of an enrichment and what it has found.

        Args:
            uuid: what `start` returned.
            options: for this call.

        Raises:
            NotFoundError: there is no such enrichment.

        Document: "Lead Finder", `GET /v2/lead_finder/prospects/enrichments/{uuid}`.
        """
        return await self._call("GET", _PROSPECTS + "/{uuid}", EnrichmentDetails, options=options, uuid=_uuid(uuid))


def _phrase(given: object) -> str:
    phrase = checks.text(given, "search_phrase")
    if len(phrase) > _LONGEST_PHRASE:
        raise ConfigError(f"search_phrase must have at most {_LONGEST_PHRASE} characters, not {len(phrase)}")
    return phrase


def _criterion(what: str, criterion: SearchCriterion) -> dict[str, Any]:
    if criterion.value is None or criterion.value == "":
        raise ConfigError(f"{what}.value must not be empty")
    return {
        "name": checks.text(criterion.name, f"{what}.name"),
        "value": criterion.value,
        "operator": checks.choice(f"{what}.operator", criterion.operator, SearchOperator),
    }


def _prospect(what: str, prospect: ProspectToEnrich) -> dict[str, str]:
    fields = attrs.asdict(prospect, filter=lambda _, value: value is not None)
    texts = {name: checks.text(value, f"{what}.{name}") for name, value in fields.items() if name != "email"}
    return {"email": checks.email(prospect.email, f"{what}.email"), **texts}


def _lead(what: str, given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not given:
        raise ConfigError(f"{what} must be a Lead or a mapping, as returned by lead_finder.leads, not {given!r}")
    return dict(given)


def _uuid(value: object) -> str:
    return checks.text(value, "a uuid")
