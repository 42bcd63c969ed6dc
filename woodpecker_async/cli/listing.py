"""Commands that list: each is made from a `Listing`, a row of the table in `families`.

All of them have the same options as `keys list`, and the same rows in every format: those of one account, or of many
companies with a row for each company that has nothing or that failed.
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

# What a row says beside what is listed: whose it is, and what came of it.
_WHOSE: Final = (
    Column("company_id", "Company", whole=True, once=True),
    Column("company_name", "Company name", once=True, spare=9),
    Column("outcome"),
)
_FAILURE: Final = Column("failure")


@dataclass(frozen=True)
class At:
    """Where something is listed or changed.

    Attributes:
        woodpecker: the session.
        company: a client company; `None` for the key's own account.
        whole_agency: what holds for all companies of the agency is meant.
    """

    woodpecker: "WoodpeckerSession"
    company: int | None = None
    whole_agency: bool = False

    @property
    def account(self) -> "AccountLevel":
        """The account."""
        return self.woodpecker.account if self.company is None else self.woodpecker.company(self.company)

    def __str__(self) -> str:
        if self.whole_agency:
            return "the agency"
        return "your own account" if self.company is None else f"company {self.company}"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a command lists.

    Attributes:
        help: the text of its help.
        noun: one of them.
        call: the lists at a place; its keywords are the parameters of `options`, and `options` of the calls.
        fields: what is printed of an item.
        whose: an account's, which is the key's own or that of companies; companies'; or the agency's.
        whole_agency: there is a list of the whole agency too, and `--agency` asks for it.
        options: the command's own ones.
        reveal: what `--reveal` does, where there is something to show in full.
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
        """How its rows are printed."""
        columns = self.fields if self.whose == "agency" else (*_WHOSE, *self.fields, _FAILURE)
        table = terminal.plural(self.noun).replace(" ", "_").replace("-", "_")
        return Layout(columns, table_rows=self._for_people, table=table)

    def lists(self, at: At, **given: Any) -> "tuple[Pager[Any], ...]":
        """What is read at a place."""
        found = self.call(at, **given)
        return found if isinstance(found, tuple) else (found,)

    def row(self, item: Any, out: Output) -> dict[str, Any]:
        """What is printed of an item of the key's own account, or of the agency."""
        row = values(self.fields, item, reveal=out.reveal)
        return row if self.whose == "agency" else self._row(row, outcome="ok")

    def rows(self, outcome: "Outcome", out: Output, *, empty: bool) -> Iterator[Record]:
        """What is printed of a company.

        Args:
            outcome: what came of it.
            out: says whether secrets are shown.
            empty: it has a row if it has none of what is listed.
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
        """The command.

        Args:
            path: its words.
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
                raise click.UsageError("--agency is about all companies at once: leave out which companies")
            if chosen is not None:
                return self._of_many(connection, out, shown, chosen, report_file, resume_file, path, given)
            if report_file is not None or resume_file is not None:
                raise click.UsageError("--report and --resume go with companies: say which, or leave them out")
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
                    f"The list of {things} changed each time it was read, or was not as long as it announced: "
                    f"{terminal.an(self.noun)} may be missing. Run it again."
                )
            written = "" if out.path is None else f", written to {out.path}"
            more = ", the first ones (--limit); there may be more" if count == most else ""
            connection.note(terminal.count(count, self.noun) + more + written)
            return process.DONE if settled else process.SOME_FAILED

        # Whose they are is known, and needs no column for people.
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
        # Who looks for something wants to see where it is. A row that a file has already is replaced, though.
        empty = resumes or not (given or shown.shape.limit)

        async def work(woodpecker: "WoodpeckerSession") -> int:
            from woodpecker_async.bulk import list_each  # noqa: PLC0415 - not for --help

            self.lists(At(woodpecker, 1), **given)  # what makes no sense is said before it fails at every company
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
    "--agency", is_flag=True, help="The list of the whole agency, which holds for all its companies."
)


def made(run: Callable[..., int], help_: str, path: str, decorators: list[Callable[[Any], Any]]) -> click.Command:
    """A command out of a function and the decorators that give it its options, in the order of its help."""
    for decorate in reversed(decorators):
        run = decorate(run)
    return click.command(path.rpartition(" ")[2], help=help_)(run)
