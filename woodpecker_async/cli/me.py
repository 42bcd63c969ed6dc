"""`woodpecker-async me`: whose key is this?"""

from typing import TYPE_CHECKING

import click

from woodpecker_async._redact import masked
from woodpecker_async.cli import output, process
from woodpecker_async.cli.connection import Connection, connected, connection_options

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession


@click.command()
@click.option("--company", "company_id", type=click.IntRange(min=1), metavar="ID", help="Ask as this client company.")
@output.format_option
@connection_options
@click.pass_obj
def me(connection: Connection, company_id: int | None, format_: str) -> int:
    """Show whose API key this is."""

    async def work(woodpecker: "WoodpeckerSession") -> int:
        account = woodpecker.account if company_id is None else woodpecker.company(company_id)
        output.print_one(format_, masked(dict(await account.me())))
        return process.DONE

    return connected(connection, work)
