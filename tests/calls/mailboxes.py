from tests.calls import COMPANY_ARG, Row
from woodpecker_async.sandbox.mailboxes import Batch, Connecting, MailboxesOfAccount
from woodpecker_async.sandbox.microsoft import Credential, MicrosoftOfAccount
from woodpecker_async.sandbox.state import Company, Mailbox

BATCH, CREDENTIAL, SMTP = 5, 6, 11
PASSWORDS = {"smtp_password": "SENTINELsentinel smtp", "imap_password": "SENTINELsentinel imap"}
MAILBOX = {
    "smtp_email": "monica@example.com",
    "smtp_server": "smtp.example.com",
    "smtp_port": 465,
    "imap_email": "monica@example.com",
    "imap_server": "imap.example.com",
    "imap_port": 993,
    **PASSWORDS,
}
SUMMARY = {
    "processing_finished": True,
    "batch_size": 25,
    "pending_mailboxes_count": 0,
    "connected_mailboxes_count": 25,
    "conditionally_connected_mailboxes_count": 0,
    "failed_mailboxes_count": 0,
    "conditionally_connected_mailboxes": [],
    "failed_mailboxes": [],
}


def prepare(account: Company, seed: int) -> None:
    """A mailbox, a batch, and a credential with these ids."""
    box = Mailbox(
        smtp_id=SMTP,
        imap_id=SMTP + 1,
        email="a@example.com",
        from_name="A",
        provider="OTHER",
        error=None,
        running_campaigns=0,
    )
    account.mailboxes += (box,)
    waiting = [Connecting(email="b@example.com", from_name="B", outcome="failed")]
    account.of_family(MailboxesOfAccount, seed).batches.append(Batch(id=BATCH, mailboxes=waiting))
    account.of_family(MicrosoftOfAccount, seed).credentials.append(
        Credential(credential_id=CREDENTIAL, tenant_id="t", client_id="c", secret_expires_at="", name="n")
    )


ROWS: dict[str, Row] = {
    "agency.email_accounts.list": Row("GET", "/v2/agency/companies/7/email_accounts", {"content": []}, (COMPANY_ARG,)),
    "account.mailboxes.list": Row("GET", "/v2/mailboxes", []),
    "account.mailboxes.get": Row(
        "GET", "/v2/mailboxes/11", {"id": SMTP, "type": "SMTP", "details": {}}, (SMTP,), prepare=prepare
    ),
    "account.mailboxes.set_footer": Row(
        "PATCH", "/v2/mailboxes/11", None, (SMTP, "<p>A</p>"), body={"footer": "<p>A</p>"}, prepare=prepare
    ),
    "account.mailboxes.connect": Row(
        "POST",
        "/v2/mailboxes/manual_connection/bulk",
        {"batch_id": BATCH},
        ([MAILBOX],),
        {"notify": ["MAIL"]},
        body={"mailboxes": [MAILBOX], "completion_notification_types": ["MAIL"]},
    ),
    "account.mailboxes.connection": Row(
        "GET", "/v2/mailboxes/manual_connection/bulk/5/summary", SUMMARY, (BATCH,), prepare=prepare
    ),
    "account.mailboxes.wait_connected": Row(
        "GET", "/v2/mailboxes/manual_connection/bulk/5/summary", SUMMARY, (BATCH,), prepare=prepare
    ),
    "account.mailboxes.microsoft.connect": Row(
        "POST",
        "/v2/mailboxes/microsoft/bulk",
        [{"success": False, "error": "no"}],
        ([{"mailbox_email": "a@example.com", "display_name": "A"}],),
        {"credential_id": CREDENTIAL},
        body={"accounts": [{"mailbox_email": "a@example.com", "display_name": "A"}], "credential_id": CREDENTIAL},
        prepare=prepare,
    ),
    "account.mailboxes.microsoft.credentials.list": Row(
        "GET", "/v2/mailboxes/microsoft/credentials", {"credentials": [{"credential_id": CREDENTIAL}]}
    ),
    "account.mailboxes.microsoft.credentials.delete": Row(
        "DELETE", "/v2/mailboxes/microsoft/credentials/6", None, (CREDENTIAL,), prepare=prepare
    ),
}
