"""Endpoints of one account: with a client's key, the HQ key, or the HQ key and ``x-company-id``."""

from typing import Any

from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Mailbox
from woodpecker_async.sandbox.wire import Answer


def me(call: Call) -> Answer:
    """``GET /v1/me``.

    Its schema is documented nowhere, only that the answers to an HQ key, to a client's key and to the HQ
    key with ``x-company-id`` differ.
    """
    user = call.user
    return Answer.of(
        {
            "id": user.id,
            "name": user.name,
            "email": user.email,
            "company": {"id": call.account.id, "name": call.account.name},
            "hq": call.is_hq,
        }
    )


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
