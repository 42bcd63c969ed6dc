"""The sandbox's data: companies, their keys and mailboxes, and Feldera's keys. No HTTP here."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import msgspec
from attrs import Factory, define, evolve, field, frozen

from woodpecker_async.sandbox import draw


class Kept(Protocol):
    """The data of a family of endpoints, such as an account's prospects or campaigns, as a msgspec struct."""

    @classmethod
    def begin(cls, seed: int, account: "Company") -> Self:
        """The initial data of an account."""
        ...


K = TypeVar("K", bound=Kept)


class NameTakenError(Exception):
    """A company or a Feldera key with that name already exists."""


@frozen(kw_only=True)
class User:
    """A user, who can create keys."""

    id: int
    name: str
    email: str


@frozen(kw_only=True)
class Mailbox:
    """A connected mailbox, with a sending and a receiving side."""

    smtp_id: int
    imap_id: int
    email: str
    from_name: str
    provider: str
    error: str | None
    running_campaigns: int


@frozen(kw_only=True)
class ApiKey:
    """A Woodpecker key, which belongs to the user who created it."""

    secret: str = field(repr=False)
    label: str | None
    created_by: int


@frozen(kw_only=True)
class Guest:
    """A person outside the agency who was invited to view a company."""

    id: int
    name: str
    email: str
    permissions: tuple[str, ...] = ()


@define(kw_only=True)
class Company:
    """An account: a client of the agency, or the agency's own (HQ)."""

    id: int
    name: str
    owner: str
    active: bool = True
    running_campaigns: int = 0
    linkedin_slots: int = 0
    mailboxes: tuple[Mailbox, ...] = ()
    keys: list[ApiKey] = Factory(list)
    guests: list[Guest] = Factory(list)
    kept: dict[str, Any] = Factory(dict)

    @property
    def email_slots(self) -> int:
        """How many e-mail accounts are connected."""
        return len(self.mailboxes)

    def of_family(self, kind: type[K], seed: int) -> K:
        """The data of a family, created on first use."""
        found = self.kept.get(kind.__name__)
        if not isinstance(found, kind):  # none yet, or plain data from a state file
            found = kind.begin(seed, self) if found is None else msgspec.convert(found, kind)
            self.kept[kind.__name__] = found
        return found

    def keys_of(self, user_id: int) -> list[ApiKey]:
        """The keys that this user created, oldest first: users never see each other's keys."""
        return [key for key in self.keys if key.created_by == user_id]


@frozen(kw_only=True)
class FelderaKey:
    """A key of the Feldera service."""

    id: str
    name: str
    role: str
    api_key: str = field(repr=False)


class NewKey(NamedTuple):
    """An account has a new key."""

    account_id: int
    key: ApiKey


class ChangedAccount(NamedTuple):
    """An account is new or has changed."""

    account_id: int


class ChangedFelderaKey(NamedTuple):
    """A Feldera key is new or was deleted."""

    name: str


Change = NewKey | ChangedAccount | ChangedFelderaKey


@define(kw_only=True)
class State:
    """All data of one sandbox.

    Attributes:
        seed: the seed for all secrets.
        hq: the agency's own account.
        user: the owner of the HQ key.
        colleague: another user of the agency, whose keys ``user`` cannot list.
        companies: the client accounts by id, in order of creation.
        feldera_token: the token that Feldera accepts in addition to the keys it created.
        feldera_keys: Feldera's keys by name.
        version: increases by one with each change.
        news: the changes so far, if it was set to a list.
    """

    seed: int
    hq: Company
    user: User
    colleague: User
    feldera_token: str = field(repr=False)
    companies: dict[int, Company] = Factory(dict)
    feldera_keys: dict[str, FelderaKey] = Factory(dict)
    version: int = 0
    news: "list[Change] | None" = field(init=False, default=None, eq=False, repr=False)
    _accounts: dict[str, tuple[Company, ApiKey]] = field(init=False, factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        for company in (self.hq, *self.companies.values()):
            for key in company.keys:
                self._accounts[key.secret] = (company, key)

    def note(self, change: "Change") -> None:
        """Record a change. Call it once for each change, afterwards."""
        self.version += 1
        if self.news is not None:
            self.news.append(change)

    @property
    def hq_key(self) -> str:
        """The secret of the first HQ key."""
        return self.hq.keys[0].secret

    def company(self, company_id: int) -> Company | None:
        """The client account with that id."""
        return self.companies.get(company_id)

    def account_of(self, secret: str) -> tuple[Company, ApiKey] | None:
        """The account that a secret gives access to, and the key itself."""
        return self._accounts.get(secret)

    def user_of(self, key: ApiKey) -> User:
        """The user who created a key."""
        return self.colleague if key.created_by == self.colleague.id else self.user

    def listed(self, company_id: int) -> list[ApiKey]:
        """The keys of a company that the owner of the HQ key can list."""
        return self.companies[company_id].keys_of(self.user.id)

    def add_key(self, company_id: int, label: str | None, *, created_by: int | None = None) -> ApiKey:
        """Create another key for a company (or HQ), by default as the owner of the HQ key."""
        company = self.hq if company_id == self.hq.id else self.companies[company_id]
        # Keys are never removed, so their count identifies the next one, whatever other companies have received in
        # the meantime.
        topic = (self.seed, "key", company.id, len(company.keys))
        digits = 100_000 + draw.number(*topic, "digits") % 900_000
        key = ApiKey(
            secret=f"{digits}.{draw.letters(24, *topic)}",
            label=label,
            created_by=self.user.id if created_by is None else created_by,
        )
        company.keys.append(key)
        self._accounts[key.secret] = (company, key)
        self.note(NewKey(company.id, key))
        return key

    def add_companies(self, names: Iterable[str], *, by: User, key_label: str | None = None) -> list[Company]:
        """Create all of the companies, each with its first key, or none of them.

        Raises:
            NameTakenError: one of the names is in use, or occurs twice.
        """
        names = list(names)
        taken = {company.name for company in self.companies.values()} | {self.hq.name}
        for name in names:
            if name in taken:
                raise NameTakenError(name)
            taken.add(name)
        made = []
        for name in names:
            newest = max((self.hq.id, *self.companies))
            company_id = newest + 1 + draw.number(self.seed, "step", newest) % 997
            company = Company(id=company_id, name=name, owner=by.name)
            self.companies[company.id] = company
            self.note(ChangedAccount(company.id))
            self.add_key(company.id, key_label, created_by=by.id)
            made.append(company)
        return made

    def invite(self, company_id: int, name: str, email: str, permissions: Iterable[str]) -> Guest:
        """Invite a guest. One who was invited before keeps the name and permissions of the first invitation."""
        company = self.companies[company_id]
        for guest in company.guests:
            if guest.email == email:
                return guest
        guest_id = 900_000 + draw.number(self.seed, "guest", company_id, len(company.guests)) % 10**8
        company.guests.append(Guest(id=guest_id, name=name, email=email, permissions=tuple(permissions)))
        self.note(ChangedAccount(company_id))
        return company.guests[-1]

    def permit(self, company_id: int, permissions: Mapping[int, Iterable[str]]) -> bool:
        """Set what guests may see, for all of them or, if one does not exist, none. Returns whether it was done."""
        company = self.companies[company_id]
        if permissions.keys() - {guest.id for guest in company.guests}:
            return False
        company.guests = [
            evolve(guest, permissions=tuple(permissions.get(guest.id, guest.permissions))) for guest in company.guests
        ]
        self.note(ChangedAccount(company_id))
        return True

    def set_active(self, company_id: int, active: bool) -> None:
        """Activate or deactivate a company, as in the web interface."""
        self.companies[company_id].active = active
        self.note(ChangedAccount(company_id))

    def add_feldera_key(self, name: str, role: str = "read") -> FelderaKey:
        """Create a Feldera key.

        Raises:
            NameTakenError: that name is in use.
        """
        if name in self.feldera_keys:
            raise NameTakenError(name)
        # The version distinguishes a re-created key from the earlier one with that name.
        topic = (self.seed, "feldera", name, self.version)
        key = FelderaKey(
            id=draw.identifier(*topic), name=name, role=role, api_key=f"apikey:{draw.letters(128, *topic)}"
        )
        self.feldera_keys[name] = key
        self.note(ChangedFelderaKey(name))
        return key

    def delete_feldera_key(self, name: str) -> bool:
        """Delete a Feldera key. Returns whether it existed."""
        if self.feldera_keys.pop(name, None) is None:
            return False
        self.note(ChangedFelderaKey(name))
        return True

    def feldera_role(self, token: str) -> str | None:
        """The role that a token gives; None if Feldera does not know it."""
        if token == self.feldera_token:
            return "owner"
        return next((key.role for key in self.feldera_keys.values() if key.api_key == token), None)
