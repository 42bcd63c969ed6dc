"""`woodpecker-async completion`: scripts that let a shell complete commands and options."""

import click

from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.groups import PROGRAM

_VARIABLE = "_WOODPECKER_ASYNC_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the script that lets a shell complete commands and options.

    Have your shell read it when it starts: bash 4.4 or later in ~/.bashrc, zsh in ~/.zshrc, fish in
    ~/.config/fish/completions/woodpecker-async.fish.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - few need it

    from woodpecker_async.cli.main import root  # noqa: PLC0415 - it imports this module

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(root, {}, PROGRAM, _VARIABLE)
    # Not by `source`, which starts a bash to ask for its version.
    terminal.write((script.source_template % script.source_vars()).rstrip("\n") + "\n")
    return process.DONE
