"""The legacy v1 agency API (document "AGENCY/COMPANIES")."""

import attrs

from woodpecker_async.secret import Secret


@attrs.frozen(kw_only=True)
class V1ApiKey:
    """An API key of a v1 company. `name` is what v2 calls `label`."""

    api_key: Secret
    name: str | None = None


@attrs.frozen(kw_only=True)
class V1Company:
    """A company with all its keys.

    Attributes:
        id: the company's id.
        name: its name.
        campaigns: how many campaigns are running.
        owner: the owner's full name.
        api_keys: its API keys.
    """

    id: int
    name: str
    campaigns: int | None = None
    owner: str | None = None
    api_keys: tuple[V1ApiKey, ...] = ()


@attrs.frozen(kw_only=True)
class V1CreateApiKey:
    """Request body: a key for a company."""

    company_id: int
    name: str


@attrs.frozen(kw_only=True)
class V1CreatedApiKey:
    """Response: only the key."""

    api_key: Secret


@attrs.frozen(kw_only=True)
class V1CreateCompany:
    """Request body: a company."""

    name: str
