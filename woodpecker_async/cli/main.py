"""The root command, and its top-level error handling."""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

import click

from woodpecker_async import __version__
from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.connection import connection_options
from woodpecker_async.cli.groups import PROGRAM, LazyGroup
from woodpecker_async.cli.slips import hinted

# Each with the first sentence of its help, so that showing it needs no import.
_FAMILIES: Final[Mapping[str, str]] = {
    "users": "Users of an account, and guests of a company.",
    "guests": "Guests: people outside the agency who can view a company.",
    "email-accounts": "E-mail accounts that companies send from, as the agency sees them.",
    "mailboxes": "Mailboxes of an account, with their sending limits.",
    "campaigns": "Campaigns of an account.",
    "prospects": "Prospects: the people an account writes to.",
    "blacklist": "Domains and addresses that an account, or the whole agency, must not write to.",
    "deliverability": "E-mail statistics of each company: sent, delivered, viewed, replied to, bounced.",
    "webhooks": "Webhooks: which events are sent to which URLs.",
}
_COMMANDS: Final[Mapping[str, str]] = {
    "keys": "API keys of client companies.",
    "companies": "Client companies of the agency.",
    "inventory": "Save which keys exist, without the secrets, and compare two saved inventories.",
    **_FAMILIES,
    "me": "Show which account the API key belongs to.",
    "doctor": "Check how the API behaves for your key, with read-only requests.",
    "api": "Call any endpoint of the API.",
    "worker": "Run the jobs of `keys sweep` until Ctrl-C or SIGTERM.",
    "sandbox": "A local server that behaves like the documented API.",
    "config": "Settings, and where each one comes from.",
    "completion": "Print a shell completion script.",
    "help": "Show help for a command or a topic.",
}


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    families=_FAMILIES,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Data goes to stdout, everything else to stderr. Exit codes: 0 success, 1 failure, 2 usage error, "
        "3 finished but some companies failed, 130 interrupted. See also: help environment, help exit-codes."
    ),
)
@connection_options
@click.version_option(__version__, message="%(prog)s %(version)s")
def root() -> None:
    """Manage the API keys of all client companies of a Woodpecker agency.

    The agency's API key is read from the environment variable WOODPECKER_API_KEY, a file, a keyring or stdin,
    never from the command line, where other users could see it. To try the tool without a key:

      woodpecker-async keys list --all --sandbox
    """


def run_command(args: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Never lets a traceback out."""
    stdout = sys.stdout
    try:
        process.check_streams()
        if hasattr(sys.stdout, "reconfigure"):
            # Characters that the terminal's encoding lacks are shown escaped instead of ending the program.
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
        # Raised by completion; or by click when nobody reads the help, in which case it has replaced stdout.
        return process.exit_code(end) if sys.stdout is stdout else terminal.BROKEN_PIPE
    except Exception as error:
        return process.tell_error(error)
