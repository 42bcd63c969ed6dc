"""`woodpecker-async doctor`: how the API behaves for the user's key."""

import json
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import click

from woodpecker_async import __version__
from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.wanted import Wanted

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.cli.probes import Finding

_MARKS: Final = {True: "ok", False: "!!", None: "  "}


@click.command()
@click.option(
    "--limits",
    is_flag=True,
    help="Also find out whether each client company has its own limit. Some requests will be refused.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@click.option("--json", "json_", is_flag=True, help="Same as --format json.")
@connection_options
@click.pass_obj
def doctor(connection: Connection, limits: bool, format_: str, json_: bool) -> int:
    """Check how the API behaves for your key, with read-only requests.

    Checks whether the key is valid and belongs to the agency's HQ, whether the agency add-on is enabled, and whether
    the clocks agree. Measures how long a request takes and how many can be in flight. Shows what an empty list and a
    page past the end look like, and which headers the server sends. Sends about sixty requests, all of them GET.

    The report contains no keys, names, IDs or addresses, so you can paste it into an issue.
    """
    from woodpecker_async import Limits  # noqa: PLC0415 - not for --help
    from woodpecker_async.cli import settings  # noqa: PLC0415
    from woodpecker_async.cli.probes import InFlight, Probes  # noqa: PLC0415

    in_flight = InFlight()
    wanted = Wanted(connection)
    own = connection.sandbox or wanted["base_url"].value.rstrip("/") != settings.BUILT_IN_BASE_URL

    async def work(woodpecker: "WoodpeckerSession") -> int:
        if limits:
            terminal.echo_err(
                "--limits sends a few more requests at once than an account's limit of seven: some will be refused "
                "(429), and so may requests of other programs at the same time. Refused requests are not processed."
            )
        probes = Probes(woodpecker, in_flight, own_base_url=own)
        connection.note("Sending about sixty requests, which takes a few seconds.")
        try:
            if await probes.examine() and limits:
                await probes.limits()
        finally:  # print what was found, even if something ends it early
            _print(probes.findings, "json" if json_ else format_)
        bad = any(finding.good is False for finding in probes.findings)
        return process.FAILED if bad else process.DONE

    if not limits:
        return connected(connection, work, hooks=(in_flight,))
    if wanted["shared"].value is not None:
        raise process.UsageError("--limits works only within one process: leave out --shared")
    return connected(connection, work, Limits(lanes="company", total=16), hooks=(in_flight,))


def _print(findings: "list[Finding]", format_: str) -> None:
    about = f"woodpecker-async {__version__}, Python {platform.python_version()}, aiohttp {version('aiohttp')}"
    about += f", {platform.system()}"
    if format_ == "json":
        record: dict[str, Any] = {"about": about}
        record |= {finding.name: {"found": finding.value, "good": finding.good} for finding in findings}
        terminal.write(json.dumps(record, indent=2) + "\n")
        return
    widest = max(len(finding.name) for finding in findings)
    lines = [about, ""]
    for finding in findings:
        value = finding.value if isinstance(finding.value, str | int) else json.dumps(finding.value)
        lines.append(f"{_MARKS[finding.good]} {finding.name:{widest}}  {value}")
    terminal.write("\n".join(lines) + "\n")
