"""`woodpecker-async help`: help for commands, and what concerns all of them."""

from collections.abc import Mapping
from typing import Final

import click

from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.groups import PROGRAM, no_such_command

ENVIRONMENT: Final[Mapping[str, str]] = {
    "WOODPECKER_API_KEY": "The API key.",
    "WOODPECKER_API_KEY_FILE": "The file that holds it; only its owner and group may read it.",
    "WOODPECKER_BASE_URL": "Where the API is, with /rest. By default https://api.woodpecker.co/rest.",
    "WOODPECKER_PROFILE": "The profile of the configuration file to use.",
    "WOODPECKER_CONFIG": "The configuration file. By default woodpecker-async/config.toml in $XDG_CONFIG_HOME or "
    "~/.config.",
    "WOODPECKER_DEADLINE": "Seconds for each call with all its repeats.",
    "WOODPECKER_ATTEMPTS": "Attempts of each call.",
    "WOODPECKER_PROXY": "The URL of an HTTP proxy; the place for one that has a password.",
    "WOODPECKER_CA_FILE": "A file of certificates to trust (PEM).",
    "WOODPECKER_SHARED": "Keep the account's limit together with other processes: `host`, or the URL of a Redis.",
    "WOODPECKER_REDIS_URL": "The Redis of `worker` and `keys sweep`.",
    "WOODPECKER_LOG": "Log to stderr: `info` or `debug`.",
    "NO_COLOR": "If it is set, no colours.",
    "COLUMNS": "The width of tables on a terminal.",
}

EXIT_CODES: Final[Mapping[str, str]] = {
    "0": "Done. Companies that cannot be listed because they are inactive do not change that.",
    "1": "Failed.",
    "2": "The command makes no sense as given, or a setting does; nothing was done.",
    "3": "Finished, but: some companies or prospects failed, or something may be missing in a list, or "
    "`inventory diff` found a change, or `keys audit --exit-code` a finding.",
    "130": "Interrupted by Ctrl-C, SIGTERM or SIGHUP; what was done is printed and saved.",
    "141": "Whoever read the output has gone (`| head`).",
}

_TOPICS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "environment": (
        "Options win over these, and so does a profile that --profile names. `config show` tells what came of it.",
        ENVIRONMENT,
    ),
    "exit-codes": ("What a command ends with.", EXIT_CODES),
}


@click.command(name="help")
@click.argument("words", nargs=-1, metavar="[COMMAND... | TOPIC]")
@click.pass_context
def help(ctx: click.Context, words: tuple[str, ...]) -> int:  # noqa: A001 - what the command is called
    """Show help for a command or a topic.

    Topics: environment (the variables that are read), exit-codes (what a command ends with).
    """
    if len(words) == 1 and words[0] in _TOPICS:
        terminal.write(_topic(ctx, *_TOPICS[words[0]]))
        return process.DONE
    assert ctx.parent is not None
    command, above = ctx.parent.command, None
    path, context = PROGRAM, ctx.parent
    for word in words:
        there_are = command.list_commands(context) if isinstance(command, click.Group) else []
        found = command.get_command(context, word) if isinstance(command, click.Group) else None
        if found is None:
            if not there_are:
                raise process.UsageError(f"{path} has no commands below it, so no {word!r}")
            topics = [] if above else list(_TOPICS)
            raise process.UsageError(no_such_command(word, [*there_are, *topics]))
        above, command, path = command, found, f"{path} {word}"
        context = click.Context(command, info_name=word, parent=context)
    terminal.write(context.get_help() + "\n")
    return process.DONE


def _topic(ctx: click.Context, text: str, rows: Mapping[str, str]) -> str:
    formatter = ctx.make_formatter()
    formatter.write_text(text)
    formatter.write_paragraph()
    formatter.write_dl(list(rows.items()))
    return formatter.getvalue()
