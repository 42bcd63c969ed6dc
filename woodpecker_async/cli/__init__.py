"""The command line `woodpecker-async`, which needs the extra `cli`.

No heavy module is imported before a command runs, so that help, version and completion are fast.
"""

import sys
from importlib.util import find_spec


def main() -> int:
    """Run the command line and return the exit code.

    0 success, 1 failure, 2 usage error, 3 finished but some companies failed, 130 interrupted.
    """
    try:
        import click  # noqa: F401, PLC0415 - it may be missing

        complete = find_spec("rich") is not None
    except ImportError:
        complete = False
    if not complete:
        sys.stderr.write("Error: the command line needs click and rich: pip install 'woodpecker-async[cli]'\n")
        return 1
    from woodpecker_async.cli import process  # noqa: PLC0415 - it needs click
    from woodpecker_async.cli.main import run_command  # noqa: PLC0415

    code = run_command()
    process.ending()
    return code
