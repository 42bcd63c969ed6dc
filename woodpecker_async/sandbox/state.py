"""What the sandbox knows: companies, their keys and mailboxes, and Feldera's keys. No HTTP here."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import msgspec
from attrs import Factory, define, evolve, field, frozen

from woodpecker_async.sandbox import draw


class Kept(Protocol):
    """The data of a family, as a struct of msgspec: what an account has of prospects, of campaigns and so on."""

    @classmethod
    def begin(cls, seed: int, account: "Company") -> Self:
        """What an account has to begin with."""
        ...


K = TypeVar("K", bound=Kept)


class NameTakenError(Exception):
    """A company or a Feldera key of that name is there already."""


@frozen(kw_only=True)
class User:
    """Somebody who makes keys."""

    id: int
    name: str
    email: str


@frozen(kw_only=True)
class Mailbox:
    """A connected mailbox: one sending and one receiving side."""

    smtp_id: int
    imap_id: int
    email: str
    from_name: str
    provider: str
    error: str | None
    running_campaigns: int


@frozen(kw_only=True)
class ApiKey:
    """A Woodpecker key; it belongs to the user who made it."""

    secret: str = field(repr=False)
    label: str | None
    created_by: int


@frozen(kw_only=True)
class Guest:
    """Somebody from outside who was invited to look at a company."""

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
        """The data of a family; made when it is first asked for."""
        found = self.kept.get(kind.__name__)
        if not isinstance(found, kind):  # none yet, or as it stood in a state file
            found = kind.begin(seed, self) if found is None else msgspec.convert(found, kind)
            self.kept[kind.__name__] = found
        return found

    def keys_of(self, user_id: int) -> list[ApiKey]:
        """The keys which that user made, oldest first: a user never sees anybody else's."""
        return [key for key in self.keys if key.created_by == user_id]


@frozen(kw_only=True)
class FelderaKey:
    """A key of the Feldera service."""

    id: str
    name: str
    role: str
    api_key: str = field(repr=False)


class NewKey(NamedTuple):
    """An account has one key more."""

    account_id: int
    key: ApiKey


class ChangedAccount(NamedTuple):
    """An account is new, or something in it is another now."""

    account_id: int


class ChangedFelderaKey(NamedTuple):
    """A Feldera key is new, or has gone."""

    name: str


Change = NewKey | ChangedAccount | ChangedFelderaKey


@define(kw_only=True)
class State:
    """All data of one sandbox.

    Attributes:
        seed: what the secrets follow from.
        hq: the agency's own account.
        user: the one who owns the HQ key.
        colleague: another user of the agency, whose keys ``user`` cannot list.
        companies: the client accounts by id, in the order of their creation.
        feldera_token: the token which Feldera accepts beside the keys it made.
        feldera_keys: Feldera's keys by name.
        version: grows by one with each change.
        news: the changes that were noted, for whoever sets it to a list.
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
        """Something has changed: to be called once for each change, behind it."""
        self.version += 1
        if self.news is not None:
            self.news.append(change)

    @property
    def hq_key(self) -> str:
        """The secret of the first HQ key."""
        return self.hq.keys[0].secret

    def company(self, company_id: int) -> Company | None:
        """The client account of that id."""
        return self.companies.get(company_id)

    def account_of(self, secret: str) -> tuple[Company, ApiKey] | None:
        """The account in which a secret works, and the key itself."""
        return self._accounts.get(secret)

    def user_of(self, key: ApiKey) -> User:
        """The user who made a key."""
        return self.colleague if key.created_by == self.colleague.id else self.user

    def listed(self, company_id: int) -> list[ApiKey]:
        """The keys of a company which the owner of the HQ key can list."""
        return self.companies[company_id].keys_of(self.user.id)

    def add_key(self, company_id: int, label: str | None, *, created_by: int | None = None) -> ApiKey:
        """Make one more key of a company (or of HQ), by default as the owner of the HQ key."""
        company = self.hq if company_id == self.hq.id else self.companies[company_id]
        # Keys are never removed, so their count names the next one; what other companies
        # received in between makes no difference to the secret.
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
        """Make all the companies, each with its first key, or none of them.

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
        """Invite a guest; who was invited before keeps the name and the permissions of the first invitation."""
        company = self.companies[company_id]
        for guest in company.guests:
            if guest.email == email:
                return guest
        guest_id = 900_000 + draw.number(self.seed, "guest", company_id, len(company.guests)) % 10**8
        company.guests.append(Guest(id=guest_id, name=name, email=email, permissions=tuple(permissions)))
        self.note(ChangedAccount(company_id))
        return company.guests[-1]

    def permit(self, company_id: int, permissions: Mapping[int, Iterable[str]]) -> bool:
        """Set what guests may see, of all of them or, if one is not there, of none; tells whether it was done."""
        company = self.companies[company_id]
        if permissions.keys() - {guest.id for guest in company.guests}:
            return False
        company.guests = [
            evolve(guest, permissions=tuple(permissions.get(guest.id, guest.permissions))) for guest in company.guests
        ]
        self.note(ChangedAccount(company_id))
        return True

    def set_active(self, company_id: int, active: bool) -> None:
        """Activate or deactivate a company, as somebody does on the web page."""
        self.companies[company_id].active = active
        self.note(ChangedAccount(company_id))

    def add_feldera_key(self, name: str, role: str = "read") -> FelderaKey:
        """Make a Feldera key.

        Raises:
            NameTakenError: that name is in use.
        """
        if name in self.feldera_keys:
            raise NameTakenError(name)
        # The version tells a key that was made again from the one of that name before it.
        topic = (self.seed, "feldera", name, self.version)
        key = FelderaKey(
            id=draw.identifier(*topic), name=name, role=role, api_key=f"apikey:{draw.letters(128, *topic)}"
        )
        self.feldera_keys[name] = key
        self.note(ChangedFelderaKey(name))
        return key

    def delete_feldera_key(self, name: str) -> bool:
        """Forget a Feldera key; tells whether there was one."""
        if self.feldera_keys.pop(name, None) is None:
            return False
        self.note(ChangedFelderaKey(name))
        return True

    def feldera_role(self, token: str) -> str | None:
        """The role of whoever comes with that token; None if Feldera does not know it."""
        if token == self.feldera_token:
            return "owner"
        return next((key.role for key in self.feldera_keys.values() if key.api_key == token), None)
