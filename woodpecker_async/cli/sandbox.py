"""`woodpecker-async sandbox`: a local server that behaves like the documented API."""

import errno
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.groups import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from woodpecker_async.sandbox import Fault, Sandbox


@click.group(cls=Group)
def sandbox() -> None:
    """A local server that behaves like the documented API."""


@sandbox.command()
@click.option(
    "--host",
    type=click.Choice(["127.0.0.1", "::1"]),
    default="127.0.0.1",
    show_default=True,
    help="The loopback address to listen on.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; default: any free port.")
@click.option(
    "--companies", type=click.IntRange(min=0), default=25, show_default=True, help="Number of client companies."
)
@click.option("--keys", type=click.IntRange(min=0), default=3, show_default=True, help="API keys per company.")
@click.option(
    "--inactive",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="How many of the companies are inactive.",
)
@click.option(
    "--service-time",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=0.002,
    show_default=True,
    help="How long the server takes to process each request.",
)
@click.option(
    "--state-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Store the data in this file, so that it survives a restart.",
)
@click.option(
    "--fault",
    "faults",
    metavar="FAULT",
    multiple=True,
    help='A fault to inject, such as "status 503 method=POST times=2"; repeatable.',
)
def serve(
    host: str,
    port: int,
    companies: int,
    keys: int,
    inactive: int,
    service_time: float,
    state_file: Path | None,
    faults: tuple[str, ...],
) -> int:
    """Run the sandbox until Ctrl-C or SIGTERM.

    Prints its URLs and keys as shell commands. The keys work only with this sandbox.

    A FAULT is a name with arguments: "down", "close method=POST at=after_commit", "wait 3 path~api_keys$",
    "status 429 times=always". Names: body, close, commit_then, down, empty_page, growing_total_pages, half_body,
    html, late_commit, not_json, null_api_key, redirect, same_page, set_cookie, status, stuck_page_number,
    truncated_json, v1_error, wait. Select the requests it affects with method=, path=, path~REGEX, company=, page=,
    skip=, times= (a number or "always") and probability=.
    """
    options = {
        "host": host,
        "port": port,
        "companies": companies,
        "keys_per_company": keys,
        "inactive": inactive,
        "service_time": service_time,
        "state_file": state_file,
    }

    async def main() -> int:
        import asyncio  # noqa: PLC0415 - not for --help

        from woodpecker_async.sandbox import Fault  # noqa: PLC0415
        from woodpecker_async.sandbox import serve as serve_sandbox  # noqa: PLC0415

        try:
            ordered = [Fault.named(fault) for fault in faults]
            await serve_sandbox(partial(_introduce, faults=ordered), **options)
        except asyncio.CancelledError:
            return process.DONE  # the normal way to end it
        except ValueError as error:
            raise process.UsageError(str(error)) from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                terminal.echo_err(f"Error: port {port} is in use")
                return process.FAILED
            raise
        return process.DONE

    return process.run(main)


def _introduce(box: "Sandbox", faults: "Sequence[Fault]") -> None:
    box.faults.add(*faults)
    lines = [
        f"# A sandbox with {len(box.company_ids)} client companies. The keys work only with this sandbox.",
        *_assigned("base URL", WOODPECKER_BASE_URL=box.base_url),
        *_assigned("HQ key of the agency", WOODPECKER_API_KEY=box.hq_key),
    ]
    if box.company_ids:
        company_id = box.company_ids[0]
        lines += _assigned(f"key of client company {company_id}", WOODPECKER_CLIENT_KEY=box.client_key(company_id))
    lines += _assigned("Feldera URL and token", FELDERA_URL=box.feldera_url, FELDERA_TOKEN=box.feldera_token)
    terminal.write("".join(f"{line}\n" for line in lines))
    terminal.echo_err("Serving. Paste these lines into another shell, and run: woodpecker-async keys list --all")
    terminal.echo_err("Press Ctrl-C to stop.")


def _assigned(what: str, **settings: str) -> list[str]:
    return [f"# {what}", *(f"export {name}={shlex.quote(value)}" for name, value in settings.items())]
