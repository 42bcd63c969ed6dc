"""`woodpecker-async companies`: the agency's client companies."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import click

from woodpecker_async.cli import output, process, progress, terminal
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.groups import Group
from woodpecker_async.cli.layout import Column, Layout, Record
from woodpecker_async.cli.new_companies import create
from woodpecker_async.cli.printers import Printer
from woodpecker_async.cli.selection import SelectingPrinter, Shown, shape_options

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.models import Company

_LAYOUT: Final = Layout(
    (
        Column("id", "Company", whole=True),
        Column("name", "Name"),
        Column("active", "Active", whole=True),
        Column("owner", "Owner", spare=1),
        Column("running_campaigns", "Campaigns", whole=True, spare=2),
        Column("email_slots", "E-mail slots", whole=True, spare=3),
        Column("linkedin_slots", "LinkedIn slots", whole=True, spare=4),
    ),
    table="companies",
)


@click.group(cls=Group)
def companies() -> None:
    """Client companies of the agency."""


@companies.command("list")
@click.option("--active/--inactive", default=None, help="Only active companies, or only inactive ones; default: all.")
@output.output_options()
@shape_options(_LAYOUT)
@connection_options
@click.pass_obj
def list_(connection: Connection, active: bool | None, out: output.Output, shown: Shown) -> int:
    """List the agency's client companies.

    If the list changes while it is being read, it is read again, at most three times in all. If it still changes, a
    message on stderr says that a company may be missing, and the exit code is 3.
    """

    async def work(woodpecker: "WoodpeckerSession", printer: Printer | SelectingPrinter) -> int:
        count = 0
        with progress.progress("Listing companies", "companies", wanted=connection.shows_progress(out)) as bar:
            everything = AllCompanies(woodpecker, active)
            async with aclosing(everything.read(bar)) as found:
                async for company in found:
                    printer.add(_record(company))
                    bar.advance()
                    count += 1
        printer.finish()
        if everything.unsettled:
            terminal.echo_err(UNSETTLED)
        connection.note(terminal.companies(count))
        return process.SOME_FAILED if everything.unsettled else process.DONE

    with out.opened(shown.shape.layout(_LAYOUT), connection.note) as printer:
        shaping = shown.over(printer, _LAYOUT, connection.note)
        return connected(connection, lambda woodpecker: work(woodpecker, shaping))


companies.add_command(create)


UNSETTLED: Final = (
    "The list of companies changed each time it was read, or did not have its announced length: a company may be "
    "missing. Run the command again."
)


class AllCompanies:
    """The agency's companies, each once. Their list is read again if it changes while being read.

    Attributes:
        total: how many there are, once known.
        requests: how many requests it took to list them.
        unsettled: the list changed each time it was read, so a company may be missing.
    """

    def __init__(self, woodpecker: "WoodpeckerSession", active: bool | None) -> None:
        self._pager = woodpecker.agency.companies.list(active=active)
        self.total: int | None = None
        self.requests = 0
        self.unsettled = False

    async def read(self, bar: progress.Bar, *, done: int = 0) -> "AsyncGenerator[Company, None]":
        """Read them. Can be called only once.

        Args:
            bar: the progress bar to tell how many there are.
            done: how many of them the bar should not count.
        """
        from woodpecker_async.settled import SettledPages  # noqa: PLC0415 - not for --help

        pages = SettledPages(self._pager)
        async for page in pages:
            self.requests += page.attempts
            self.total = page.total_elements
            bar.expect(None if self.total is None else max(self.total - done, 0))
            for company in page:
                yield company
        self.unsettled = not pages.settled


def _record(company: "Company") -> Record:
    return {
        "id": company.id,
        "name": company.name,
        "active": company.active,
        "owner": company.owner,
        "running_campaigns": company.running_campaigns,
        "email_slots": company.email_slots,
        "linkedin_slots": company.linkedin_slots,
    }
