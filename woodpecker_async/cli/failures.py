"""What is said of companies that failed, and of lists that may have hidden something."""

from typing import TYPE_CHECKING, Final

from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.connection import Connection
from woodpecker_async.cli.wording import spoken

if TYPE_CHECKING:
    from woodpecker_async.bulk import Report

# More are not read in a terminal; the report and the JSON formats have them all.
_MOST_FAILURES: Final = 20


def tell_failures(report: "Report", connection: Connection, done: str, rest: str, noun: str = "key") -> None:
    """Name them on stderr, and what may have been missed; --quiet leaves out only those that are inactive.

    Args:
        report: what came of the run.
        connection: says whether to be quiet.
        done: what could not be done with inactive companies.
        rest: where the others are, if there are too many to name.
        noun: what the company's list is of.
    """
    failed = [company for company in sorted(report.failures) if company not in report.inactive]
    for company in failed[:_MOST_FAILURES]:
        kind, text = report.failures[company]
        terminal.echo_err(f"Company {company} failed: {kind}: {spoken(text)}")
    if len(failed) > _MOST_FAILURES:
        terminal.echo_err(f"... and {terminal.companies(len(failed) - _MOST_FAILURES)} more; {rest}.")
    for company in sorted(report.drifted)[:_MOST_FAILURES]:
        terminal.echo_err(
            f"Company {company}: its list of {terminal.plural(noun)} changed each time it was read, or was not as long "
            f"as it announced: {terminal.an(noun)} may be missing."
        )
    if len(report.drifted) > _MOST_FAILURES:
        terminal.echo_err(f"... and {terminal.companies(len(report.drifted) - _MOST_FAILURES)} more; {rest}.")
    if report.inactive:
        ids = ", ".join(map(str, sorted(report.inactive)))
        connection.note(f"Inactive, and so not {done}: {ids}")


def exit_code(report: "Report") -> int:
    """3 if companies failed for another reason than being inactive, or if a company or a key may be missing."""
    failed = report.failed > len(report.inactive)
    return process.SOME_FAILED if failed or report.drifted or report.unsettled else process.DONE
