"""`/v2/blacklist` and `/v2/agency/blacklist`: who is never written to, by one account or by the whole agency."""

from collections.abc import Callable, Iterable
from typing import ClassVar, Final, TypeVar

import attrs

from woodpecker_async import checks
from woodpecker_async.models.blacklist import RemovedDomains, RemovedEmails
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import DOMAINS, EMAILS, Totalled
from woodpecker_async.resources.access import Access
from woodpecker_async.resources.base import Resource

_MOST: Final = 500  # entries in one request

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class _Kind:
    """A kind of entry.

    Attributes:
        name: the field's name in requests and responses.
        filter: the name of the query parameter that filters the list.
        style: how the list pages.
        check: checks one entry.
        example: an example list, for error messages.
    """

    name: str
    filter: str
    style: Totalled
    check: Callable[[object, str], str]
    example: str


_DOMAINS: Final = _Kind(
    name="domains", filter="domain_filter", style=DOMAINS, check=checks.domain, example='["example.com"]'
)
_EMAILS: Final = _Kind(
    name="emails", filter="email_filter", style=EMAILS, check=checks.email, example='["monica@example.com"]'
)


class _Entries(Resource):
    """The entries of one kind on a blacklist.

    Attributes:
        kind: the kind.
        path: the path of the endpoint.
        most_per_page: the maximum page size.
    """

    kind: ClassVar[_Kind]
    path: ClassVar[str]
    most_per_page: ClassVar[int]

    def _listed(self, filter: Iterable[str], per_page: int | None, options: CallOptions | None) -> Pager[str]:
        return self._list(
            self.path,
            str,
            self.kind.style,
            key=lambda entry: entry,
            params={
                self.kind.filter: checks.comma_list(filter, "filter", self.kind.example),
                "per_page": None if per_page is None else checks.integer(per_page, "per_page", 1, self.most_per_page),
            },
            options=options,
        )

    async def _sent(
        self, method: str, entries: Iterable[str], options: CallOptions | None, answer: type[T] | None = None
    ) -> list[T]:
        """Send the entries, in as many requests as it takes, and return the responses."""
        name = self.kind.name
        checked = checks.strings(entries, name, self.kind.example)
        if method == "POST":  # only then: a malformed entry may already be on the list, and must be removable
            for index, entry in enumerate(checked):
                self.kind.check(entry, f"{name}[{index}]")
        answers = []
        for part in self._parts(checked, _MOST):
            with part:
                body = {name: part.entries}
                got = await self._call(method, self.path, answer, body=body, idempotent=True, options=options)
            if got is not None:
                answers.append(got)
        return answers


class AgencyDomains(_Entries):
    """The blacklisted domains of the agency."""

    kind = _DOMAINS
    path = "/v2/agency/blacklist/domains"
    most_per_page = 1000

    def list(
        self, *, filter: Iterable[str] = (), per_page: int | None = None, options: CallOptions | None = None
    ) -> Pager[str]:
        """List the blacklisted domains.

        Args:
            filter: only these domains.
            per_page: page size, 1 to 1000; 100 by default.
            options: for each request.

        Document: "Get blacklisted domains", `GET /v2/agency/blacklist/domains`.
        """
        return self._listed(filter, per_page, options)

    async def add(self, domains: Iterable[str], *, options: CallOptions | None = None) -> None:
        """Blacklist domains. Adding one that is already there changes nothing, so the call is retried like a read.

        More than 500 domains are sent in several requests, not as one transaction: if one fails, `.done` of the error
        tells you how many domains were added before.

        Args:
            domains: at least one domain.
            options: for each request.

        Document: "Add domains to the blacklist", `POST /v2/agency/blacklist/domains`.
        """
        await self._sent("POST", domains, options)

    async def remove(self, domains: Iterable[str], *, options: CallOptions | None = None) -> None:
        """Remove domains from the blacklist; domains that are not on it are ignored. Retried like a read.

        Prospects that were blacklisted stay blacklisted. More than 500 are sent in several requests; see `add`.

        Args:
            domains: at least one domain.
            options: for each request.

        Document: "Delete domains from the blacklist", `DELETE /v2/agency/blacklist/domains`.
        """
        await self._sent("DELETE", domains, options)


class AgencyEmails(_Entries):
    """The blacklisted addresses of the agency. The API documents no way to remove one."""

    kind = _EMAILS
    path = "/v2/agency/blacklist/emails"
    most_per_page = 1000

    def list(
        self, *, filter: Iterable[str] = (), per_page: int | None = None, options: CallOptions | None = None
    ) -> Pager[str]:
        """List the blacklisted addresses.

        Args:
            filter: only these addresses.
            per_page: page size, 1 to 1000; 100 by default.
            options: for each request.

        Document: "Get blacklisted emails", `GET /v2/agency/blacklist/emails`.
        """
        return self._listed(filter, per_page, options)

    async def add(self, emails: Iterable[str], *, options: CallOptions | None = None) -> None:
        """Blacklist addresses. Adding one that is already there changes nothing, so the call is retried like a read.

        More than 500 addresses are sent in several requests, not as one transaction: if one fails, `.done` of the error
        tells you how many addresses were added before.

        Args:
            emails: at least one address.
            options: for each request.

        Document: "Add emails to the blacklist", `POST /v2/agency/blacklist/emails`.
        """
        await self._sent("POST", emails, options)


class AgencyBlacklist:
    """`woodpecker.agency.blacklist`: what no company of the agency writes to.

    Attributes:
        domains: the blacklisted domains.
        emails: the blacklisted addresses.
    """

    def __init__(self, access: Access) -> None:
        self.domains: Final = AgencyDomains(access)
        self.emails: Final = AgencyEmails(access)


class AccountDomains(_Entries):
    """The blacklisted domains of the account."""

    kind = _DOMAINS
    path = "/v2/blacklist/domains"
    most_per_page = 500  # an older copy of the document says 1000

    def list(
        self, *, filter: Iterable[str] = (), per_page: int | None = None, options: CallOptions | None = None
    ) -> Pager[str]:
        """List the blacklisted domains.

        Args:
            filter: only these domains. `*` matches anything.
            per_page: page size, 1 to 500; 100 by default.
            options: for each request.

        Document: "Get blacklisted domains", `GET /v2/blacklist/domains`.
        """
        return self._listed(filter, per_page, options)

    async def add(self, domains: Iterable[str], *, options: CallOptions | None = None) -> None:
        """Blacklist domains. Adding one that is already there changes nothing, so the call is retried like a read.

        More than 500 domains are sent in several requests, not as one transaction: if one fails, `.done` of the error
        tells you how many domains were added before.

        Args:
            domains: at least one domain.
            options: for each request.

        Document: "Add domains to the blacklist", `POST /v2/blacklist/domains`.
        """
        await self._sent("POST", domains, options)

    async def remove(self, domains: Iterable[str], *, options: CallOptions | None = None) -> tuple[str, ...]:
        """Remove domains from the blacklist; domains that are not on it are ignored. Retried like a read.

        More than 500 are sent in several requests; see `add`.

        Args:
            domains: at least one domain.
            options: for each request.

        Returns:
            The entries that were on it. If a response is lost and the request is retried, entries already removed by
            the first attempt are missing.

        Document: "Delete domains from the blacklist", `DELETE /v2/blacklist/domains`.
        """
        answers = await self._sent("DELETE", domains, options, RemovedDomains)
        return tuple(entry for answer in answers for entry in answer.domains)


class AccountEmails(_Entries):
    """The blacklisted addresses of the account."""

    kind = _EMAILS
    path = "/v2/blacklist/emails"
    most_per_page = 500  # an older copy of the document says 1000

    def list(
        self, *, filter: Iterable[str] = (), per_page: int | None = None, options: CallOptions | None = None
    ) -> Pager[str]:
        """List the blacklisted addresses.

        Args:
            filter: only these addresses. `*` matches anything.
            per_page: page size, 1 to 500; 100 by default.
            options: for each request.

        Document: "Get blacklisted emails", `GET /v2/blacklist/emails`.
        """
        return self._listed(filter, per_page, options)

    async def add(self, emails: Iterable[str], *, options: CallOptions | None = None) -> None:
        """Blacklist addresses. Adding one that is already there changes nothing, so the call is retried like a read.

        More than 500 addresses are sent in several requests, not as one transaction: if one fails, `.done` of the error
        tells you how many addresses were added before.

        Args:
            emails: at least one address.
            options: for each request.

        Document: "Add emails to the blacklist", `POST /v2/blacklist/emails`.
        """
        await self._sent("POST", emails, options)

    async def remove(self, emails: Iterable[str], *, options: CallOptions | None = None) -> tuple[str, ...]:
        """Remove addresses from the blacklist; addresses that are not on it are ignored. Retried like a read.

        More than 500 are sent in several requests; see `add`.

        Args:
            emails: at least one address.
            options: for each request.

        Returns:
            The entries that were on it. If a response is lost and the request is retried, entries already removed by
            the first attempt are missing.

        Document: "Delete emails from the blacklist", `DELETE /v2/blacklist/emails`.
        """
        answers = await self._sent("DELETE", emails, options, RemovedEmails)
        return tuple(entry for answer in answers for entry in answer.emails)


class Blacklist:
    """`session.account.blacklist`, and that of a company: what the account never writes to.

    Attributes:
        domains: the blacklisted domains.
        emails: the blacklisted addresses.
    """

    def __init__(self, access: Access) -> None:
        self.domains: Final = AccountDomains(access)
        self.emails: Final = AccountEmails(access)
