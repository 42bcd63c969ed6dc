"""Commands that list things. Each is built from a `Listing`, a row of the table in `families`.

They all have the options of `keys list`, and print the same rows in every format: those of one account, or those of
many companies, with a row for each company that has nothing or failed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.chosen import Chosen, companies_options
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.fields import Field, values
from woodpecker_async.cli.layout import Column, Layout, Record
from woodpecker_async.cli.output import Output, output_options
from woodpecker_async.cli.printers import Printer
from woodpecker_async.cli.progress import progress
from woodpecker_async.cli.runs import Saved, Source, Work, perform, run_options, summary
from woodpecker_async.cli.selection import SelectingPrinter, Shown, shape_options
from woodpecker_async.cli.wording import spoken

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.bulk import Outcome
    from woodpecker_async.pagination import Pager
    from woodpecker_async.scope import AccountLevel

# Which company a row belongs to, and how listing that company ended.
_WHOSE: Final = (
    Column("company_id", "Company", whole=True, once=True),
    Column("company_name", "Company name", once=True, spare=9),
    Column("outcome"),
)
_FAILURE: Final = Column("failure")


@dataclass(frozen=True)
class At:
    """Where to list or change something.

    Attributes:
        woodpecker: the session.
        company: a client company; `None` for the key's own account.
        whole_agency: the agency-wide list, which applies to all its companies.
    """

    woodpecker: "WoodpeckerSession"
    company: int | None = None
    whole_agency: bool = False

    @property
    def account(self) -> "AccountLevel":
        """The account to act on."""
        return self.woodpecker.account if self.company is None else self.woodpecker.company(self.company)

    def __str__(self) -> str:
        if self.whole_agency:
            return "the agency"
        return "your own account" if self.company is None else f"company {self.company}"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a command lists.

    Attributes:
        help: the command's help text.
        noun: what one item is called.
        call: returns the pagers to read; its keywords are the command's own options, and `options` for the calls.
        fields: the fields to print for an item.
        whose: whose lists they are: an account's (the key's own, or companies'); only companies'; or the agency's.
        whole_agency: there is also an agency-wide list, chosen by `--agency`.
        options: the command's own options.
        reveal: the help of `--reveal`, if there is anything to reveal.
    """

    help: str
    noun: str
    call: "Callable[..., Pager[Any] | tuple[Pager[Any], ...]]"
    fields: tuple[Field, ...]
    whose: Literal["account", "companies", "agency"] = "account"
    whole_agency: bool = False
    options: tuple[Callable[[Any], Any], ...] = ()
    reveal: str = ""

    @cached_property
    def layout(self) -> Layout:
        """The layout of its rows."""
        columns = self.fields if self.whose == "agency" else (*_WHOSE, *self.fields, _FAILURE)
        table = terminal.plural(self.noun).replace(" ", "_").replace("-", "_")
        return Layout(columns, table_rows=self._for_people, table=table)

    def lists(self, at: At, **given: Any) -> "tuple[Pager[Any], ...]":
        """The pagers to read."""
        found = self.call(at, **given)
        return found if isinstance(found, tuple) else (found,)

    def row(self, item: Any, out: Output) -> dict[str, Any]:
        """The row for an item of the key's own account, or of the agency."""
        row = values(self.fields, item, reveal=out.reveal)
        return row if self.whose == "agency" else self._row(row, outcome="ok")

    def rows(self, outcome: "Outcome", out: Output, *, empty: bool) -> Iterator[Record]:
        """The rows for a company.

        Args:
            outcome: the company's outcome.
            out: the output options, which say whether to reveal secrets.
            empty: print a row for a company that has no items.
        """
        company, error = outcome.company, outcome.error
        row = partial(
            self._row,
            company_id=outcome.company_id,
            company_name=None if company is None else company.name,
        )
        if error is not None:
            word = "inactive" if outcome.inactive else "failed"
            yield row({}, outcome=word, failure=f"{type(error).__name__}: {spoken(str(error))}")
            return
        items: Iterable[Any] = outcome.keys
        for item in items:
            yield row(values(self.fields, item, reveal=out.reveal), outcome="incomplete" if outcome.drifted else "ok")
        if not items and (empty or outcome.drifted):
            yield row({}, outcome="incomplete" if outcome.drifted else "none")

    def _row(self, shown: dict[str, Any], **more: Any) -> dict[str, Any]:
        return dict.fromkeys(column.name for column in self.layout.columns) | shown | more

    def _for_people(self, row: Record) -> Iterator[Record]:
        shown = {name: ", ".join(map(str, value)) if isinstance(value, list) else value for name, value in row.items()}
        if row.get("outcome") in {"none", "failed", "inactive"}:
            shown[self.fields[0].name] = f"({row['outcome']})"
        yield shown

    def command(self, path: str) -> click.Command:
        """Build the command.

        Args:
            path: its full name, such as `mailboxes list`.
        """

        @click.pass_obj
        def run(
            connection: Connection,
            /,
            out: Output,
            shown: Shown,
            chosen: Chosen | None = None,
            agency: bool = False,
            report_file: Path | None = None,
            resume_file: Path | None = None,
            **given: Any,
        ) -> int:
            given = {name: value for name, value in given.items() if value not in (None, ())}
            if agency and chosen is not None:
                raise click.UsageError("--agency covers all companies at once: do not choose companies as well")
            if chosen is not None:
                return self._of_many(connection, out, shown, chosen, report_file, resume_file, path, given)
            if report_file is not None or resume_file is not None:
                raise click.UsageError("--report and --resume work only with companies: say which, or leave them out")
            return self._of_one(connection, out, shown, given, whole_agency=agency)

        decorators = [*self.options]
        if self.whose != "agency":
            decorators += [companies_options(own=self.whose == "account")]
        if self.whole_agency:
            decorators += [agency_option]
        decorators += [output_options(reveal=self.reveal), shape_options(self.layout)]
        if self.whose != "agency":
            decorators += [run_options]
        return made(run, self.help, path, [*decorators, connection_options])

    def _of_one(
        self, connection: Connection, out: Output, shown: Shown, given: dict[str, Any], *, whole_agency: bool
    ) -> int:
        async def work(woodpecker: "WoodpeckerSession", printer: "Printer | SelectingPrinter") -> int:
            from woodpecker_async.settled import SettledPages  # noqa: PLC0415 - not for --help

            most = None if shown.shape.sort else shown.shape.limit
            count, settled = 0, True
            things = terminal.plural(self.noun)
            with progress(f"Listing {things}", things, wanted=connection.shows_progress(out)) as bar:
                for pager in self.lists(At(woodpecker, whole_agency=whole_agency), **given):
                    pages, before = SettledPages(pager), count
                    async for page in pages:
                        bar.expect(None if page.total_elements is None else before + page.total_elements)
                        for item in page.items if most is None else page.items[: most - count]:
                            printer.add(self.row(item, out))
                            bar.advance()
                            count += 1
                        if count == most:
                            break
                    settled = settled and (pages.settled or count == most)
            printer.finish()
            if not settled:
                terminal.echo_err(
                    f"The list of {things} changed each time it was read, or did not have its announced length: "
                    f"{terminal.an(self.noun)} may be missing. Run the command again."
                )
            written = "" if out.path is None else f", written to {out.path}"
            more = " (--limit reached; there may be more)" if count == most else ""
            connection.note(terminal.count(count, self.noun) + more + written)
            return process.DONE if settled else process.SOME_FAILED

        # All rows are of one account, so tables need no column for it.
        columns = tuple(replace(column, title=None) if column in _WHOSE else column for column in self.layout.columns)
        layout = replace(self.layout, columns=columns)
        with out.opened(shown.shape.layout(layout), connection.note) as printer:
            shaping = shown.over(printer, layout, connection.note)
            return connected(connection, lambda woodpecker: work(woodpecker, shaping))

    def _of_many(
        self,
        connection: Connection,
        out: Output,
        shown: Shown,
        chosen: Chosen,
        report_file: Path | None,
        resume_file: Path | None,
        path: str,
        given: dict[str, Any],
    ) -> int:
        task = " ".join([path, *(f"{name}={value}" for name, value in sorted(given.items()))])
        saved = Saved.read(task, report_file, resume_file, out.path)
        resumes = saved.resume is not None
        shown.check(resumes=resumes)
        # With a filter, only matches are of interest. But a resumed run must replace rows that are already in the file.
        empty = resumes or not (given or shown.shape.limit)

        async def work(woodpecker: "WoodpeckerSession") -> int:
            from woodpecker_async.bulk import list_each  # noqa: PLC0415 - not for --help

            self.lists(At(woodpecker, 1), **given)  # validates once, before it would fail for every company
            work = Work(
                title=f"Listing {terminal.plural(self.noun)}",
                done="listed",
                start=lambda companies: list_each(
                    woodpecker,
                    lambda company, options: self.lists(At(woodpecker, company), options=options, **given),
                    companies,
                    task=task,
                    resume=saved.resume,
                ),
                records=lambda outcome: self.rows(outcome, out, empty=empty),
                summary=partial(summary, noun=self.noun),
                noun=self.noun,
            )
            await saved.check(woodpecker, chosen)
            shaping = shown.over(printer, self.layout, connection.note)
            return await perform(work, Source(woodpecker, chosen, saved), saved, save, out, shaping, connection)

        layout = shown.shape.layout(self.layout)
        with saved.opened() as save, out.opened(layout, connection.note, resumes=resumes) as printer:
            return connected(connection, work)


agency_option: Final = click.option(
    "--agency", is_flag=True, help="The agency-wide list, which applies to all its companies."
)


def made(run: Callable[..., int], help_: str, path: str, decorators: list[Callable[[Any], Any]]) -> click.Command:
    """Build a command from a function and the decorators that add its options, in the order of its help."""
    for decorate in reversed(decorators):
        run = decorate(run)
    return click.command(path.rpartition(" ")[2], help=help_)(run)
