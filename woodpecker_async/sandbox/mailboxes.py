"""The mailboxes of an account, and connecting more of them."""

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Company, Mailbox
from woodpecker_async.sandbox.wire import Answer, bodyless, not_found

Text = Annotated[str, Meta(pattern=r"\S")]
Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$")]
_Port = Annotated[int, Meta(ge=1, le=65535)]
Outcome = Literal["connected", "conditional", "failed"]


class NewMailbox(Input):
    """A mailbox to connect."""

    smtp_email: Email
    smtp_password: Text
    smtp_server: Text
    smtp_port: _Port
    imap_email: Email
    imap_password: Text
    imap_server: Text
    imap_port: _Port
    smtp_login: Text | UnsetType = UNSET
    smtp_from_name: Text | UnsetType = UNSET
    footer: Text | UnsetType = UNSET
    bcc: Email | UnsetType = UNSET
    open_tracking_domain: Text | UnsetType = UNSET
    click_tracking_domain: Text | UnsetType = UNSET
    unsubscribe_tracking_domain: Text | UnsetType = UNSET
    sending_wait_time_from: Annotated[int, Meta(ge=10, le=9999)] | UnsetType = UNSET
    sending_wait_time_to: Annotated[int, Meta(ge=20, le=9999)] | UnsetType = UNSET
    daily_sending_limit: Annotated[int, Meta(ge=1, le=5500)] | UnsetType = UNSET


class NewMailboxes(Input):
    """The request to connect mailboxes."""

    mailboxes: Annotated[list[NewMailbox], Meta(min_length=1, max_length=200)]
    completion_notification_types: list[Literal["MAIL", "IN_APP"]] | UnsetType = UNSET


class Footer(Input):
    """The request to change a footer; null removes it."""

    footer: str | None


class Connecting(Struct, kw_only=True):
    """A mailbox that is being connected; its passwords are not stored."""

    email: str
    from_name: str
    outcome: Outcome


class Batch(Struct, kw_only=True):
    """Mailboxes that are being connected, and how often they were polled."""

    id: int
    mailboxes: list[Connecting]
    looks: int = 0


class MailboxesOfAccount(Struct, kw_only=True):
    """An account's mailbox data, apart from the mailboxes themselves.

    Attributes:
        footers: the footers that were set, by the id of the SMTP mailbox.
        batches: the batches of mailboxes to connect.
    """

    footers: dict[str, str]
    batches: list[Batch]

    @classmethod
    def begin(cls, seed: int, account: Company) -> "MailboxesOfAccount":  # noqa: ARG003 - as every family
        """No data."""
        return cls(footers={}, batches=[])


class Row(Struct, kw_only=True):
    """A mailbox in a list."""

    id: int
    type: Literal["SMTP", "IMAP"]
    details: dict[str, Any]


class BatchId(Struct, kw_only=True):
    """The response to the request to connect mailboxes."""

    batch_id: int


class Summary(Struct, kw_only=True):
    """The progress of a batch."""

    processing_finished: bool
    batch_size: int
    pending_mailboxes_count: int
    connected_mailboxes_count: int
    conditionally_connected_mailboxes_count: int
    failed_mailboxes_count: int
    conditionally_connected_mailboxes: list[dict[str, str]]
    failed_mailboxes: list[dict[str, str]]


def list_mailboxes(call: Call) -> Answer:
    """``GET /v2/mailboxes``: a bare array."""
    return Answer.of(_all(call))


def get_mailbox(call: Call) -> Answer:
    """``GET /v2/mailboxes/{id}``."""
    row = _found(call)
    return Answer.of(row) if row is not None else not_found()


def set_footer(call: Call, body: Footer) -> Answer:
    """``PATCH /v2/mailboxes/{smtp_id}``: null or an empty string removes the footer."""
    row = _found(call)
    if row is None or row.type != "SMTP":
        return not_found()
    call.kept(MailboxesOfAccount).footers[str(row.id)] = body.footer or ""
    call.changed()
    return bodyless(200)


def connect(call: Call, body: NewMailboxes) -> Answer:
    """``POST /v2/mailboxes/manual_connection/bulk``: 202; the work progresses with each poll."""
    for index, mailbox in enumerate(body.mailboxes):
        shortest, longest = mailbox.sending_wait_time_from, mailbox.sending_wait_time_to
        if isinstance(shortest, int) and isinstance(longest, int) and shortest >= longest:
            return _refused(f"mailboxes[{index}].sending_wait_time_from", "must be smaller than sending_wait_time_to")
    kept = call.kept(MailboxesOfAccount)
    batch = Batch(
        id=1 + draw.number(call.state.seed, "batch", call.account.id, len(kept.batches)) % 10**6,
        mailboxes=[
            Connecting(
                email=mailbox.smtp_email,
                from_name=mailbox.smtp_from_name if isinstance(mailbox.smtp_from_name, str) else "",
                outcome=_outcome(call, mailbox),
            )
            for mailbox in body.mailboxes
        ],
    )
    kept.batches.append(batch)
    call.changed()
    return Answer.of(BatchId(batch_id=batch.id), 202)


def _outcome(call: Call, mailbox: NewMailbox) -> Outcome:
    """A server under ``.invalid`` is unreachable; otherwise, one in ten fails or connects conditionally at random."""
    if mailbox.smtp_server.endswith(".invalid"):
        return "failed"
    chance = draw.number(call.state.seed, "connect", mailbox.smtp_email) % 20
    return (
        "conditional"
        if mailbox.imap_server.endswith(".invalid") or chance == 1
        else ("failed" if chance == 0 else "connected")
    )


def summary(call: Call) -> Answer:
    """``GET /v2/mailboxes/manual_connection/bulk/{batch_id}/summary``."""
    kept = call.kept(MailboxesOfAccount)
    batch = next((batch for batch in kept.batches if str(batch.id) == call.parts[0]), None)
    if batch is None:
        return not_found()
    ready, size = call.rules.ready_after, len(batch.mailboxes)
    finished = batch.looks >= ready
    done = batch.mailboxes[: size if finished else size * batch.looks // ready]
    if batch.looks == ready:
        add(call, [mailbox for mailbox in done if mailbox.outcome != "failed"])
    batch.looks += 1
    conditional, failed = ([box for box in done if box.outcome == outcome] for outcome in ("conditional", "failed"))
    return Answer.of(
        Summary(
            processing_finished=finished,
            batch_size=size,
            pending_mailboxes_count=size - len(done),
            connected_mailboxes_count=len(done) - len(conditional) - len(failed),
            conditionally_connected_mailboxes_count=len(conditional),
            failed_mailboxes_count=len(failed),
            conditionally_connected_mailboxes=[
                {"smtp_email": box.email, "error": "The IMAP server cannot be reached."} for box in conditional
            ],
            failed_mailboxes=[{"smtp_email": box.email, "error": "The login failed."} for box in failed],
        )
    )


def add(call: Call, connected: list[Connecting]) -> list[Mailbox]:
    """Add mailboxes to the account."""
    made = []
    for new in connected:
        topic = (call.state.seed, "mailbox", call.account.id, len(call.account.mailboxes))
        smtp_id = 10**7 + 2 * (draw.number(*topic) % 10**7)
        box = Mailbox(
            smtp_id=smtp_id,
            imap_id=smtp_id + 1,
            email=new.email,
            from_name=new.from_name,
            provider="CUSTOM",
            error="Connected conditionally." if new.outcome == "conditional" else None,
            running_campaigns=0,
        )
        call.account.mailboxes += (box,)
        made.append(box)
    call.changed()
    return made


def _all(call: Call) -> list[Row]:
    footers = call.kept(MailboxesOfAccount).footers
    return [row for mailbox in call.account.mailboxes for row in _rows(mailbox, footers)]


def _found(call: Call) -> Row | None:
    return next((row for row in _all(call) if str(row.id) == call.parts[0]), None)


def _rows(mailbox: Mailbox, footers: dict[str, str]) -> list[Row]:
    domain = mailbox.email.partition("@")[2]
    sending = {
        "email": mailbox.email,
        "provider": mailbox.provider,
        "login": mailbox.email,
        "server": f"smtp.{domain}",
        "port": 587,
        "from_name": mailbox.from_name,
        "error": mailbox.error,
        "daily_limit": 50,
        "sent_today": mailbox.running_campaigns,
        "frequency_from": 65000,
        "frequency_to": 120000,
        "bcc_crm": "",
        "signature": footers.get(str(mailbox.smtp_id), f"<p>{mailbox.from_name}</p>"),
        "open_url": f"open.{domain}",
        "click_url": f"click.{domain}",
        "unsubscribe_url": "",
        "freeze_account": [],
        "in_slot": True,
        "warmup_data": {"status": "OFF"},
        "imap_id": mailbox.imap_id,
    }
    receiving = {
        "email": mailbox.email,
        "provider": mailbox.provider,
        "login": mailbox.email,
        "server": f"imap.{domain}",
        "port": 993,
        "private": False,
    }
    return [
        Row(id=mailbox.smtp_id, type="SMTP", details=sending),
        Row(id=mailbox.imap_id, type="IMAP", details=receiving),
    ]


def _refused(place: str, fault: str) -> Answer:
    """The error for connecting mailboxes, which has no message."""
    return Answer.of({"code": "INVALID_REQUEST", "details": [f"{place}: {fault}" if place else fault]}, 400)


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v2/mailboxes", run=list_mailboxes, answer=list[Row]),
    Endpoint(method="GET", path="/v2/mailboxes/{id:int}", run=get_mailbox, answer=Row),
    Endpoint(method="PATCH", path="/v2/mailboxes/{smtp_id:int}", run=set_footer, body=Footer),
    Endpoint(
        method="POST",
        path="/v2/mailboxes/manual_connection/bulk",
        run=connect,
        body=NewMailboxes,
        answer=BatchId,
        status=202,
        refuse=_refused,
    ),
    Endpoint(
        method="GET",
        path="/v2/mailboxes/manual_connection/bulk/{batch_id:int}/summary",
        run=summary,
        answer=Summary,
    ),
)
