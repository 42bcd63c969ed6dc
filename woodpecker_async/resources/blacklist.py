"""`/v2/agency/blacklist`: domains that no company of the agency writes to."""

from collections.abc import Iterable
from typing import Final

from woodpecker_async import checks
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import DOMAINS
from woodpecker_async.resources.access import Access
from woodpecker_async.resources.base import Resource

_DOMAINS: Final = "/v2/agency/blacklist/domains"
_MOST: Final = 500  # entries in one request


class AgencyDomains(Resource):
    """The blacklisted domains of the agency."""

    def list(
        self,
        *,
        filter: Iterable[str] = (),
        per_page: int | None = None,
        options: CallOptions | None = None,
    ) -> Pager[str]:
        """All blacklisted domains.

        Args:
            filter: only these.
            per_page: how many on a page, 1 to 1000; 100 by default.
            options: for the calls of this list.

        Document: "Get blacklisted domains", `GET /v2/agency/blacklist/domains`.
        """
        return self._list(
            _DOMAINS,
            str,
            DOMAINS,
            key=lambda domain: domain,
            params={
                "domain_filter": checks.comma_list(filter, "filter", '["example.com"]'),
                "per_page": None if per_page is None else checks.integer(per_page, "per_page", 1, 1000),
            },
            options=options,
        )

    async def add(self, domains: Iterable[str], *, options: CallOptions | None = None) -> None:
        """Blacklist domains. To add one that is there changes nothing, so the call is repeated like a read.

        More than 500 are sent in several requests, which are not one transaction: if one fails, `.done` of the error
        tells how many domains went through before.

        Args:
            domains: at least one.
            options: for each of the calls.

        Document: "Add domains to the blacklist", `POST /v2/agency/blacklist/domains`.
        """
        await self._write("POST", domains, options)

    async def remove(self, domains: Iterable[str], *, options: CallOptions | None = None) -> None:
        """Take domains off the blacklist; those that are not on it are ignored. Repeated like a read.

        Prospects that were blacklisted stay so. More than 500 are sent in several requests, see `add`.

        Args:
            domains: at least one.
            options: for each of the calls.

        Document: "Delete domains from the blacklist", `DELETE /v2/agency/blacklist/domains`.
        """
        await self._write("DELETE", domains, options)

    async def _write(self, method: str, domains: Iterable[str], options: CallOptions | None) -> None:
        for part in self._parts(checks.strings(domains, "domains", '["example.com"]'), _MOST):
            with part:
                await self._call(
                    method, _DOMAINS, None, body={"domains": part.entries}, idempotent=True, options=options
                )


class AgencyBlacklist:
    """`woodpecker.agency.blacklist`.

    Attributes:
        domains: the blacklisted domains.
    """

    def __init__(self, access: Access) -> None:
        self.domains: Final = AgencyDomains(access)


class Blacklist(Resource):
    """`session.account.blacklist`, and that of a company."""
