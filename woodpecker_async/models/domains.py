"""Domains and their mailboxes."""

import attrs

from woodpecker_async.models._loose import Time
from woodpecker_async.models.account import Fields
from woodpecker_async.models.enums import OpenEnum


class DomainProvider(OpenEnum):
    """A provider of domains and mailboxes."""

    MAILDOSO = "MAILDOSO"
    MAILFORGE = "MAILFORGE"
    GOOGLE = "GOOGLE"
    MICROSOFT = "MICROSOFT"


class DomainMailboxStatus(OpenEnum):
    """The status of an order of a mailbox."""

    ORDERED = "ORDERED"
    PAID = "PAID"


@attrs.frozen(kw_only=True)
class Domain:
    """A domain of the account.

    Attributes:
        domain: its name.
        mailboxes_count: how many mailboxes it has.
        provider: the provider it was bought from.
        is_custom_domain: whether it was brought along rather than bought from Woodpecker.
        is_ready: whether it is ready for use; only then can its forwarding be set.
        expires: when it expires; the documents do not say in which time zone.
        created: when it was created; the documents do not say in which time zone.
    """

    domain: str
    mailboxes_count: int | None = None
    provider: DomainProvider | None = None
    is_custom_domain: bool | None = None
    is_ready: bool | None = None
    expires: Time = None
    created: Time = None


class DomainDetails(Fields):
    """The details of a domain. The fields are not documented, so they are returned as received."""


@attrs.frozen(kw_only=True)
class DomainMailbox:
    """A mailbox of a domain bought from Woodpecker.

    Attributes:
        email: its address.
        first_name: its user's first name.
        last_name: its user's last name.
        provider: the provider it was bought from.
        status: the status of its order.
    """

    email: str
    first_name: str | None = None
    last_name: str | None = None
    provider: DomainProvider | None = None
    status: DomainMailboxStatus | None = None


@attrs.frozen(kw_only=True)
class DomainDefaults:
    """The initial configuration of domains that the account buys.

    Attributes:
        default_domain_redirect_url: the URL that visitors are redirected to.
        default_email_forward_address: the address that e-mail is forwarded to.
    """

    default_domain_redirect_url: str | None = None
    default_email_forward_address: str | None = None


@attrs.frozen(kw_only=True)
class DomainOwner:
    """The owner of the domains that the account buys. All fields are `None` until it is set.

    To set it, all fields are required except `company_name` and `configuration`.

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
        configuration: the initial configuration of new domains.
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
    """The price of a domain.

    Attributes:
        amount: a decimal number, such as `"13.00"`.
        currency: the currency of the amount.
    """

    amount: str | None = None
    currency: str | None = None


@attrs.frozen(kw_only=True)
class DomainOffer:
    """The availability of a domain.

    Attributes:
        domain: its name.
        available: whether it can be bought.
        price: its price, if the server says.
    """

    domain: str
    available: bool | None = None
    price: DomainPrice | None = None


@attrs.frozen(kw_only=True)
class DomainOffers:
    """The availability of several domains.

    Attributes:
        domains: the domains.
        provider: the provider that sells them.
    """

    domains: tuple[DomainOffer, ...]
    provider: DomainProvider | None = None


@attrs.frozen(kw_only=True)
class NewDomainMailbox:
    """A mailbox to order with a domain.

    Attributes:
        first_name: its user's first name.
        last_name: its user's last name.
        email: its address.
    """

    first_name: str
    last_name: str
    email: str
