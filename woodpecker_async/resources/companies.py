"""`/v2/agency/companies`: the agency's client companies. Needs an HQ key."""

from collections.abc import Iterable
from operator import attrgetter

from woodpecker_async import checks
from woodpecker_async.models.agency import Company, CreateCompanies, CreatedCompanies, NewCompany
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.resources.base import Resource


class Companies(Resource):
    """The agency's client companies."""

    def list(self, *, active: bool | None = None, options: CallOptions | None = None) -> Pager[Company]:
        """List all companies, 50 per page.

        Args:
            active: only active companies (`True`) or only inactive ones (`False`); by default both.
            options: for each request.

        Document: "List of companies", `GET /v2/agency/companies`.
        """
        return self._list(
            "/v2/agency/companies",
            Company,
            key=attrgetter("id"),
            params={"active": checks.boolean_or_none(active, "active")},
            options=options,
        )

    async def create(self, names: Iterable[str], *, options: CallOptions | None = None) -> tuple[Company, ...]:
        """Create companies, all or none. Each is billed, and gets an API key automatically.

        Never retried, unless the request was provably not sent or was refused with 429.

        Args:
            names: 1 to 10 names.
            options: for this call.

        Raises:
            ConfigError: a name is empty, or there are too many; nothing was sent.
            BadRequestError: for example a name is taken; no company was created.
            OutcomeUnknownError: the companies may have been created: check with `list()` before trying again.

        Document: "Create companies", `POST /v2/agency/companies`.
        """
        body = CreateCompanies(companies=tuple(NewCompany(name=name) for name in checks.names(names)))
        made = await self._call(
            "POST",
            "/v2/agency/companies",
            CreatedCompanies,
            body=body,
            find_out="check with agency.companies.list() before trying again",
            options=options,
        )
        return made.companies
