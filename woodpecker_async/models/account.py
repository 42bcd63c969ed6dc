"""The account level: who am I, which mailboxes are connected."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import attrs

from woodpecker_async._shown import shown


class MailboxType(StrEnum):
    """The two halves of a connected mailbox."""

    SMTP = "SMTP"
    IMAP = "IMAP"


@attrs.frozen(repr=False, eq=False)
class Me(Mapping[str, Any]):
    """The answer of `GET /v1/me`.

    Its fields are not documented and differ between an HQ key, a client's key and an HQ key with
    `x-company-id`, so they are given as they came, as a read-only mapping. `repr` shows their names only.
    """

    fields: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __repr__(self) -> str:
        return f"<Me {', '.join(self.fields)}>"


@attrs.frozen(kw_only=True)
class MailboxDetails:
    """What is known of a mailbox; a healthy one has no `error`. An IMAP one has fewer of these."""

    __repr__ = shown

    email: str | None = None
    provider: str | None = None
    login: str | None = None
    server: str | None = None
    port: int | None = None
    from_name: str | None = None
    error: str | None = None
    daily_limit: int | None = None
    sent_today: int | None = None
    imap_id: int | None = None


@attrs.frozen(kw_only=True)
class Mailbox:
    """A mailbox of the account.

    Attributes:
        id: its id.
        type: `"SMTP"` or `"IMAP"`; a value unknown to this version stays a text.
        details: the rest.
    """

    __repr__ = shown

    id: int
    type: MailboxType | str
    details: MailboxDetails
