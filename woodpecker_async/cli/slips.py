"""What users of other command lines type, and what it is called here."""

from collections.abc import Mapping
from typing import Final

import click

# What is typed: the option that it is meant for, where the command has that, and how to write it.
_MEANT: Final[Mapping[str, tuple[str, str]]] = {
    "-o": ("--output", "--output FILE, and --format for its format"),
    "--csv": ("--format", "--format csv"),
    "--jsonl": ("--format", "--format jsonl"),
    "--table": ("--format", "--format table"),
    "--all": ("--agency", "--agency, which is about all companies at once"),
    "--query": ("--fields", "--fields"),
    "--output": ("--html", "--html FILE"),
}


def hinted(error: click.ClickException) -> click.ClickException:
    """A usage error that says what was probably meant, or the error itself."""
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return error
    options = {option for parameter in error.ctx.command.params for option in parameter.opts}
    if isinstance(error, click.NoSuchOption):
        option, written = _MEANT.get(error.option_name, ("", ""))
        if option in options:
            return click.UsageError(f"{error.message} Here it is {written}.", error.ctx)
    elif error.message.startswith("Got unexpected extra argument") and "--company" in options:
        return click.UsageError(f"{error.message}; companies are named by --company ID", error.ctx)
    return error
