"""Domains, bought through the API or the customer's own."""

from typing import Annotated, Any, Final, Literal, Self

import msgspec
from msgspec import Meta, Struct, field

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Company
from woodpecker_async.sandbox.wire import Answer, bodyless, error, not_found

Provider = Literal["MAILDOSO", "MAILFORGE", "GOOGLE", "MICROSOFT"]
Text = Annotated[str, Meta(min_length=1)]
_PRICES: Final = {"MAILDOSO": "13.00", "MAILFORGE": "12.50", "GOOGLE": "18.00", "MICROSOFT": "16.00"}


class Box(Struct):
    """A mailbox of a domain."""

    first_name: str
    last_name: str
    email: str
    provider: Provider
    status: Literal["ORDERED", "PAID"] = "ORDERED"


class Domain(Struct):
    """A domain of an account."""

    domain: str
    mailboxes_count: int
    provider: Provider
    is_custom_domain: bool
    is_ready: bool
    expires: str
    created: str


class Defaults(Struct):
    """The default settings of bought domains."""

    default_domain_redirect_url: str | None = None
    default_email_forward_address: str | None = None


class Owner(Struct):
    """The owner of the domains; all null until it is set."""

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    address: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    zip_code: str | None = None
    phone: str | None = None
    company_name: str | None = None
    configuration: Defaults = field(default_factory=Defaults)


class NewOwner(Input):
    """The body that sets the owner."""

    email: Text
    first_name: Text
    last_name: Text
    address: Text
    city: Text
    state: Text
    country: Text
    zip_code: Text
    phone: Text
    company_name: str | None = None
    configuration: Defaults = field(default_factory=Defaults)


class OfferQuery(Input):
    """The query that names the provider to buy from."""

    provider: Provider


class Suggest(Input):
    """The query that asks for domains similar to a word."""

    query: Text
    provider: Provider


class Names(Input):
    """The body with domains to look up."""

    domains: Annotated[list[Text], Meta(min_length=1)]


class Price(Struct):
    """The price of a domain."""

    amount: str
    currency: str


class Offer(Struct):
    """Whether a domain can be bought."""

    domain: str
    available: bool
    price: Price | None


class Offers(Struct):
    """Which domains can be bought."""

    provider: Provider
    domains: list[Offer]


class NewBox(Struct):
    """A mailbox to order."""

    first_name: Text
    last_name: Text
    email: Text


class Order(Input):
    """The body of an order."""

    provider: Provider
    domains: Annotated[list[Text], Meta(min_length=1)]
    mailboxes: list[NewBox] = field(default_factory=list)


class Redirect(Input):
    """The body that sets where visitors are redirected."""

    domain_redirect_url: Annotated[str, Meta(pattern=r"^($|https?://)")]


class Forwarding(Input):
    """The body that sets where e-mail is forwarded."""

    email_forward_address: str


class DomainList(Struct):
    """The response with all domains."""

    domains: list[Domain]


class BoxList(Struct):
    """The response with the mailboxes of a domain."""

    mailboxes: list[Box]


class Owned(Struct):
    """The domain data of an account."""

    domains: dict[str, Domain]
    boxes: dict[str, list[Box]]
    owner: Owner = field(default_factory=Owner)
    settings: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def begin(cls, seed: int, account: Company) -> Self:
        """Two domains, the second of which is not ready yet."""
        owned = cls(domains={}, boxes={})
        for place, is_ready in enumerate((True, False)):
            provider = draw.pick(tuple(_PRICES), seed, "domain", account.id, place)
            name = f"try{account.id}-{place + 1}.example"
            owned.add(name, provider, [NewBox("Sam", "Reed", f"sam@{name}")])  # type: ignore[arg-type]
            owned.domains[name].is_ready = is_ready
            if is_ready:
                owned.boxes[name][0].status = "PAID"
        return owned

    def add(self, name: str, provider: Provider, boxes: list[NewBox]) -> None:
        """Order a domain."""
        self.boxes[name] = [Box(**msgspec.to_builtins(box), provider=provider) for box in boxes]
        self.domains[name] = Domain(
            domain=name,
            mailboxes_count=len(boxes),
            provider=provider,
            is_custom_domain=False,
            is_ready=False,
            expires="2027-11-09T14:29:06",
            created="2026-11-09T14:29:06",
        )


def list_domains(call: Call) -> Answer:
    """``GET /v2/domains``."""
    return Answer.of(DomainList(domains=list(call.kept(Owned).domains.values())))


def get_domain(call: Call) -> Answer:
    """``GET /v2/domains/{name}``: its fields are not documented."""
    owned, name = call.kept(Owned), call.parts[0]
    if name not in owned.domains:
        return not_found()
    return Answer.of({**msgspec.to_builtins(owned.domains[name]), **owned.settings.get(name, {})})


def list_mailboxes(call: Call) -> Answer:
    """``GET /v2/domains/{name}/mailboxes``."""
    boxes = call.kept(Owned).boxes.get(call.parts[0])
    return not_found() if boxes is None else Answer.of(BoxList(mailboxes=boxes))


def get_owner(call: Call) -> Answer:
    """``GET /v2/domains/owner``: all null until it is set."""
    return Answer.of(call.kept(Owned).owner)


def set_owner(call: Call, body: NewOwner) -> Answer:
    """``POST /v2/domains/owner``: replaces it completely."""
    call.kept(Owned).owner = Owner(**{name: getattr(body, name) for name in Owner.__struct_fields__})
    call.changed()
    return Answer.of(call.kept(Owned).owner)


def suggest(call: Call, query: Suggest) -> Answer:
    """``GET /v2/domains/availability``: domains similar to a word."""
    word = "".join(filter(str.isalnum, query.query.lower())) or "domain"
    return _offers(call, query.provider, [f"{prefix}{word}.com" for prefix in ("", "get", "try", "with")])


def check(call: Call, query: OfferQuery, body: Names) -> Answer:
    """``POST /v2/domains/availability``."""
    return _offers(call, query.provider, body.domains)


def order(call: Call, body: Order) -> Answer:
    """``POST /v2/domains/order``: accepted now, and carried out later."""
    owned = call.kept(Owned)
    if taken := [name for name in body.domains if name in owned.domains or not _is_free(call, name)]:
        return error(409, "Conflict", f"Domain is not available: {taken[0]}")
    for name in body.domains:
        owned.add(name, body.provider, [box for box in body.mailboxes if box.email.endswith(f"@{name}")])
    call.changed()
    return Answer.of({"status": "ACCEPTED"}, 202)


def set_redirect_url(call: Call, body: Redirect) -> Answer:
    """``PATCH /v2/domains/{name}/set_redirect_url``."""
    return _set(call, "domain_redirect_url", body.domain_redirect_url)


def set_email_forwarding(call: Call, body: Forwarding) -> Answer:
    """``PATCH /v2/domains/{name}/set_email_forwarding``."""
    return _set(call, "email_forward_address", body.email_forward_address)


def _set(call: Call, name: str, value: str) -> Answer:
    owned, domain = call.kept(Owned), call.parts[0]
    if domain not in owned.domains:
        return not_found()
    if not owned.domains[domain].is_ready:
        return error(409, "Conflict", "Domain is not ready")
    owned.settings.setdefault(domain, {})[name] = value
    call.changed()
    return bodyless(202)


def _offers(call: Call, provider: Provider, names: list[str]) -> Answer:
    price = Price(amount=_PRICES[provider], currency="USD")
    free = [(name, _is_free(call, name)) for name in names]
    return Answer.of(
        Offers(provider=provider, domains=[Offer(name, is_free, price if is_free else None) for name, is_free in free])
    )


def _is_free(call: Call, name: str) -> bool:
    return draw.number(call.state.seed, "free", name.lower()) % 3 > 0


_DOMAINS: Final = "/v2/domains"

ENDPOINTS: Final = (
    Endpoint(method="GET", path=_DOMAINS, run=list_domains, answer=DomainList),
    Endpoint(method="GET", path=_DOMAINS + "/{name}", run=get_domain, answer=dict[str, Any]),
    Endpoint(method="GET", path=_DOMAINS + "/{name}/mailboxes", run=list_mailboxes, answer=BoxList),
    Endpoint(method="GET", path=_DOMAINS + "/owner", run=get_owner, answer=Owner),
    Endpoint(method="POST", path=_DOMAINS + "/owner", run=set_owner, body=NewOwner, answer=Owner),
    Endpoint(method="GET", path=_DOMAINS + "/availability", run=suggest, query=Suggest, answer=Offers),
    Endpoint(method="POST", path=_DOMAINS + "/availability", run=check, query=OfferQuery, body=Names, answer=Offers),
    Endpoint(method="POST", path=_DOMAINS + "/order", run=order, body=Order, answer=dict[str, Any], status=202),
    Endpoint(
        method="PATCH", path=_DOMAINS + "/{name}/set_redirect_url", run=set_redirect_url, body=Redirect, status=202
    ),
    Endpoint(
        method="PATCH",
        path=_DOMAINS + "/{name}/set_email_forwarding",
        run=set_email_forwarding,
        body=Forwarding,
        status=202,
    ),
)
