"""`woodpecker-async help`: help for commands, and for topics that concern all of them."""

from collections.abc import Mapping
from typing import Final

import click

from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.groups import PROGRAM, no_such_command

ENVIRONMENT: Final[Mapping[str, str]] = {
    "WOODPECKER_API_KEY": "The API key.",
    "WOODPECKER_API_KEY_FILE": "A file that holds the API key; only its owner and group may have access to it.",
    "WOODPECKER_BASE_URL": "Base URL of the API, including /rest. Default: https://api.woodpecker.co/rest.",
    "WOODPECKER_PROFILE": "The profile of the configuration file to use.",
    "WOODPECKER_CONFIG": "The configuration file. Default: woodpecker-async/config.toml in $XDG_CONFIG_HOME or "
    "~/.config.",
    "WOODPECKER_DEADLINE": "Seconds allowed for each call, including all retries.",
    "WOODPECKER_ATTEMPTS": "Maximum number of attempts for each call.",
    "WOODPECKER_PROXY": "URL of an HTTP proxy. Use this variable if the URL contains a password.",
    "WOODPECKER_CA_FILE": "A PEM file with the only CA certificates to trust.",
    "WOODPECKER_SHARED": "Share the account's limit with other processes: `host`, or the URL of a Redis.",
    "WOODPECKER_REDIS_URL": "URL of the Redis that `worker` and `keys sweep` use.",
    "WOODPECKER_LOG": "Log to stderr: `info` or `debug`.",
    "NO_COLOR": "If set, output has no colours.",
    "COLUMNS": "Width of tables on a terminal.",
}

EXIT_CODES: Final[Mapping[str, str]] = {
    "0": "Success. Companies that cannot be listed because they are inactive do not count as failed.",
    "1": "Failure.",
    "2": "Usage error: the command line or a setting is invalid. Nothing was done.",
    "3": "Finished, but some companies or prospects failed, something may be missing from a list, `inventory diff` "
    "found a change, or `keys audit --exit-code` found a problem.",
    "130": "Interrupted by Ctrl-C, SIGTERM or SIGHUP. The work done so far was printed and saved.",
    "141": "The reader of stdout closed it, as in `| head`.",
}

_TOPICS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "environment": (
        "Options and --profile override these variables. `config show` prints the settings in effect.",
        ENVIRONMENT,
    ),
    "exit-codes": ("The exit codes of all commands.", EXIT_CODES),
}


@click.command(name="help")
@click.argument("words", nargs=-1, metavar="[COMMAND... | TOPIC]")
@click.pass_context
def help(ctx: click.Context, words: tuple[str, ...]) -> int:  # noqa: A001 - what the command is called
    """Show help for a command or a topic.

    Topics: environment (environment variables), exit-codes (what each exit code means).
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
                raise process.UsageError(f"{path} has no subcommands, so there is no {word!r}")
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
