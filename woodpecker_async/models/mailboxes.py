"""What e-mail is sent from: mailboxes of an account, how they are connected, and e-mail accounts of a company."""

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
    """How the user is told that mailboxes were connected."""

    MAIL = "MAIL"
    IN_APP = "IN_APP"


@attrs.frozen(kw_only=True)
class Freeze:
    """A time in which a mailbox sends nothing.

    Attributes:
        from_time: its beginning.
        to_time: its end.
    """

    from_time: datetime | None = None
    to_time: datetime | None = None


def _read_freezes(value: object) -> tuple[Freeze, ...]:
    # The current page has a list, empty or of periods; an older one (docs.woodpecker.co, 6865346) also has "".
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
        status: such as `"RUNNING"`.
    """

    status: Text = None


@attrs.frozen(kw_only=True)
class MailboxDetails:
    """What is known of a mailbox. An IMAP one has only the first five of these, and `private`.

    Attributes:
        email: its address.
        provider: such as `"GOOGLE"`.
        login: the user name at its server.
        server: the server's host name.
        port: the server's port.
        private: whether an IMAP mailbox is private.
        from_name: the name that stands beside the address.
        error: what is wrong with it, such as `"Connected conditionally."`; `None` for a healthy one.
        daily_limit: how many e-mails it sends a day at most.
        sent_today: how many it sent today.
        frequency_from: the shortest pause between two e-mails, in milliseconds.
        frequency_to: the longest one, in milliseconds.
        bcc_crm: the address that gets a copy of each e-mail.
        signature: HTML below each e-mail.
        open_url: the domain that opened e-mails are noticed by.
        click_url: the domain that clicked links are noticed by.
        unsubscribe_url: the domain of the links to unsubscribe by.
        freeze_account: the times in which it sends nothing.
        in_slot: whether it takes one of the slots that are paid for.
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
        details: the rest.
    """

    id: int
    type: MailboxType
    details: MailboxDetails


def _as_secret(value: str | Secret) -> Secret:
    # What cannot be one is refused when it is sent: here the frame would show it.
    return Secret(value) if isinstance(value, str) and value else value  # type: ignore[return-value]


def _shown(_: object) -> str:
    return "****"  # not even the last characters, which the mask of a key shows


@attrs.frozen(kw_only=True)
class NewMailbox:
    """A mailbox to connect. A password is kept as a `Secret`; a str is taken too.

    Attributes:
        smtp_email: the address it sends as.
        smtp_password: the password at the SMTP server.
        smtp_server: its host name.
        smtp_port: its port, 1 to 65535.
        imap_email: the address it receives as.
        imap_password: the password at the IMAP server.
        imap_server: its host name.
        imap_port: its port, 1 to 65535.
        smtp_login: the user name at the SMTP server, if it is not the address.
        smtp_from_name: the name that stands beside the address.
        footer: HTML below each e-mail.
        bcc: an address that gets a copy of each e-mail.
        open_tracking_domain: the domain to notice opened e-mails by.
        click_tracking_domain: the domain to notice clicked links by.
        unsubscribe_tracking_domain: the domain of the links to unsubscribe by.
        sending_wait_time_from: the shortest pause between two e-mails, 10 to 9999 and less than the next.
        sending_wait_time_to: the longest one, 20 to 9999.
        daily_sending_limit: how many e-mails it may send a day, 1 to 5500.
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
    """Mailboxes that are being connected.

    Attributes:
        batch_id: what they are asked for by.
    """

    batch_id: int


@attrs.frozen(kw_only=True)
class ConnectionSummary:
    """How far the connecting of a batch of mailboxes is.

    Attributes:
        processing_finished: whether it is done.
        batch_size: how many mailboxes there are in the batch.
        pending_mailboxes_count: how many are still to be done.
        connected_mailboxes_count: how many were connected.
        conditionally_connected_mailboxes_count: how many more were connected conditionally.
        failed_mailboxes_count: how many were not connected.
        conditionally_connected_mailboxes: these; what an entry looks like is not documented.
        failed_mailboxes: likewise.
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
    """What an application of Microsoft's directory connects mailboxes with. Its secret is never sent back.

    Attributes:
        credential_id: its id.
        tenant_id: the directory.
        client_id: the application.
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
    """A mailbox at Microsoft to connect.

    Attributes:
        mailbox_email: its address.
        display_name: the name that stands beside the address.
    """

    mailbox_email: str
    display_name: str | None = None


@attrs.frozen(kw_only=True)
class MailboxDeliverability:
    """Whether the domain of a mailbox is set up for sending.

    Attributes:
        spf_correct: whether its SPF record is right.
        dkim_correct: whether its DKIM record is right.
    """

    spf_correct: bool | None = None
    dkim_correct: bool | None = None


@attrs.frozen(kw_only=True)
class MicrosoftConnection:
    """What became of one mailbox at Microsoft.

    Attributes:
        success: whether it was connected.
        id: its id, if it was.
        email: its address.
        name: the name that stands beside the address.
        deliverability: whether its domain is set up for sending.
        error: why it was not connected; what it looks like is not documented.
    """

    success: bool
    id: Number = None
    email: Text = None
    name: Text = None
    deliverability: MailboxDeliverability | None = None
    error: Any = None


@attrs.frozen(kw_only=True)
class EmailAccountDetails:
    """What is known of an e-mail account; a healthy one has no `error`.

    An IMAP account has fewer of these than an SMTP one.
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
        details: the rest.
    """

    id: int
    type: MailboxType
    details: EmailAccountDetails
