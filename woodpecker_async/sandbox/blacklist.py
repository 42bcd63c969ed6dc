"""Blacklists of domains and of e-mail addresses: of the agency, and of each account."""

from fnmatch import fnmatchcase
from typing import Annotated, Any, Final, Literal, Self

from msgspec import Meta, Struct

from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Company
from woodpecker_async.sandbox.wire import Answer, bodyless

_MOST_AT_ONCE: Final = 500
_MOST_PER_PAGE: Final = {"agency": 1000, "account": 500}

Kind = Literal["domains", "emails"]
Entries = Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=_MOST_AT_ONCE)]


class Blacklist(Struct, kw_only=True):
    """The domains and addresses that an account must not write to."""

    domains: set[str]
    emails: set[str]

    @classmethod
    def begin(cls, seed: int, account: Company) -> Self:  # noqa: ARG003 - the same for all
        """A competitor, and somebody who does not want any more e-mail."""
        return cls(domains={"competitor.example"}, emails={"no.thanks@example.com"})


class AgencyBlacklist(Blacklist):
    """The agency-wide blacklist, stored with the agency's own account."""

    @classmethod
    def begin(cls, seed: int, account: Company) -> Self:  # noqa: ARG003 - the same for all
        """No entries."""
        return cls(domains=set(), emails=set())


class PageQuery(Input):
    """Which page, numbered from 0. A page size above the maximum is reduced to it."""

    page: Annotated[int, Meta(ge=0)] = 0
    per_page: Annotated[int, Meta(ge=1)] = 100


class DomainsQuery(PageQuery):
    """Which domains to list; `*` matches anything."""

    domain_filter: str = ""


class EmailsQuery(PageQuery):
    """Which addresses to list; `*` matches anything."""

    email_filter: str = ""


class DomainsBody(Input):
    """Domains to add or to remove."""

    domains: Entries


class EmailsBody(Input):
    """Addresses to add or to remove."""

    emails: Entries


class DomainsPage(Struct, kw_only=True):
    """A page of domains."""

    domains: list[str]
    total: int


class EmailsPage(Struct, kw_only=True):
    """A page of addresses."""

    emails: list[str]
    total: int


class Domains(Struct, kw_only=True):
    """The domains that were added or removed."""

    domains: list[str]


class Emails(Struct, kw_only=True):
    """The addresses that were added or removed."""

    emails: list[str]


_QUERY: Final[dict[Kind, Any]] = {"domains": DomainsQuery, "emails": EmailsQuery}
_BODY: Final[dict[Kind, Any]] = {"domains": DomainsBody, "emails": EmailsBody}
_PAGE: Final[dict[Kind, Any]] = {"domains": DomainsPage, "emails": EmailsPage}
_CHANGED: Final[dict[Kind, Any]] = {"domains": Domains, "emails": Emails}


def _endpoints(whose: Literal["agency", "account"], kind: Kind) -> tuple[Endpoint, Endpoint, Endpoint]:
    """List, add and remove. Responses to writes have a body for an account, but not for the agency."""
    path = f"/v2/agency/blacklist/{kind}" if whose == "agency" else f"/v2/blacklist/{kind}"

    def entries(call: Call) -> set[str]:
        kept: set[str] = getattr(call.kept(AgencyBlacklist if whose == "agency" else Blacklist), kind)
        return kept

    def changed(call: Call, status: int, which: set[str]) -> Answer:
        call.changed()
        return bodyless(status) if whose == "agency" else Answer.of({kind: sorted(which)}, status)

    def list_(call: Call, query: Any) -> Answer:
        """List the blacklist."""
        size = min(query.per_page, _MOST_PER_PAGE[whose])
        wanted = getattr(query, f"{kind.removesuffix('s')}_filter").lower().split(",")
        rows = sorted(
            entry for entry in entries(call) if wanted == [""] or any(fnmatchcase(entry, part) for part in wanted)
        )
        return Answer.of({kind: rows[query.page * size : (query.page + 1) * size], "total": len(rows)})

    def add(call: Call, body: Any) -> Answer:
        """Add those that are not on the blacklist yet."""
        new = {entry.lower() for entry in getattr(body, kind)}
        entries(call).update(new)
        # The fields of the account's response are not documented.
        return changed(call, 201 if whose == "agency" else 200, new)

    def remove(call: Call, body: Any) -> Answer:
        """Remove those that are on the blacklist; the response says which were."""
        gone = {entry.lower() for entry in getattr(body, kind)} & entries(call)
        entries(call).difference_update(gone)
        return changed(call, 200, gone)

    for run in (list_, add, remove):
        run.__name__ = f"{run.__name__.rstrip('_')}_{whose}_{kind}"
    answer = None if whose == "agency" else _CHANGED[kind]
    status = 201 if whose == "agency" else 200
    return (
        Endpoint(method="GET", path=path, run=list_, query=_QUERY[kind], answer=_PAGE[kind]),
        Endpoint(method="POST", path=path, run=add, body=_BODY[kind], answer=answer, status=status),
        Endpoint(method="DELETE", path=path, run=remove, body=_BODY[kind], answer=answer),
    )


ENDPOINTS: Final = (
    *_endpoints("agency", "domains"),
    *_endpoints("agency", "emails")[:2],  # removing addresses is not documented
    *_endpoints("account", "domains"),
    *_endpoints("account", "emails"),
)
