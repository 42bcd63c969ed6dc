"""Feldera's API keys (document "Create API Key")."""

from uuid import UUID

import attrs

from woodpecker_async.secret import Secret


@attrs.frozen(kw_only=True)
class FelderaKey:
    """A key as listed, without its secret.

    Attributes:
        id: the key's id.
        name: its name, unique on the instance.
        role: `"read"` or `"write"`; `None` before version 0.326.0, which introduced roles.
        scopes: what earlier versions have instead of a role, such as `("Read", "Write")`; otherwise `None`.
    """

    id: UUID
    name: str
    role: str | None = None
    scopes: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class CreateFelderaKey:
    """Request body."""

    name: str


@attrs.frozen(kw_only=True)
class CreateFelderaKeyWithRole:
    """Request body for versions that have roles."""

    name: str
    role: str


@attrs.frozen(kw_only=True)
class CreatedFelderaKey:
    """Response: the key with its secret, which is returned only here.

    Attributes:
        id: the key's id.
        name: the requested name.
        api_key: the secret.
    """

    id: UUID
    name: str
    api_key: Secret
