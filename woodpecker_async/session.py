"""`WoodpeckerSession`: its lifecycle, and the wiring of what hangs on it."""

import os
import ssl
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cached_property, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict

import aiohttp

from woodpecker_async import __version__, checks
from woodpecker_async._async_only import AsyncOnly
from woodpecker_async._elsewhere import Elsewhere
from woodpecker_async.engine import clock as clocks
from woodpecker_async.engine.account import account_name
from woodpecker_async.engine.call import Engine
from woodpecker_async.engine.clock import Clock
from woodpecker_async.engine.credentials import InvalidKey, KeySource, to_secret, validate_key
from woodpecker_async.engine.observe import Hook, Observer
from woodpecker_async.engine.operation import OWN, QueryValue
from woodpecker_async.engine.protocol import WOODPECKER, Dialect
from woodpecker_async.engine.proxies import proxy_url
from woodpecker_async.engine.settings import Settings, checked_base_url, whole_user_agent
from woodpecker_async.errors import ConfigError, SessionClosedError, SetupError
from woodpecker_async.options import CallOptions, Limits, RetryPolicy, Timeouts, standing_options
from woodpecker_async.raw import UNSAID, RawResponse, Unsaid, described, raw_response
from woodpecker_async.resources.agency import Agency
from woodpecker_async.scope import Account, CompanyClient, Scope
from woodpecker_async.secret import Secret

if TYPE_CHECKING:
    from woodpecker_async.resources.agency_v1 import AgencyV1

__all__ = ["Account", "CompanyClient", "Session", "WoodpeckerSession"]

DEFAULT_BASE_URL: Final = "https://api.woodpecker.co/rest"


class Session(AsyncOnly):
    """What the sessions of all services share: one engine, opened late and closed once."""

    def __init__(
        self,
        dialect: Dialect,
        key: KeySource | InvalidKey,
        *,
        base_url: str,
        retry: RetryPolicy,
        timeouts: Timeouts,
        limits: Limits,
        http_session: aiohttp.ClientSession | None,
        hooks: Iterable[Hook],
        proxy: str | None,
        trust_env: bool,
        ssl_context: ssl.SSLContext | None,
        user_agent: str | None,
        options: CallOptions | None,
        clock: Clock | None,
    ) -> None:
        _is_a("retry", retry, RetryPolicy)
        _is_a("timeouts", timeouts, Timeouts)
        _is_a("limits", limits, Limits)
        _is_a("http_session", http_session, aiohttp.ClientSession, optional=True)
        _is_a("ssl_context", ssl_context, ssl.SSLContext, optional=True)
        _is_a("trust_env", trust_env, bool)
        if callable(hooks) or isinstance(hooks, str):
            raise ConfigError("hooks must be a sequence of functions, like hooks=[my_function]")
        settings = Settings(
            dialect=dialect,
            base_url=checked_base_url(base_url),
            key=key if callable(key) else validate_key(key),
            user_agent=whole_user_agent(f"woodpecker-async/{__version__}", user_agent),
            options=standing_options(options),
            retry=retry,
            timeouts=timeouts,
            limits=limits,
            http_session=http_session,
            proxy=None if proxy is None else proxy_url(proxy, "proxy"),
            trust_env=trust_env,
            ssl_context=ssl_context,
            clock=clock or clocks.default,
        )
        self._engine = Engine(settings, Observer(hooks))

    @property
    def limits(self) -> Limits:
        """The limits this session was made with."""
        return self._engine.settings.limits

    @property
    def clock(self) -> Clock:
        """The source of time and chance, which is the machine's except in tests."""
        return self._engine.settings.clock

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._engine.closed

    @property
    def account_name(self) -> str | None:
        """The account's name in reports (base URL and key fingerprint), or `None` if a function returns the key."""
        settings = self._engine.settings
        return account_name(settings.base_url, settings.key.fingerprint) if isinstance(settings.key, Secret) else None

    async def identify(self) -> str:
        """The account's name; calls the key function, if there is one. Sends nothing."""
        return await self._engine.account()

    async def aclose(self) -> None:
        """Close it. Calls in flight end with an error. May be called again."""
        await self._engine.aclose()

    async def __aenter__(self) -> Self:
        if self.closed:
            raise SessionClosedError("the session has been closed: make a new one")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        engine: Engine | None = getattr(self, "_engine", None)
        if engine is None:  # seen in a traceback of the constructor
            return f"<{type(self).__name__} not made>"
        return f"<{type(self).__name__} {engine.settings.base_url} {'closed' if engine.closed else 'open'}>"

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        engine = getattr(self, "_engine", None)
        if engine is not None and engine.in_use:
            _warn(
                f"unclosed {self!r}: use `async with`, or await aclose()",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )


class SessionArguments(TypedDict, total=False):
    """The arguments of `WoodpeckerSession` but the key, for functions that pass them on."""

    base_url: str | None
    retry: RetryPolicy
    timeouts: Timeouts
    limits: Limits
    http_session: aiohttp.ClientSession | None
    hooks: Iterable[Hook]
    proxy: str | None
    trust_env: bool
    ssl_context: ssl.SSLContext | None
    user_agent: str | None
    options: CallOptions | None
    clock: Clock | None


class WoodpeckerSession(Elsewhere, Session):
    """A session with the Woodpecker API, for one key.

    Making one does no I/O and needs no event loop: it may stand at module level. It opens at the first call,
    works in several `asyncio.run` one after another and after a fork, and refuses a second living loop.

    Args:
        api_key: an HQ key (or a client's, for the account level); a str, a `Secret`, or a function that
            returns one and may be `async`, asked before each attempt (rotation). By default the environment
            variable `WOODPECKER_API_KEY`.
        base_url: with `/rest`; by default `WOODPECKER_BASE_URL`, or else the vendor's.
        retry: when failed attempts are repeated.
        timeouts: seconds to wait for what.
        limits: requests in flight at once.
        http_session: an aiohttp session whose connector is used. It is borrowed: never closed, and none of
            its headers, cookies, middlewares or timeouts take part.
        hooks: plain functions that are told every `Event` of every attempt.
        proxy: URL of an HTTP proxy.
        trust_env: take the proxy from `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.
        ssl_context: for a private certificate authority, say.
        user_agent: put in front of the SDK's own name and version.
        options: `CallOptions` for every call of the session.
        clock: time and chance, for tests.

    Raises:
        ConfigError: one of them is not usable.
        SetupError: there is no key, or it cannot be sent.

    Example:
        ::

            async with WoodpeckerSession() as woodpecker:
                async for company in woodpecker.agency.companies.list(active=True):
                    print(company.id, company.name)
    """

    agency: Agency
    account: Account

    def __init__(
        self,
        api_key: str | Secret | Callable[[], str | Secret | Awaitable[str | Secret]] | None = None,
        *,
        base_url: str | None = None,
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
        key = api_key = to_secret(api_key) if api_key is not None else _key_from_environment()
        super().__init__(
            WOODPECKER,
            key,
            base_url=base_url or os.environ.get("WOODPECKER_BASE_URL") or DEFAULT_BASE_URL,
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
        self._agency = Scope(engine=self._engine)
        self.agency = Agency(self._agency)
        self.account = Account(Scope(engine=self._engine, account=OWN))

    @cached_property
    def agency_v1(self) -> "AgencyV1":
        """The legacy calls."""
        from woodpecker_async.resources.agency_v1 import AgencyV1  # noqa: PLC0415 - few programs need them

        return AgencyV1(self._agency)

    def company(self, company_id: int, *, options: CallOptions | None = None) -> CompanyClient:
        """The view of one client company: `x-company-id` on every account-level call made through it.

        Args:
            company_id: the company.
            options: for every call made through the view.

        Raises:
            ConfigError: the id is not an integer >= 1.

        Document: "Authentication", section "Using master API key".
        """
        return CompanyClient(
            Scope(engine=self._engine, options=standing_options(options), account=checks.company_id(company_id))
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        company_id: int | Unsaid | None = UNSAID,
        params: Mapping[str, QueryValue] | None = None,
        json: Any = None,
        options: CallOptions | None = None,
    ) -> Any:
        """Call an endpoint that the SDK has no method for, with the same limits and retries; returns the parsed JSON.

        What comes back is as the server sent it: keys in it are plain text.

        Args:
            method: GET, POST, PUT, PATCH or DELETE. Only GET is repeated like a read, unless
                `CallOptions(idempotent=True)` says otherwise.
            path: below the base URL, such as `"/v2/mailboxes"`; without a query.
            company_id: whose account to act on; `None` for the key's own. It must be said for every path but
                those of `/agency`, where the company is in the path.
            params: the query.
            json: the body.
            options: for this call.

        Raises:
            ConfigError: an argument is not usable, or the account was not said; nothing was sent.
            CallError: the call failed.
        """
        operation = described(method, path, company_id, params, json)
        return (await self._agency.run(operation, options)).value

    async def raw(
        self,
        method: str,
        path: str,
        *,
        company_id: int | Unsaid | None = UNSAID,
        params: Mapping[str, QueryValue] | None = None,
        json: Any = None,
        options: CallOptions | None = None,
    ) -> RawResponse:
        """The same call as `request`, for those who debug: the answer as it came, also where its status is a failure.

        Args:
            method: as for `request`.
            path: as for `request`.
            company_id: as for `request`.
            params: as for `request`.
            json: as for `request`.
            options: for this call.

        Returns:
            Status, headers, body and attempts; `.error` is what `request` would have raised.

        Raises:
            ConfigError: an argument is not usable, or the account was not said; nothing was sent.
            CallError: there was no answer.
        """
        operation = described(method, path, company_id, params, json)
        return await raw_response(operation, partial(self._agency.run, options=options))


def _key_from_environment() -> Secret:
    key = os.environ.get("WOODPECKER_API_KEY")
    if not key:
        raise SetupError("there is no API key: pass api_key=, or set the environment variable WOODPECKER_API_KEY")
    return Secret(key)


def _is_a(name: str, value: object, kind: type, *, optional: bool = False) -> None:
    if isinstance(value, kind) or (optional and value is None):
        return
    raise ConfigError(f"{name} must be a {kind.__name__}, not {type(value).__name__}")
