"""The arguments of a session, as options, profile and environment determine them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from woodpecker_async.cli import process

if TYPE_CHECKING:
    from ssl import SSLContext

    from woodpecker_async import Limits
    from woodpecker_async.cli.connection import Connection
    from woodpecker_async.cli.settings import Found, Key, Profile


def _exclusive(connection: "Connection") -> None:
    for option, given in (
        ("--api-key-file", connection.api_key_file),
        ("--api-key-stdin", connection.api_key_stdin),
        ("--base-url", connection.base_url),
        ("--profile", connection.profile),
        ("--proxy", connection.proxy),
        ("--ca-file", connection.ca_file),
    ):
        if given:
            raise process.UsageError(f"--sandbox and {option} cannot be used together")


class Wanted:
    """The settings in effect, from the options, the profile and the environment.

    Args:
        connection: the connection options.

    Attributes:
        profile: the profile in use.

    Raises:
        UsageError: a setting is invalid.
    """

    def __init__(self, connection: "Connection") -> None:
        from woodpecker_async.cli import settings  # noqa: PLC0415 - not for --help

        if connection.sandbox:
            _exclusive(connection)
        self._connection = connection
        environ: Any = settings.environment()
        if connection.sandbox:  # it has its own URL and key; settings for another API do not apply to it
            environ = {}
        self._environ = environ
        for name in ("profile", "base_url", "proxy", "ca_file", "shared"):
            if getattr(connection, name) == "":  # as from an unset shell variable
                raise process.UsageError(f"--{name.replace('_', '-')} is empty")
        for name in ("proxy", "shared"):
            if settings.has_password(getattr(connection, name) or ""):
                variable = f"WOODPECKER_{name.upper()}"
                raise process.UsageError(
                    f"other users can see the password in --{name}: set {variable} instead, or use a profile"
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
            UsageError: two options name it.
        """
        from woodpecker_async.cli import settings  # noqa: PLC0415 - not for --help

        connection = self._connection
        if connection.api_key_file is not None and connection.api_key_stdin:
            raise process.UsageError("--api-key-file and --api-key-stdin cannot be used together")
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
            raise process.UsageError("this command shares its lane through --redis: leave out --shared")
        keywords: dict[str, Any] = {
            "retry": RetryPolicy(attempts=found["attempts"], deadline=found["deadline"]),
            "limits": Limits(shared=found["shared"]) if limits is None else limits,
        }
        if self._connection.sandbox:
            return keywords
        key = self.key()
        if key is None:
            raise process.UsageError(
                "there is no API key: set WOODPECKER_API_KEY, or use --api-key-file, --api-key-stdin or --profile "
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
        raise process.UsageError(f"{ca_file} contains no PEM certificates") from None
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
        raise process.UsageError("stdin is not text") from None
