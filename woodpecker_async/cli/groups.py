"""Groups of commands: what they contain, what their help says, and suggestions for misspelled names."""

from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from typing import Final

import click

from woodpecker_async._redact import printable
from woodpecker_async.cli.examples import EXAMPLES
from woodpecker_async.cli.slips import suggestion

PROGRAM: Final = "woodpecker-async"


class Group(click.Group):
    """A group that shows uncut summaries, and suggests a command for a misspelled name."""

    def summaries(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        """The visible commands, each with the first sentence of its help."""
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                yield name, summary(command)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options before the command."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if ctx.parent is None:  # the root has too many commands to name
                raise
            text = f"{error.message.rstrip('.')}: options go after the command ({', '.join(self.list_commands(ctx))})"
            raise click.NoSuchOption(error.option_name, text, error.possibilities, ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their uncut summaries."""
        if rows := list(self.summaries(ctx)):
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments start with."""
        name = args[0]
        if not ctx.resilient_parsing and name[:1] != "-" and self.get_command(ctx, name) is None:
            raise click.UsageError(no_such_command(name, self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """A group that imports each command on first use, from the module of the same name.

    Args:
        lazy: the commands in the order in which help shows them, each with its summary, so that help needs no import.
        families: the names of the commands that the module `families` creates.
    """

    def __init__(
        self, *args: object, lazy: Mapping[str, str], families: Collection[str] = (), **settings: object
    ) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]
        self.lazy = lazy
        self.families = families

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands, in the order in which help shows them."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in self.lazy:
            return None
        if cmd_name in self.families:
            from woodpecker_async.cli.families import family  # noqa: PLC0415 - not needed for the root's help

            command: click.Command = family(cmd_name)
        else:
            command = getattr(import_module(f"woodpecker_async.cli.{cmd_name}"), cmd_name)
        _add_examples(command, cmd_name)
        return command

    def summaries(self, ctx: click.Context) -> Iterator[tuple[str, str]]:  # noqa: ARG002
        """The commands, each with the first sentence of its help."""
        yield from self.lazy.items()


def summary(command: click.Command) -> str:
    """The first sentence of a command's help."""
    first, _, _ = (command.help or "").partition("\n\n")
    return " ".join(first.split())


def no_such_command(name: str, there_are: list[str]) -> str:
    """The message for a command that does not exist."""
    return f"there is no command {printable(repr(name))}; {suggestion(name, there_are, most=2)}"


def _add_examples(command: click.Command, path: str) -> None:
    """End the help of a command, and of its subcommands, with their examples."""
    if lines := EXAMPLES.get(path):
        command.epilog = "\b\nExamples:\n" + "\n".join(f"  {PROGRAM} {line}" for line in lines)
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            _add_examples(below, f"{path} {name}")
