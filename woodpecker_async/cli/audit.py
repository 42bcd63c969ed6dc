"""`woodpecker-async keys audit`: find problems with keys and labels."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

import click

from woodpecker_async.cli import output, process, terminal
from woodpecker_async.cli.chosen import Chosen, companies_options
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.gather import gather
from woodpecker_async.cli.layout import Column, Layout, Record
from woodpecker_async.cli.printers import Printer

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.bulk import Outcome

_NAMED: Final = 5  # companies in a cell


def _table_rows(record: Record) -> Iterator[Record]:
    missing = record["missing_at"]
    if missing:
        shown = ", ".join(map(str, missing[:_NAMED])) + (", ..." if len(missing) > _NAMED else "")
        detail = f"at {record['companies']} of {record['companies'] + len(missing)} companies; missing at {shown}"
    else:
        detail = terminal.count(record["keys"], "key") if record["keys"] else ""
    yield {**record, "finding": record["finding"].replace("_", " "), "detail": detail}


_LAYOUT: Final = Layout(
    (
        Column("finding", "Finding", whole=True),
        Column("company_id", "Company", whole=True),
        Column("company_name", "Name", spare=1),
        Column("label", "Label"),
        Column("keys"),
        Column("companies"),
        Column("missing_at"),
        Column("detail", "Detail"),
    ),
    table_rows=_table_rows,
    csv_rows=_table_rows,
    table="findings",
)


@click.command()
@companies_options(required=False)
@output.output_options()
@click.option("--exit-code", is_flag=True, help="Exit with 3 if there are findings.")
@connection_options
@click.pass_obj
def audit(
    connection: Connection,
    chosen: Chosen,
    out: output.Output,
    exit_code: bool,
) -> int:
    """Find companies without keys, keys without a label, and inconsistent labels.

    The findings are: no_keys (a company without keys), no_label (keys without a label), duplicate_label (several
    keys with the same label at a company), partial_label (a label that only some of the companies have). Tables and
    CSV have spaces in place of underscores.

    For a single label, `keys list` shows the companies that lack it (--without-label crm) and those that have it more
    than once (--label crm --duplicates). To see what changed since an earlier day, use `inventory save` and
    `inventory diff`.

    Changes nothing and prints no keys. The API does not list keys created by users other than the owner of your API
    key, so a company with the finding no_keys may have such keys. Companies that cannot be listed are reported on
    stderr and have no findings.
    """

    async def work(woodpecker: "WoodpeckerSession", printer: Printer) -> int:
        gathered = await gather(woodpecker, chosen, connection, out)
        found = list(findings(gathered.outcomes))
        for finding in found:
            printer.add(finding)
        if found or out.format_ != "table" or out.path:  # a header alone would make cron send a mail
            printer.finish()
        gathered.tell(connection)
        kinds = Counter(finding["finding"].replace("_", " ") for finding in found)
        connection.note("Found: " + (", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "nothing"))
        return process.SOME_FAILED if not gathered.whole or (exit_code and found) else process.DONE

    with out.opened(_LAYOUT, connection.note) as printer:
        return connected(connection, lambda woodpecker: work(woodpecker, printer))


def findings(outcomes: "Iterable[Outcome]") -> Iterator[Record]:
    """The findings about the keys of these companies.

    Labels are compared as NFC, as they are when keys are created.
    """
    listed = [outcome for outcome in outcomes if outcome.ok]
    holders: dict[str, list[Outcome]] = {}
    for outcome in listed:
        if not outcome.keys:
            yield _finding("no_keys", outcome)
        labels = Counter(normalize("NFC", key.label) for key in outcome.keys if key.label)
        if without := sum(1 for key in outcome.keys if not key.label):
            yield _finding("no_label", outcome, keys=without)
        for label, count in labels.items():
            holders.setdefault(label, []).append(outcome)
            if count > 1:
                yield _finding("duplicate_label", outcome, label=label, keys=count)
    for label, having in sorted(holders.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(having) < len(listed):
            ids = {outcome.company_id for outcome in having}
            missing = [outcome.company_id for outcome in listed if outcome.company_id not in ids]
            yield _finding("partial_label", None, label=label, companies=len(having), missing_at=missing)


def _finding(
    kind: str,
    outcome: "Outcome | None",
    *,
    label: str | None = None,
    keys: int | None = None,
    companies: int | None = None,
    missing_at: list[int] | None = None,
) -> Record:
    company = None if outcome is None else outcome.company
    return {
        "finding": kind,
        "company_id": None if outcome is None else outcome.company_id,
        "company_name": None if company is None else company.name,
        "label": label,
        "keys": keys,
        "companies": companies,
        "missing_at": missing_at or [],
    }
