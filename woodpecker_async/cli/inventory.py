"""`woodpecker-async inventory`: which keys exist, by fingerprint, and what changed between two inventories."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from woodpecker_async.cli import files, output, process, terminal
from woodpecker_async.cli.chosen import Chosen, companies_options
from woodpecker_async.cli.connection import Connection, connected, connection_options, display_options
from woodpecker_async.cli.gather import Gathered, gather, whole_file
from woodpecker_async.cli.groups import Group
from woodpecker_async.cli.layout import Column, Layout, Record
from woodpecker_async.cli.process import UsageError

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession

_KIND: Final = "woodpecker-async inventory"
_VERSION: Final = 1
_NAMED: Final = 10  # companies in a message


@click.group(cls=Group)
def inventory() -> None:
    """Save which keys exist, without the secrets, and compare two saved inventories.

    An inventory contains the names of the companies, and the label and fingerprint of each key (the first 12
    hexadecimal digits of its SHA-256).
    """


@inventory.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@companies_options(required=False)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@connection_options
@click.pass_obj
def save(
    connection: Connection,
    file: Path,
    chosen: Chosen,
    force: bool,
) -> int:
    """Save an inventory of all keys to FILE (mode 0600); - is stdout.

    Companies that cannot be listed are recorded as unknown.
    """
    with whole_file(file, force=force) as write:

        async def work(woodpecker: "WoodpeckerSession") -> int:
            gathered = await gather(woodpecker, chosen, connection)
            write(json.dumps(_saved(gathered, chosen), indent=1) + "\n")
            gathered.tell(connection)
            if str(file) != "-":
                connection.note(f"Saved to {file}.")
            return process.DONE if gathered.whole else process.SOME_FAILED

        return connected(connection, work)


@inventory.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@output.output_options()
@display_options
@click.pass_obj
def diff(connection: Connection, before: Path, after: Path, out: output.Output) -> int:
    """Show what changed between two saved inventories, without contacting the API.

    Exits with 0 if nothing changed, and with 3 if something changed, or if a company could not be compared because a
    failure left it missing or unknown in one of the inventories.
    """
    first, second = _load(before), _load(after)
    if first.selection != second.selection:
        raise UsageError(f"{before} and {after} cover different companies: save both with the same options")
    if first.account != second.account:
        terminal.echo_err(
            f"The inventories were saved with different API keys or base URLs ({first.account}, {second.account}); "
            "each API key lists only the keys that its own user created."
        )
    found = list(changes(first, second))
    with out.opened(_LAYOUT, connection.note) as printer:
        for change in found:
            printer.add(change)
        if found or out.format_ != "table" or out.path:  # a header alone would make cron send a mail
            printer.finish()
    unknown = sorted(first.unknown | second.unknown)
    if unknown:
        named = ", ".join(map(str, unknown[:_NAMED])) + (", ..." if len(unknown) > _NAMED else "")
        terminal.echo_err(f"Not compared because they could not be listed: {named}")
    for path, inventory_ in ((before, first), (after, second)):
        if inventory_.unsettled:
            terminal.echo_err(f"A company or a key may be missing in {path}: lists changed while being read.")
    connection.note(terminal.count(len(found), "change"))
    doubtful = unknown or first.unsettled or second.unsettled
    return process.SOME_FAILED if found or doubtful else process.DONE


_LAYOUT: Final = Layout(
    (
        Column("change", "Change", whole=True),
        Column("company_id", "Company", whole=True),
        Column("company_name", "Name", spare=2),
        Column("label", "Label"),
        Column("label_before", "Label before", spare=1),
        Column("fingerprint", "Fingerprint", whole=True),
    ),
    table_rows=lambda record: [{**record, "change": record["change"].replace("_", " ")}],
    table="changes",
)


@dataclass(frozen=True)
class Inventory:
    """A saved inventory.

    Attributes:
        account: the account the keys belong to.
        selection: which companies it covers.
        names: the name of each company.
        keys: for each company that could be listed, the label of each key, by fingerprint.
        unknown: companies that could not be listed.
        unsettled: something may be missing.
    """

    account: str
    selection: Any
    names: Mapping[int, str | None]
    keys: Mapping[int, Mapping[str, str | None]]
    unknown: frozenset[int]
    unsettled: bool


def _saved(gathered: Gathered, chosen: Chosen) -> dict[str, Any]:
    report = gathered.report
    return {
        "kind": _KIND,
        "version": _VERSION,
        "account": gathered.account,
        "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "selection": {"companies": None if chosen.ids is None else list(chosen.ids), "active": chosen.active},
        "unsettled": report.unsettled or bool(report.drifted),
        "companies": [
            {
                "id": outcome.company_id,
                "name": None if outcome.company is None else outcome.company.name,
                "status": "ok" if outcome.ok else "inactive" if outcome.inactive else "failed",
                "keys": [{"fingerprint": key.api_key.fingerprint, "label": key.label} for key in outcome.keys],
            }
            for outcome in gathered.outcomes
        ],
    }


def changes(before: Inventory, after: Inventory) -> Iterator[Record]:
    """What appeared, vanished or was relabelled, company by company.

    Companies that could not be listed in one of the inventories are left out. For a company that is inactive in one
    of them, only the change of state is reported: its keys do not count as vanished.
    """
    compared = (before.names.keys() | after.names.keys()) - before.unknown - after.unknown
    for company in sorted(compared):
        name = after.names.get(company, before.names.get(company))

        def change(kind: str, company: int = company, name: str | None = name, **key: str | None) -> Record:
            return {
                "change": kind,
                "company_id": company,
                "company_name": name,
                "label": None,
                "label_before": None,
                "fingerprint": None,
                **key,
            }

        if company not in before.names:
            yield change("company_appeared")
        elif company not in after.names:
            yield change("company_vanished")
        then, now = before.keys.get(company), after.keys.get(company)
        if (then is None and company in before.names) or (now is None and company in after.names):
            if (then is None) != (now is None):
                yield change("company_deactivated" if now is None else "company_activated")
            continue
        then, now = then or {}, now or {}
        for fingerprint in sorted(then.keys() - now.keys()):
            yield change("key_vanished", fingerprint=fingerprint, label_before=then[fingerprint])
        for fingerprint in sorted(now.keys() - then.keys()):
            yield change("key_appeared", fingerprint=fingerprint, label=now[fingerprint])
        for fingerprint in sorted(now.keys() & then.keys()):
            if now[fingerprint] != then[fingerprint]:
                yield change(
                    "key_relabelled",
                    fingerprint=fingerprint,
                    label=now[fingerprint],
                    label_before=then[fingerprint],
                )


def _load(path: Path) -> Inventory:
    try:
        saved = json.loads(files.read_report(path))
        if saved["kind"] != _KIND:
            raise KeyError("kind")
        if saved["version"] != _VERSION:
            raise UsageError(f"{path} is an inventory of version {saved['version']!r}, not of version {_VERSION}")
        companies = saved["companies"]
        names = {_id(company["id"]): _text(company["name"]) for company in companies}
        if len(names) < len(companies):
            raise ValueError("a company twice")
        return Inventory(
            account=str(saved["account"]),
            selection=saved["selection"],
            names=names,
            keys={
                company["id"]: {_fingerprint(key["fingerprint"]): _text(key["label"]) for key in company["keys"]}
                for company in companies
                if company["status"] == "ok"
            },
            unknown=frozenset(company["id"] for company in companies if company["status"] not in ("ok", "inactive")),
            unsettled=saved["unsettled"] is not False,
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{path} is not a saved inventory: create one with `inventory save`") from None


def _id(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _text(value: object) -> str | None:
    if not isinstance(value, str | None):
        raise TypeError
    return value


def _fingerprint(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
