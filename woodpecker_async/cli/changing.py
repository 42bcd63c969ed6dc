"""Commands that change something. Each is built from a `Change`, a row of the table in `families`."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.ids import ID
from woodpecker_async.cli.layout import Column, Layout, Record
from woodpecker_async.cli.listing import At, agency_option, made
from woodpecker_async.cli.output import Output, output_options
from woodpecker_async.cli.printers import Printer
from woodpecker_async.errors import OutcomeUnknownError

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a command changes, row by row; each row has a `status`.

    Attributes:
        help: the command's help text.
        noun: what one row is called.
        columns: the columns of a row.
        plan: yields the rows of a dry run, using reads only; its keywords come from `check`.
        do: makes the changes, and yields a row for each as soon as it is done.
        options: the command's own options and arguments.
        check: validates the options and turns them into the keywords of `plan` and `do`.
        whose: what is changed: an account (the key's own, or a company's), or only a company's.
        whole_agency: there is also an agency-wide list, chosen by `--agency`.
        asks: the question to ask before making the changes; returns an empty string for none.
        fails: the values of `status` for rows that were not done although others were.
        look: the command that shows the current state.
    """

    help: str
    noun: str
    columns: tuple[Column, ...]
    plan: Callable[..., AsyncIterator[Record]]
    do: Callable[..., AsyncIterator[Record]]
    options: tuple[Callable[[Any], Any], ...]
    check: Callable[..., dict[str, Any]]
    look: str
    whose: Literal["account", "company"] = "account"
    whole_agency: bool = False
    asks: "Callable[[At, dict[str, Any]], str] | None" = None
    fails: frozenset[str] = frozenset()

    def command(self, path: str) -> click.Command:
        """Build the command.

        Args:
            path: its full name, such as `guests invite`.
        """
        layout = Layout(self.columns, table_rows=_for_people, table=terminal.plural(self.noun))

        @click.pass_obj
        def run(
            connection: Connection,
            /,
            out: Output,
            company_id: int | None,
            dry_run: bool,
            yes: bool = False,
            agency: bool = False,
            **given: Any,
        ) -> int:
            if agency and company_id is not None:
                raise click.UsageError("--agency covers all companies at once: leave out --company")
            given = self.check(connection, **given)
            if dry_run:  # a dry run only prints, and writes no file
                out = Output(format_="table" if out.format_ == "sqlite" else out.format_, json=out.json)

            async def work(woodpecker: "WoodpeckerSession", printer: Printer) -> int:
                at = At(woodpecker, company_id, agency)
                if dry_run:
                    planned: Counter[str] = Counter()
                    async for row in self.plan(at, **given):
                        printer.add(row)
                        planned[row["status"]] += 1
                    printer.finish()
                    connection.note(f"{_sum(at, planned)}. Nothing was done.")
                    return process.DONE
                question = "" if self.asks is None or yes or connection.sandbox else self.asks(at, given)
                if question:
                    from woodpecker_async.cli.plan import ask  # noqa: PLC0415 - not for --help

                    if not await ask(question, connection, "Nothing was done."):
                        return process.FAILED
                return await self._do(at, given, printer, connection)

            with out.opened(layout, connection.note) as printer:
                return connected(connection, lambda woodpecker: work(woodpecker, printer))

        needs = self.whose == "company"
        own = "" if needs else "; default: the key's own account"
        decorators = [
            *self.options,
            click.option(
                "--company",
                "company_id",
                type=ID,
                metavar="ID",
                required=needs,
                help=f"The company{own}.",
            ),
            *([agency_option] if self.whole_agency else []),
            click.option("--dry-run", is_flag=True, help="Show what would be done without doing it."),
            *([click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")] if self.asks else []),
            output_options(),
        ]
        return made(run, self.help, path, [*decorators, connection_options])

    async def _do(self, at: At, given: dict[str, Any], printer: Printer, connection: Connection) -> int:
        from asyncio import CancelledError  # noqa: PLC0415 - not for --help

        came: Counter[str] = Counter()
        stopped: BaseException | None = None
        try:
            async with aclosing(self.do(at, **given)) as done:  # type: ignore[type-var]  # they are generators
                async for row in done:
                    printer.add(row)
                    came[row["status"]] += 1
        except (Exception, CancelledError) as error:
            stopped = error
        if stopped is None or not printer.empty:
            printer.finish()
        what = _sum(at, came)
        if stopped is None:
            connection.note(f"{what}.")
            return process.SOME_FAILED if self.fails & came.keys() else process.DONE
        interrupted = isinstance(stopped, CancelledError)
        code = process.INTERRUPTED if interrupted else process.tell_error(stopped)
        earlier = getattr(stopped, "done", 0)  # from a list that was sent in several requests
        unknown = interrupted or isinstance(stopped, OutcomeUnknownError)
        if not (came or earlier or unknown):
            return code
        if earlier:
            what += f", and {earlier} more {terminal.plural(self.noun)}"
        if unknown:
            what += ". It is not known whether more was done"
        word = "Interrupted" if interrupted else "Stopped"
        terminal.echo_err(f"{word}. {what}. Check with: woodpecker-async {self.look}{_whose(at)}")
        return code


def _sum(at: At, came: "Counter[str]") -> str:
    """A short summary of what was done."""
    return f"At {at}: " + (", ".join(f"{count} {status}" for status, count in came.items()) or "nothing was done")


def _whose(at: At) -> str:
    if at.whole_agency:
        return " --agency"
    return "" if at.company is None else f" --company {at.company}"


def _for_people(row: Record) -> list[Record]:
    return [{name: ", ".join(map(str, value)) if isinstance(value, list) else value for name, value in row.items()}]
