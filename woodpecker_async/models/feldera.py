"""Feldera's API keys (document "Create API Key")."""

from uuid import UUID

import attrs

from woodpecker_async.secret import Secret


@attrs.frozen(kw_only=True)
class FelderaKey:
    """A key as listed: never with its secret.

    Attributes:
        id: the key's id.
        name: its name, unique on the instance.
        role: `"read"` or `"write"`; `None` from versions before 0.326.0, which have no roles.
        scopes: what those versions have in place of a role, such as `("Read", "Write")`; else `None`.
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
    """Request body for a version of the service that has roles."""

    name: str
    role: str


@attrs.frozen(kw_only=True)
class CreatedFelderaKey:
    """Answer: the key with its secret, shown this once.

    Attributes:
        id: the key's id.
        name: the name asked for.
        api_key: the secret.
    """

    id: UUID
    name: str
    api_key: Secret
