"""`/v2/agency`: companies, their API keys, their e-mail accounts. Needs an HQ key."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import attrs

from woodpecker_async import models
from woodpecker_async.engine.operation import Operation, get, post
from woodpecker_async.errors import (
    ApiError,
    ClaimLostError,
    ConfigError,
    KeyOutcomeUnknownError,
    OutcomeUnknownError,
    PaginationError,
    ResponseDecodeError,
)
from woodpecker_async.exactly_once import Creation, labelled_so, outcome_unknown, same_label
from woodpecker_async.models.agency import (
    ApiKey,
    Company,
    CreateApiKey,
    CreateCompanies,
    CreatedApiKey,
    CreatedCompanies,
    IssuedKey,
    NewCompany,
)
from woodpecker_async.models.paging import Listing
from woodpecker_async.options import CallOptions, call_options
from woodpecker_async.pagination import Pager
from woodpecker_async.resources import checks
from woodpecker_async.resources.access import Access, Writer
from woodpecker_async.resources.account import mailbox_key
from woodpecker_async.secret import Secret

_COMPANIES: Final = "/v2/agency/companies"
_API_KEYS: Final = "/v2/agency/companies/{company_id}/api_keys"
_EMAIL_ACCOUNTS: Final = "/v2/agency/companies/{company_id}/email_accounts"

_Companies = Listing[Company]
_ApiKeys = Listing[ApiKey]

# A list that changed while it was read may lack a key; then it is no ground to decide on.
_LOOKS: Final = 3


class Companies:
    """The agency's client companies."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def list(self, *, active: bool | None = None, options: CallOptions | None = None) -> Pager[Company]:
        """All companies, 50 on a page.

        Args:
            active: only the active ones, or only the inactive ones; both by default.
            options: for the calls of this list.

        Document: "List of companies", `GET /v2/agency/companies`.
        """
        if active is not None and not isinstance(active, bool):
            raise ConfigError(f"active is True, False or None, not {active!r}")
        return Pager(
            self._access,
            lambda number: get(_COMPANIES, _Companies, params={"active": active, "page": number}),
            key=lambda company: company.id,
            options=options,
        )

    async def create(self, names: Iterable[str], *, options: CallOptions | None = None) -> tuple[Company, ...]:
        """Create companies, all or none. Each is billed, and gets an API key by itself.

        It is never repeated, unless the request measurably never left or was refused with 429.

        Args:
            names: 1 to 10 names.
            options: for this call.

        Raises:
            ConfigError: a name is empty, or there are too many; nothing was sent.
            BadRequestError: a name is taken, say; none was created.
            OutcomeUnknownError: they may exist or not: look with `list()` before trying again.

        Document: "Create companies", `POST /v2/agency/companies`.
        """
        body = CreateCompanies(companies=tuple(NewCompany(name=name) for name in checks.names(names)))
        reply = await self._access.run(post(_COMPANIES, CreatedCompanies, body), options)
        return reply.value.companies


class ApiKeys:
    """The API keys of client companies.

    A list shows the keys made by the user of the calling key, and shows them in full. There is no endpoint
    that deletes or renames a key.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def list(self, company_id: int, *, options: CallOptions | None = None) -> Pager[ApiKey]:
        """All keys of a company, 50 on a page.

        Raises (when it is read):
            CompanyNotFoundError: there is no such company in the agency.

        Document: "Get a company's API keys".
        """
        checks.company_id(company_id)
        return Pager(
            self._access,
            lambda number: get(_API_KEYS, _ApiKeys, params={"page": number}, company_id=company_id),
            key=lambda key: hash(key.api_key.reveal()),  # cheaper than a fingerprint, and not the secret
            options=options,
        )

    async def create(
        self,
        company_id: int,
        label: str,
        *,
        baseline: bool = True,
        settle: float = 20.0,
        options: CallOptions | None = None,
    ) -> IssuedKey:
        """Make exactly one new key.

        Looks at the company's keys, sends, and where the answer is not clear looks again, until it is known
        whether the key was made; only then, if at all, is the request sent again. See
        `woodpecker_async.exactly_once` for the procedure and its bounds.

        Args:
            company_id: the company.
            label: what to name the key; not empty, no blanks at its ends. A label may be used twice.
            baseline: look first. Without it one request is saved, and an unclear answer is the end.
            settle: seconds until the absence of a new key counts, when the server may still be at work.
            options: for all the calls of this creation; its deadline is that of the whole creation.

        Raises:
            ConfigError: the id or the label is not usable; nothing was sent.
            CompanyNotFoundError: there is no such company, or it is inactive; nothing was made.
            KeyOutcomeUnknownError: it cannot be said which key, if any, was made; see `resolve`.

        Document: "Create an API key for a company".
        """
        writer = await self._access.writer(checks.company_id(company_id))
        creation = self._creation(company_id, label, settle, options, writer)
        async with writer.turn():
            known = await creation.look(creation.deadline) if baseline else None
            issued = await creation.run(known)
            writer.settled()
            return issued

    async def ensure(
        self, company_id: int, label: str, *, settle: float = 20.0, options: CallOptions | None = None
    ) -> IssuedKey:
        """The company's key of this label: the one that is there, or else a new one.

        Servers tidy labels up, so repeated blanks do not count, and where no label is the same, case does not
        count either. A key that was made here before, in this process, is known whatever its label became.

        Args:
            company_id: the company.
            label: the label.
            settle: as for `create`.
            options: for all the calls.

        Returns:
            The key; `.created` tells whether it is new.

        Raises:
            KeyOutcomeUnknownError: several keys have this label, so none is *the* one (`kind` is
                `"several_keys"`, nothing was sent); or as for `create`.
        """
        return await self._ensure(company_id, label, settle=settle, options=options)

    async def _ensure(
        self,
        company_id: int,
        label: str,
        *,
        settle: float,
        options: CallOptions | None,
        before_create: Callable[[], Awaitable[None]] | None = None,
        before_send: Callable[[], object] | None = None,
    ) -> IssuedKey:
        # `before_create` is awaited before each POST takes its turn in the lane, and `before_send` called just
        # before it is sent. What either of them raises ends the creation there.
        company_id = checks.company_id(company_id)
        ensured = await self._access.ensured()
        # From here to the turn nothing is awaited: an idle writer may be let go, and another would take its place.
        writer = await self._access.writer(company_id)
        creation = self._creation(
            company_id, label, settle, options, writer, before_create=before_create, before_send=before_send
        )
        async with writer.turn():
            keys = await creation.look(creation.deadline)
            labelled = labelled_so(keys, label, ensured.get((company_id, label)))
            if len(labelled) > 1:
                raise creation.unknown(f"{len(labelled)} keys have it already; nothing was sent", None, labelled)
            if labelled:
                return IssuedKey(company_id=company_id, label=label, api_key=labelled[0], created=False)
            issued = await creation.run(keys)
            writer.settled()
            ensured[company_id, label] = issued.api_key.fingerprint
            return issued

    async def create_once(self, company_id: int, label: str, *, options: CallOptions | None = None) -> IssuedKey:
        """Make a key with one POST and no look.

        Args:
            company_id: the company.
            label: what to name the key.
            options: for this call; `CallOptions(idempotent=True)` is your word that a second key does no
                harm, and the POST is then repeated like a read.

        Raises:
            KeyOutcomeUnknownError: the answer got lost; there may be a new key.
            ResponseDecodeError: the server said that the key is made, but did not hand it over readably.

        Document: "Create an API key for a company".
        """
        operation = _create(checks.company_id(company_id), checks.text(label, "a label"))
        try:
            reply = await self._access.run(operation, options)
        except OutcomeUnknownError as error:
            raise outcome_unknown(company_id, label, "the answer got lost", error) from None
        return IssuedKey(company_id=company_id, label=label, api_key=reply.value.api_key)

    async def resolve(self, error: KeyOutcomeUnknownError, *, options: CallOptions | None = None) -> IssuedKey | None:
        """Look again, later, at what a creation of unknown outcome came to.

        Args:
            error: what `create`, `ensure` or `create_once` raised, or a copy of it that was pickled.
            options: for the look.

        Returns:
            The key, if there is exactly one that can be it; `None` if there is none, and then nothing was
            made and creating it again is safe. After `create_once`, or without a baseline, nobody knows which
            keys were there before: then the one key of this label is given, with `created=False`, for it may
            be older.

        Raises:
            KeyOutcomeUnknownError: still several.
        """
        creation = self._creation(error.company_id, error.label, 0.0, options)
        keys = await creation.look(creation.deadline)
        known = error.baseline
        if known is None:
            known = frozenset(key.api_key.fingerprint for key in keys if not same_label(error.label, key.label))
        found = creation.pick(keys, known, error)
        if found is None:
            return None
        created = error.baseline is not None
        return IssuedKey(company_id=error.company_id, label=error.label, api_key=found, created=created)

    def _creation(
        self,
        company_id: int,
        label: str,
        settle: float,
        options: CallOptions | None,
        writer: Writer | None = None,
        *,
        before_create: Callable[[], Awaitable[None]] | None = None,
        before_send: Callable[[], object] | None = None,
    ) -> Creation:
        company_id, label = checks.company_id(company_id), checks.text(label, "a label")
        operation = attrs.evolve(_create(company_id, label), before_send=before_send)
        # Repeating is what the procedure itself decides on, and a look has to see every key, whatever is said.
        options = attrs.evolve(call_options(options), idempotent=None, skip_bad_items=False)
        access, policy = self._access, self._access.policy(options)
        settle = checks.seconds(settle, "settle")

        async def look(seconds: float) -> list[ApiKey]:
            within = _within(options, seconds)
            for _ in range(_LOOKS):
                pager = self.list(company_id, options=within)
                keys = await pager.collect()
                if not pager.drifted:
                    return keys
            raise PaginationError(f"the keys of company {company_id} changed each time they were listed", resume=1)

        async def send(seconds: float) -> Secret | OutcomeUnknownError:
            assert writer is not None
            if before_create is not None:
                began = access.clock.now()
                await before_create()
                seconds -= access.clock.now() - began
            writer.sent(settle)
            try:
                made: Secret | OutcomeUnknownError = (
                    await access.run(operation, _within(options, seconds))
                ).value.api_key
            except OutcomeUnknownError as error:
                if not error.settled:
                    return error.with_traceback(None)
                made = error.with_traceback(None)
            except ResponseDecodeError as error:
                # The server says it is made; so it can be looked for at once, and the list has it in full.
                made = error.as_unknown()
            except (ApiError, ClaimLostError):
                writer.settled()
                raise
            writer.settled()
            return made

        def backoff(sent: int) -> float:
            return access.clock.random() * min(policy.longest_wait, policy.first_wait * 2.0 ** (sent - 1))

        return Creation(
            company_id=company_id,
            label=label,
            look=look,
            send=send,
            sleep=access.clock.sleep,
            now=access.clock.now,
            backoff=backoff,
            settle=settle,
            sendings=policy.attempts,
            deadline=policy.deadline,
        )


def _within(options: CallOptions, seconds: float) -> CallOptions:
    """What is left of a creation's deadline is the deadline of each of its calls."""
    return attrs.evolve(options, deadline=max(seconds, 0.001))


class CompanyApiKeys:
    """The API keys of one company: the same calls, with the company said once."""

    def __init__(self, keys: ApiKeys, company_id: int) -> None:
        self._keys = keys
        self._company_id = company_id

    def list(self, *, options: CallOptions | None = None) -> Pager[ApiKey]:
        """See `ApiKeys.list`."""
        return self._keys.list(self._company_id, options=options)

    async def create(
        self, label: str, *, baseline: bool = True, settle: float = 20.0, options: CallOptions | None = None
    ) -> IssuedKey:
        """See `ApiKeys.create`."""
        return await self._keys.create(self._company_id, label, baseline=baseline, settle=settle, options=options)

    async def ensure(self, label: str, *, settle: float = 20.0, options: CallOptions | None = None) -> IssuedKey:
        """See `ApiKeys.ensure`."""
        return await self._keys.ensure(self._company_id, label, settle=settle, options=options)

    async def create_once(self, label: str, *, options: CallOptions | None = None) -> IssuedKey:
        """See `ApiKeys.create_once`."""
        return await self._keys.create_once(self._company_id, label, options=options)

    async def resolve(self, error: KeyOutcomeUnknownError, *, options: CallOptions | None = None) -> IssuedKey | None:
        """See `ApiKeys.resolve`."""
        return await self._keys.resolve(error, options=options)


def _create(company_id: int, label: str) -> Operation[CreatedApiKey]:
    return post(_API_KEYS, CreatedApiKey, CreateApiKey(label=label), company_id=company_id)


class EmailAccounts:
    """The e-mail accounts of client companies."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def list(self, company_id: int, *, options: CallOptions | None = None) -> "Pager[models.EmailAccount]":
        """All e-mail accounts of a company, in one answer.

        Document: "List of email accounts", `GET /v2/agency/companies/{company_id}/email_accounts`.
        """
        operation = get(_EMAIL_ACCOUNTS, Listing[models.EmailAccount], company_id=checks.company_id(company_id))
        return Pager(self._access, lambda _: operation, key=mailbox_key, paged=False, options=options)


class CompanyEmailAccounts:
    """The e-mail accounts of one company."""

    def __init__(self, accounts: EmailAccounts, company_id: int) -> None:
        self._accounts = accounts
        self._company_id = company_id

    def list(self, *, options: CallOptions | None = None) -> "Pager[models.EmailAccount]":
        """See `EmailAccounts.list`."""
        return self._accounts.list(self._company_id, options=options)


class Agency:
    """`woodpecker.agency`."""

    def __init__(self, access: Access) -> None:
        self.companies = Companies(access)
        self.api_keys = ApiKeys(access)
        self.email_accounts = EmailAccounts(access)
