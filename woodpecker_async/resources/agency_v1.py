"""`/v1/agency`: the legacy calls. Needs an HQ key.

The current documents no longer mention them; use `woodpecker.agency` wherever it can do the same.
"""

from operator import attrgetter
from typing import Final

from woodpecker_async import checks
from woodpecker_async.errors import KeyOutcomeUnknownError
from woodpecker_async.models.agency_v1 import (
    V1Company,
    V1CreateApiKey,
    V1CreateCompany,
    V1CreatedApiKey,
)
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import LEGACY_ARRAY
from woodpecker_async.resources.base import Resource

_FIND_OUT: Final = "check with agency_v1.companies() before trying again"


class AgencyV1(Resource):
    """`woodpecker.agency_v1`."""

    def companies(self, *, options: CallOptions | None = None) -> Pager[V1Company]:
        """List every company with its keys, in one response.

        Args:
            options: for the request.

        Document: "AGENCY/COMPANIES", `GET /v1/agency/companies`.
        """
        return self._list("/v1/agency/companies", V1Company, LEGACY_ARRAY, key=attrgetter("id"), options=options)

    async def create_api_key(
        self, company_id: int, name: str, *, options: CallOptions | None = None
    ) -> V1CreatedApiKey:
        """Create a key with one POST, which is never retried. For exactly one key, use `agency.api_keys.create`.

        Args:
            company_id: the company.
            name: the key's label.
            options: for this call.

        Raises:
            OutcomeUnknownError: the response was lost; check with `companies()` whether there is a new key.
            KeyOutcomeUnknownError: the server returned a key that this process has received before.

        Document: "AGENCY/COMPANIES/API/ADD", `POST /v1/agency/companies/api/add`.
        """
        company_id = checks.company_id(company_id)
        body = V1CreateApiKey(company_id=company_id, name=checks.text(name, "a key's name"))
        made = await self._call(
            "POST",
            "/v1/agency/companies/api/add",
            V1CreatedApiKey,
            body=body,
            about=company_id,
            find_out=_FIND_OUT,
            options=options,
        )
        lock, fingerprint = await self._access.creation_lock(company_id), made.api_key.fingerprint
        if fingerprint in lock.handed_out() or lock.elsewhere([fingerprint]):
            raise KeyOutcomeUnknownError(
                f"it is not known which API key was made for company {company_id}: the server returned the key "
                f"{fingerprint}, which is not new",
                company_id=company_id,
                label=name,
                kind="not_new",
                candidates=(made.api_key,),
            )
        lock.hand_out(fingerprint, name, f"v1 {fingerprint}")
        return made

    async def create_company(self, name: str, *, options: CallOptions | None = None) -> V1Company:
        """Create a company with an API key. It is billed. Never retried.

        Args:
            name: its name.
            options: for this call.

        Raises:
            OutcomeUnknownError: the response was lost; check with `companies()` before trying again.

        Document: "AGENCY/COMPANIES/ADD", `POST /v1/agency/companies/add`.
        """
        body = V1CreateCompany(name=checks.text(name, "a company's name"))
        return await self._call(
            "POST", "/v1/agency/companies/add", V1Company, body=body, find_out=_FIND_OUT, options=options
        )
