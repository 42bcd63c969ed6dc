"""`woodpecker-async companies`: the agency's client companies."""

from typing import TYPE_CHECKING, Final

import click

from woodpecker_async.cli import output, process
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.output import Column

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.models import Company

_LAYOUT: Final = output.Layout(
    (
        Column("id", "Company", whole=True),
        Column("name", "Name"),
        Column("active", "Active", whole=True),
        Column("owner", "Owner"),
        Column("running_campaigns", "Campaigns", whole=True),
        Column("email_slots", "E-mail slots", whole=True),
        Column("linkedin_slots", "LinkedIn slots", whole=True),
    )
)


@click.group()
def companies() -> None:
    """Client companies of the agency."""


@companies.command("list")
@click.option("--active/--inactive", default=None, help="Only the active ones, or only the others; by default all.")
@output.format_option
@connection_options
@click.pass_obj
def list_(connection: Connection, active: bool | None, format_: str) -> int:
    """List the agency's client companies."""

    async def work(woodpecker: "WoodpeckerSession") -> int:
        printer = output.Printer(format_, _LAYOUT)
        pager = woodpecker.agency.companies.list(active=active)
        count = 0
        with output.progress("Listing companies", "companies", wanted=connection.shows_progress(format_)) as bar:
            async for page in pager.pages():
                bar.expect(page.total_elements)
                for company in page:
                    printer.add(_record(company))
                    bar.advance()
                count += len(page)
        printer.finish()
        if pager.drifted:
            connection.note(DRIFTED)
        connection.note(output.companies(count))
        return process.DONE

    return connected(connection, work)


DRIFTED: Final = "The list of companies changed while it was read; run it again to be sure that none is missing."


def _record(company: "Company") -> output.Record:
    return {
        "id": company.id,
        "name": company.name,
        "active": company.active,
        "owner": company.owner,
        "running_campaigns": company.running_campaigns,
        "email_slots": company.email_slots,
        "linkedin_slots": company.linkedin_slots,
    }
