"""`/v2/mailboxes`: the mailboxes connected to one account."""

from woodpecker_async import models
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import ARRAY
from woodpecker_async.resources.base import Resource


class Mailboxes(Resource):
    """The mailboxes connected to the account."""

    def list(self, *, options: CallOptions | None = None) -> "Pager[models.Mailbox]":
        """All mailboxes, in one answer.

        Document: "Authentication", section "Example requests", `GET /v2/mailboxes`.
        """
        return self._list("/v2/mailboxes", models.Mailbox, ARRAY, key=mailbox_key, options=options)


def mailbox_key(mailbox: models.Mailbox | models.EmailAccount) -> tuple[str, int]:
    """What a mailbox is known by in a list: nobody says that the ids of its two halves never meet."""
    return (mailbox.type, mailbox.id)
