"""`woodpecker-async webhooks subscribe` and `unsubscribe`."""

from collections.abc import AsyncGenerator
from typing import Any, Final
from urllib.parse import urlsplit

import click

from woodpecker_async.cli.changing import Change
from woodpecker_async.cli.connection import Connection
from woodpecker_async.cli.fields import without_secrets
from woodpecker_async.cli.layout import Column, Record
from woodpecker_async.cli.listing import At

EVENTS: Final = (
    *("campaign_completed", "campaign_sent", "campaign_paused_by_bounce_shield", "followup_after_autoreply"),
    *("email_opened", "link_clicked", "prospect_replied", "prospect_interested", "prospect_maybe_later"),
    *("prospect_not_interested", "prospect_autoreplied", "prospect_bounced", "prospect_invalid"),
    *("prospect_blacklisted", "prospect_opt_out", "prospect_non_responsive", "prospect_saved", "secondary_replied"),
    *("task_created", "task_done", "task_ignored", "linkedin_automation_connection_request_accepted"),
    *("linkedin_automation_account_connected", "linkedin_automation_account_disconnected"),
    *("linkedin_automation_direct_message_sent",),
)


def _check(_: Connection, target_url: str, events: tuple[str, ...]) -> dict[str, Any]:
    try:
        parts = urlsplit(target_url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.UsageError("URL must be an http or https URL, like https://example.com/woodpecker")
    if "****" in target_url:
        raise click.UsageError("this URL is masked: get the full URL from `webhooks list --reveal`")
    return {"target_url": target_url, "events": tuple(dict.fromkeys(events))}


def _row(target_url: str, event: str, status: str) -> Record:
    return {"event": event, "target_url": without_secrets(target_url), "status": status}


async def _there(at: At, target_url: str) -> set[str]:
    from woodpecker_async.settled import read_settled  # noqa: PLC0415 - not for --help

    read = await read_settled(at.account.webhooks.list())
    return {str(hook.event) for hook in read.items if hook.target_url == target_url}


async def _plan_subscribe(at: At, target_url: str, events: tuple[str, ...]) -> AsyncGenerator[Record, None]:
    there = await _there(at, target_url)
    for event in events:
        yield _row(target_url, event, "already there" if event in there else "would subscribe")


async def _subscribe(at: At, target_url: str, events: tuple[str, ...]) -> AsyncGenerator[Record, None]:
    there = await _there(at, target_url)
    for event in events:
        if event in there:
            yield _row(target_url, event, "already there")
            continue
        await at.account.webhooks.subscribe(target_url, event)
        yield _row(target_url, event, "subscribed")


async def _plan_unsubscribe(at: At, target_url: str, events: tuple[str, ...]) -> AsyncGenerator[Record, None]:
    there = await _there(at, target_url)
    for event in events:
        yield _row(target_url, event, "would unsubscribe" if event in there else "not found")


async def _unsubscribe(at: At, target_url: str, events: tuple[str, ...]) -> AsyncGenerator[Record, None]:
    there = await _there(at, target_url)
    for event in events:
        if event in there:
            await at.account.webhooks.unsubscribe(target_url, event)
        yield _row(target_url, event, "unsubscribed" if event in there else "not found")


_COLUMNS: Final = (
    Column("event", "Event", whole=True),
    Column("target_url", "URL"),
    Column("status", "Status", whole=True),
)
_OPTIONS: Final = (
    click.argument("target_url", metavar="URL"),
    click.argument(
        "events", metavar="EVENT...", nargs=-1, required=True, type=click.Choice(EVENTS, case_sensitive=False)
    ),
)

SUBSCRIBE: Final = Change(
    help=(
        "Subscribe a URL, http or https, to events.\n\n"
        f"EVENT is one or more of: {', '.join(EVENTS)}. Existing subscriptions stay. An event can be sent to at most "
        "three URLs."
    ),
    noun="event",
    columns=_COLUMNS,
    plan=_plan_subscribe,
    do=_subscribe,
    options=_OPTIONS,
    check=_check,
    look="webhooks list",
)

UNSUBSCRIBE: Final = Change(
    help="Unsubscribe a URL from events.\n\nGive URL and EVENT as `webhooks list --reveal` prints them.",
    noun="event",
    columns=_COLUMNS,
    plan=_plan_unsubscribe,
    do=_unsubscribe,
    options=_OPTIONS,
    check=_check,
    look="webhooks list",
)
