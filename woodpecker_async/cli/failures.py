"""Messages about companies that failed, and about lists that may be incomplete."""

from typing import TYPE_CHECKING, Final

from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.connection import Connection
from woodpecker_async.cli.wording import spoken

if TYPE_CHECKING:
    from woodpecker_async.bulk import Report

# Nobody reads more than this on a terminal; the report and the JSON formats have all of them.
_MOST_FAILURES: Final = 20


def tell_failures(report: "Report", connection: Connection, done: str, rest: str, noun: str = "key") -> None:
    """Print failed, incomplete and inactive companies on stderr; --quiet suppresses only the inactive ones.

    Args:
        report: the run's report.
        connection: says whether to be quiet.
        done: what could not be done to inactive companies, such as "listed".
        rest: where to find the rest, if there are too many to print.
        noun: what one item of a company's list is called.
    """
    failed = [company for company in sorted(report.failures) if company not in report.inactive]
    for company in failed[:_MOST_FAILURES]:
        kind, text = report.failures[company]
        terminal.echo_err(f"Company {company} failed: {kind}: {spoken(text)}")
    if len(failed) > _MOST_FAILURES:
        terminal.echo_err(f"... and {terminal.companies(len(failed) - _MOST_FAILURES)} more; {rest}.")
    for company in sorted(report.drifted)[:_MOST_FAILURES]:
        terminal.echo_err(
            f"Company {company}: its list of {terminal.plural(noun)} changed each time it was read, or did not have "
            f"its announced length: {terminal.an(noun)} may be missing."
        )
    if len(report.drifted) > _MOST_FAILURES:
        terminal.echo_err(f"... and {terminal.companies(len(report.drifted) - _MOST_FAILURES)} more; {rest}.")
    if report.inactive:
        ids = ", ".join(map(str, sorted(report.inactive)))
        connection.note(f"Not {done} because they are inactive: {ids}")


def exit_code(report: "Report") -> int:
    """3 if any company failed other than by being inactive, or if a company or a key may be missing; else 0."""
    failed = report.failed > len(report.inactive)
    return process.SOME_FAILED if failed or report.drifted or report.unsettled else process.DONE
