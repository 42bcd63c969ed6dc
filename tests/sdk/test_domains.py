"""Domains: orders take effect, and paid orders are never sent twice."""

from typing import Any

import pytest

from tests.calls.domains import _OWNER as OWNER
from woodpecker_async import WoodpeckerSession
from woodpecker_async.errors import ConfigError, ConflictError, NotFoundError, OutcomeUnknownError
from woodpecker_async.models import DomainOwner, DomainProvider, NewDomainMailbox
from woodpecker_async.sandbox import Fault, Sandbox


async def test_what_is_ordered_is_there(woodpecker: WoodpeckerSession) -> None:
    domains = woodpecker.account.domains
    offers = await domains.suggest("Aviato", provider="GOOGLE")
    assert offers.provider is DomainProvider.GOOGLE
    free = next(offer for offer in offers.domains if offer.available)
    taken = [offer for offer in offers.domains if not offer.available]
    assert free.price is not None
    assert free.price.amount == "18.00"
    assert all(offer.price is None for offer in taken)
    assert await domains.check([free.domain], provider="GOOGLE") == type(offers)(
        provider=DomainProvider.GOOGLE, domains=(free,)
    )
    box = NewDomainMailbox(first_name="Sam", last_name="Reed", email=f"sam@{free.domain}")
    await domains.order([free.domain], provider="GOOGLE", mailboxes=[box])
    (bought,) = [domain async for domain in domains.list() if domain.domain == free.domain]
    assert bought.mailboxes_count == 1
    assert bought.expires is not None
    assert bought.expires.tzinfo is None, "no document tells the zone"
    (mailbox,) = await domains.mailboxes(free.domain)
    assert (mailbox.email, mailbox.status) == (box.email, "ORDERED")
    with pytest.raises(ConflictError):
        await domains.set_redirect_url(free.domain, "https://aviato.example")  # it is not ready


async def test_an_order_is_never_sent_twice(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    box.faults.add(Fault.status(500, method="POST"))
    with pytest.raises(OutcomeUnknownError, match=r"look with domains\.list"):
        await woodpecker.account.domains.order(["aviato.example"], provider="GOOGLE")
    assert sum(record.method == "POST" for record in box.journal) == 1


async def test_forwarding_is_set_again_after_a_lost_answer(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    domains = woodpecker.account.domains
    ready = next(domain.domain for domain in await domains.list() if domain.is_ready)
    box.faults.add(Fault.close(at="after_commit", method="PATCH"))
    await domains.set_redirect_url(ready, "https://aviato.example")
    await domains.set_email_forwarding(ready, "sam@aviato.example")
    details = await domains.get(ready)
    assert details["domain_redirect_url"] == "https://aviato.example"
    await domains.set_redirect_url(ready, "")
    await domains.set_email_forwarding(ready, "")
    assert (await domains.get(ready))["email_forward_address"] == ""
    with pytest.raises(NotFoundError):
        await domains.get("nobody.example")


async def test_the_owner(woodpecker: WoodpeckerSession) -> None:
    domains = woodpecker.account.domains
    assert (await domains.owner()).email is None
    await domains.set_owner(OWNER)
    owner = await domains.owner()
    assert owner.configuration is not None
    assert owner.configuration.default_domain_redirect_url == "https://aviato.example"
    await domains.set_owner(owner)  # what was received can be sent
    assert await domains.owner() == owner


@pytest.mark.parametrize(
    "body",
    [
        {"domains": [{"domain": "a.com", "mailboxes_count": None, "provider": "SOMEBODY", "expires": "", "new": 1}]},
        {"domains": [{"domain": "a.com", "expires": "2027-11-28T23:59:59Z", "created": None}]},
        {"domains": []},
    ],
)
async def test_odd_answers(box: Sandbox, woodpecker: WoodpeckerSession, body: Any) -> None:
    box.faults.add(Fault.body(body))
    assert [domain.domain for domain in await woodpecker.account.domains.list()] == ["a.com"] * len(body["domains"])


REFUSED: dict[str, tuple[Any, str]] = {
    "no domains": (lambda d: d.order([], provider="GOOGLE"), "domains must not be empty"),
    "a string": (lambda d: d.check("a.com", provider="GOOGLE"), "domains must be a list"),
    "a provider": (lambda d: d.check(["a.com"], provider="GOGLE"), "did you mean 'GOOGLE'"),
    "a mailbox": (
        lambda d: d.order(["a.com"], provider="GOOGLE", mailboxes=[{"first_name": "a"}]),
        r"mailboxes\[0\] needs last_name, email",
    ),
    "an address": (
        lambda d: d.order(
            ["a.com"], provider="GOOGLE", mailboxes=[{"first_name": "a", "last_name": "b", "email": "c"}]
        ),
        r"mailboxes\[0\]\.email must be an e-mail address",
    ),
    "a URL": (lambda d: d.set_redirect_url("a.com", "aviato.com"), "must begin with http"),
    "an e-mail": (lambda d: d.set_email_forwarding("a.com", "sam"), "e-mail address"),
    "no name": (lambda d: d.get(""), "the name of a domain is empty"),
    "an owner without a phone": (lambda d: d.set_owner({**OWNER, "phone": None}), "owner needs phone"),
    "an owner": (lambda d: d.set_owner(DomainOwner()), "owner needs email, first_name"),
    "a misspelt field": (lambda d: d.set_owner({**OWNER, "fone": "1"}), "did you mean 'phone'"),
    "a path": (lambda d: d.get("owner"), "the name of a domain must be a domain such as 'example.com', not 'owner'"),
    "another path": (lambda d: d.set_redirect_url("a.com?x", ""), "the name of a domain must be a domain"),
    "no domain": (lambda d: d.order(["a.com", "acme"], provider="GOOGLE"), r"domains\[1\] must be a domain"),
    "one twice": (lambda d: d.order(["a.com", "A.com"], provider="GOOGLE"), "a domain stands twice among the domains"),
    "a mapping": (lambda d: d.order({"a.com": 1}, provider="GOOGLE"), "domains must be a list of strings"),
    "an owner's URL": (
        lambda d: d.set_owner({**OWNER, "configuration": {"default_domain_redirect_url": "a.com"}}),
        "owner.configuration.default_domain_redirect_url must begin with http",
    ),
    "an owner's forwarding": (
        lambda d: d.set_owner({**OWNER, "configuration": {"default_email_forward_address": "a"}}),
        "owner.configuration.default_email_forward_address must be an e-mail address",
    ),
    "no query": (lambda d: d.suggest("", provider="GOOGLE"), "query is empty"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_bad_input_is_refused_before_anything_is_sent(name: str) -> None:
    call, message = REFUSED[name]
    async with WoodpeckerSession("1.key", base_url="http://127.0.0.1:9/rest") as woodpecker:
        with pytest.raises(ConfigError, match=message):
            await call(woodpecker.account.domains)
