"""`woodpecker-async keys report`: an HTML page for a client or an auditor."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from woodpecker_async import __version__
from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.chosen import Chosen, companies_options
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.gather import Gathered, gather, whole_file

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.bulk import Outcome
    from woodpecker_async.cli.page import Client


@click.command()
@click.option(
    "--html",
    "html_file",
    metavar="FILE",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    help="Write the page to this file (mode 0600); - is stdout.",
)
@companies_options(required=False)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@connection_options
@click.pass_obj
def report(
    connection: Connection,
    html_file: Path,
    chosen: Chosen,
    force: bool,
) -> int:
    """Create an HTML page that shows all keys, masked, for a client or an auditor.

    It is a single HTML file that loads nothing else and contains no keys: they are masked, and identified by their
    fingerprints. It has totals, charts, the companies without keys, and a table to sort and filter. If a company
    failed, or something may be missing, the page says so, and the exit code is 3.
    """
    with whole_file(html_file, force=force) as write:

        async def work(woodpecker: "WoodpeckerSession") -> int:
            from woodpecker_async.cli.page import page  # noqa: PLC0415 - not for --help

            gathered = await gather(woodpecker, chosen, connection)
            text = page(
                [_client(outcome) for outcome in gathered.outcomes],
                account="an embedded sandbox" if connection.sandbox else gathered.account,
                made_at=datetime.now(UTC),
                warnings=_warnings(gathered),
                version=__version__,
            )
            write(text)
            gathered.tell(connection)
            if str(html_file) != "-":
                connection.note(f"Written to {html_file}.")
            return process.DONE if gathered.whole else process.SOME_FAILED

        return connected(connection, work)


def _client(outcome: "Outcome") -> "Client":
    from woodpecker_async.cli.page import Client, Key  # noqa: PLC0415 - not for --help

    company, failure = outcome.company, None
    if outcome.error is not None:
        # The error's text is for the user of the command: it may quote the server, and mentions requests.
        failure = "inactive" if outcome.inactive else "failed"
    return Client(
        id=outcome.company_id,
        name=None if company is None else company.name,
        active=None if company is None else company.active,
        keys=tuple(Key(key.label, key.api_key.masked, key.api_key.fingerprint) for key in outcome.keys),
        failure=failure,
    )


def _warnings(gathered: Gathered) -> Iterator[str]:
    run = gathered.report
    if failed := run.failed - len(run.inactive):
        yield f"This page is not complete: the keys of {terminal.companies(failed)} could not be listed."
    if run.unsettled:
        yield "The list of companies changed each time it was read: a company may be missing."
    if run.drifted:
        changed = terminal.companies(len(run.drifted))
        yield f"The keys of {changed} changed each time they were listed: some may be missing."
