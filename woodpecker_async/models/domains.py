"""Domains and their mailboxes."""

import attrs

from woodpecker_async.models._loose import Time
from woodpecker_async.models.account import Fields
from woodpecker_async.models.enums import OpenEnum


class DomainProvider(OpenEnum):
    """Who sells domains and mailboxes."""

    MAILDOSO = "MAILDOSO"
    MAILFORGE = "MAILFORGE"
    GOOGLE = "GOOGLE"
    MICROSOFT = "MICROSOFT"


class DomainMailboxStatus(OpenEnum):
    """How far the order of a mailbox is."""

    ORDERED = "ORDERED"
    PAID = "PAID"


@attrs.frozen(kw_only=True)
class Domain:
    """A domain of the account.

    Attributes:
        domain: its name.
        mailboxes_count: how many mailboxes it has.
        provider: who sold it.
        is_custom_domain: whether it was brought along rather than bought.
        is_ready: whether it can be used; only then can its forwarding be set.
        expires: when it expires; the documents do not tell the time zone.
        created: when it was created; likewise.
    """

    domain: str
    mailboxes_count: int | None = None
    provider: DomainProvider | None = None
    is_custom_domain: bool | None = None
    is_ready: bool | None = None
    expires: Time = None
    created: Time = None


class DomainDetails(Fields):
    """What is known of a domain. The fields are not documented, so they are given as they came."""


@attrs.frozen(kw_only=True)
class DomainMailbox:
    """A mailbox of a domain that was bought.

    Attributes:
        email: its address.
        first_name: the first name of whom it is for.
        last_name: the last name.
        provider: who sold it.
        status: how far its order is.
    """

    email: str
    first_name: str | None = None
    last_name: str | None = None
    provider: DomainProvider | None = None
    status: DomainMailboxStatus | None = None


@attrs.frozen(kw_only=True)
class DomainDefaults:
    """What domains that are bought are set to.

    Attributes:
        default_domain_redirect_url: where visitors are sent.
        default_email_forward_address: where e-mail is sent.
    """

    default_domain_redirect_url: str | None = None
    default_email_forward_address: str | None = None


@attrs.frozen(kw_only=True)
class DomainOwner:
    """Who owns the domains that the account buys. All is `None` until it is set.

    To set it, all are required but `company_name` and `configuration`.

    Attributes:
        email: the e-mail address.
        first_name: the first name.
        last_name: the last name.
        address: street and number.
        city: the city.
        state: the state or region.
        country: the country.
        zip_code: the postal code.
        phone: the telephone number.
        company_name: the company.
        configuration: what domains that are bought are set to.
    """

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
    configuration: DomainDefaults | None = None


@attrs.frozen(kw_only=True)
class DomainPrice:
    """What a domain costs.

    Attributes:
        amount: a decimal number, such as `"13.00"`.
        currency: of the amount.
    """

    amount: str | None = None
    currency: str | None = None


@attrs.frozen(kw_only=True)
class DomainOffer:
    """Whether a domain can be bought.

    Attributes:
        domain: its name.
        available: whether it can.
        price: what it costs, as far as the server says.
    """

    domain: str
    available: bool | None = None
    price: DomainPrice | None = None


@attrs.frozen(kw_only=True)
class DomainOffers:
    """Which domains can be bought.

    Attributes:
        domains: the domains.
        provider: from whom.
    """

    domains: tuple[DomainOffer, ...]
    provider: DomainProvider | None = None


@attrs.frozen(kw_only=True)
class NewDomainMailbox:
    """A mailbox to order with a domain.

    Attributes:
        first_name: the first name of whom it is for.
        last_name: the last name.
        email: its address.
    """

    first_name: str
    last_name: str
    email: str
