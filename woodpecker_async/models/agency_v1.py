"""The legacy v1 agency API (document "AGENCY/COMPANIES")."""

import attrs

from woodpecker_async.secret import Secret


@attrs.frozen(kw_only=True)
class V1ApiKey:
    """A key inside a v1 company. What v2 calls `label` is `name` here."""

    api_key: Secret
    name: str | None = None


@attrs.frozen(kw_only=True)
class V1Company:
    """A company with all its keys.

    Attributes:
        id: the company's id.
        name: its name.
        campaigns: campaigns running now.
        owner: the owner's full name.
        api_keys: its keys.
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
    """Answer: the key, and nothing else."""

    api_key: Secret


@attrs.frozen(kw_only=True)
class V1CreateCompany:
    """Request body: a company."""

    name: str
