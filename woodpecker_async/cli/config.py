"""`woodpecker-async config`: the settings in effect, and where each one comes from."""

from typing import Any, Final

import click

from woodpecker_async.cli import output, process
from woodpecker_async.cli.connection import Connection, connection_options
from woodpecker_async.cli.groups import Group
from woodpecker_async.cli.layout import Column, Layout, Record
from woodpecker_async.cli.wanted import Wanted

_LAYOUT: Final = Layout((Column("setting", "Setting", whole=True), Column("value", "Value"), Column("source", "From")))


@click.group(cls=Group)
def config() -> None:
    """Settings, and where each one comes from.

    Settings come from options, from environment variables (see `help environment`), or from profiles in a file that
    only you and your group can access, woodpecker-async/config.toml in $XDG_CONFIG_HOME or ~/.config:

    \b
      default_profile = "agency"
    \b
      [profiles.agency]
      api_key_file = "~/.woodpecker-key"
    \b
      [profiles.other]
      base_url = "https://api.woodpecker.co/rest"
      keyring = true                      # keyring set woodpecker-async other
      shared = "host"
      attempts = 8
      deadline = 300
      proxy = "http://proxy.example:3128"
      ca_file = "proxy.pem"
    """  # noqa: D301 - click's mark for lines that are not rewrapped


@config.command()
@output.output_options()
@connection_options
@click.pass_obj
def show(connection: Connection, out: output.Output) -> int:
    """Show each setting and where it comes from; the key is masked.

    In order of precedence: options, the profile named by --profile, environment variables, the default profile.
    """
    from woodpecker_async.cli import settings  # noqa: PLC0415 - not for --help

    wanted = Wanted(connection)
    path, _ = settings.find_config(settings.environment())
    profile = wanted.profile
    rows: list[Record] = []

    def add(name: str, value: Any, source: str) -> None:
        rows.append({"setting": name, "value": value, "source": source})

    there = path is not None and path.exists()
    add("config_file", None if path is None else str(path), "found" if there else "not found")
    if not connection.sandbox and (names := settings.profile_names(settings.environment())):
        add("profiles", ", ".join(names), str(path))
    if profile is not None:
        add("profile", profile.name, "--profile" if profile.named else "WOODPECKER_PROFILE or default_profile")
    trouble = None
    if connection.sandbox:
        add("api_key", "(of the embedded sandbox)", "--sandbox")
    elif (key := wanted.key()) is None:
        add("api_key", None, "not set")
    else:
        try:
            secret = key.read()
        except process.UsageError as error:
            trouble = error
            add("api_key", "(not readable)", key.source)
        else:
            add("api_key", f"{secret.masked} (fingerprint {secret.fingerprint})", key.source)
    for name, found in wanted.found.items():
        value = (
            settings.shown_url(found.value) if name in ("base_url", "proxy", "shared") and found.value else found.value
        )
        source = found.source
        if name == "base_url" and connection.sandbox:
            value, source = "(of the embedded sandbox)", "--sandbox"
        add(name, value, source)
    with out.opened(_LAYOUT, connection.note) as printer:
        for row in rows:
            printer.add(row)
        printer.finish()
    if trouble is not None:
        raise trouble
    return process.DONE
