"""`/v2/mailboxes`: the mailboxes connected to one account, and connecting more."""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final

from woodpecker_async import checks, models
from woodpecker_async.engine.hidden import hidden, look_at
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.mailboxes import (
    CompletionNotification,
    ConnectionBatch,
    ConnectionSummary,
    NewMailbox,
)
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import ARRAY
from woodpecker_async.polling import Wait
from woodpecker_async.resources.access import Access
from woodpecker_async.resources.base import Resource
from woodpecker_async.resources.microsoft import MicrosoftMailboxes
from woodpecker_async.secret import Secret

_MOST: Final = 200


class Mailboxes(Resource):
    """The mailboxes connected to the account.

    Attributes:
        microsoft: connecting Microsoft mailboxes through an application in Microsoft's directory.
    """

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.microsoft = MicrosoftMailboxes(access)

    def list(self, *, options: CallOptions | None = None) -> "Pager[models.Mailbox]":
        """List all mailboxes, in one response.

        Args:
            options: for the request.

        Document: "List of mailboxes", `GET /v2/mailboxes`.
        """
        return self._list("/v2/mailboxes", models.Mailbox, ARRAY, key=mailbox_key, options=options)

    async def get(self, mailbox_id: int, *, options: CallOptions | None = None) -> "models.Mailbox":
        """Return one mailbox.

        Args:
            mailbox_id: the id of an SMTP or an IMAP mailbox.
            options: for this call.

        Raises:
            NotFoundError: there is no mailbox with this id.

        Document: "Get a mailbox", `GET /v2/mailboxes/{id}`.
        """
        return await self._call(
            "GET",
            "/v2/mailboxes/{id}",
            models.Mailbox,
            options=options,
            id=checks.integer(mailbox_id, "mailbox_id", 1),
        )

    async def set_footer(self, smtp_id: int, footer: str | None, *, options: CallOptions | None = None) -> None:
        """Set the footer of a mailbox's e-mails. Retried like a read.

        Args:
            smtp_id: the id of an SMTP mailbox.
            footer: HTML, in which `{{UNSUBSCRIBE}}` stands for the unsubscribe link; `None` or `""` removes the footer.
            options: for this call.

        Raises:
            ConfigError: the footer is not a str; nothing was sent.
            NotFoundError: there is no such mailbox.

        Document: "Update a mailbox", `PATCH /v2/mailboxes/{smtp_id}`.
        """
        if footer is not None and not isinstance(footer, str):
            raise ConfigError(f"footer must be a str or None, not {type(footer).__name__}")
        await self._call(
            "PATCH",
            "/v2/mailboxes/{smtp_id}",
            None,
            body={"footer": footer},
            idempotent=True,
            options=options,
            smtp_id=checks.integer(smtp_id, "smtp_id", 1),
        )

    async def connect(
        self,
        mailboxes: Iterable[NewMailbox | Mapping[str, Any]],
        *,
        notify: Iterable[CompletionNotification | str] = (),
        options: CallOptions | None = None,
    ) -> ConnectionBatch:
        """Start connecting mailboxes with their passwords. The server tries each of them; see `wait_connected`.

        Never retried, unless the request was provably not sent or was refused with 429. Passwords are held as
        `Secret`, and appear neither in errors nor in tracebacks.

        Args:
            mailboxes: 1 to 200 mailboxes, each a `NewMailbox` or a mapping of its fields.
            notify: how to notify the user when it is done: `"MAIL"`, `"IN_APP"`, or both.
            options: for this call.

        Raises:
            ConfigError: a mailbox is invalid, or there are too many; nothing was sent.
            BadRequestError: the server rejected one of them; `details` says which and why.
            OutcomeUnknownError: they may be connecting: check with `list` before trying again.

        Example:
            batch = await client.mailboxes.connect([{"smtp_email": "monica@example.com", ...}], notify=["MAIL"])
            summary = await client.mailboxes.wait_connected(batch.batch_id)

        Document: "Add mailboxes in bulk", `POST /v2/mailboxes/manual_connection/bulk`.
        """
        given = hidden(mailboxes)
        del mailboxes  # may contain passwords in plain text, and this frame may end up in a traceback
        rows = look_at(given, _rows)
        kinds = checks.choices("notify", notify, CompletionNotification)
        return await self._call(
            "POST",
            "/v2/mailboxes/manual_connection/bulk",
            ConnectionBatch,
            body={"mailboxes": rows, **({"completion_notification_types": kinds} if kinds else {})},
            secrets=[value for row in rows for value in row.values() if isinstance(value, Secret)],
            find_out="check with mailboxes.list() before trying again",
            options=options,
        )

    async def connection(self, batch_id: int, *, options: CallOptions | None = None) -> ConnectionSummary:
        """Return the progress of a batch of connections.

        Args:
            batch_id: what `connect` returned.
            options: for this call.

        Raises:
            NotFoundError: there is no such batch.

        Document: "Mailbox connection batch status", `GET /v2/mailboxes/manual_connection/bulk/{batch_id}/summary`.
        """
        return await self._connection(checks.integer(batch_id, "batch_id", 1), options)

    async def wait_connected(
        self,
        batch_id: int,
        *,
        deadline: float = 600,
        on_progress: Callable[[ConnectionSummary, float], object] | None = None,
        options: CallOptions | None = None,
    ) -> ConnectionSummary:
        """Wait until a batch is done. Mailboxes that could not be connected raise no error; the summary names them.

        It polls with pauses that grow from 0.5 to 15 s, at priority `"bulk"`. You can cancel it; the server then still
        finishes the batch.

        Args:
            batch_id: what `connect` returned, or the `job` of an error.
            deadline: seconds to wait at most.
            on_progress: a plain function, called after each poll with the summary and the seconds elapsed; if it
                raises, the wait ends.
            options: for each poll.

        Raises:
            DeadlineExceededError: the batch was not done in time; you can wait for it again.
            NotFoundError: there is no such batch.

        Document: "Mailbox connection batch status", `GET /v2/mailboxes/manual_connection/bulk/{batch_id}/summary`.
        """
        batch_id = checks.integer(batch_id, "batch_id", 1)
        waiting = Wait.begin(self._access.clock, deadline=deadline, on_progress=on_progress, options=options)
        return await waiting.until(
            attrgetter("processing_finished"),
            lambda options, ends: self._connection(batch_id, options, ends),
            job=batch_id,
            progress=lambda summary: summary,
            go_on=f"mailboxes.wait_connected({batch_id})",
        )

    async def _connection(
        self, batch_id: int, options: CallOptions | None, ends: float | None = None
    ) -> ConnectionSummary:
        return await self._call(
            "GET",
            "/v2/mailboxes/manual_connection/bulk/{batch_id}/summary",
            ConnectionSummary,
            deadline=ends,
            options=options,
            batch_id=batch_id,
        )


def mailbox_key(mailbox: models.Mailbox | models.EmailAccount) -> tuple[str, int]:
    """Identify a mailbox in a list by type and id: the ids of SMTP and IMAP mailboxes may not be distinct."""
    return (mailbox.type, mailbox.id)


def _rows(given: object) -> list[dict[str, Any]]:
    """Return mailboxes in the API's format."""
    checked = checks.models("mailboxes", given, NewMailbox, most=_MOST)
    return [_row(mailbox, f"mailboxes[{index}]") for index, mailbox in enumerate(checked)]


def _row(mailbox: NewMailbox, what: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        name: value if (value := getattr(mailbox, name)) is None and name not in _NEEDED else check(value, what, name)
        for name, check in _CHECKS.items()
    }
    shortest, longest = row["sending_wait_time_from"], row["sending_wait_time_to"]
    if shortest is not None and longest is not None and shortest >= longest:
        raise ConfigError(
            f"{what}.sending_wait_time_from must be less than sending_wait_time_to: {shortest} >= {longest}"
        )
    return {name: value for name, value in row.items() if value is not None}


def _password(value: object, what: str) -> Secret:
    if not isinstance(value, Secret):
        kind = "an empty str" if value == "" else type(value).__name__
        raise ConfigError(f"{what} must be a non-empty str or a Secret, not {kind}")
    if not value.reveal().strip():
        raise ConfigError(f"{what} is only whitespace")
    return value


def _html(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{what} must be a str, not {type(value).__name__}")
    if not value.strip():
        raise ConfigError(f"{what} is empty or only whitespace: leave it out to have none")
    return value


def _field(check: Callable[..., Any], *bounds: int) -> Callable[[object, str, str], Any]:
    return lambda value, what, name: check(value, f"{what}.{name}", *bounds)


_CHECKS: Final[Mapping[str, Callable[[object, str, str], Any]]] = {
    "smtp_email": _field(checks.email),
    "smtp_login": _field(checks.text),
    "smtp_password": _field(_password),
    "smtp_server": _field(checks.text),
    "smtp_port": _field(checks.integer, 1, 65535),
    "smtp_from_name": _field(checks.text),
    "imap_email": _field(checks.email),
    "imap_password": _field(_password),
    "imap_server": _field(checks.text),
    "imap_port": _field(checks.integer, 1, 65535),
    "footer": _field(_html),
    "bcc": _field(checks.email),
    "open_tracking_domain": _field(checks.domain),
    "click_tracking_domain": _field(checks.domain),
    "unsubscribe_tracking_domain": _field(checks.domain),
    "sending_wait_time_from": _field(checks.integer, 10, 9999),
    "sending_wait_time_to": _field(checks.integer, 20, 9999),
    "daily_sending_limit": _field(checks.integer, 1, 5500),
}
_NEEDED: Final = frozenset(
    {
        *("smtp_email", "smtp_password", "smtp_server", "smtp_port"),
        *("imap_email", "imap_password", "imap_server", "imap_port"),
    }
)
