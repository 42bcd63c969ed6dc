"""`woodpecker-async me`: whose key is this?"""

from typing import TYPE_CHECKING, Any

import click

from woodpecker_async.cli import output, process
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.secret import Secret

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
        output.print_one(format_, _without_keys(await account.me()))
        return process.DONE

    return connected(connection, work)


def _without_keys(fields: Any) -> Any:
    """The fields as they came, but for keys: what is in this answer is documented nowhere."""
    if isinstance(fields, list):
        return [_without_keys(field) for field in fields]
    if not hasattr(fields, "items"):
        return fields
    return {
        name: Secret(value).masked if isinstance(value, str) and value and _names_a_key(name) else _without_keys(value)
        for name, value in fields.items()
    }


def _names_a_key(name: str) -> bool:
    return any(word in name.lower() for word in ("key", "token", "secret", "password"))
