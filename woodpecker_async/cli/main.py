"""The root command, and what becomes of whatever goes wrong."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from woodpecker_async import __version__
from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.connection import connection_options

PROGRAM: Final = "woodpecker-async"

_COMMANDS: Final = ("keys", "companies", "me", "worker", "sandbox")


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for, each from the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands, in the order in which help shows them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"woodpecker_async.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 usage, "
        "3 finished with some companies failed, 130 interrupted."
    ),
)
@connection_options
@click.version_option(__version__, message="%(prog)s %(version)s")
def root() -> None:
    """API keys of all client companies of a Woodpecker agency.

    The agency's API key is taken from the environment variable WOODPECKER_API_KEY, a file, or stdin; never
    from the command line, which other users can see. Try without one:

      woodpecker-async keys list --all --sandbox
    """


def run_command(args: Sequence[str] | None = None) -> int:
    """Run one command, and give its exit code. No traceback ever gets out."""
    stdout = sys.stdout
    try:
        process.check_streams()
        if hasattr(sys.stdout, "reconfigure"):
            # A name that the terminal's encoding does not know is shown escaped instead of ending the program.
            sys.stdout.reconfigure(errors="backslashreplace")
        code = root.main(args, prog_name=PROGRAM, standalone_mode=False)
        return code if isinstance(code, int) else process.DONE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        terminal.echo_err("Interrupted.")
        return process.INTERRUPTED
    except SystemExit as end:
        # Of completion; or of click when nobody reads the help, in which case it has put another stdout there.
        return process.exit_code(end) if sys.stdout is stdout else terminal.BROKEN_PIPE
    except Exception as error:
        return process.tell_error(error)
