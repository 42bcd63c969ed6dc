"""The connection options, and the session that a command opens with them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from woodpecker_async.cli import logs, output, process, terminal
from woodpecker_async.cli.refused_key import RefusedKey
from woodpecker_async.cli.wanted import Wanted
from woodpecker_async.cli.without_rest import WithoutRest
from woodpecker_async.errors import WoodpeckerError

if TYPE_CHECKING:
    from woodpecker_async import Limits, WoodpeckerSession
    from woodpecker_async.engine.observe import Event

C = TypeVar("C", bound=Callable[..., Any])

# Each request takes long enough for the progress bar to be seen moving.
_SANDBOX: Final[dict[str, Any]] = {"companies": 25, "keys_per_company": 3, "inactive": 2, "service_time": 0.02}


@dataclass
class Connection:  # a dataclass: it is created before help is shown, and attrs would be one more import
    """The values of the connection and display options.

    Attributes:
        sandbox: use an embedded sandbox.
        profile: the profile of the configuration file.
        base_url: the base URL of the API, if not the one in the settings.
        api_key_file: the file that holds the key.
        api_key_stdin: read the key from stdin.
        deadline: seconds allowed for each call.
        attempts: maximum attempts for each call.
        proxy: URL of an HTTP proxy.
        ca_file: PEM file of the certificates to trust.
        shared: which processes share the lane.
        quiet: print only errors.
        no_progress: show no progress bar.
        verbose: how much of the log to show on stderr.
        log_file: the file that the log is appended to.
    """

    sandbox: bool = False
    profile: str | None = None
    base_url: str | None = None
    api_key_file: Path | None = None
    api_key_stdin: bool = False
    deadline: float | None = None
    attempts: int | None = None
    proxy: str | None = None
    ca_file: str | None = None
    shared: str | None = None
    quiet: bool = False
    no_progress: bool = False
    verbose: int = 0
    log_file: Path | None = None

    def shows_progress(self, out: output.Output) -> bool:
        """Whether to show a progress bar: not if it would get between lines of data on the same terminal."""
        return not (self.quiet or self.no_progress or out.mixed)

    def note(self, text: str) -> None:
        """Print a message that is not an error; `--quiet` suppresses it."""
        if not self.quiet:
            terminal.echo_err(text)


def _remember(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    connection = ctx.ensure_object(Connection)
    assert parameter.name is not None
    if value not in {None, False}:
        setattr(connection, parameter.name, value)


def _profiles(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    from woodpecker_async.cli import settings  # noqa: PLC0415 - not for --help

    return [name for name in settings.profile_names(settings.environment()) if name.startswith(incomplete)]


def _option(*names: str, **settings: Any) -> Callable[[C], C]:
    return click.option(*names, callback=_remember, expose_value=False, **settings)


_DISPLAY: Final = (
    _option(
        "--verbose",
        "-v",
        count=True,
        help="Log retries, refusals (429) and lost responses to stderr; -vv logs every attempt.",
    ),
    _option(
        "--log-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Append this log, and all other messages on stderr, to a file.",
    ),
    _option("--no-progress", is_flag=True, help="Do not show a progress bar."),
    _option("--quiet", "-q", is_flag=True, help="Print only errors to stderr."),
)
_CONNECTION: Final = (
    _option("--sandbox", is_flag=True, help="Use an embedded sandbox with made-up companies; needs no API key."),
    _option(
        "--profile",
        metavar="NAME",
        shell_complete=_profiles,
        help="Use this profile of the configuration file.",
    ),
    _option("--base-url", metavar="URL", help="Base URL of the API, including /rest; overrides WOODPECKER_BASE_URL."),
    _option(
        "--api-key-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Read the API key from a file that only you and your group can access (mode 0600 or 0440).",
    ),
    _option("--api-key-stdin", is_flag=True, help="Read the API key from stdin."),
    _option(
        "--deadline",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        help="Seconds allowed for each call, including all retries; default 120.",
    ),
    _option(
        "--attempts",
        metavar="N",
        type=click.IntRange(min=1),
        help="Maximum attempts for each call; default 5, 1 means no retries.",
    ),
    _option("--proxy", metavar="URL", help="Use this HTTP proxy."),
    _option("--ca-file", metavar="FILE", help="Trust only the CA certificates in this PEM file."),
    _option(
        "--shared",
        metavar="host|URL",
        help="Share the account's limit with other processes: on this machine (host), or through a Redis (URL).",
    ),
)


def connection_options(command: C) -> C:
    """Add the options of `Connection` to a command; they may come before or after the subcommand."""
    for option in reversed((*_CONNECTION, *_DISPLAY)):
        command = option(command)
    return command


def display_options(command: C) -> C:
    """Add only the display options, to a command that needs no session."""
    for option in reversed(_DISPLAY):
        command = option(command)
    return command


def connected(
    connection: Connection,
    work: "Callable[[WoodpeckerSession], Awaitable[int]]",
    limits: "Limits | None" = None,
    hooks: "tuple[Callable[[Event], object], ...]" = (),
    *,
    patient: bool = False,
) -> int:
    """Open a session, do the work, and return its exit code.

    Args:
        connection: the connection options.
        work: what to do with the session.
        limits: limits of the command's own, in place of those in the settings.
        hooks: called for each attempt.
        patient: the command itself reports what it is waiting for.

    Raises:
        UsageError: the options contradict each other, a setting is invalid, or there is no key.
    """
    # Before the event loop starts, so that Ctrl-C works while the key is read from stdin.
    wanted = Wanted(connection)
    keywords = wanted.session_settings(limits)
    without_rest = WithoutRest(wanted["base_url"].value)
    key = None if connection.sandbox else wanted.key()
    refused_key = None if key is None else RefusedKey(keywords["api_key"], key.source)

    async def main() -> int:
        from woodpecker_async.cli.waiting import Watch, watching  # noqa: PLC0415 - not for --help

        watch = Watch()
        said = nullcontext() if patient else watching(watch.what, connection)
        keywords["hooks"] = (*hooks, watch, *without_rest.hooks, *(() if refused_key is None else (refused_key.hear,)))
        async with _session(connection, keywords) as woodpecker, said:
            return await work(woodpecker)

    with logs.logging_to(connection.verbose, connection.log_file):
        try:
            code = process.run(main)
        except WoodpeckerError as error:
            without_rest.explain(error)
            if refused_key is not None and refused_key.refused:
                error.add_note(refused_key.hint)
            raise
        if without_rest.nothing_there:
            terminal.echo_err(without_rest.hint)
        if refused_key is not None and refused_key.refused:
            terminal.echo_err(refused_key.hint)
        return code


@asynccontextmanager
async def _session(connection: Connection, keywords: dict[str, Any]) -> "AsyncIterator[WoodpeckerSession]":
    from woodpecker_async import WoodpeckerSession  # noqa: PLC0415 - not for --help

    if not connection.sandbox:
        async with WoodpeckerSession(**keywords) as woodpecker:
            yield woodpecker
        return
    from woodpecker_async.sandbox import Sandbox  # noqa: PLC0415 - it brings a server

    async with Sandbox(**_SANDBOX) as box:
        connection.note("Sandbox: made-up companies on an embedded server; nothing leaves this machine.")
        async with box.session(**keywords) as woodpecker:
            yield woodpecker
