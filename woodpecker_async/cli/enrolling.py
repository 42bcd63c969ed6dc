"""`woodpecker-async prospects add`."""

import csv
import io
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any, Final

import click

from woodpecker_async.cli import files, terminal
from woodpecker_async.cli.changing import Change
from woodpecker_async.cli.connection import Connection
from woodpecker_async.cli.ids import ID
from woodpecker_async.cli.layout import Column, Record
from woodpecker_async.cli.listing import At
from woodpecker_async.cli.process import UsageError
from woodpecker_async.cli.slips import suggestion

Prospect = dict[str, Any]

_REFUSED: Final = "refused"
_LOOKED_UP: Final = 1_000  # bytes of addresses in one URL, whose escapes may be five times as long


def _check(
    connection: Connection,
    emails: tuple[str, ...],
    prospects_from: Path | None,
    fields: tuple[str, ...],
    campaign_id: int | None,
    update: bool,
) -> dict[str, Any]:
    from woodpecker_async.errors import ConfigError  # noqa: PLC0415 - not for --help
    from woodpecker_async.resources.prospect_wire import entries  # noqa: PLC0415

    given = dict(_field(field) for field in fields)
    prospects: list[Prospect] = [{**given, "email": email} for email in emails]
    if prospects_from is not None:
        text = files.read_list(prospects_from, stdin_is_taken=connection.api_key_stdin)
        prospects += ({**given, **row} for row in _rows(text, str(prospects_from)))
    if not prospects:
        raise click.UsageError("say which prospects: EMAIL or --from FILE")
    seen: set[str] = set()
    for prospect in prospects:
        folded = prospect["email"].casefold()
        if folded in seen:
            raise UsageError(f"{prospect['email']} is named twice")
        seen.add(folded)
        try:
            entries([prospect], update=update)
        except ConfigError as error:
            raise UsageError(f"{prospect['email'] or 'a row'}: {_plain(str(error))}") from None
    return {"prospects": tuple(prospects), "campaign_id": campaign_id, "update": update}


def _plain(text: str) -> str:
    return text.replace("prospects[0].", "").replace("prospects[0]", "it").replace("update=True", "--update")


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.UsageError(f"--field must be NAME=VALUE, not {text!r}")
    if name == "email":
        raise click.UsageError("give addresses as arguments, or in the --from file")
    return _known(name, "--field"), _value(name, value, "--field")


def _known(name: str, where: str) -> str:
    import attrs  # noqa: PLC0415

    from woodpecker_async.models import NewProspect  # noqa: PLC0415

    names = [field.name for field in attrs.fields(NewProspect)]
    if name not in names:
        raise UsageError(f"{where}: a prospect has no field {name!r}; {suggestion(name, names)}")
    return name


def _value(name: str, text: str, where: str) -> Any:
    if name != "organization_id":
        return text
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{where}: organization_id must be an integer, not {text!r}")
    return int(text)


def _rows(text: str, source: str) -> Iterator[Prospect]:
    """The rows of a CSV file with a header; empty cells are left out."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = [_known(name.strip().lower().replace(" ", "_"), source) for name in next(rows, ())]
        if "email" not in names or len(set(names)) < len(names):
            raise UsageError(f"{source}: the first line must name the columns, including email, without repetitions")
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(names):
                raise UsageError(f"{source}, line {rows.line_num}: there are {len(row)} cells for {len(names)} columns")
            cells = {name: cell.strip() for name, cell in zip(names, row, strict=True)}
            at = f"{source}, line {rows.line_num}"
            if not cells["email"]:
                raise UsageError(f"{at}: the e-mail address is missing")
            yield {name: _value(name, cell, at) for name, cell in cells.items() if cell}
    except csv.Error as error:
        raise UsageError(f"{source}, line {rows.line_num}: {error}") from None


def _row(prospect: Prospect, status: str, why: str | None = None) -> Record:
    return {"email": prospect["email"], "status": status, "why": why}


async def _plan(
    at: At, prospects: tuple[Prospect, ...], campaign_id: int | None, update: bool
) -> AsyncGenerator[Record, None]:
    campaigns = () if campaign_id is None else (campaign_id,)
    for part in _parts(prospects):
        wanted = {"email": [prospect["email"] for prospect in part]}
        found = at.account.prospects.list(search=wanted, campaign_ids=campaigns)
        there = {prospect.email.casefold() async for prospect in found if prospect.email}
        for prospect in part:
            known = prospect["email"].casefold() in there
            yield _row(prospect, ("would update" if update else "already there") if known else "would add")


def _parts(prospects: tuple[Prospect, ...]) -> Iterator[list[Prospect]]:
    part: list[Prospect] = []
    length = 0
    for prospect in prospects:
        length += len(prospect["email"].encode()) + 1
        if part and length > _LOOKED_UP:
            yield part
            part, length = [], len(prospect["email"].encode()) + 1
        part.append(prospect)
    yield part


async def _add(
    at: At, prospects: tuple[Prospect, ...], campaign_id: int | None, update: bool
) -> AsyncGenerator[Record, None]:
    family = at.account.prospects
    if campaign_id is None:
        added = await family.add(prospects, update=update)
    else:
        added = await family.add_to_campaign(campaign_id, prospects, update=update)
    for prospect, row in zip(prospects, added, strict=True):
        if not row.ok:
            why = ": ".join(filter(None, (row.code, row.msg))) or "the response does not mention this prospect"
            yield _row(prospect, _REFUSED, why)
            continue
        there = (row.prospect if campaign_id is None else row.prospect_campaign) == "DUPLICATE"
        # With --update the response may not distinguish the two.
        yield _row(prospect, "added or updated" if update else "already there" if there else "added")


def _question(at: At, given: dict[str, Any]) -> str:
    if given["campaign_id"] is None:
        return ""
    many = terminal.count(len(given["prospects"]), "prospect")
    return f"This adds {many} to campaign {given['campaign_id']} of {at}; if it is running, it writes to them"


ADD: Final = Change(
    help=(
        "Add prospects to an account and, with --campaign, to one of its campaigns.\n\n"
        "EMAIL is an address. --from FILE is a CSV file whose first line names its columns: email, and any other "
        "fields of prospects, such as first_name, last_name, company, tags or snippet1. Existing prospects stay "
        "unchanged unless you give --update.\n\n"
        "A running campaign writes to prospects that are added to it, so --campaign asks for confirmation unless you "
        "give --yes. If the server refuses a prospect, its row says why, and the exit code is 3. The request is never "
        "retried: if its response is lost, check with `prospects list --search`."
    ),
    noun="prospect",
    columns=(
        Column("email", "E-mail"),
        Column("status", "Status", whole=True),
        Column("why", "Why"),
    ),
    plan=_plan,
    do=_add,
    options=(
        click.argument("emails", metavar="[EMAIL]...", nargs=-1),
        click.option(
            "--from",
            "prospects_from",
            metavar="FILE",
            type=click.Path(path_type=Path, allow_dash=True),
            help="More prospects, from a CSV file; - is stdin.",
        ),
        click.option(
            "--field",
            "fields",
            metavar="NAME=VALUE",
            multiple=True,
            help="A field for each prospect for which the CSV file has no value; repeatable.",
        ),
        click.option("--campaign", "campaign_id", type=ID, metavar="ID", help="Also add them to this campaign."),
        click.option("--update", is_flag=True, help="Update existing prospects."),
    ),
    check=_check,
    asks=_question,
    fails=frozenset({_REFUSED}),
    look="prospects list",
)
