"""Feldera's API keys, on the same engine.

Feldera has its own token (`Authorization: Bearer`) and its own error format. Its documents call 502, 503 and 504
temporary, and say that 500 is not to be retried. 408 is retried too, as in Feldera's own client.
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
_FIND_OUT: Final = "check with api_keys.get(name); if the key exists, its secret is lost: delete it and create it again"


class FelderaKeys(Resource):
    """The API keys of the instance."""

    def list(self, *, options: CallOptions | None = None) -> Pager[FelderaKey]:
        """List all keys, in one response, without their secrets."""
        return self._list("/v0/api_keys", FelderaKey, ARRAY, key=attrgetter("id"), options=options)

    async def create(
        self, name: str, *, role: str | None = None, options: CallOptions | None = None
    ) -> CreatedFelderaKey:
        """Create a key. Its secret is in this response only.

        Args:
            name: its name, unique on the instance.
            role: `"read"` (the server's default) or `"write"`. It may not exceed your own. Versions before 0.326.0 have
                no roles and accept the name only.
            options: for this call.

        Raises:
            ConflictError: the name is taken (`code` is `DuplicateName`).
            BadRequestError: the name is not 1 to 100 of `a-z`, `A-Z`, `0-9`, `_` and `-` (`code` is `EmptyName`,
                `TooLongName` or `NameDoesNotMatchPattern`).
            PermissionDeniedError: you may not create keys, or not with this role (`code` is `InsufficientPermissions`
                or `RoleExceedsCreator`).
            OutcomeUnknownError: the response was lost. `get(name)` tells you whether the key exists, but its secret
                is lost in any case: `delete` the key and create it again.

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
        """Return one key, without its secret.

        Raises:
            NotFoundError: there is no key with this name (`code` is `UnknownApiKey`).
            ResponseDecodeError: the response has no key, or several.
        """
        # The service returns an array of one; its API description up to 0.292.0 says an object.
        found = await self._call(
            "GET", _KEY, Single[FelderaKey], options=options, api_key_name=checks.text(name, "a key's name")
        )
        return found.item

    async def delete(self, name: str, *, options: CallOptions | None = None) -> None:
        """Delete a key. Retried if the response is lost; if the key is gone by then, that counts as success.

        Raises:
            NotFoundError: there was no key with this name.
        """
        await self._call(
            "DELETE", _KEY, None, idempotent=True, options=options, api_key_name=checks.text(name, "a key's name")
        )


class FelderaSession(Session):
    """A session with a Feldera instance.

    Args:
        base_url: the URL of the instance, such as `"http://localhost:8080"`.
        token: a JSON Web Token or an API key (`apikey:...`): a str, a `Secret`, or a function (sync or `async`) that
            returns one.
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
        ConfigError: an argument is invalid.

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
        # Rebind the name to a Secret at once: this frame, with its locals, may end up in a traceback.
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
        # There are no companies in its paths: all calls act on the key's own account.
        self.api_keys = FelderaKeys(Scope(engine=self._engine, account=OWN))
