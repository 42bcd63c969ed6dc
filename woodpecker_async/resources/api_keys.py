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

# A list that changed while it was read may lack a key; then it is no ground to decide on.
_LOOKS: Final = 3
# Seconds until the absence of a key counts, where nothing else is said.
_SETTLE: Final = 20.0


class ApiKeys(Resource):
    """The API keys of client companies.

    A list shows the keys made by the user of the calling key, and shows them in full. There is no endpoint
    that deletes or renames a key.
    """

    def list(self, company_id: int, *, options: CallOptions | None = None) -> Pager[ApiKey]:
        """All keys of a company, 50 on a page.

        Args:
            company_id: the company.
            options: for the calls of this list.

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
        """Make exactly one new key.

        Looks at the company's keys, sends, and where the answer is not clear looks again, until it is known
        whether the key was made; only then, if at all, is the request sent again. See
        `woodpecker_async.exactly_once` for the procedure and its bounds.

        Args:
            company_id: the company.
            label: what to name the key; not empty, no whitespace at its ends. A label may be used twice.
            baseline: look first. Without it one request is saved, and an unclear answer is the end.
            settle: seconds until the absence of a new key counts, when the server may still be at work.
            options: for all the calls of this creation; its deadline is that of the whole creation, waiting for
                one's turn included.

        Raises:
            ConfigError: the id or the label is invalid; nothing was sent.
            CompanyNotFoundError: there is no such company, or it is inactive; nothing was made.
            DeadlineExceededError: the deadline passed before anything was sent.
            KeyOutcomeUnknownError: it cannot be said which key, if any, was made; see `resolve`.

        Document: "Create an API key for a company", `POST /v2/agency/companies/{company_id}/api_keys`.
        """
        creation = self._creation(company_id, label, settle, options)
        return await self._procedure("create", creation, creation.create(baseline=baseline))

    async def ensure(
        self, company_id: int, label: str, *, settle: float = _SETTLE, options: CallOptions | None = None
    ) -> IssuedKey:
        """The company's key of this label: the one that is there, or else a new one.

        Servers tidy labels up, so repeated whitespace and the form of characters (NFC) do not count, and where
        no label is the same, case does not count either. A key that was made here before, in this process, is
        known whatever its label became; where the list does not have it yet, it is read again.

        Args:
            company_id: the company.
            label: the label.
            settle: as for `create`.
            options: for all the calls; its deadline is that of the whole.

        Returns:
            The key; `.created` tells whether it is new.

        Raises:
            KeyOutcomeUnknownError: several keys have this label, so none is *the* one (`kind` is
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
        """`ensure`, for a caller who does something before each POST."""
        creation = self._creation(company_id, label, settle, options, hooks=hooks)
        return await self._procedure("ensure", creation, creation.ensure())

    async def create_once(self, company_id: int, label: str, *, options: CallOptions | None = None) -> IssuedKey:
        """Make a key with one POST and no look. It is never repeated, unless you say that it may be.

        Args:
            company_id: the company.
            label: what to name the key.
            options: for this call, its deadline included; `CallOptions(idempotent=True)` is your word that a
                second key does no harm, and the POST is then retried like a read.

        Raises:
            KeyOutcomeUnknownError: the answer got lost or could not be read; there may be a new key.

        Document: "Create an API key for a company", `POST /v2/agency/companies/{company_id}/api_keys`.
        """
        idempotent = call_options(options).idempotent
        return await self._creation(company_id, label, _SETTLE, options, idempotent=idempotent).create_once()

    async def resolve(self, error: KeyOutcomeUnknownError, *, options: CallOptions | None = None) -> IssuedKey | None:
        """Look again, later, at what a creation of unknown outcome came to.

        Where the server may still be working on it (until `error.settles_at`), it goes on looking until the key
        is there or that moment has passed.

        Args:
            error: what `create`, `ensure` or `create_once` raised, or a copy of it that was pickled.
            options: for the look; its deadline is that of the whole.

        Returns:
            The key, if there is exactly one that can be it; `None` if there is none, and then nothing was
            made and creating it again is safe. After `create_once`, or without a baseline, nobody knows which
            keys were there before: then the one key of this label is returned, with `created=False`, for it
            may be older.

        Raises:
            KeyOutcomeUnknownError: still several, or the deadline passed before `error.settles_at`.

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
        # Repeating is what the procedure itself decides on, and a look has to see every key, whatever is said.
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
    """The API keys of one company: the same calls, with the company said once."""

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
    """What a creation asks of the API; see `woodpecker_async.exactly_once.KeyEndpoint`."""

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
                        f"the keys could not be listed to the end before the deadline: {page.number} pages read",
                        company_id=self.company_id,
                    )
            if not keys and page.total_elements is None:
                raise PaginationError(
                    f"the list of company {self.company_id} has neither keys nor the number of keys", resume=1
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
    """The list of keys, as one that is over at a moment by the clock."""

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
    """What keys are known by in a list."""
    return hashes([key.api_key for key in keys])
