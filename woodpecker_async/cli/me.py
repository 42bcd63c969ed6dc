"""`woodpecker-async me`: which account a key belongs to."""

from typing import TYPE_CHECKING

import click

from woodpecker_async._redact import masked
from woodpecker_async.cli import output, process
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.ids import ID
from woodpecker_async.cli.printers import Printer

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession


@click.command()
@click.option("--company", "company_id", type=ID, metavar="ID", help="Act as this client company.")
@output.output_options()
@connection_options
@click.pass_obj
def me(connection: Connection, company_id: int | None, out: output.Output) -> int:
    """Show which account the API key belongs to."""

    async def work(woodpecker: "WoodpeckerSession", printer: Printer) -> int:
        account = woodpecker.account if company_id is None else woodpecker.company(company_id)
        printer.add(masked(dict(await account.me())))
        printer.finish()
        return process.DONE

    with out.opened(None, connection.note) as printer:
        return connected(connection, lambda woodpecker: work(woodpecker, printer))
