"""`/v2/mailboxes/microsoft`: mailboxes connected through an application in Microsoft's directory."""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Final

from woodpecker_async import checks
from woodpecker_async.models.mailboxes import MicrosoftConnection, MicrosoftCredential, NewMicrosoftMailbox
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import OneAnswer
from woodpecker_async.resources.access import Access
from woodpecker_async.resources.base import Resource

_CREDENTIALS: Final = OneAnswer(items="credentials")


class MicrosoftMailboxes(Resource):
    """Microsoft mailboxes.

    Attributes:
        credentials: the credentials they are connected with.
    """

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.credentials = MicrosoftCredentials(access)

    async def connect(
        self,
        accounts: Iterable[NewMicrosoftMailbox | Mapping[str, Any]],
        *,
        credential_id: int | None = None,
        options: CallOptions | None = None,
    ) -> tuple[MicrosoftConnection, ...]:
        """Connect Microsoft mailboxes. The result has the outcome of each; a failed one raises no error.

        Never retried, unless the request was provably not sent or was refused with 429.

        Args:
            accounts: at least one mailbox, each a `NewMicrosoftMailbox` or a mapping of its fields.
            credential_id: the credential to connect them with; optional if there is exactly one.
            options: for this call.

        Raises:
            ConfigError: an account is invalid; nothing was sent.
            OutcomeUnknownError: they may have been connected: check with `mailboxes.list` before trying again.

        Document: "Connect Microsoft mailboxes", `POST /v2/mailboxes/microsoft/bulk`.
        """
        checked = checks.models("accounts", accounts, NewMicrosoftMailbox)
        body: dict[str, Any] = {"accounts": [_row(account, f"accounts[{i}]") for i, account in enumerate(checked)]}
        if credential_id is not None:
            body["credential_id"] = checks.integer(credential_id, "credential_id", 1)
        return await self._call(
            "POST",
            "/v2/mailboxes/microsoft/bulk",
            tuple[MicrosoftConnection, ...],
            body=body,
            find_out="check with mailboxes.list() before trying again",
            options=options,
        )


class MicrosoftCredentials(Resource):
    """The credentials of applications in Microsoft's directory. To create or change one, use `request`."""

    def list(self, *, options: CallOptions | None = None) -> Pager[MicrosoftCredential]:
        """List all credentials, in one response, without their secrets.

        Args:
            options: for the request.

        Document: "Microsoft credentials", `GET /v2/mailboxes/microsoft/credentials`.
        """
        return self._list(
            "/v2/mailboxes/microsoft/credentials",
            MicrosoftCredential,
            _CREDENTIALS,
            key=attrgetter("credential_id"),
            options=options,
        )

    async def delete(self, credential_id: int, *, options: CallOptions | None = None) -> None:
        """Delete a credential. Retried like a read.

        Args:
            credential_id: the credential.
            options: for this call.

        Raises:
            NotFoundError: there is no such credential.

        Document: "Delete a Microsoft credential", `DELETE /v2/mailboxes/microsoft/credentials/{credential_id}`.
        """
        await self._call(
            "DELETE",
            "/v2/mailboxes/microsoft/credentials/{credential_id}",
            None,
            idempotent=True,
            options=options,
            credential_id=checks.integer(credential_id, "credential_id", 1),
        )


def _row(account: NewMicrosoftMailbox, what: str) -> dict[str, str]:
    row = {"mailbox_email": checks.email(account.mailbox_email, f"{what}.mailbox_email")}
    if account.display_name is not None:
        row["display_name"] = checks.text(account.display_name, f"{what}.display_name")
    return row
