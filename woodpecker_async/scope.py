"""Whose account a call acts on: `Account` and `CompanyClient`, and the end of a scope.

The account is a field of the scope that a resource was made in, and each operation of an account-level path takes it
from there. Nothing shared is ever changed for it, so that it can neither be lost nor leak into another task's request.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Final, TypeVar

import attrs

from woodpecker_async._async_only import AsyncOnly
from woodpecker_async.creation_lock import CreationLock, creation_lock
from woodpecker_async.engine.call import Engine
from woodpecker_async.engine.clock import Clock
from woodpecker_async.engine.operation import AccountId, Operation, QueryValue, Result, is_account_level, raw_request
from woodpecker_async.engine.settings import Terms
from woodpecker_async.errors import ConfigError, ScopeClosedError
from woodpecker_async.models.account import Me
from woodpecker_async.options import CallOptions, RetryPolicy, call_options
from woodpecker_async.raw import RawResponse, raw_response
from woodpecker_async.resources.api_keys import ApiKeys, CompanyApiKeys
from woodpecker_async.resources.base import Resource
from woodpecker_async.resources.email_accounts import CompanyEmailAccounts, EmailAccounts
from woodpecker_async.resources.guests import CompanyGuests, Guests
from woodpecker_async.resources.inbox import Inbox
from woodpecker_async.resources.mailboxes import Mailboxes

T = TypeVar("T")


class _End:
    """Whether a scope has ended."""

    def __init__(self) -> None:
        self.reached = False


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Scope:
    """The engine, as one scope may use it.

    Attributes:
        engine: runs the operations.
        account: whose account the account-level calls act on; `None` for the agency's families, which have none.
        options: for all calls made in the scope.
        end: whether it has ended.
    """

    engine: Engine
    account: AccountId | None = None
    options: CallOptions = attrs.field(factory=partial(call_options, None))
    end: _End = attrs.field(factory=_End)
    _standing: Terms = attrs.field(init=False)

    @_standing.default
    def _of_a_call_without_options(self) -> Terms:
        return self.engine.settings.terms(self.options)

    @property
    def clock(self) -> Clock:
        """The session's time."""
        return self.engine.settings.clock

    def run(self, operation: Operation[T], options: CallOptions | None = None) -> Coroutine[Any, Any, Result[T]]:
        """Run an operation with the options of the scope."""
        self.check()
        running = self.engine.run(operation, self._terms(options))
        return running if (tracer := self.engine.tracer) is None else tracer.call(operation, running)

    def procedure(self, name: str, company_id: int | None, running: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        """What is to be awaited in place of a method that makes several calls, so that a tracer sees them as one."""
        return running if (tracer := self.engine.tracer) is None else tracer.procedure(name, company_id, running)

    async def creation_lock(self, company_id: int) -> CreationLock:
        """The lock that lets one key creation at a time at a company."""
        self.check()
        return creation_lock(await self.engine.account(), company_id)

    def policy(self, options: CallOptions) -> RetryPolicy:
        """The retry policy that holds here, its deadline included."""
        return self._terms(options).retry

    def _terms(self, options: CallOptions | None) -> Terms:
        if options is None:
            return self._standing
        return self.engine.settings.terms(call_options(options).merged_over(self.options))

    def check(self) -> None:
        """Raise if the scope has ended.

        Raises:
            ScopeClosedError: it has.
        """
        if self.end.reached:
            raise ScopeClosedError(
                f"the scope of company {self.account} has ended: use it inside its `async with` block, or take "
                "session.company(id) without one"
            )


class AccountLevel(Resource):
    """All that acts on one account. It exists for the key's own account and for each company of the agency.

    Attributes:
        inbox: the messages that came to the account.
        mailboxes: the mailboxes connected to the account.
    """

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._scope = scope
        self.inbox: Final = Inbox(scope)
        self.mailboxes: Final = Mailboxes(scope)

    async def me(self, *, options: CallOptions | None = None) -> Me:
        """Whose account is this?

        Raises:
            CompanyNotFoundError: the company is not in the agency of the key.
            CompanyInactiveError: the company is inactive.
            PermissionDeniedError: a company was named, and the key is not from the main agency account.

        Document: "Authentication", `GET /v1/me`.
        """
        return await self._call("GET", "/v1/me", Me, options=options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, QueryValue] | None = None,
        json: Any = None,
        options: CallOptions | None = None,
    ) -> Any:
        """Call an account-level endpoint that the SDK has no method for; see `WoodpeckerSession.request`.

        Raises:
            ConfigError: an argument is not usable, or the path is an `/agency` one.
        """
        return (await self._scope.run(self._described(method, path, params, json, "request"), options)).value

    async def raw(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, QueryValue] | None = None,
        json: Any = None,
        options: CallOptions | None = None,
    ) -> RawResponse:
        """The same call as `request`, and the answer as it came; see `WoodpeckerSession.raw`.

        Raises:
            ConfigError: an argument is not usable, or the path is an `/agency` one.
        """
        operation = self._described(method, path, params, json, "raw")
        return await raw_response(operation, partial(self._scope.run, options=options))

    def _described(
        self, method: str, path: str, params: Mapping[str, QueryValue] | None, json: Any, instead: str
    ) -> Operation[Any]:
        if isinstance(path, str) and not is_account_level(path):
            raise ConfigError(f"an /agency path does not act on one account: use session.{instead}")
        return raw_request(method, path, params, json, self._scope.account)


class Account(AccountLevel):
    """The account that the key itself belongs to: the agency's own (HQ), for an HQ key."""


class CompanyClient(AsyncOnly, AccountLevel):
    """One client company, seen with the HQ key. Immutable; may be kept, shared and used by many tasks.

    `async with` hands out a view of its own that ends with the block: what was made in it raises
    `ScopeClosedError` afterwards. Without `async with` the view lives as long as the session.

    Attributes:
        id: the company's id.
        inbox: the messages that came to it (`x-company-id`).
        mailboxes: its mailboxes (`x-company-id`).
        api_keys: its API keys (the agency's call for this company).
        email_accounts: its e-mail accounts (the agency's call for this company).
        guests: invitations to it (the agency's call for this company).
    """

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        assert isinstance(scope.account, int)
        self._handed_out: list[tuple[object, CompanyClient]] = []
        self.id: Final = scope.account
        self.api_keys: Final = CompanyApiKeys(ApiKeys(scope), self.id)
        self.email_accounts: Final = CompanyEmailAccounts(EmailAccounts(scope), self.id)
        self.guests: Final = CompanyGuests(Guests(scope), self.id)

    async def __aenter__(self) -> "CompanyClient":
        self._scope.check()
        child = CompanyClient(attrs.evolve(self._scope, end=_End()))
        self._handed_out.append((asyncio.current_task(), child))
        return child

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A view may be entered by several tasks at once; each leaves the child it was handed. Some frameworks
        # leave in another task than they entered in: then it is the latest child.
        task = asyncio.current_task()
        mine = [entry for entry in self._handed_out if entry[0] is task] or self._handed_out
        entry = mine[-1]
        self._handed_out.remove(entry)
        entry[1]._scope.end.reached = True

    def __repr__(self) -> str:
        return f"<CompanyClient {self.id}>"
