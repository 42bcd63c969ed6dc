"""Mailboxes of an account, connecting them, and e-mail accounts of a company."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from woodpecker_async.models._loose import Number, Text, Time, loose, read_time
from woodpecker_async.models.enums import OpenEnum
from woodpecker_async.secret import Secret


class MailboxType(OpenEnum):
    """The two halves of a connected mailbox."""

    SMTP = "SMTP"
    IMAP = "IMAP"


class CompletionNotification(OpenEnum):
    """How the user is notified that mailboxes have been connected."""

    MAIL = "MAIL"
    IN_APP = "IN_APP"


@attrs.frozen(kw_only=True)
class Freeze:
    """A period in which a mailbox sends nothing.

    Attributes:
        from_time: its beginning.
        to_time: its end.
    """

    from_time: datetime | None = None
    to_time: datetime | None = None


def _read_freezes(value: object) -> tuple[Freeze, ...]:
    # In the current document this is a list of periods, possibly empty; an older one (docs.woodpecker.co, 6865346)
    # also has "".
    if value is None or value == "":
        return ()
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(_read_freeze, value))


def _read_freeze(value: object) -> Freeze:
    if not isinstance(value, Mapping):
        raise TypeError
    return Freeze(from_time=read_time(value.get("from")), to_time=read_time(value.get("to")))


def _read_entries(value: object) -> tuple[Any, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise TypeError
    return tuple(value)


if TYPE_CHECKING:
    _Freezes: TypeAlias = tuple[Freeze, ...]
    _Entries: TypeAlias = tuple[Any, ...]
else:
    _Freezes = loose("an array of periods", _read_freezes)
    _Entries = loose("an array", _read_entries)


@attrs.frozen(kw_only=True)
class WarmupData:
    """The warm-up of a mailbox.

    Attributes:
        status: its status, such as `"RUNNING"`.
    """

    status: Text = None


@attrs.frozen(kw_only=True)
class MailboxDetails:
    """The details of a mailbox. An IMAP mailbox has only the first five of these fields, and `private`.

    Attributes:
        email: its address.
        provider: its provider, such as `"GOOGLE"`.
        login: the user name on its server.
        server: the server's host name.
        port: the server's port.
        private: whether an IMAP mailbox is private.
        from_name: the sender's name.
        error: what is wrong with it, such as `"Connected conditionally."`; `None` if it is healthy.
        daily_limit: the maximum number of e-mails it sends per day.
        sent_today: how many e-mails it has sent today.
        frequency_from: the shortest pause between two e-mails, in milliseconds.
        frequency_to: the longest pause between two e-mails, in milliseconds.
        bcc_crm: the address that gets a copy of each e-mail.
        signature: the HTML at the end of each e-mail.
        open_url: the domain for tracking opened e-mails.
        click_url: the domain for tracking clicked links.
        unsubscribe_url: the domain of unsubscribe links.
        freeze_account: the periods in which it sends nothing.
        in_slot: whether it occupies one of the paid slots.
        warmup_data: its warm-up.
        imap_id: the id of the IMAP mailbox that belongs to it.
    """

    email: Text = None
    provider: Text = None
    login: Text = None
    server: Text = None
    port: Number = None
    private: bool | None = None
    from_name: Text = None
    error: Text = None
    daily_limit: Number = None
    sent_today: Number = None
    frequency_from: Number = None
    frequency_to: Number = None
    bcc_crm: Text = None
    signature: Text = None
    open_url: Text = None
    click_url: Text = None
    unsubscribe_url: Text = None
    freeze_account: _Freezes = ()
    in_slot: bool | None = None
    warmup_data: WarmupData | None = None
    imap_id: Number = None


@attrs.frozen(kw_only=True)
class Mailbox:
    """A mailbox of the account.

    Attributes:
        id: its id.
        type: `"SMTP"` or `"IMAP"`; a value that this version does not know is kept, see `OpenEnum`.
        details: its other fields.
    """

    id: int
    type: MailboxType
    details: MailboxDetails


def _as_secret(value: str | Secret) -> Secret:
    # Invalid values are rejected when the mailbox is sent; raising here would show the password in a traceback.
    return Secret(value) if isinstance(value, str) and value else value  # type: ignore[return-value]


def _shown(_: object) -> str:
    return "****"  # hides even the last characters, which the mask of a key shows


@attrs.frozen(kw_only=True)
class NewMailbox:
    """A mailbox to connect. Passwords are kept as `Secret`; you can pass a str.

    Attributes:
        smtp_email: the address it sends from.
        smtp_password: the password for the SMTP server.
        smtp_server: the host name of the SMTP server.
        smtp_port: the port of the SMTP server, 1 to 65535.
        imap_email: the address it receives mail at.
        imap_password: the password for the IMAP server.
        imap_server: the host name of the IMAP server.
        imap_port: the port of the IMAP server, 1 to 65535.
        smtp_login: the user name on the SMTP server, if it is not the address.
        smtp_from_name: the sender's name.
        footer: the HTML at the end of each e-mail.
        bcc: an address that gets a copy of each e-mail.
        open_tracking_domain: the domain for tracking opened e-mails.
        click_tracking_domain: the domain for tracking clicked links.
        unsubscribe_tracking_domain: the domain of unsubscribe links.
        sending_wait_time_from: the shortest pause between two e-mails, 10 to 9999 and less than
            `sending_wait_time_to`.
        sending_wait_time_to: the longest pause between two e-mails, 20 to 9999.
        daily_sending_limit: the maximum number of e-mails it sends per day, 1 to 5500.
    """

    smtp_email: str
    smtp_password: Secret = attrs.field(converter=_as_secret, repr=_shown)
    smtp_server: str
    smtp_port: int
    imap_email: str
    imap_password: Secret = attrs.field(converter=_as_secret, repr=_shown)
    imap_server: str
    imap_port: int
    smtp_login: str | None = None
    smtp_from_name: str | None = None
    footer: str | None = None
    bcc: str | None = None
    open_tracking_domain: str | None = None
    click_tracking_domain: str | None = None
    unsubscribe_tracking_domain: str | None = None
    sending_wait_time_from: int | None = None
    sending_wait_time_to: int | None = None
    daily_sending_limit: int | None = None


@attrs.frozen(kw_only=True)
class ConnectionBatch:
    """A batch of mailboxes that are being connected.

    Attributes:
        batch_id: its id.
    """

    batch_id: int


@attrs.frozen(kw_only=True)
class ConnectionSummary:
    """The progress of connecting a batch of mailboxes.

    Attributes:
        processing_finished: whether the batch is done.
        batch_size: how many mailboxes are in the batch.
        pending_mailboxes_count: how many are still pending.
        connected_mailboxes_count: how many have been connected.
        conditionally_connected_mailboxes_count: how many more have been connected conditionally.
        failed_mailboxes_count: how many could not be connected.
        conditionally_connected_mailboxes: the conditionally connected mailboxes, as received; their format is not
            documented.
        failed_mailboxes: the mailboxes that could not be connected; likewise.
    """

    processing_finished: bool
    batch_size: Number = None
    pending_mailboxes_count: Number = None
    connected_mailboxes_count: Number = None
    conditionally_connected_mailboxes_count: Number = None
    failed_mailboxes_count: Number = None
    conditionally_connected_mailboxes: _Entries = ()
    failed_mailboxes: _Entries = ()

    def __str__(self) -> str:
        done = "finished" if self.processing_finished else f"{self.pending_mailboxes_count} pending"
        return (
            f"{self.batch_size} mailboxes: {done}, {self.connected_mailboxes_count} connected, "
            f"{self.conditionally_connected_mailboxes_count} conditionally, {self.failed_mailboxes_count} failed"
        )


@attrs.frozen(kw_only=True)
class MicrosoftCredential:
    """The credential of an application in Microsoft's directory. The API never returns its secret.

    Attributes:
        credential_id: its id.
        tenant_id: the id of the directory.
        client_id: the id of the application.
        secret_expires_at: when the application's secret expires.
        name: its name.
    """

    credential_id: int
    tenant_id: Text = None
    client_id: Text = None
    secret_expires_at: Time = None
    name: Text = None


@attrs.frozen(kw_only=True)
class NewMicrosoftMailbox:
    """A Microsoft mailbox to connect.

    Attributes:
        mailbox_email: its address.
        display_name: the sender's name.
    """

    mailbox_email: str
    display_name: str | None = None


@attrs.frozen(kw_only=True)
class MailboxDeliverability:
    """Whether the domain of a mailbox is set up for sending.

    Attributes:
        spf_correct: whether its SPF record is correct.
        dkim_correct: whether its DKIM record is correct.
    """

    spf_correct: bool | None = None
    dkim_correct: bool | None = None


@attrs.frozen(kw_only=True)
class MicrosoftConnection:
    """The outcome of connecting one Microsoft mailbox.

    Attributes:
        success: whether it was connected.
        id: its id, if it was connected.
        email: its address.
        name: the sender's name.
        deliverability: whether its domain is set up for sending.
        error: why it was not connected, as received; the format is not documented.
    """

    success: bool
    id: Number = None
    email: Text = None
    name: Text = None
    deliverability: MailboxDeliverability | None = None
    error: Any = None


@attrs.frozen(kw_only=True)
class EmailAccountDetails:
    """The details of an e-mail account; a healthy one has no `error`.

    An IMAP account has fewer of these fields than an SMTP account.
    """

    email: Text = None
    provider: Text = None
    error: Text = None
    from_name: Text = None
    imap_id: Number = None
    running_campaigns: Number = None


@attrs.frozen(kw_only=True)
class EmailAccount:
    """An e-mail account connected to a company.

    Attributes:
        id: its id.
        type: `"SMTP"` or `"IMAP"`; a value that this version does not know is kept, see `OpenEnum`.
        details: its other fields.
    """

    id: int
    type: MailboxType
    details: EmailAccountDetails
