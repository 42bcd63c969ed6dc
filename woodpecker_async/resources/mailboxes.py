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
        microsoft: connecting mailboxes at Microsoft, by an application of its directory.
    """

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.microsoft = MicrosoftMailboxes(access)

    def list(self, *, options: CallOptions | None = None) -> "Pager[models.Mailbox]":
        """All mailboxes, in one response.

        Args:
            options: for the call of this list.

        Document: "List of mailboxes", `GET /v2/mailboxes`.
        """
        return self._list("/v2/mailboxes", models.Mailbox, ARRAY, key=mailbox_key, options=options)

    async def get(self, mailbox_id: int, *, options: CallOptions | None = None) -> "models.Mailbox":
        """One mailbox.

        Args:
            mailbox_id: the id of an SMTP or an IMAP mailbox.
            options: for this call.

        Raises:
            NotFoundError: there is none of this id.

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
        """Set what stands below each e-mail of a mailbox. Retried like a read.

        Args:
            smtp_id: the id of an SMTP mailbox.
            footer: HTML, in which `{{UNSUBSCRIBE}}` stands for the link to unsubscribe by; `None` or `""` removes it.
            options: for this call.

        Raises:
            ConfigError: the footer is no str; nothing was sent.
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
        """Begin to connect mailboxes by their passwords. The server tries each of them; see `wait_connected`.

        Never retried, unless the request was provably not sent or was refused with 429. A password is held
        as a `Secret`, and seen neither in errors nor in tracebacks.

        Args:
            mailboxes: 1 to 200, each a `NewMailbox` or a mapping of its fields.
            notify: how the user is told when it is done: `"MAIL"`, `"IN_APP"`, or both.
            options: for this call.

        Raises:
            ConfigError: a mailbox is invalid, or there are too many; nothing was sent.
            BadRequestError: the server accepts one of them not; `details` says which and why.
            OutcomeUnknownError: they may be being connected: check with `list` before trying again.

        Example:
            batch = await client.mailboxes.connect([{"smtp_email": "monica@example.com", ...}], notify=["MAIL"])
            summary = await client.mailboxes.wait_connected(batch.batch_id)

        Document: "Add mailboxes in bulk", `POST /v2/mailboxes/manual_connection/bulk`.
        """
        given = hidden(mailboxes)
        del mailboxes  # they may hold passwords as plain strings, and this frame is part of a traceback
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
        """How far the connecting of a batch is.

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
        """Wait until a batch is done. That mailboxes could not be connected is no error: the summary says so.

        It looks with pauses that grow from half a second to 15, at the priority `"bulk"`, and can be cancelled; the
        server goes on.

        Args:
            batch_id: what `connect` returned, or the `job` of an error.
            deadline: seconds to wait at most.
            on_progress: a plain function that is told the summary after each look, and how many seconds it took so far;
                what it raises ends the wait.
            options: for each look.

        Raises:
            DeadlineExceededError: the batch was not done in time; it can be waited for again.
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
    """What a mailbox is known by in a list: nobody says that the ids of its two halves never meet."""
    return (mailbox.type, mailbox.id)


def _rows(given: object) -> list[dict[str, Any]]:
    """Mailboxes as the API wants them."""
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
            f"{what}.sending_wait_time_from must be less than sending_wait_time_to: {shortest} is not, with {longest}"
        )
    return {name: value for name, value in row.items() if value is not None}


def _password(value: object, what: str) -> Secret:
    if not isinstance(value, Secret):
        kind = "an empty str" if value == "" else type(value).__name__
        raise ConfigError(f"{what} must be a str or a Secret, and not be empty: it is {kind}")
    if not value.reveal().strip():
        raise ConfigError(f"{what} is blank")
    return value


def _html(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{what} must be a str, not {type(value).__name__}")
    if not value.strip():
        raise ConfigError(f"{what} is blank: leave it out to have none")
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
