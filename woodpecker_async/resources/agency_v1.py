"""`/v1/agency`: the legacy calls. Needs an HQ key.

The current documents no longer mention them; prefer `woodpecker.agency` where it can do the same.
"""

from typing import Final

from woodpecker_async.engine.operation import Caller, Operation, get, post
from woodpecker_async.models.agency_v1 import (
    V1Company,
    V1CreateApiKey,
    V1CreateCompany,
    V1CreatedApiKey,
)
from woodpecker_async.models.paging import LegacyListing, Listing
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.resources import checks

_COMPANIES: Final = "/v1/agency/companies"
_ADD_KEY: Final = "/v1/agency/companies/api/add"
_ADD_COMPANY: Final = "/v1/agency/companies/add"


class AgencyV1:
    """`woodpecker.agency_v1`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def companies(self, *, options: CallOptions | None = None) -> Pager[V1Company]:
        """Every company with its keys, in one answer.

        Document: "AGENCY/COMPANIES", `GET /v1/agency/companies`.
        """
        operation: Operation[Listing[V1Company]] = get(_COMPANIES, LegacyListing[V1Company])
        return Pager(self._caller, lambda _: operation, key=lambda company: company.id, paged=False, options=options)

    async def create_api_key(
        self, company_id: int, name: str, *, options: CallOptions | None = None
    ) -> V1CreatedApiKey:
        """Make a key with one POST. For exactly one key use `woodpecker.agency.api_keys.create`.

        Args:
            company_id: the company.
            name: the key's label.
            options: for this call.

        Raises:
            OutcomeUnknownError: the answer got lost; there may be a new key.

        Document: "AGENCY/COMPANIES/API/ADD".
        """
        company_id = checks.company_id(company_id)
        body = V1CreateApiKey(company_id=company_id, name=checks.text(name, "a key's name"))
        operation = post(_ADD_KEY, V1CreatedApiKey, body, company_id=company_id)
        return (await self._caller.run(operation, options)).value

    async def create_company(self, name: str, *, options: CallOptions | None = None) -> V1Company:
        """Create a company, which is billed; it comes with an API key.

        Args:
            name: its name.
            options: for this call.

        Raises:
            OutcomeUnknownError: the answer got lost; look with `companies()` before trying again.

        Document: "AGENCY/COMPANIES/ADD".
        """
        body = V1CreateCompany(name=checks.text(name, "a company's name"))
        return (await self._caller.run(post(_ADD_COMPANY, V1Company, body), options)).value
