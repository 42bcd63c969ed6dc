"""How a command gets to its session: the options that say so, and what they come to with the settings."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from woodpecker_async.cli import logs, output, process, terminal
from woodpecker_async.errors import WoodpeckerError

if TYPE_CHECKING:
    from ssl import SSLContext

    from woodpecker_async import Limits, WoodpeckerSession
    from woodpecker_async.cli.settings import Found, Key, Profile
    from woodpecker_async.engine.observe import Event

C = TypeVar("C", bound=Callable[..., Any])

# Enough work for each request that the progress bar is seen to move.
_SANDBOX: Final[dict[str, Any]] = {"companies": 25, "keys_per_company": 3, "inactive": 2, "service_time": 0.02}


@dataclass
class Connection:  # a dataclass, for it is made before help is shown, and attrs would be one more import
    """What the options say.

    Attributes:
        sandbox: use an embedded sandbox.
        profile: the profile of the configuration file.
        base_url: another API than the settings or the SDK name.
        api_key_file: where the key is.
        api_key_stdin: the key comes on stdin.
        deadline: seconds for each call.
        attempts: attempts of each call.
        proxy: URL of an HTTP proxy.
        ca_file: certificates to trust.
        shared: whom the lane is shared with.
        quiet: say nothing but errors.
        no_progress: show no progress bar.
        verbose: how much of the log is shown on stderr.
        log_file: where the log goes.
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


_DISPLAY: Final = (
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
_CONNECTION: Final = (
    _option("--sandbox", is_flag=True, help="Use an embedded sandbox with made-up companies; no key needed."),
    _option("--profile", metavar="NAME", help="Use this profile of the configuration file."),
    _option("--base-url", metavar="URL", help="Another API (with /rest); by default WOODPECKER_BASE_URL."),
    _option(
        "--api-key-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Take the API key from a file that only you and your group can read (mode 0600, 0440).",
    ),
    _option("--api-key-stdin", is_flag=True, help="Take the API key from stdin."),
    _option(
        "--deadline",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        help="Seconds for each call with all its repeats; by default 120.",
    ),
    _option(
        "--attempts",
        metavar="N",
        type=click.IntRange(min=1),
        help="Attempts of each call; by default 5, 1 is no repeat.",
    ),
    _option("--proxy", metavar="URL", help="Go through this HTTP proxy."),
    _option("--ca-file", metavar="FILE", help="Trust the certificates in this file (PEM), and no others."),
    _option(
        "--shared",
        metavar="host|URL",
        help="Keep the account's limit together with other processes: of this machine, or of those at a Redis.",
    ),
)


def connection_options(command: C) -> C:
    """Give a command the options of `Connection`; they may stand before or after the subcommand."""
    for option in reversed((*_CONNECTION, *_DISPLAY)):
        command = option(command)
    return command


def display_options(command: C) -> C:
    """Give a command that needs no session those of the options that say what is shown."""
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
    """Open a session, do the work, and give its exit code.

    Args:
        connection: what the options say.
        work: what to do.
        limits: those to keep, for a command that brings its own.
        hooks: are told of each attempt.
        patient: to wait long is what it is for, and needs no words.

    Raises:
        UsageError: the options contradict each other, a setting makes no sense, or there is no key.
    """
    # Before the loop runs: waiting for stdin must obey Ctrl-C.
    if connection.sandbox:
        _exclusive(connection)
    wanted = Wanted(connection)
    keywords = wanted.session_settings(limits)
    without_rest = _WithoutRest(wanted["base_url"].value)

    async def main() -> int:
        from woodpecker_async.cli.waiting import Watch  # noqa: PLC0415 - not for --help

        watch = Watch()
        said = nullcontext() if patient else watch.watching(connection)
        keywords["hooks"] = (*hooks, watch, *without_rest.hooks)
        async with _session(connection, keywords) as woodpecker, said:
            return await work(woodpecker)

    with logs.logging_to(connection.verbose, connection.log_file):
        try:
            code = process.run(main)
        except WoodpeckerError as error:
            without_rest.explain(error)
            raise
        if without_rest.nothing_there:
            terminal.echo_err(without_rest.hint)
        return code


def _exclusive(connection: Connection) -> None:
    for option, given in (
        ("--api-key-file", connection.api_key_file),
        ("--api-key-stdin", connection.api_key_stdin),
        ("--base-url", connection.base_url),
        ("--profile", connection.profile),
        ("--proxy", connection.proxy),
        ("--ca-file", connection.ca_file),
    ):
        if given:
            raise process.UsageError(f"--sandbox and {option} exclude each other")


class Wanted:
    """What the options, the profile and the environment come to.

    Args:
        connection: what the options say.

    Attributes:
        profile: the profile in use.

    Raises:
        UsageError: they make no sense.
    """

    def __init__(self, connection: Connection) -> None:
        from woodpecker_async.cli import settings  # noqa: PLC0415 - not for --help

        self._connection = connection
        environ: Any = settings.environment()
        if connection.sandbox:  # it has a URL and a key of its own, and what is set for another API is not for it
            environ = {}
        self._environ = environ
        for name in ("profile", "base_url", "proxy", "ca_file", "shared"):
            if getattr(connection, name) == "":  # of a variable that the shell does not know
                raise process.UsageError(f"--{name.replace('_', '-')} is empty")
        for name in ("proxy", "shared"):
            if settings.has_password(getattr(connection, name) or ""):
                variable = f"WOODPECKER_{name.upper()}"
                raise process.UsageError(
                    f"other users can see the password in --{name}: put the URL into {variable} or a profile"
                )
        self.profile: Profile | None = (
            None if connection.sandbox else settings.find_profile(connection.profile, environ)
        )
        self.found: dict[str, Found] = {
            setting.name: settings.find(setting, getattr(connection, setting.name), self.profile, environ)
            for setting in settings.SETTINGS
        }

    def __getitem__(self, name: str) -> "Found":
        return self.found[name]

    def key(self) -> "Key | None":
        """Where the key is.

        Raises:
            UsageError: it is said twice.
        """
        from woodpecker_async.cli import settings  # noqa: PLC0415 - not for --help

        connection = self._connection
        if connection.api_key_file is not None and connection.api_key_stdin:
            raise process.UsageError("--api-key-file and --api-key-stdin exclude each other")
        if connection.api_key_file is not None:
            return settings.key_in_file(connection.api_key_file, "--api-key-file")
        if connection.api_key_stdin:
            return settings.Key("--api-key-stdin", lambda: settings.as_key(_from_stdin(), "stdin"))
        return settings.find_key(self.profile, self._environ)

    def session_settings(self, limits: "Limits | None") -> dict[str, Any]:
        """The arguments of a session.

        Raises:
            UsageError: there is no key, or a file cannot be used.
        """
        from woodpecker_async import Limits, RetryPolicy  # noqa: PLC0415 - not for --help

        found = {name: setting.value for name, setting in self.found.items()}
        if limits is not None and self["shared"].source == "--shared":
            raise process.UsageError("this command shares its lane by --redis: leave out --shared")
        keywords: dict[str, Any] = {
            "retry": RetryPolicy(attempts=found["attempts"], deadline=found["deadline"]),
            "limits": Limits(shared=found["shared"]) if limits is None else limits,
        }
        if self._connection.sandbox:
            return keywords
        key = self.key()
        if key is None:
            raise process.UsageError(
                "there is no API key: set WOODPECKER_API_KEY, or use --api-key-file, --api-key-stdin or a --profile "
                "(or --sandbox, to try things out)"
            )
        return keywords | {
            "api_key": key.read(),
            "base_url": found["base_url"],
            "proxy": found["proxy"],
            "ssl_context": None if found["ca_file"] is None else _trusting(found["ca_file"]),
        }


def _trusting(ca_file: str) -> "SSLContext":
    import ssl  # noqa: PLC0415 - not for --help

    try:
        return ssl.create_default_context(cafile=Path(ca_file).expanduser())
    except ssl.SSLError:
        raise process.UsageError(f"{ca_file} holds no certificates in PEM") from None
    except OSError as error:
        raise process.UsageError(f"cannot read {ca_file}: {error.strerror}") from None


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


class _WithoutRest:
    """Watches what comes from a base URL that lacks the `/rest` of the API, where nothing may be at all.

    Attributes:
        hooks: for the session.
        hint: what to say if nothing was there.
    """

    def __init__(self, base_url: str) -> None:
        self._lacks_it = "rest" not in base_url.rstrip("/").split("/")[3:]
        self._found = self._missed = 0
        self.hooks = (self._hear,) if self._lacks_it else ()
        self.hint = (
            f"Hint: the base URL {base_url.rstrip('/')} does not end in /rest, as the API's does: perhaps "
            f"{base_url.rstrip('/')}/rest is meant."
        )

    @property
    def nothing_there(self) -> bool:
        return self._missed > 0 and not self._found

    def _hear(self, event: "Event") -> None:
        if event.kind == "end" and event.status is not None:
            self._found += event.failure is None
            self._missed += event.status in (301, 302, 303, 307, 308, 404, 405)

    def explain(self, error: WoodpeckerError) -> None:
        """Add the hint to an error that may come of it."""
        from woodpecker_async.errors import ResponseDecodeError  # noqa: PLC0415

        if self._lacks_it and (self.nothing_there or isinstance(error, ResponseDecodeError)):
            error.add_note(self.hint)


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
