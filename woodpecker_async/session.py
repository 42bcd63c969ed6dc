"""`WoodpeckerSession`: its lifecycle and its wiring."""

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
    """The base of the sessions of all services: one engine, opened lazily and closed once."""

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
        """The limits this session was created with."""
        return self._engine.settings.limits

    @property
    def clock(self) -> Clock:
        """The source of time and randomness, which is the machine's except in tests."""
        return self._engine.settings.clock

    @property
    def closed(self) -> bool:
        """Whether the session has been closed."""
        return self._engine.closed

    @property
    def account_name(self) -> str | None:
        """The account's name in reports (base URL and key fingerprint); `None` if `api_key` is a function."""
        settings = self._engine.settings
        return account_name(settings.base_url, settings.key.fingerprint) if isinstance(settings.key, Secret) else None

    async def identify(self) -> str:
        """Return the account's name, calling the key function if there is one. Sends nothing."""
        return await self._engine.account()

    async def aclose(self) -> None:
        """Close the session. Calls in flight end with an error. Closing twice does no harm."""
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
    """The arguments of `WoodpeckerSession` other than the key, for functions that pass them on."""

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
    """A session with the Woodpecker API, authenticated by one API key.

    Creating a session does no I/O and needs no event loop, so it can live at module level. It connects on the first
    call, works across successive `asyncio.run` calls and after a fork, and raises `WrongLoopError` if a second event
    loop uses it while the first is still alive.

    Args:
        api_key: an HQ key, or a client's key for account-level calls. A str, a `Secret`, or a function (sync or
            `async`) that returns one; the function is called before each attempt, so keys can be rotated. Defaults to
            the environment variable `WOODPECKER_API_KEY`.
        base_url: the base URL, including `/rest`. Defaults to `WOODPECKER_BASE_URL`, then to the vendor's URL.
        retry: when failed attempts are retried.
        timeouts: time limits, in seconds.
        limits: how many requests may be in flight at once.
        http_session: an aiohttp session whose connector to use. It is borrowed: it is never closed, and its headers,
            cookies, middlewares and timeouts are ignored.
        hooks: plain functions, called with every `Event` of every attempt.
        proxy: the URL of an HTTP proxy.
        trust_env: take the proxy from `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.
        ssl_context: the TLS configuration, for example for a private certificate authority.
        user_agent: put in front of the SDK's own name and version.
        options: `CallOptions` for every call of the session.
        clock: the source of time and randomness, for tests.

    Raises:
        ConfigError: an argument is invalid.
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
        # Rebind the name to a Secret at once: this frame, with its locals, may end up in a traceback.
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
        """The legacy v1 calls."""
        from woodpecker_async.resources.agency_v1 import AgencyV1  # noqa: PLC0415 - few programs need them

        return AgencyV1(self._agency)

    def company(self, company_id: int, *, options: CallOptions | None = None) -> CompanyClient:
        """Return a view of one client company, which sends `x-company-id` with every account-level call.

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
        """Call an endpoint that the SDK has no method for, and return the parsed JSON.

        The same limits and retries apply. The JSON is returned exactly as the server sent it: any API keys in it are
        in plain text.

        Args:
            method: GET, POST, PUT, PATCH or DELETE. Only GET is retried as a read, unless you pass
                `CallOptions(idempotent=True)`.
            path: the path below the base URL, such as `"/v2/mailboxes"`, without a query.
            company_id: whose account to act on; `None` for the key's own. Required for every path outside `/agency`,
                where the company is part of the path.
            params: the query parameters.
            json: the body.
            options: for this call.

        Raises:
            ConfigError: an argument is invalid, or `company_id` is missing; nothing was sent.
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
        """Make the same call as `request`, but return the response as received, even if its status is an error.

        Meant for debugging.

        Args:
            method: as for `request`.
            path: as for `request`.
            company_id: as for `request`.
            params: as for `request`.
            json: as for `request`.
            options: for this call.

        Returns:
            The status, headers, body and attempts; `.error` is what `request` would have raised.

        Raises:
            ConfigError: an argument is invalid, or `company_id` is missing; nothing was sent.
            CallError: there was no response.
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
