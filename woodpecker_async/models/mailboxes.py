"""What e-mail is sent from: the mailboxes of an account, and the e-mail accounts of a company."""

import attrs

from woodpecker_async.models.enums import OpenEnum


class MailboxType(OpenEnum):
    """The two halves of a connected mailbox."""

    SMTP = "SMTP"
    IMAP = "IMAP"


@attrs.frozen(kw_only=True)
class MailboxDetails:
    """What is known of a mailbox; a healthy one has no `error`. An IMAP one has fewer of these."""

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
        type: `"SMTP"` or `"IMAP"`; a value that this version does not know is kept, see `OpenEnum`.
        details: the rest.
    """

    id: int
    type: MailboxType
    details: MailboxDetails


@attrs.frozen(kw_only=True)
class EmailAccountDetails:
    """What is known of an e-mail account; a healthy one has no `error`.

    An IMAP account has fewer of these than an SMTP one.
    """

    email: str | None = None
    provider: str | None = None
    error: str | None = None
    from_name: str | None = None
    imap_id: int | None = None
    running_campaigns: int | None = None


@attrs.frozen(kw_only=True)
class EmailAccount:
    """An e-mail account connected to a company.

    Attributes:
        id: its id.
        type: `"SMTP"` or `"IMAP"`; a value that this version does not know is kept, see `OpenEnum`.
        details: the rest.
    """

    id: int
    type: MailboxType
    details: EmailAccountDetails
