"""`/v2/domains`: domains, bought or brought along."""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Final

import attrs

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.domains import (
    Domain,
    DomainDefaults,
    DomainDetails,
    DomainMailbox,
    DomainOffers,
    DomainOwner,
    DomainProvider,
    NewDomainMailbox,
)
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import OneAnswer
from woodpecker_async.resources.base import Resource

_DOMAINS: Final = OneAnswer(items="domains")
_MAILBOXES: Final = OneAnswer(items="mailboxes")
_OPTIONAL: Final = frozenset({"company_name", "configuration"})


class Domains(Resource):
    """The domains of an account."""

    def list(self, *, options: CallOptions | None = None) -> Pager[Domain]:
        """All domains, in one answer.

        Args:
            options: for the call of this list.

        Document: "Domains", `GET /v2/domains`.
        """
        return self._list("/v2/domains", Domain, _DOMAINS, key=attrgetter("domain"), options=options)

    async def get(self, name: str, *, options: CallOptions | None = None) -> DomainDetails:
        """What is known of a domain.

        Args:
            name: the domain.
            options: for this call.

        Raises:
            NotFoundError: the account has no such domain.

        Document: "Domains", `GET /v2/domains/{name}`.
        """
        return await self._call("GET", "/v2/domains/{name}", DomainDetails, options=options, name=_name(name))

    def mailboxes(self, name: str, *, options: CallOptions | None = None) -> Pager[DomainMailbox]:
        """All mailboxes that were bought with a domain, in one answer.

        Args:
            name: the domain.
            options: for the call of this list.

        Document: "Domains", `GET /v2/domains/{name}/mailboxes`.
        """
        return self._list(
            "/v2/domains/{name}/mailboxes",
            DomainMailbox,
            _MAILBOXES,
            key=attrgetter("email"),
            options=options,
            name=_name(name),
        )

    async def owner(self, *, options: CallOptions | None = None) -> DomainOwner:
        """Who owns the domains that the account buys.

        Args:
            options: for this call.

        Document: "Domains", `GET /v2/domains/owner`.
        """
        return await self._call("GET", "/v2/domains/owner", DomainOwner, options=options)

    async def set_owner(self, owner: DomainOwner | Mapping[str, Any], *, options: CallOptions | None = None) -> None:
        """Set who owns the domains that the account buys. This replaces all of it, so the call is repeated like a read.

        Args:
            owner: a `DomainOwner` or a mapping of its fields; all are required but `company_name` and `configuration`.
            options: for this call.

        Raises:
            ConfigError: a field is missing or not usable; nothing was sent.

        Document: "Domains", `POST /v2/domains/owner`.
        """
        await self._call("POST", "/v2/domains/owner", None, body=_owner(owner), idempotent=True, options=options)

    async def check(
        self, domains: Iterable[str], *, provider: DomainProvider | str, options: CallOptions | None = None
    ) -> DomainOffers:
        """Which of these domains can be bought, and for how much. It changes nothing, and is repeated like a read.

        Args:
            domains: at least one.
            provider: from whom.
            options: for this call.

        Document: "Domains", `POST /v2/domains/availability`.
        """
        return await self._call(
            "POST",
            "/v2/domains/availability",
            DomainOffers,
            params={"provider": checks.choice("provider", provider, DomainProvider)},
            body={"domains": _names(domains)},
            only_reads=True,
            options=options,
        )

    async def suggest(
        self, query: str, *, provider: DomainProvider | str, options: CallOptions | None = None
    ) -> DomainOffers:
        """Which domains can be bought that are like a word.

        Args:
            query: the word.
            provider: from whom.
            options: for this call.

        Document: "Domains", `GET /v2/domains/availability`.
        """
        return await self._call(
            "GET",
            "/v2/domains/availability",
            DomainOffers,
            params={
                "query": checks.text(query, "query"),
                "provider": checks.choice("provider", provider, DomainProvider),
            },
            options=options,
        )

    async def order(
        self,
        domains: Iterable[str],
        *,
        provider: DomainProvider | str,
        mailboxes: Iterable[NewDomainMailbox | Mapping[str, Any]] = (),
        options: CallOptions | None = None,
    ) -> Any:
        """Buy domains, and mailboxes with them; they are paid for. The order is carried out later.

        It is never repeated, unless the request measurably never left or was refused with 429.

        Args:
            domains: at least one, each once.
            provider: from whom.
            mailboxes: each a `NewDomainMailbox` or a mapping of its fields.
            options: for this call.

        Returns:
            The JSON of the answer as it came, for its shape is not documented; `None` for an answer without a body.

        Raises:
            ConfigError: an argument is not usable; nothing was sent.
            OutcomeUnknownError: they may have been bought: look with `domains.list` before trying again.

        Document: "Domains", `POST /v2/domains/order`.
        """
        body = {
            "provider": checks.choice("provider", provider, DomainProvider),
            "domains": _names(domains),
            "mailboxes": [] if mailboxes == () else _mailboxes(mailboxes),
        }
        anything: Any = Any
        return await self._call(
            "POST",
            "/v2/domains/order",
            anything,
            body=body,
            find_out="look with domains.list and domains.mailboxes before trying again",
            options=options,
        )

    async def set_redirect_url(self, name: str, url: str, *, options: CallOptions | None = None) -> None:
        """Send visitors of a domain to a URL. Repeated like a read. The domain must be ready.

        Args:
            name: the domain.
            url: begins with `http://` or `https://`; `""` for none.
            options: for this call.

        Document: "Domains", `PATCH /v2/domains/{name}/set_redirect_url`.
        """
        await self._set(name, "redirect_url", {"domain_redirect_url": checks.url_or_nothing(url, "url")}, options)

    async def set_email_forwarding(self, name: str, email: str, *, options: CallOptions | None = None) -> None:
        """Send e-mail of a domain to an address. Repeated like a read. The domain must be ready.

        Args:
            name: the domain.
            email: the address; `""` for none.
            options: for this call.

        Document: "Domains", `PATCH /v2/domains/{name}/set_email_forwarding`.
        """
        address = checks.email_or_nothing(email, "email")
        await self._set(name, "email_forwarding", {"email_forward_address": address}, options)

    async def _set(self, name: str, what: str, body: Mapping[str, str], options: CallOptions | None) -> None:
        path = "/v2/domains/{name}/set_" + what
        await self._call("PATCH", path, None, body=body, idempotent=True, options=options, name=_name(name))


def _name(name: object) -> str:
    return checks.domain(name, "the name of a domain")


def _names(domains: object) -> tuple[str, ...]:
    """Domains, each once: what is ordered is paid for."""
    checked = checks.strings(domains, "domains", '["example.com"]')
    for index, name in enumerate(checked):
        checks.domain(name, f"domains[{index}]")
    if len({name.casefold() for name in checked}) < len(checked):
        raise ConfigError("a domain stands twice among the domains")
    return checked


def _owner(given: object) -> Mapping[str, Any]:
    owner = checks.model("owner", given, DomainOwner)
    fields = attrs.asdict(owner, recurse=False, filter=lambda _, value: value is not None)
    required = [field.name for field in attrs.fields(DomainOwner) if field.name not in _OPTIONAL]
    if missing := [name for name in required if name not in fields]:
        raise ConfigError(f"owner needs {', '.join(missing)}")
    fields |= {name: checks.text(fields[name], f"owner.{name}") for name in required}
    checks.email(owner.email, "owner.email")
    if owner.configuration is not None:
        defaults = checks.model("owner.configuration", owner.configuration, DomainDefaults)
        fields["configuration"] = given_defaults = attrs.asdict(defaults, filter=lambda _, value: value is not None)
        if (url := given_defaults.get("default_domain_redirect_url")) is not None:
            checks.url_or_nothing(url, "owner.configuration.default_domain_redirect_url")
        if (address := given_defaults.get("default_email_forward_address")) is not None:
            checks.email_or_nothing(address, "owner.configuration.default_email_forward_address")
    return fields


def _mailboxes(given: object) -> "list[Mapping[str, str]]":
    return [
        {
            "first_name": checks.text(mailbox.first_name, f"mailboxes[{index}].first_name"),
            "last_name": checks.text(mailbox.last_name, f"mailboxes[{index}].last_name"),
            "email": checks.email(mailbox.email, f"mailboxes[{index}].email"),
        }
        for index, mailbox in enumerate(checks.models("mailboxes", given, NewDomainMailbox))
    ]
