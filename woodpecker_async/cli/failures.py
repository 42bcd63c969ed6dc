"""What is said of companies that failed."""

from typing import TYPE_CHECKING, Final

from woodpecker_async.cli import output
from woodpecker_async.cli.connection import Connection

if TYPE_CHECKING:
    from woodpecker_async.bulk import Report

# More are not read in a terminal; the report and the JSON formats have them all.
_MOST_FAILURES: Final = 20


def tell_failures(report: "Report", connection: Connection, done: str, rest: str) -> None:
    """Name them on stderr, and those that failed for being inactive."""
    failed = [company for company in sorted(report.failures) if company not in report.inactive]
    for company in failed[:_MOST_FAILURES]:
        kind, text = report.failures[company]
        output.complain(f"Company {company} failed: {kind}: {text}")
    if len(failed) > _MOST_FAILURES:
        output.complain(f"... and {output.companies(len(failed) - _MOST_FAILURES)} more; {rest}.")
    if report.inactive:
        ids = ", ".join(map(str, sorted(report.inactive)))
        connection.note(f"Inactive, and so not {done}: {ids}")
