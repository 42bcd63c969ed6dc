"""How a command gets to its session: the options that say so, and where the key comes from."""

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from woodpecker_async.cli import files, logs, output, process, terminal
from woodpecker_async.secret import Secret

if TYPE_CHECKING:
    from woodpecker_async import Limits, WoodpeckerSession
    from woodpecker_async.engine.observe import Event

C = TypeVar("C", bound=Callable[..., Any])

# Enough work for each request that the progress bar is seen to move.
_SANDBOX: Final[dict[str, Any]] = {"companies": 25, "keys_per_company": 3, "inactive": 2, "service_time": 0.02}


@dataclass
class Connection:  # a dataclass, for it is made before help is shown, and attrs would be one more import
    """What the options say.

    Attributes:
        sandbox: use an embedded sandbox.
        base_url: another API than the environment or the SDK names.
        api_key_file: where the key is.
        api_key_stdin: the key comes on stdin.
        deadline: seconds for each call.
        quiet: say nothing but errors.
        no_progress: show no progress bar.
        verbose: how much of the log is shown on stderr.
        log_file: where the log goes.
    """

    sandbox: bool = False
    base_url: str | None = None
    api_key_file: Path | None = None
    api_key_stdin: bool = False
    deadline: float | None = None
    quiet: bool = False
    no_progress: bool = False
    verbose: int = 0
    log_file: Path | None = None

    def shows_progress(self, out: output.Output) -> bool:
        """Whether a bar would be welcome: not where it stands between lines of data on the same terminal."""
        return not (self.quiet or self.no_progress or out.mixed)

    def note(self, text: str) -> None:
        """Say something that is no error."""
        if not self.quiet:
            terminal.echo_err(text)


def _remember(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    connection = ctx.ensure_object(Connection)
    assert parameter.name is not None
    if value not in {None, False}:
        setattr(connection, parameter.name, value)


def _option(*names: str, **settings: Any) -> Callable[[C], C]:
    return click.option(*names, callback=_remember, expose_value=False, **settings)


_OPTIONS: Final = (
    _option("--sandbox", is_flag=True, help="Use an embedded sandbox with made-up companies; no key needed."),
    _option("--base-url", metavar="URL", help="Another API (with /rest); by default WOODPECKER_BASE_URL."),
    _option(
        "--api-key-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Take the API key from a file that only you can read (mode 0600).",
    ),
    _option("--api-key-stdin", is_flag=True, help="Take the API key from stdin."),
    _option(
        "--deadline",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        help="Seconds for each call with all its repeats; by default 120.",
    ),
    _option(
        "--verbose", "-v", count=True, help="Show retries, refusals and lost answers on stderr; -vv every attempt."
    ),
    _option(
        "--log-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Add the same to a file, with all that is said on stderr.",
    ),
    _option("--no-progress", is_flag=True, help="Show no progress bar."),
    _option("--quiet", "-q", is_flag=True, help="Say nothing but errors."),
)


def connection_options(command: C) -> C:
    """Give a command the options of `Connection`; they may stand before or after the subcommand."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def display_options(command: C) -> C:
    """Give a command that needs no session those of the options that say what is shown."""
    for option in reversed(_OPTIONS[-4:]):
        command = option(command)
    return command


def connected(
    connection: Connection,
    work: "Callable[[WoodpeckerSession], Awaitable[int]]",
    limits: "Limits | None" = None,
    *,
    patient: bool = False,
) -> int:
    """Open a session, do the work, and give its exit code.

    Args:
        connection: the options.
        work: what to do with the session.
        limits: of the session.
        patient: it says by itself what it waits for.

    Raises:
        UsageError: the options contradict each other, or there is no key.
    """
    # Before the loop runs: waiting for stdin must obey Ctrl-C.
    key = _key(connection)

    async def main() -> int:
        from woodpecker_async.cli.waiting import Watch, watching  # noqa: PLC0415 - not for --help

        watch = Watch()
        said = nullcontext() if patient else watching(watch.what, connection)
        async with _session(connection, key, limits, watch) as woodpecker, said:
            return await work(woodpecker)

    with logs.logging_to(connection.verbose, connection.log_file):
        return process.run(main)


def _key(connection: Connection) -> Secret | None:
    named = [
        option
        for option, given in (
            ("--sandbox", connection.sandbox),
            ("--api-key-file", connection.api_key_file),
            ("--api-key-stdin", connection.api_key_stdin),
        )
        if given
    ]
    if len(named) > 1:
        raise process.UsageError(f"{' and '.join(named)} exclude each other")
    if connection.sandbox:
        if connection.base_url is not None:
            raise process.UsageError("--sandbox and --base-url exclude each other")
        return None
    if connection.api_key_file is not None:
        return _secret(files.read_private(connection.api_key_file), str(connection.api_key_file))
    if connection.api_key_stdin:
        return _secret(_from_stdin(), "stdin")
    if not os.environ.get("WOODPECKER_API_KEY"):
        raise process.UsageError(
            "there is no API key: set WOODPECKER_API_KEY, or use --api-key-file or --api-key-stdin "
            "(or --sandbox, to try things out)"
        )
    return None  # the session looks there by itself


def _from_stdin() -> str:
    if sys.stdin is None:
        raise process.UsageError("stdin is closed")
    if sys.stdin.isatty():
        typed: str = click.prompt("API key", hide_input=True, err=True)
        return typed
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise process.UsageError("what came on stdin is no text") from None


def _secret(text: str, source: str) -> Secret:
    text = text.strip()
    if not text:
        raise process.UsageError(f"there is no API key in {source}")
    return Secret(text)


@asynccontextmanager
async def _session(
    connection: Connection, key: Secret | None, limits: "Limits | None", hook: "Callable[[Event], None]"
) -> "AsyncIterator[WoodpeckerSession]":
    from woodpecker_async import CallOptions, Limits, WoodpeckerSession  # noqa: PLC0415 - not for --help

    settings: dict[str, Any] = {
        "options": CallOptions(deadline=connection.deadline),
        "limits": Limits() if limits is None else limits,
        "hooks": (hook,),
    }
    if not connection.sandbox:
        async with WoodpeckerSession(key, base_url=connection.base_url, **settings) as woodpecker:
            yield woodpecker
        return
    from woodpecker_async.sandbox import Sandbox  # noqa: PLC0415 - it brings a server

    async with Sandbox(**_SANDBOX) as box:
        connection.note("Sandbox: made-up companies on an embedded server; nothing leaves this machine.")
        async with box.session(**settings) as woodpecker:
            yield woodpecker
