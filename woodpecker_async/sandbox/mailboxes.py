"""The mailboxes of an account."""

from typing import Any, Final

from woodpecker_async.sandbox.endpoint import Endpoint
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Mailbox
from woodpecker_async.sandbox.wire import Answer


def list_mailboxes(call: Call) -> Answer:
    """``GET /v2/mailboxes``: a bare array."""
    return Answer.of([row for mailbox in call.account.mailboxes for row in _rows(mailbox)])


def _rows(mailbox: Mailbox) -> list[dict[str, Any]]:
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
        "signature": f"<p>{mailbox.from_name}</p>",
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
        {"id": mailbox.smtp_id, "type": "SMTP", "details": sending},
        {"id": mailbox.imap_id, "type": "IMAP", "details": receiving},
    ]


ENDPOINTS: Final = (Endpoint(method="GET", path="/v2/mailboxes", run=list_mailboxes),)
