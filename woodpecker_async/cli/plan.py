"""What `keys ensure` would do, and the confirmation it asks for before doing much of it."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.companies import UNSETTLED
from woodpecker_async.cli.failures import exit_code, tell_failures
from woodpecker_async.cli.progress import progress

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.bulk import Outcome, Report
    from woodpecker_async.cli.connection import Connection
    from woodpecker_async.cli.output import Output
    from woodpecker_async.models import Company
    from woodpecker_async.secret import Secret

# More keys than this are not created without asking.
UNASKED: Final = 10


@dataclass(frozen=True)
class Plan:
    """What would be done at each company.

    Attributes:
        places: the outcome of each company, in input order, and its keys with the label.
        report: the report of the run that listed the keys.
    """

    places: "list[tuple[Outcome, list[Secret]]]"
    report: "Report"

    @property
    def missing(self) -> int:
        """How many keys would be created."""
        return sum(outcome.ok and not keys for outcome, keys in self.places)

    @property
    def ambiguous(self) -> "list[int]":
        """Companies with several keys with the label, where `ensure` would fail."""
        return [outcome.company_id for outcome, keys in self.places if len(keys) > 1]

    def records(self, label: str, out: "Output") -> "list[dict[str, Any]]":
        """A record for each company."""
        return [_record(outcome, keys, label, out) for outcome, keys in self.places]


async def plan(
    woodpecker: "WoodpeckerSession", companies: "list[int] | list[Company]", label: str, *, bar_wanted: bool
) -> Plan:
    """Find out which companies have a key with this label. Creates nothing."""
    from woodpecker_async import bulk  # noqa: PLC0415 - not for --help
    from woodpecker_async.labels import keys_with_label  # noqa: PLC0415

    places = []
    with progress("Looking for keys", "companies", wanted=bar_wanted) as bar:
        bar.expect(len(companies))
        async with bulk.list_api_keys(woodpecker, companies) as run:
            async for outcome in run:
                places.append((outcome, keys_with_label(outcome.keys, label, ())))
                bar.advance(failed=not (outcome.ok or outcome.inactive))
    places.sort(key=lambda place: place[0].index)
    return Plan(places, run.report)


def tell_plan(found: Plan, label: str, account: str, connection: "Connection") -> int:
    """Say what would be created and where, and return the exit code."""
    tell_failures(found.report, connection, "checked", "use --format json to get all of them")
    if found.report.unsettled:
        terminal.echo_err(UNSETTLED)
    for company in found.ambiguous[:UNASKED]:
        terminal.echo_err(f"Company {company} has several keys labelled {label!r}; none would be created there.")
    there = len(found.places) - found.missing - found.report.failed - len(found.ambiguous)
    connection.note(
        f"Would create {terminal.count(found.missing, 'key')} labelled {label!r} at {account}; {there} already there. "
        "Nothing was created."
    )
    return process.SOME_FAILED if found.ambiguous else exit_code(found.report)


async def ask(what: str, connection: "Connection", nothing: str = "Nothing was created.") -> bool:
    """Ask the user at the terminal to confirm something.

    Args:
        what: what will be done, as a sentence.
        connection: says whether to be quiet.
        nothing: the message if the user declines.

    Raises:
        UsageError: there is no terminal to ask on.
    """
    if not (terminal.is_terminal(sys.stdin) and terminal.is_terminal(sys.stderr)):
        raise process.UsageError(f"{what}; there is no terminal to confirm on: add --yes")
    sys.stderr.write(f"{what}. Continue? [y/N] ")
    sys.stderr.flush()
    with terminal.asking():
        answer = await _line()
    if answer.strip().lower() in {"y", "yes"}:
        return True
    connection.note(nothing)
    return False


async def _line() -> str:
    """The next line of stdin, read without delaying signals."""
    import asyncio  # noqa: PLC0415 - not for --help

    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(sys.stdin.fileno(), ready.set)
    except NotImplementedError:  # Windows
        return sys.stdin.readline()
    try:
        await ready.wait()
        return sys.stdin.readline()
    finally:
        loop.remove_reader(sys.stdin.fileno())


def _record(outcome: "Outcome", keys: "list[Secret]", label: str, out: "Output") -> "dict[str, Any]":
    company, error = outcome.company, outcome.error
    key = keys[0] if len(keys) == 1 else None
    if error is not None:
        status = "inactive" if outcome.inactive else "failed"
    elif len(keys) > 1:
        status = "ambiguous"
    else:
        status = "would create" if key is None else "exists"
    return {
        "company_id": outcome.company_id,
        "company_name": None if company is None else company.name,
        "active": None if company is None else company.active,
        "ok": outcome.ok and len(keys) < 2,
        "status": status,
        "label": label,
        "api_key": None if key is None else out.shown(key),
        "fingerprint": None if key is None else key.fingerprint,
        "created": False,
        "error": None if error is None else {"type": type(error).__name__, "message": str(error)},
    }
