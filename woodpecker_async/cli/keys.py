"""`woodpecker-async keys`: the API keys of client companies."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from woodpecker_async.cli import output
from woodpecker_async.cli.audit import audit
from woodpecker_async.cli.chosen import Chosen, companies_options
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.ensure import ensure
from woodpecker_async.cli.groups import Group
from woodpecker_async.cli.issue import create
from woodpecker_async.cli.layout import Column, Layout, Record
from woodpecker_async.cli.report import report
from woodpecker_async.cli.runs import Saved, Source, Work, perform, run_options, summary
from woodpecker_async.cli.selection import Shown, selection_options
from woodpecker_async.cli.sweep import sweep

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.bulk import Outcome


@click.group(cls=Group)
def keys() -> None:
    """API keys of client companies.

    Keys are masked unless you give --reveal.
    """


keys.add_command(create)
keys.add_command(ensure)
keys.add_command(sweep)
keys.add_command(audit)
keys.add_command(report)


# ---- list


def _csv_rows(record: Record) -> Iterator[Record]:
    # A company without keys, or one that failed, has one row; the status tells them apart.
    error = record["error"]
    rest = {**record, "error": None if error is None else f"{error['type']}: {error['message']}"}
    yield from ({**rest, **key} for key in record["keys"] or [{}])


def _table_rows(record: Record) -> Iterator[Record]:
    if record["error"] is not None:
        yield {**record, "api_key": "(inactive)" if record["error"]["inactive"] else "(failed)"}
    elif not record["keys"]:
        yield {**record, "api_key": "(no keys)"}
    for key in record["keys"]:
        yield {**record, **key, "label": key["label"] or "(no label)"}


LAYOUT: Final = Layout(
    (
        Column("company_id", "Company", whole=True, once=True),
        Column("company_name", "Name", once=True, spare=1),
        Column("active", "Active", whole=True, once=True, spare=2),
        Column("status"),
        Column("label", "Label"),
        Column("api_key", "API key", whole=True),
        Column("fingerprint"),
        Column("error"),
    ),
    table_rows=_table_rows,
    csv_rows=_csv_rows,
    table="keys",
)


@keys.command("list")
@companies_options()
@output.output_options(reveal=True)
@selection_options(LAYOUT)
@run_options
@connection_options
@click.pass_obj
def list_(
    connection: Connection,
    chosen: Chosen,
    out: output.Output,
    shown: Shown,
    report_file: Path | None,
    resume_file: Path | None,
) -> int:
    """List the API keys of many companies.

    If listing a company fails, the run goes on: the company is reported on stderr, and the exit code is 3.
    Companies that cannot be listed because they are inactive are reported too, but do not count as failed.

    A list that changes while it is being read is read again, at most three times in all. If it still changes, a
    message on stderr says that a company or a key may be missing, and the exit code is 3.

    --label, --without-label, --duplicates and --no-keys leave out companies without a match, and companies that
    could not be listed. With --fields, --sort or --limit, JSON has one entry per key, like the rows of CSV.
    """
    saved = Saved.read("list", report_file, resume_file, out.path)
    resumes = saved.resume is not None
    shown.check(resumes=resumes)
    layout = shown.shape.layout(LAYOUT)
    has_keys = not shown.selection.no_keys and any(column.name == "api_key" for column in layout.columns)

    async def work(woodpecker: "WoodpeckerSession") -> int:
        from woodpecker_async import bulk  # noqa: PLC0415 - not for --help

        listing = Work(
            title="Listing keys",
            done="listed",
            start=lambda companies: bulk.list_api_keys(woodpecker, companies, resume=saved.resume),
            records=lambda outcome: (record_of(outcome, out),),
            summary=summary,
            remark=""
            if out.reveal or not has_keys
            else "The keys in {} are masked; use --reveal to write them in full.",
        )
        await saved.check(woodpecker, chosen)
        source = Source(woodpecker, chosen, saved)
        selecting = shown.over(printer, LAYOUT, connection.note)
        return await perform(listing, source, saved, save, out, selecting, connection)

    with saved.opened() as save, out.opened(layout, connection.note, resumes=resumes) as printer:
        return connected(connection, work)


def record_of(outcome: "Outcome", out: output.Output) -> dict[str, Any]:
    """The record for a company and its keys."""
    company, error = outcome.company, outcome.error
    return {
        "company_id": outcome.company_id,
        "company_name": None if company is None else company.name,
        "active": None if company is None else company.active,
        "ok": outcome.ok,
        "status": _status(outcome),
        "keys": [
            {"label": key.label, "api_key": out.shown(key.api_key), "fingerprint": key.api_key.fingerprint}
            for key in outcome.keys
        ],
        "error": None
        if error is None
        else {"type": type(error).__name__, "message": str(error), "inactive": outcome.inactive},
    }


def _status(outcome: "Outcome") -> str:
    """The company's status, in a word."""
    if outcome.error is not None:
        return "inactive" if outcome.inactive else "failed"
    if outcome.drifted:
        return "incomplete"
    return "ok" if outcome.keys else "no keys"
