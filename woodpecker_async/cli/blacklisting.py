"""`woodpecker-async blacklist`: the lists, and the changes to them."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from woodpecker_async.cli import files
from woodpecker_async.cli.changing import Change
from woodpecker_async.cli.connection import Connection
from woodpecker_async.cli.layout import Column, Record
from woodpecker_async.cli.listing import At
from woodpecker_async.cli.process import UsageError

if TYPE_CHECKING:
    from woodpecker_async.pagination import Pager
    from woodpecker_async.resources.blacklist import AgencyBlacklist, Blacklist

_COLUMNS: Final = (
    Column("entry", "Entry"),
    Column("kind", "Kind", whole=True),
    Column("status", "Status", whole=True),
)


def kind(entry: str) -> str:
    """The kind of an entry."""
    return "address" if "@" in entry else "domain"


def _of(at: At) -> "AgencyBlacklist | Blacklist":
    return at.woodpecker.agency.blacklist if at.whole_agency else at.account.blacklist


def _split(entries: tuple[str, ...]) -> tuple[list[str], list[str]]:
    return [entry for entry in entries if "@" not in entry], [entry for entry in entries if "@" in entry]


def lists(at: At, only: tuple[str, ...] = (), **given: Any) -> "tuple[Pager[str], ...]":
    """The pagers of the domains and the addresses on a blacklist, all or only these."""
    here = _of(at)
    domains, addresses = map(tuple, _split(only))  # `()` means no filter
    return tuple(
        family.list(filter=wanted, per_page=500, **given)
        for family, wanted in ((here.domains, domains), (here.emails, addresses))
        if wanted or not only
    )


def _check(connection: Connection, entries: tuple[str, ...], entries_from: Path | None) -> dict[str, Any]:
    from woodpecker_async import checks  # noqa: PLC0415 - not for --help

    more: list[str] = []
    if entries_from is not None:
        text = files.read_list(entries_from, stdin_is_taken=connection.api_key_stdin)
        more = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    wanted = tuple(dict.fromkeys((*entries, *more)))
    if not wanted:
        raise click.UsageError("say which domains or addresses: ENTRY or --from FILE")
    for entry in wanted:
        (checks.email if "@" in entry else checks.domain)(entry, "an entry")
    return {"entries": wanted}


async def _there(at: At) -> set[str]:
    from woodpecker_async.settled import read_settled  # noqa: PLC0415 - not for --help

    return {entry.casefold() for pager in lists(at) for entry in (await read_settled(pager)).items}


def _row(entry: str, status: str) -> Record:
    return {"entry": entry, "kind": kind(entry), "status": status}


async def _plan_add(at: At, entries: tuple[str, ...]) -> AsyncGenerator[Record, None]:
    there = await _there(at)
    for entry in entries:
        yield _row(entry, "already there" if entry.casefold() in there else "would add")


async def _add(at: At, entries: tuple[str, ...]) -> AsyncGenerator[Record, None]:
    here = _of(at)
    domains, addresses = _split(entries)
    if domains:
        await here.domains.add(domains)
        for entry in domains:
            yield _row(entry, "added")
    if addresses:
        await here.emails.add(addresses)
        for entry in addresses:
            yield _row(entry, "added")


def _check_remove(at: At, entries: tuple[str, ...]) -> None:
    if at.whole_agency and _split(entries)[1]:
        raise UsageError("the API does not document how to remove addresses from the agency's blacklist, only domains")


async def _plan_remove(at: At, entries: tuple[str, ...]) -> AsyncGenerator[Record, None]:
    _check_remove(at, entries)
    there = await _there(at)
    for entry in entries:
        yield _row(entry, "would remove" if entry.casefold() in there else "not found")


async def _remove(at: At, entries: tuple[str, ...]) -> AsyncGenerator[Record, None]:
    _check_remove(at, entries)
    domains, addresses = _split(entries)
    if at.whole_agency:  # its response does not say which entries were on the list
        await at.woodpecker.agency.blacklist.domains.remove(domains)
        for entry in domains:
            yield _row(entry, "removed")
        return
    here = at.account.blacklist
    for family, wanted in ((here.domains, domains), (here.emails, addresses)):
        if wanted:
            gone = {entry.casefold() for entry in await family.remove(wanted)}
            for entry in wanted:
                yield _row(entry, "removed" if entry.casefold() in gone else "not found")


_OPTIONS: Final = (
    click.argument("entries", metavar="[ENTRY]...", nargs=-1),
    click.option(
        "--from",
        "entries_from",
        metavar="FILE",
        type=click.Path(path_type=Path, allow_dash=True),
        help="More entries, from a file with one per line; - is stdin.",
    ),
)

ADD: Final = Change(
    help=(
        "Add domains and addresses that must not be written to.\n\n"
        "ENTRY is a domain or an e-mail address. Entries that are already on the list stay on it. With --agency, "
        "they apply to all companies of the agency."
    ),
    noun="entry",
    columns=_COLUMNS,
    plan=_plan_add,
    do=_add,
    options=_OPTIONS,
    check=_check,
    whole_agency=True,
    look="blacklist list",
)

REMOVE: Final = Change(
    help=(
        "Remove domains and addresses from the blacklist.\n\n"
        "Prospects that are already blacklisted stay blacklisted. Addresses cannot be removed from the "
        "agency's list, because the API does not document how."
    ),
    noun="entry",
    columns=_COLUMNS,
    plan=_plan_remove,
    do=_remove,
    options=_OPTIONS,
    check=_check,
    whole_agency=True,
    look="blacklist list",
)
