"""The account level: calls that act on one account, said by `x-company-id` or by the key itself.

They exist on `session.account` (the key's own account, said out loud) and on a company view, and nowhere
else: a request that loses its `x-company-id` would not fail, it would act on the agency's own account.
"""

from woodpecker_async import models
from woodpecker_async.engine.operation import Caller, Operation, get
from woodpecker_async.models.account import Me
from woodpecker_async.models.paging import ArrayListing, Listing
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager


class Mailboxes:
    """The mailboxes connected to the account."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(self, *, options: CallOptions | None = None) -> "Pager[models.Mailbox]":
        """All mailboxes, in one answer.

        Document: "Authentication", section "Example requests", `GET /v2/mailboxes`.
        """
        operation: Operation[Listing[models.Mailbox]] = get(
            "/v2/mailboxes", ArrayListing[models.Mailbox], account_level=True
        )
        return Pager(self._caller, lambda _: operation, key=mailbox_key, paged=False, options=options)


def mailbox_key(mailbox: models.Mailbox | models.EmailAccount) -> tuple[str, int]:
    """What a mailbox is known by in a list: nobody says that the ids of its two halves never meet."""
    return (mailbox.type, mailbox.id)


async def me(caller: Caller, options: CallOptions | None) -> Me:
    """Whose account is this?"""
    return (await caller.run(get("/v1/me", Me, account_level=True), options)).value
