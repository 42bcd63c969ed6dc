"""`woodpecker-async doctor`: how the API behaves for one's own key."""

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
    help="Also find out whether client companies have limits of their own. Some requests will be refused.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
@click.option("--json", "json_", is_flag=True, help="The same as --format json.")
@connection_options
@click.pass_obj
def doctor(connection: Connection, limits: bool, format_: str, json_: bool) -> int:
    """Find out how the API behaves for your key, by harmless reads.

    Is the key valid, of the agency's HQ, and the add-on there; does the clock agree; how long does a request take, and
    how many can be in flight; what do an empty list and a page past the end look like; which headers are there. It
    takes about sixty requests, all of them GET.

    The report holds no key, no name, no ID and no address: it can be pasted into an issue.
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
                "--limits sends a few more requests at once than the seven of one account: some will be refused (429), "
                "and so may be those of other programs at the same moment. A refused request is not processed."
            )
        probes = Probes(woodpecker, in_flight, own_base_url=own)
        connection.note("Asking about sixty times, which takes a few seconds.")
        try:
            if await probes.examine() and limits:
                await probes.limits()
        finally:  # what has been found out is worth something, whatever ends it early
            _print(probes.findings, "json" if json_ else format_)
        bad = any(finding.good is False for finding in probes.findings)
        return process.FAILED if bad else process.DONE

    if not limits:
        return connected(connection, work, hooks=(in_flight,))
    if wanted["shared"].value is not None:
        raise process.UsageError("--limits is for one process: leave out --shared")
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
