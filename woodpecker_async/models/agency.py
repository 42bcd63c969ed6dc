"""The agency API: companies, their keys, their e-mail accounts."""

import attrs

from woodpecker_async.secret import Secret


@attrs.frozen(kw_only=True)
class Company:
    """A client company of the agency.

    What the server leaves out is `None`: creating a company answers with fewer fields than listing it.

    Attributes:
        id: the company's id, as used in paths and in `x-company-id`.
        name: its name.
        owner: the full name of the team member who owns it.
        active: whether it is active (billed).
        running_campaigns: campaigns running now.
        email_slots: connected e-mail accounts.
        linkedin_slots: LinkedIn slots.
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
    """Request body: the companies to create, 1 to 10, all or none."""

    companies: tuple[NewCompany, ...]


@attrs.frozen(kw_only=True)
class CreatedCompanies:
    """Answer: the companies created."""

    companies: tuple[Company, ...]


@attrs.frozen(kw_only=True)
class ApiKey:
    """A key of a company, as listed (document "Get a company's API keys").

    The server sends neither an id nor a date. Only keys made by the user of the calling key are listed.

    Attributes:
        api_key: the key.
        label: what it was named when it was made; may be `None`.
    """

    api_key: Secret
    label: str | None = None


@attrs.frozen(kw_only=True)
class CreateApiKey:
    """Request body (document "Create an API key for a company")."""

    label: str


@attrs.frozen(kw_only=True)
class CreatedApiKey:
    """Answer: the key, and nothing else."""

    api_key: Secret


@attrs.frozen(kw_only=True)
class IssuedKey:
    """The result of creating or ensuring a key.

    Attributes:
        company_id: the company the key works in.
        label: the label asked for.
        api_key: the key.
        created: `False` when `ensure` found it already there.
    """

    company_id: int
    label: str
    api_key: Secret
    created: bool = True
