"""Feldera's API keys, on the same engine.

Another service, another token (`Authorization: Bearer`), another error shape. It says of itself that 502, 503
and 504 pass, and that 500 is to be raised at once. 408 is repeated too, as its own client does.
"""

import ssl
from collections.abc import Awaitable, Callable, Iterable
from operator import attrgetter
from typing import Final

import aiohttp

from woodpecker_async import checks
from woodpecker_async.engine.clock import Clock
from woodpecker_async.engine.credentials import to_secret
from woodpecker_async.engine.observe import Hook
from woodpecker_async.engine.operation import OWN
from woodpecker_async.engine.protocol import FELDERA
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.feldera import (
    CreatedFelderaKey,
    CreateFelderaKey,
    CreateFelderaKeyWithRole,
    FelderaKey,
)
from woodpecker_async.models.paging import Single
from woodpecker_async.options import CallOptions, Limits, RetryPolicy, Timeouts
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import ARRAY
from woodpecker_async.resources.base import Resource
from woodpecker_async.scope import Scope
from woodpecker_async.secret import Secret
from woodpecker_async.session import Session

__all__ = ["FelderaKeys", "FelderaSession"]

_KEY: Final = "/v0/api_keys/{api_key_name}"
_FIND_OUT: Final = "look with api_keys.get(name); if the key exists, its secret is lost: delete it and create it again"


class FelderaKeys(Resource):
    """The API keys of the instance."""

    def list(self, *, options: CallOptions | None = None) -> Pager[FelderaKey]:
        """All keys, in one answer; never with their secrets."""
        return self._list("/v0/api_keys", FelderaKey, ARRAY, key=attrgetter("id"), options=options)

    async def create(
        self, name: str, *, role: str | None = None, options: CallOptions | None = None
    ) -> CreatedFelderaKey:
        """Make a key. Its secret is in the answer, this once.

        Args:
            name: its name, unique on the instance.
            role: `"read"` or `"write"`; left out, it is `"read"`. It may not exceed your own. Versions before
                0.326.0 have no roles, and take the name only.
            options: for this call.

        Raises:
            ConflictError: the name is taken (`code` is `DuplicateName`).
            BadRequestError: the name is not 1 to 100 of `a-z`, `A-Z`, `0-9`, `_` and `-` (`code` is `EmptyName`,
                `TooLongName` or `NameDoesNotMatchPattern`).
            PermissionDeniedError: you may not make keys, or not of this role (`code` is `InsufficientPermissions`
                or `RoleExceedsCreator`).
            OutcomeUnknownError: the answer got lost. `get(name)` tells whether the key exists; its secret is
                lost in any case: the way on is to `delete` the key and create it again.

        Document: "Create API Key", `POST /v0/api_keys`.
        """
        name = checks.text(name, "a key's name")
        if role not in (None, "read", "write"):
            raise ConfigError(f'role must be "read" or "write", not {role!r}')
        body = CreateFelderaKey(name=name) if role is None else CreateFelderaKeyWithRole(name=name, role=role)
        return await self._call(
            "POST", "/v0/api_keys", CreatedFelderaKey, body=body, find_out=_FIND_OUT, options=options
        )

    async def get(self, name: str, *, options: CallOptions | None = None) -> FelderaKey:
        """One key, without its secret.

        Raises:
            NotFoundError: there is none of this name (`code` is `UnknownApiKey`).
            ResponseDecodeError: the answer holds no key, or several.
        """
        # The service answers an array of one; its descriptions up to 0.292.0 speak of an object.
        found = await self._call(
            "GET", _KEY, Single[FelderaKey], options=options, api_key_name=checks.text(name, "a key's name")
        )
        return found.item

    async def delete(self, name: str, *, options: CallOptions | None = None) -> None:
        """Delete a key. An answer that gets lost, and then a key that no longer exists, count as success.

        Raises:
            NotFoundError: there was none of this name.
        """
        await self._call(
            "DELETE", _KEY, None, idempotent=True, options=options, api_key_name=checks.text(name, "a key's name")
        )


class FelderaSession(Session):
    """A session with a Feldera instance.

    Args:
        base_url: the instance, such as `"http://localhost:8080"`.
        token: a JSON web token or an API key (`apikey:...`); a str, a `Secret`, or a function that returns
            one and may be `async`.
        retry: as for `WoodpeckerSession`.
        timeouts: as for `WoodpeckerSession`.
        limits: as for `WoodpeckerSession`.
        http_session: as for `WoodpeckerSession`.
        hooks: as for `WoodpeckerSession`.
        proxy: as for `WoodpeckerSession`.
        trust_env: as for `WoodpeckerSession`.
        ssl_context: as for `WoodpeckerSession`.
        user_agent: as for `WoodpeckerSession`.
        options: as for `WoodpeckerSession`.
        clock: as for `WoodpeckerSession`.

    Raises:
        ConfigError: one of them is not usable.

    Example:
        ::

            async with FelderaSession("http://localhost:8080", token="apikey:...") as feldera:
                made = await feldera.api_keys.create(name="ci")
    """

    api_keys: FelderaKeys

    def __init__(
        self,
        base_url: str,
        *,
        token: str | Secret | Callable[[], str | Secret | Awaitable[str | Secret]],
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        limits: Limits = Limits(),  # noqa: B008 - frozen
        http_session: aiohttp.ClientSession | None = None,
        hooks: Iterable[Hook] = (),
        proxy: str | None = None,
        trust_env: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        user_agent: str | None = None,
        options: CallOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        # The name is bound to a Secret at once: this frame is part of a traceback.
        key = token = to_secret(token)
        super().__init__(
            FELDERA,
            key,
            base_url=base_url,
            retry=retry,
            timeouts=timeouts,
            limits=limits,
            http_session=http_session,
            hooks=hooks,
            proxy=proxy,
            trust_env=trust_env,
            ssl_context=ssl_context,
            user_agent=user_agent,
            options=options,
            clock=clock,
        )
        # Its paths know no companies: all act on the account of the key.
        self.api_keys = FelderaKeys(Scope(engine=self._engine, account=OWN))
