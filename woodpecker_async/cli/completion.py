"""`woodpecker-async completion`: shell completion scripts."""

import click

from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.groups import PROGRAM

_VARIABLE = "_WOODPECKER_ASYNC_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print a shell completion script.

    It completes commands and options. Add it to your shell's startup files: ~/.bashrc for bash (4.4 or later),
    ~/.zshrc for zsh, ~/.config/fish/completions/woodpecker-async.fish for fish.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - few need it

    from woodpecker_async.cli.main import root  # noqa: PLC0415 - it imports this module

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(root, {}, PROGRAM, _VARIABLE)
    # Not with `source()`, which starts a bash to find out its version.
    terminal.write((script.source_template % script.source_vars()).rstrip("\n") + "\n")
    return process.DONE
