"""Hints for options that users know from other command lines."""

from collections.abc import Collection, Mapping
from typing import Final

import click

# By what was typed: the option that was meant, if the command has it, and how to write it.
_MEANT: Final[Mapping[str, tuple[str, str]]] = {
    "-o": ("--output", "--output FILE, and --format for its format"),
    "--csv": ("--format", "--format csv"),
    "--jsonl": ("--format", "--format jsonl"),
    "--table": ("--format", "--format table"),
    "--all": ("--agency", "--agency, which covers all companies at once"),
    "--query": ("--fields", "--fields"),
    "--output": ("--html", "--html FILE"),
}


def hinted(error: click.ClickException) -> click.ClickException:
    """A usage error with a hint at what was probably meant, or the error itself."""
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return error
    options = {option for parameter in error.ctx.command.params for option in parameter.opts}
    if isinstance(error, click.NoSuchOption):
        option, written = _MEANT.get(error.option_name, ("", ""))
        if option in options:
            return click.UsageError(f"No such option {error.option_name!r}. Use {written}.", error.ctx)
    elif error.message.startswith("Got unexpected extra argument") and "--company" in options:
        return click.UsageError(f"{error.message}; to choose companies, use --company ID", error.ctx)
    return error


def suggestion(name: str, known: Collection[str], most: int = 1) -> str:
    """The known names that a misspelled one was probably meant to be, at most `most`; otherwise all of them."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for a mistake

    meant = get_close_matches(name, known, n=most)
    return f"did you mean {' or '.join(meant)}?" if meant else f"available: {', '.join(known)}"
