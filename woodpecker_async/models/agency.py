"""The agency API: companies, their keys, their e-mail accounts."""

import attrs

from woodpecker_async.secret import Secret


@attrs.frozen(kw_only=True)
class Company:
    """A client company of the agency.

    Fields that the server leaves out are `None`: creating a company returns fewer fields than listing it.

    Attributes:
        id: the company's id, as used in paths and in `x-company-id`.
        name: its name.
        owner: the full name of the team member who owns it.
        active: whether it is active (billed).
        running_campaigns: how many campaigns are running.
        email_slots: how many e-mail accounts are connected.
        linkedin_slots: how many LinkedIn slots it has.
    """

    id: int
    name: str
    owner: str | None = None
    active: bool | None = None
    running_campaigns: int | None = None
    email_slots: int | None = None
    linkedin_slots: int | None = None


@attrs.frozen(kw_only=True)
class NewCompany:
    """One entry of the request that creates companies."""

    name: str


@attrs.frozen(kw_only=True)
class CreateCompanies:
    """Request body: 1 to 10 companies to create, all or none."""

    companies: tuple[NewCompany, ...]


@attrs.frozen(kw_only=True)
class CreatedCompanies:
    """Response: the companies created."""

    companies: tuple[Company, ...]


@attrs.frozen(kw_only=True)
class ApiKey:
    """An API key of a company, as listed (document "Get a company's API keys").

    The server sends neither an id nor a date, and lists only keys created by the user of the calling key.

    Attributes:
        api_key: the key.
        label: the name it was given when it was created, if any.
    """

    api_key: Secret
    label: str | None = None


@attrs.frozen(kw_only=True)
class CreateApiKey:
    """Request body (document "Create an API key for a company")."""

    label: str


@attrs.frozen(kw_only=True)
class CreatedApiKey:
    """Response: only the key."""

    api_key: Secret


@attrs.frozen(kw_only=True)
class IssuedKey:
    """The result of creating or ensuring a key.

    Attributes:
        company_id: the company the key belongs to.
        label: the requested label.
        api_key: the key.
        created: whether it is new; `False` if `ensure` found an existing key.
    """

    company_id: int
    label: str
    api_key: Secret
    created: bool = True
