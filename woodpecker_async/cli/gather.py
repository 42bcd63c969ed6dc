"""All keys of many companies in memory, for the commands that look at them together."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from woodpecker_async.cli import process, progress, terminal
from woodpecker_async.cli.companies import AllCompanies
from woodpecker_async.cli.connection import Connection
from woodpecker_async.cli.failures import exit_code, tell_failures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.bulk import Outcome, Report
    from woodpecker_async.models import Company

C = TypeVar("C", bound=Callable[..., Any])


@dataclass(frozen=True)
class Which:
    """Which companies.

    Attributes:
        companies: ids; empty for all companies.
        active: of all companies, only the active or the inactive ones.
    """

    companies: tuple[int, ...] = ()
    active: bool | None = None


def companies_options(command: C) -> C:
    """Give a command the options that say which companies; `which` makes one of them."""
    for option in (
        click.option("--active/--inactive", default=None, help="Only the active companies, or only the others."),
        click.option(
            "--company",
            "companies",
            type=click.IntRange(min=1),
            metavar="ID",
            multiple=True,
            help="A company; repeatable.",
        ),
        click.option("--all", "everything", is_flag=True, help="All companies of the agency; the default."),
    ):
        command = option(command)
    return command


def which(*, everything: bool, companies: tuple[int, ...], active: bool | None) -> Which:
    """The companies that the options name.

    Raises:
        click.UsageError: they contradict each other.
    """
    if companies and everything:
        raise click.UsageError("say which companies: either --all, or --company ID as often as you like")
    if companies and active is not None:
        raise click.UsageError("--active and --inactive choose among all companies, not among those named")
    return Which(tuple(dict.fromkeys(companies)), active)


@dataclass(frozen=True)
class Gathered:
    """What there is.

    Attributes:
        outcomes: one of each company, in the order in which the agency lists them.
        report: what the run says.
        unsettled: a company may be missing.
        account: names the account: base URL and key fingerprint.
    """

    outcomes: "tuple[Outcome, ...]"
    report: "Report"
    unsettled: bool
    account: str

    @property
    def whole(self) -> bool:
        """Whether nothing failed and nothing may be missing, but for companies that are inactive."""
        return exit_code(self.report, unsettled=self.unsettled) == process.DONE

    def tell(self, connection: Connection) -> None:
        """Say on stderr what failed or may be missing, and how much there is."""
        report = self.report
        tell_failures(report, connection, "listed", "keys list --all --report FILE names all", unsettled=self.unsettled)
        failed = report.failed - len(report.inactive)
        connection.note(f"{terminal.companies(report.total)}, {terminal.count(report.keys, 'key')}, {failed} failed")


async def gather(woodpecker: "WoodpeckerSession", wanted: Which, connection: Connection) -> Gathered:
    """List the keys of the companies.

    Raises:
        WoodpeckerError: what stops the whole run, such as a key that is not valid.
    """
    from woodpecker_async import bulk  # noqa: PLC0415 - not for --help

    outcomes = []
    with progress.progress("Listing keys", "companies", wanted=connection.shows_progress("table")) as bar:
        everything = AllCompanies(woodpecker, wanted.active, bar)

        async def source() -> "AsyncIterator[int | Company]":
            if wanted.companies:
                bar.expect(len(wanted.companies))
                for company_id in wanted.companies:
                    yield company_id
                return
            async with aclosing(everything.read()) as found:
                async for company in found:
                    yield company

        run = bulk.list_api_keys(woodpecker, source())
        async with run:
            async for outcome in run:
                outcomes.append(outcome)
                bar.advance()
    outcomes.sort(key=lambda outcome: outcome.index)
    return Gathered(tuple(outcomes), run.report, everything.unsettled, await woodpecker.identify())
