"""`/v2/agency/companies/{company_id}/api_keys`: the API keys of client companies. Needs an HQ key."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

import attrs

from woodpecker_async import checks
from woodpecker_async.creation_lock import CreationLock
from woodpecker_async.engine.operation import Operation
from woodpecker_async.errors import ConfigError, DeadlineExceededError, KeyOutcomeUnknownError, PaginationError
from woodpecker_async.exactly_once import KeyCreation, PostHooks
from woodpecker_async.models.agency import ApiKey, CreateApiKey, CreatedApiKey, IssuedKey
from woodpecker_async.models.paging import Listing
from woodpecker_async.options import CallOptions, call_options
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import NUMBERED, Position, shape_of
from woodpecker_async.resources.access import Access
from woodpecker_async.resources.base import CompanyResource, Resource, for_company
from woodpecker_async.secret import Secret, hashes

T = TypeVar("T")

_API_KEYS: Final = "/v2/agency/companies/{company_id}/api_keys"

# How often to list the keys: a list that changed while it was being read may lack a key, and proves nothing.
_LOOKS: Final = 3
# The default for `settle`, in seconds.
_SETTLE: Final = 20.0


class ApiKeys(Resource):
    """The API keys of client companies.

    A list contains the keys created by the user of the calling key, in full. There is no endpoint to delete or rename
    a key.
    """

    def list(self, company_id: int, *, options: CallOptions | None = None) -> Pager[ApiKey]:
        """List all API keys of a company, 50 per page.

        Args:
            company_id: the company.
            options: for each request.

        Raises (when it is read):
            CompanyNotFoundError: there is no such company in the agency.

        Document: "Get a company's API keys", `GET /v2/agency/companies/{company_id}/api_keys`.
        """
        return self._list(_API_KEYS, ApiKey, keys=_known_by, options=options, company_id=checks.company_id(company_id))

    async def create(
        self,
        company_id: int,
        label: str,
        *,
        baseline: bool = True,
        settle: float = _SETTLE,
        options: CallOptions | None = None,
    ) -> IssuedKey:
        """Create exactly one new key.

        Lists the company's keys, sends the request and, if the outcome is unclear, lists them again until it is known
        whether the key was created. Only then is the request sent again, if at all. See
        `woodpecker_async.exactly_once` for the procedure and its limits.

        Args:
            company_id: the company.
            label: the key's name: not empty, no whitespace at either end. A label may be used more than once.
            baseline: list the keys first. `False` saves one request, but an unclear outcome then stays unknown.
            settle: seconds to wait before the absence of a new key counts as proof, while the server may still be
                processing the request.
            options: for all requests of this creation. Its deadline covers the whole creation, including the wait for
                the lane and for other creations at the company.

        Raises:
            ConfigError: the id or the label is invalid; nothing was sent.
            CompanyNotFoundError: there is no such company, or it is inactive; no key was created.
            DeadlineExceededError: the deadline passed before anything was sent.
            KeyOutcomeUnknownError: it is not known which key, if any, was created; see `resolve`.

        Document: "Create an API key for a company", `POST /v2/agency/companies/{company_id}/api_keys`.
        """
        creation = self._creation(company_id, label, settle, options)
        return await self._procedure("create", creation, creation.create(baseline=baseline))

    async def ensure(
        self, company_id: int, label: str, *, settle: float = _SETTLE, options: CallOptions | None = None
    ) -> IssuedKey:
        """Return the company's key with this label, creating it if there is none.

        Servers normalize labels, so repeated whitespace and the Unicode form (NFC) are ignored, and so is case if no
        label is equal otherwise. A key created by this process is recognized whatever its label has become; if the
        list does not have it yet, it is read again.

        Args:
            company_id: the company.
            label: the label.
            settle: as for `create`.
            options: for all requests; its deadline covers the whole procedure.

        Returns:
            The key; `.created` tells you whether it is new.

        Raises:
            KeyOutcomeUnknownError: several keys have this label, so it is not clear which one you mean (`kind` is
                `"several_keys"`, nothing was sent); or as for `create`.

        Document: "Create an API key for a company", `POST /v2/agency/companies/{company_id}/api_keys`.
        """
        return await self._ensure(company_id, label, settle=settle, options=options)

    async def _ensure(
        self,
        company_id: int,
        label: str,
        *,
        settle: float = _SETTLE,
        options: CallOptions | None = None,
        hooks: PostHooks = PostHooks(),  # noqa: B008 - frozen
    ) -> IssuedKey:
        """Like `ensure`, but with hooks that run before each POST."""
        creation = self._creation(company_id, label, settle, options, hooks=hooks)
        return await self._procedure("ensure", creation, creation.ensure())

    async def create_once(self, company_id: int, label: str, *, options: CallOptions | None = None) -> IssuedKey:
        """Create a key with one POST and without listing the keys. Never retried, unless you allow it.

        Args:
            company_id: the company.
            label: the key's name.
            options: for this call, including its deadline. With `CallOptions(idempotent=True)` you promise that a
                second key does no harm; the POST is then retried like a read.

        Raises:
            KeyOutcomeUnknownError: the response was lost or could not be read; there may be a new key.

        Document: "Create an API key for a company", `POST /v2/agency/companies/{company_id}/api_keys`.
        """
        idempotent = call_options(options).idempotent
        return await self._creation(company_id, label, _SETTLE, options, idempotent=idempotent).create_once()

    async def resolve(self, error: KeyOutcomeUnknownError, *, options: CallOptions | None = None) -> IssuedKey | None:
        """Find out later what a creation with an unknown outcome did.

        As long as the server may still be processing the request (until `error.settles_at`), it keeps checking until
        the key appears or that time has passed.

        Args:
            error: what `create`, `ensure` or `create_once` raised, or an unpickled copy of it.
            options: for all requests; its deadline covers the whole procedure.

        Returns:
            The key, if exactly one key qualifies. `None` if none does: then no key was created, and it is safe to
            create it again. After `create_once`, or without a baseline, it is not known which keys existed before; the
            only key with this label is then returned with `created=False`, because it may be older.

        Raises:
            KeyOutcomeUnknownError: several keys still qualify, or the deadline passed before `error.settles_at`.

        Document: "Get a company's API keys", `GET /v2/agency/companies/{company_id}/api_keys`.
        """
        if not isinstance(error, KeyOutcomeUnknownError):
            raise ConfigError(f"error must be a KeyOutcomeUnknownError, not {type(error).__name__}")
        creation = self._creation(error.company_id, error.label, _SETTLE, options, creation_id=error.creation_id)
        return await self._procedure("resolve", creation, creation.resolve(error))

    def _procedure(self, method: str, creation: KeyCreation, running: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        return self._access.procedure(f"agency.api_keys.{method}", creation.company_id, running)

    def _creation(
        self,
        company_id: int,
        label: str,
        settle: float,
        options: CallOptions | None,
        *,
        hooks: PostHooks = PostHooks(),  # noqa: B008 - frozen
        idempotent: bool | None = None,
        creation_id: str = "",
    ) -> KeyCreation:
        company_id, label = checks.company_id(company_id), checks.text(label, "a label")
        # Whatever the caller's options say: the procedure itself decides on retries, and a list must have every key.
        options = attrs.evolve(call_options(options), idempotent=idempotent, skip_bad_items=False)
        clock, policy = self._access.clock, self._access.policy(options)

        def backoff(sent: int) -> float:
            return clock.random() * min(policy.max_backoff, policy.initial_backoff * 2.0 ** min(sent - 1, 32))

        return KeyCreation(
            company_id=company_id,
            label=label,
            endpoint=_KeyEndpoint(self._access, company_id, label, options),
            clock=clock,
            backoff=backoff,
            settle=checks.seconds(settle, "settle"),
            max_sends=policy.attempts,
            deadline=policy.deadline,
            hooks=hooks,
            **({"id": creation_id} if creation_id else {}),
        )


class CompanyApiKeys(CompanyResource):
    """The API keys of one company: the same methods without `company_id`."""

    _family = ApiKeys

    list = for_company(ApiKeys.list)
    create = for_company(ApiKeys.create)
    ensure = for_company(ApiKeys.ensure)
    create_once = for_company(ApiKeys.create_once)

    async def resolve(self, error: KeyOutcomeUnknownError, *, options: CallOptions | None = None) -> IssuedKey | None:
        """See `ApiKeys.resolve`."""
        return await ApiKeys.resolve(self._resource, error, options=options)


@attrs.frozen(eq=False, repr=False)
class _KeyEndpoint:
    """The requests of a creation; see `woodpecker_async.exactly_once.KeyEndpoint`."""

    access: Access
    company_id: int
    label: str
    options: CallOptions

    async def lock(self) -> CreationLock:
        return await self.access.creation_lock(self.company_id)

    async def list_keys(self, deadline: float) -> list[ApiKey]:
        for _ in range(_LOOKS):
            pager = _keys_of(self.access, self.company_id, self.options, deadline)
            keys: list[ApiKey] = []
            async for page in pager.pages():
                keys.extend(page)
                if self.access.clock.now() >= deadline:
                    raise DeadlineExceededError(
                        f"the deadline passed before all keys were listed: {page.number} pages read",
                        company_id=self.company_id,
                    )
            if not keys and page.total_elements is None:
                raise PaginationError(
                    f"the list of keys of company {self.company_id} has neither keys nor a total", resume=1
                )
            if not pager.drifted:
                return keys
        raise PaginationError(f"the keys of company {self.company_id} changed each time they were listed", resume=1)

    async def post(
        self, deadline: float, on_wire: Callable[[bool], None], before_send: Callable[[], object] | None
    ) -> Secret:
        operation = Operation.of(
            "POST",
            _API_KEYS,
            CreatedApiKey,
            account=None,
            body=CreateApiKey(label=self.label),
            segments={"company_id": self.company_id},
        )
        operation.deadline, operation.on_wire, operation.before_send = deadline, on_wire, before_send
        return (await self.access.run(operation, self.options)).value.api_key


def _keys_of(access: Access, company_id: int, options: CallOptions, deadline: float) -> Pager[ApiKey]:
    """Return the list of keys, with a deadline by the clock for all of its requests."""

    def page(position: Position) -> Operation[Listing[ApiKey]]:
        operation: Operation[Listing[ApiKey]] = Operation.of(
            "GET",
            _API_KEYS,
            shape_of(NUMBERED, ApiKey),
            account=None,
            params=NUMBERED.ask(position),
            segments={"company_id": company_id},
        )
        operation.deadline = deadline
        return operation

    return Pager(access, page, keys=_known_by, options=options)


def _known_by(keys: Iterable[ApiKey]) -> Iterable[int]:
    """Identify the keys of a list."""
    return hashes([key.api_key for key in keys])
