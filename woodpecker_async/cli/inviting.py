"""`woodpecker-async guests invite` and `set-permissions`."""

from collections.abc import AsyncGenerator
from typing import Any, Final

import click

from woodpecker_async.cli import terminal
from woodpecker_async.cli.changing import Change
from woodpecker_async.cli.connection import Connection
from woodpecker_async.cli.ids import ID
from woodpecker_async.cli.layout import Column, Record
from woodpecker_async.cli.listing import At
from woodpecker_async.cli.process import UsageError

_MOST: Final = 10  # in one invitation

_PERMISSION: Final = click.option(
    "--permission",
    "permissions",
    metavar="WORD",
    multiple=True,
    type=click.Choice(("mailboxes",)),
    help="What guests may see in addition to campaigns: mailboxes.",
)


def _check_invitation(_: Connection, guests: tuple[str, ...], permissions: tuple[str, ...]) -> dict[str, Any]:
    from email.utils import parseaddr  # noqa: PLC0415 - not for --help

    from woodpecker_async import checks  # noqa: PLC0415

    if len(guests) > _MOST:
        raise click.UsageError(f"at most {_MOST} guests can be invited at once, not {len(guests)}")
    invited = {}
    for given in guests:
        name, email = parseaddr(given)
        if not (name and email):
            raise click.UsageError(f"a guest must be given as 'NAME <ADDRESS>', in quotes, not as {given!r}")
        email = checks.email(email, "a guest's address")
        if email in invited:
            raise click.UsageError(f"{email} is named twice")
        invited[email] = {"name": name, "email": email, "permissions": permissions}
    return {"guests": tuple(invited.values())}


async def _guests(at: At) -> list[Any]:
    from woodpecker_async.settled import read_settled  # noqa: PLC0415 - not for --help

    assert at.company is not None
    return list((await read_settled(at.woodpecker.agency.users.list(at.company, role="guest"))).items)


def _guest(guest: dict[str, Any], status: str, guest_id: int | None = None) -> Record:
    shown = {"id": guest_id, "name": guest["name"], "email": guest["email"]}
    return {**shown, "guest_permissions": list(guest["permissions"]), "status": status}


async def _plan_invitation(at: At, guests: tuple[dict[str, Any], ...]) -> AsyncGenerator[Record, None]:
    there = {guest.email.casefold(): guest.id for guest in await _guests(at)}
    for guest in guests:
        known = there.get(guest["email"].casefold())
        yield _guest(guest, "would invite" if known is None else "would invite again", known)


async def _invite(at: At, guests: tuple[dict[str, Any], ...]) -> AsyncGenerator[Record, None]:
    assert at.company is not None
    await at.woodpecker.agency.guests.invite(at.company, guests)
    for guest in guests:
        yield _guest(guest, "invited")


_COLUMNS: Final = (
    Column("id", "ID", whole=True),
    Column("name", "Name"),
    Column("email", "E-mail"),
    Column("guest_permissions", "Permissions"),
    Column("status", "Status", whole=True),
)

INVITE: Final = Change(
    help=(
        "Invite guests to view a company: all of them or none. Each gets an e-mail.\n\n"
        "GUEST is 'NAME <ADDRESS>', in quotes; at most ten. Guests who were invited before and have not accepted get "
        "the e-mail again. Asks for confirmation unless you give --yes. The request is never retried: if its response "
        "is lost, check with `guests list`."
    ),
    noun="guest",
    columns=_COLUMNS,
    plan=_plan_invitation,
    do=_invite,
    options=(click.argument("guests", metavar="GUEST...", nargs=-1, required=True), _PERMISSION),
    check=_check_invitation,
    whose="company",
    asks=lambda at, given: f"This sends an e-mail to {terminal.count(len(given['guests']), 'guest')} of {at}",
    look="guests list",
)


def _check_permissions(
    _: Connection, guest_ids: tuple[int, ...], permissions: tuple[str, ...], nothing: bool
) -> dict[str, Any]:
    if nothing == bool(permissions):
        raise click.UsageError("say what the guests may see: --permission WORD or --none")
    return {"guest_ids": tuple(dict.fromkeys(guest_ids)), "permissions": permissions}


async def _named(at: At, guest_ids: tuple[int, ...]) -> list[Any]:
    there = {guest.id: guest for guest in await _guests(at)}
    if missing := [guest_id for guest_id in guest_ids if guest_id not in there]:
        raise UsageError(f"{at} has no guest {missing[0]}; see: woodpecker-async guests list --company {at.company}")
    return [there[guest_id] for guest_id in guest_ids]


async def _plan_permissions(
    at: At, guest_ids: tuple[int, ...], permissions: tuple[str, ...]
) -> AsyncGenerator[Record, None]:
    for guest in await _named(at, guest_ids):
        same = set(guest.guest_permissions or ()) == set(permissions)
        shown = {"name": guest.name, "email": guest.email, "permissions": permissions}
        yield _guest(shown, "already set" if same else "would set", guest.id)


async def _set_permissions(
    at: At, guest_ids: tuple[int, ...], permissions: tuple[str, ...]
) -> AsyncGenerator[Record, None]:
    assert at.company is not None
    named = await _named(at, guest_ids)
    await at.woodpecker.agency.guests.set_permissions(at.company, dict.fromkeys(guest_ids, permissions))
    for guest in named:
        yield _guest({"name": guest.name, "email": guest.email, "permissions": permissions}, "set", guest.id)


SET_PERMISSIONS: Final = Change(
    help=(
        "Set what guests of a company may see, replacing their current permissions.\n\n"
        "GUEST_ID is an ID from `guests list`."
    ),
    noun="guest",
    columns=_COLUMNS,
    plan=_plan_permissions,
    do=_set_permissions,
    options=(
        click.argument("guest_ids", metavar="GUEST_ID...", nargs=-1, required=True, type=ID),
        _PERMISSION,
        click.option("--none", "nothing", is_flag=True, help="Campaigns only: remove all permissions."),
    ),
    check=_check_permissions,
    whose="company",
    look="guests list",
)
