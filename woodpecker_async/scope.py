"""Whose account a call acts on: `Account` and `CompanyClient`, and the end of a scope.

The account is a field of the scope that a resource was made in, and each operation of an account-level path takes it
from there. Nothing shared is ever changed for it, so that it can neither be lost nor leak into another task's request.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from woodpecker_async._async_only import AsyncOnly
from woodpecker_async._elsewhere import Elsewhere
from woodpecker_async.creation_lock import CreationLock, creation_lock
from woodpecker_async.engine.call import Engine
from woodpecker_async.engine.clock import Clock
from woodpecker_async.engine.operation import AccountId, Operation, QueryValue, Result, is_account_level, raw_request
from woodpecker_async.engine.settings import Terms
from woodpecker_async.errors import ConfigError, ScopeClosedError
from woodpecker_async.models.account import Me
from woodpecker_async.options import CallOptions, RetryPolicy, call_options
from woodpecker_async.raw import RawResponse, raw_response
from woodpecker_async.resources.base import CompanyResource, Family, Resource

if TYPE_CHECKING:
    from woodpecker_async.resources.api_keys import CompanyApiKeys
    from woodpecker_async.resources.blacklist import Blacklist
    from woodpecker_async.resources.campaigns import Campaigns
    from woodpecker_async.resources.domains import Domains
    from woodpecker_async.resources.email_accounts import CompanyEmailAccounts
    from woodpecker_async.resources.guests import CompanyGuests
    from woodpecker_async.resources.inbox import Inbox
    from woodpecker_async.resources.lead_finder import LeadFinder
    from woodpecker_async.resources.linkedin import CompanyLinkedIn, LinkedInAccounts
    from woodpecker_async.resources.mailboxes import Mailboxes
    from woodpecker_async.resources.manual_tasks import ManualTasks
    from woodpecker_async.resources.prospects import Prospects
    from woodpecker_async.resources.reports import Reports
    from woodpecker_async.resources.users import Users
    from woodpecker_async.resources.webhooks import Webhooks

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
    def base_url(self) -> str:
        """What all URLs begin with."""
        return self.engine.settings.base_url

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


class AccountLevel(Elsewhere, Resource):
    """All that acts on one account. It exists for the key's own account and for each company of the agency.

    Attributes:
        users: who works in the account.
        prospects: who is written to.
        campaigns: what they are written.
        inbox: what they answered.
        mailboxes: what the account sends from.
        blacklist: domains and addresses that the account does not write to.
        manual_tasks: what somebody is to do by hand.
        linkedin_accounts: its LinkedIn accounts.
        reports: statistics.
        webhooks: who is told of events.
        lead_finder: searching for leads, and enriching them.
        domains: the domains that it bought or brought along.
    """

    users: "Family[Users]" = Family("users", "Users")
    prospects: "Family[Prospects]" = Family("prospects", "Prospects")
    campaigns: "Family[Campaigns]" = Family("campaigns", "Campaigns")
    inbox: "Family[Inbox]" = Family("inbox", "Inbox")
    mailboxes: "Family[Mailboxes]" = Family("mailboxes", "Mailboxes")
    blacklist: "Family[Blacklist]" = Family("blacklist", "Blacklist")
    manual_tasks: "Family[ManualTasks]" = Family("manual_tasks", "ManualTasks")
    linkedin_accounts: "Family[LinkedInAccounts]" = Family("linkedin", "LinkedInAccounts")
    reports: "Family[Reports]" = Family("reports", "Reports")
    webhooks: "Family[Webhooks]" = Family("webhooks", "Webhooks")
    lead_finder: "Family[LeadFinder]" = Family("lead_finder", "LeadFinder")
    domains: "Family[Domains]" = Family("domains", "Domains")

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._scope = scope

    def _family(self, kind: Any) -> Any:
        return kind(self._scope)

    async def me(self, *, options: CallOptions | None = None) -> Me:
        """Whose account is this?

        Args:
            options: for this call.

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

        Args:
            method: `"GET"`, `"POST"`, ...
            path: below the base URL, such as `"/v2/users"`.
            params: the query; `None` values are left out.
            json: the body, of what JSON has.
            options: for this call.

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

        Args:
            method: as for `request`.
            path: as for `request`.
            params: as for `request`.
            json: as for `request`.
            options: for this call.

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
        api_keys: its API keys (the agency's call for this company, as are the next three).
        email_accounts: its e-mail accounts.
        guests: invitations to it.
        linkedin: connecting LinkedIn accounts to it.
    """

    api_keys: "Family[CompanyApiKeys]" = Family("api_keys", "CompanyApiKeys")
    email_accounts: "Family[CompanyEmailAccounts]" = Family("email_accounts", "CompanyEmailAccounts")
    guests: "Family[CompanyGuests]" = Family("guests", "CompanyGuests")
    linkedin: "Family[CompanyLinkedIn]" = Family("linkedin", "CompanyLinkedIn")

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        assert isinstance(scope.account, int)
        self._handed_out: list[tuple[object, CompanyClient]] = []
        self.id: Final = scope.account

    def _family(self, kind: Any) -> Any:
        return kind(self._scope, self.id) if issubclass(kind, CompanyResource) else super()._family(kind)

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
