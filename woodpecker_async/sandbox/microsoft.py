"""Microsoft mailboxes, and the credentials to connect them."""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.mailboxes import Connecting, Email, Text, add
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Company, Mailbox
from woodpecker_async.sandbox.wire import Answer, bad_request, bodyless, not_found


class NewMicrosoftMailbox(Input):
    """A Microsoft mailbox to connect."""

    mailbox_email: Email
    display_name: Text | UnsetType = UNSET


class NewMicrosoftMailboxes(Input):
    """The request to connect Microsoft mailboxes."""

    accounts: Annotated[list[NewMicrosoftMailbox], Meta(min_length=1)]
    auth_type: Literal["APP_ONLY"] = "APP_ONLY"
    credential_id: int | UnsetType = UNSET


class Credential(Struct, kw_only=True):
    """A credential to connect Microsoft mailboxes with."""

    credential_id: int
    tenant_id: str
    client_id: str
    secret_expires_at: str
    name: str


class MicrosoftOfAccount(Struct, kw_only=True):
    """An account's credentials for Microsoft mailboxes."""

    credentials: list[Credential]

    @classmethod
    def begin(cls, seed: int, account: Company) -> "MicrosoftOfAccount":
        """One credential."""
        topic = (seed, "credential", account.id)
        credential = Credential(
            credential_id=1 + draw.number(*topic) % 10**6,
            tenant_id=draw.identifier(*topic, "tenant"),
            client_id=draw.identifier(*topic, "client"),
            secret_expires_at="2027-11-28T23:59:59Z",  # noqa: S106 - a time
            name=f"{account.name} Mail",
        )
        return cls(credentials=[credential])


class Credentials(Struct, kw_only=True):
    """The list of credentials."""

    credentials: list[Credential]


class MicrosoftResult(Struct, kw_only=True):
    """The result for a Microsoft mailbox."""

    success: bool
    id: int | None
    email: str
    name: str
    deliverability: dict[str, bool] | None
    error: str | None


def list_credentials(call: Call) -> Answer:
    """``GET /v2/mailboxes/microsoft/credentials``."""
    return Answer.of(Credentials(credentials=call.kept(MicrosoftOfAccount).credentials))


def delete_credential(call: Call) -> Answer:
    """``DELETE /v2/mailboxes/microsoft/credentials/{credential_id}``."""
    kept = call.kept(MicrosoftOfAccount)
    left = [credential for credential in kept.credentials if str(credential.credential_id) != call.parts[0]]
    if len(left) == len(kept.credentials):
        return not_found()
    kept.credentials = left
    call.changed()
    return bodyless(200)


def connect_microsoft(call: Call, body: NewMicrosoftMailboxes) -> Answer:
    """``POST /v2/mailboxes/microsoft/bulk``: each mailbox has its own result."""
    ids = [credential.credential_id for credential in call.kept(MicrosoftOfAccount).credentials]
    if body.credential_id not in ids if isinstance(body.credential_id, int) else len(ids) != 1:
        return bad_request("Value of credential_id is incorrect.")
    fine = [account for account in body.accounts if not account.mailbox_email.endswith(".invalid")]
    boxes = iter(
        add(call, [Connecting(email=one.mailbox_email, from_name=_name(one), outcome="connected") for one in fine])
    )
    return Answer.of([_result(account, next(boxes) if account in fine else None) for account in body.accounts])


def _name(account: NewMicrosoftMailbox) -> str:
    return account.display_name if isinstance(account.display_name, str) else account.mailbox_email


def _result(account: NewMicrosoftMailbox, box: Mailbox | None) -> MicrosoftResult:
    return MicrosoftResult(
        success=box is not None,
        id=box.smtp_id if box is not None else None,
        email=account.mailbox_email,
        name=_name(account),
        deliverability={"spf_correct": True, "dkim_correct": True} if box is not None else None,
        error=None if box is not None else "The mailbox does not exist.",
    )


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v2/mailboxes/microsoft/credentials", run=list_credentials, answer=Credentials),
    Endpoint(method="DELETE", path="/v2/mailboxes/microsoft/credentials/{credential_id:int}", run=delete_credential),
    Endpoint(
        method="POST",
        path="/v2/mailboxes/microsoft/bulk",
        run=connect_microsoft,
        body=NewMicrosoftMailboxes,
        answer=list[MicrosoftResult],
    ),
)
