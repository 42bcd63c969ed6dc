"""The root command, and what becomes of whatever goes wrong."""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

import click

from woodpecker_async import __version__
from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.connection import connection_options
from woodpecker_async.cli.groups import PROGRAM, LazyGroup
from woodpecker_async.cli.slips import hinted

# Each with the first sentence of its help, which would have to be imported for it.
_FAMILIES: Final[Mapping[str, str]] = {
    "users": "Who works in an account, or may look at a company.",
    "guests": "People from outside who may look at a company.",
    "email-accounts": "The e-mail accounts that companies send from, as the agency sees them.",
    "mailboxes": "The mailboxes of an account, with their limits.",
    "campaigns": "The campaigns of an account.",
    "prospects": "The people whom an account writes to.",
    "blacklist": "Domains and addresses that nobody writes to, in an account or in the whole agency.",
    "deliverability": "What became of the e-mails of each company.",
    "webhooks": "Who is told of events.",
}
_COMMANDS: Final[Mapping[str, str]] = {
    "keys": "API keys of client companies.",
    "companies": "Client companies of the agency.",
    "inventory": "What keys there are, saved without any secret, and what changed since.",
    **_FAMILIES,
    "me": "Show whose API key this is.",
    "doctor": "Find out how the API behaves for your key, by harmless reads.",
    "api": "Call any endpoint of the API.",
    "worker": "Do the jobs of `keys sweep`, until Ctrl-C or SIGTERM.",
    "sandbox": "A local server that behaves like the documented API.",
    "config": "Settings: where each of them comes from.",
    "completion": "Print the script that lets a shell complete commands and options.",
    "help": "Show help for a command or a topic.",
}


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    families=_FAMILIES,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 usage, "
        "3 finished with some companies failed, 130 interrupted. More: help environment, help exit-codes."
    ),
)
@connection_options
@click.version_option(__version__, message="%(prog)s %(version)s")
def root() -> None:
    """API keys of all client companies of a Woodpecker agency.

    The agency's API key is taken from the environment variable WOODPECKER_API_KEY, a file, a keyring, or stdin;
    never from the command line, which other users can see. Try without one:

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
        hinted(error).show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        terminal.echo_err("Interrupted.")
        return process.INTERRUPTED
    except SystemExit as end:
        # Of completion; or of click when nobody reads the help, in which case it has put another stdout there.
        return process.exit_code(end) if sys.stdout is stdout else terminal.BROKEN_PIPE
    except Exception as error:
        return process.tell_error(error)
