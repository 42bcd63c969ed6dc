"""All keys of many companies in memory, for commands that need all of them at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from woodpecker_async.cli import files, process, progress, terminal
from woodpecker_async.cli.chosen import Chosen
from woodpecker_async.cli.companies import UNSETTLED, AllCompanies
from woodpecker_async.cli.connection import Connection
from woodpecker_async.cli.failures import exit_code, tell_failures
from woodpecker_async.cli.output import Output

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.bulk import Outcome, Report

_TO_A_FILE: Final = Output()


@contextmanager
def whole_file(path: Path, *, force: bool) -> Iterator[Callable[[str], None]]:
    """A function that writes a text to a file (mode 0600), completely or not at all; `-` is stdout.

    Raises:
        UsageError: the file exists and `force` is false, or it is already clear that writing cannot work.
    """
    if str(path) == "-":
        if force:
            raise process.UsageError("--force works only with a file, not with stdout")
        yield terminal.write
        return
    with files.output_to(path, replaces=force, adds=False) as file:
        yield lambda text: file.write(text.encode("utf-8", "backslashreplace"))


@dataclass(frozen=True)
class Gathered:
    """The keys of many companies.

    Attributes:
        outcomes: the outcome of each company, in the order in which the agency lists them.
        report: the run's report.
        account: identifies the account: base URL and key fingerprint.
    """

    outcomes: "tuple[Outcome, ...]"
    report: "Report"
    account: str

    @property
    def whole(self) -> bool:
        """Whether nothing failed and nothing may be missing, apart from inactive companies."""
        return exit_code(self.report) == process.DONE

    def tell(self, connection: Connection) -> None:
        """Print on stderr what failed or may be missing, and a summary."""
        report = self.report
        tell_failures(report, connection, "listed", "use `keys list --all --report FILE` to get all of them")
        if report.unsettled:
            terminal.echo_err(UNSETTLED)
        failed = report.failed - len(report.inactive)
        connection.note(f"{terminal.companies(report.total)}, {terminal.count(report.keys, 'key')}, {failed} failed")


async def gather(
    woodpecker: "WoodpeckerSession", chosen: Chosen, connection: Connection, out: Output = _TO_A_FILE
) -> Gathered:
    """List the keys of the companies.

    Args:
        woodpecker: the session.
        chosen: which companies.
        connection: says whether to show progress.
        out: where the command's data goes.

    Raises:
        WoodpeckerError: something stopped the whole run, such as an invalid key.
        UsageError: the companies came from a report of another task or account.
    """
    from woodpecker_async import bulk  # noqa: PLC0415 - not for --help

    account = await woodpecker.identify()
    chosen.check("list", account)
    outcomes = []
    with progress.progress("Listing keys", "companies", wanted=connection.shows_progress(out)) as bar:
        everything = AllCompanies(woodpecker, chosen.active)
        bar.expect(None if chosen.ids is None else len(chosen.ids))
        run = bulk.list_api_keys(woodpecker, everything.read(bar) if chosen.ids is None else chosen.ids)
        async with run:
            async for outcome in run:
                outcomes.append(outcome)
                bar.advance()
    run.report.unsettled = everything.unsettled
    outcomes.sort(key=lambda outcome: outcome.index)
    return Gathered(tuple(outcomes), run.report, account)
