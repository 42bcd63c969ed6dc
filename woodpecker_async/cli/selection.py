"""Which keys are shown, and in which shape: records in, records out.

Selecting looks at one company at a time. Shaping looks at all rows, and makes every CSV row a row in the other formats
too.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, cast
from unicodedata import normalize

import click

from woodpecker_async._redact import printable
from woodpecker_async.cli.layout import Column, Layout, Record
from woodpecker_async.cli.output import Output
from woodpecker_async.cli.printers import Printer
from woodpecker_async.cli.slips import suggestion
from woodpecker_async.cli.terminal import count

C = TypeVar("C", bound=Callable[..., Any])

_FLAT_FORMATS: Final = ("table", "csv", "csv-raw")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which companies and keys are shown.

    Attributes:
        labels: keys with one of these labels; empty for all.
        unlabelled: keys without a label.
        lacking: companies that have no key of this label.
        duplicates: keys that share their label with another key of the company.
        no_keys: companies without keys.
    """

    labels: frozenset[str] = frozenset()
    unlabelled: bool = False
    lacking: str | None = None
    duplicates: bool = False
    no_keys: bool = False

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection()

    def of(self, record: Record) -> Record | None:
        """The part of a company's record to show; `None` for nothing.

        A company that could not be listed is left out, because nobody knows whether it matches.
        """
        if self.everything:
            return record
        if not record["ok"]:
            return None
        keys = record["keys"]
        labels = Counter(normalize("NFC", key["label"]) for key in keys if key["label"])
        if self.no_keys:
            return None if keys else record
        if self.lacking is not None and self.lacking in labels:
            return None
        if not (self.labels or self.unlabelled or self.duplicates):
            return record
        shown = [key for key in keys if self._shows(key["label"], labels)]
        return {**record, "keys": shown} if shown else None

    def _shows(self, label: str | None, labels: Counter[str]) -> bool:
        if not label:
            return self.unlabelled
        label = normalize("NFC", label)
        if self.unlabelled or (self.labels and label not in self.labels):
            return False
        return not self.duplicates or labels[label] > 1


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The shape of what is shown.

    Attributes:
        fields: the fields of a row, in their order; `None` for those the layout has.
        sort: fields to sort by, in order of priority, each with whether it is descending.
        limit: the most rows.
    """

    fields: tuple[str, ...] | None = None
    sort: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None

    @property
    def flat(self) -> bool:
        """Whether JSON has one entry per row, as CSV does."""
        return self != Shape()

    def layout(self, layout: Layout) -> Layout:
        """The layout of the output."""
        if not self.flat:
            return layout
        columns = layout.columns
        if self.fields is not None:
            by_name = {column.name: column for column in layout.columns}
            columns = tuple(_titled(by_name[name]) for name in self.fields)
        columns = tuple(replace(column, once=False) for column in columns)
        return replace(layout, columns=columns, table_rows=lambda row: (cast("Row", row).shown,), csv_rows=_itself)

    def rows(self, records: Iterable[Record], layout: Layout) -> "list[Row]":
        """The rows of these records, sorted, then limited."""
        rows = [
            Row(row, shown)
            for record in records
            for row, shown in zip(layout.csv_rows(record), layout.table_rows(record), strict=True)
        ]
        for name, descending in reversed(self.sort):
            rows.sort(key=lambda row: _sort_key(row.get(name), descending=descending), reverse=descending)
        names = self.fields or tuple(column.name for column in layout.columns)
        return [Row({name: row.get(name) for name in names}, row.shown) for row in rows[: self.limit]]


class Row(dict[str, Any]):
    """A row for programs; `shown` is the same row for people."""

    def __init__(self, row: Record, shown: Record) -> None:
        super().__init__(row)
        self.shown = shown


def _itself(row: Record) -> Iterable[Record]:
    return (row,)


def _titled(column: Column) -> Column:
    return column if column.title is not None else replace(column, title=column.name.replace("_", " ").capitalize())


def _sort_key(value: Any, *, descending: bool) -> tuple[Any, ...]:
    if value is None or value == "":
        return (not descending, 0, "", "")  # last either way
    if isinstance(value, bool | int | float):
        return (descending, 0, value, "")
    return (descending, 1, str(value).casefold(), str(value))


class SelectingPrinter:
    """A printer that prints only what is selected, in the wanted shape."""

    def __init__(
        self, printer: Printer, selection: Selection, shape: Shape, layout: Layout, note: Callable[[str], None]
    ) -> None:
        self._printer = printer
        self._selection = selection
        self._shape = shape
        self._layout = layout
        self._note = note
        self._kept: list[tuple[int, Record]] = []

    def add(self, record: Record, place: int = 0) -> None:
        """Print a record if it is selected, now or in `finish`."""
        selected = self._selection.of(record)
        if selected is None:
            return
        if self._shape.flat:
            self._kept.append((place, selected))
        else:
            self._printer.add(selected, place)

    def finish(self) -> None:
        """Print the records that were kept."""
        if self._shape.flat:
            records = [record for _, record in sorted(self._kept, key=lambda kept: kept[0])]
            rows = self._shape.rows(records, self._layout)
            for place, row in enumerate(rows):
                self._printer.add(row, place)
            whole = sum(len(list(self._layout.csv_rows(record))) for record in records)
            if len(rows) < whole:
                self._note(f"Showing {len(rows)} of {count(whole, 'row')} (--limit).")
        self._printer.finish()

    @property
    def empty(self) -> bool:
        """Whether nothing is waiting to be printed."""
        return not self._kept and self._printer.empty


@dataclass(frozen=True)
class Shown:
    """The values of the options of `selection_options`.

    Attributes:
        selection: which companies and keys to show.
        shape: the shape to show them in.
    """

    selection: Selection
    shape: Shape

    def check(self, *, resumes: bool) -> None:
        """Check that the options work with a resumed run, whose rows are added to earlier ones.

        Raises:
            click.UsageError: they do not.
        """
        if resumes and (self.shape.sort or self.shape.limit is not None):
            raise click.UsageError("--resume adds to earlier output: leave out --sort and --limit")

    def over(self, printer: Printer, layout: Layout, note: Callable[[str], None]) -> "Printer | SelectingPrinter":
        """Wrap a printer in one that selects and shapes, if there is anything to select or shape."""
        if self.selection.everything and not self.shape.flat:
            return printer
        return SelectingPrinter(printer, self.selection, self.shape, layout, note)


def selection_options(layout: Layout) -> Callable[[C], C]:
    """Add the options that select and shape to a command that lists keys, which gets them as `shown`.

    Apply it outside the output options, because --no-header changes what they produce.
    """
    options = (
        click.option("--label", "labels", metavar="TEXT", multiple=True, help="Only keys with this label; repeatable."),
        click.option(
            "--without-label",
            metavar="[TEXT]",
            is_flag=False,
            flag_value="",
            help="Only keys without a label; with TEXT, only companies that have no key with this label.",
        ),
        click.option(
            "--duplicates", is_flag=True, help="Only keys that share a label with another key of the company."
        ),
        click.option("--no-keys", is_flag=True, help="Only companies without keys."),
    )

    def decorate(command: C) -> C:
        @functools.wraps(command)
        def with_selection(
            *args: Any,
            labels: tuple[str, ...],
            without_label: str | None,
            duplicates: bool,
            no_keys: bool,
            shown: Shown,
            **kwargs: Any,
        ) -> Any:
            selection = Selection(
                labels=frozenset(normalize("NFC", label) for label in labels),
                unlabelled=without_label == "",
                lacking=normalize("NFC", without_label) if without_label else None,
                duplicates=duplicates,
                no_keys=no_keys,
            )
            _check(selection)
            return command(*args, shown=replace(shown, selection=selection), **kwargs)

        result: Any = shape_options(layout)(with_selection)
        for option in reversed(options):
            result = option(result)
        return cast("C", result)

    return decorate


def shape_options(layout: Layout) -> Callable[[C], C]:
    """Add the options that shape rows to a command that lists anything; see `selection_options`."""
    names = [column.name for column in layout.columns]
    options = (
        click.option(
            "--fields",
            metavar="FIELDS",
            help=f"Only these fields, comma-separated. Available: {', '.join(names)}.",
        ),
        click.option(
            "--sort", metavar="FIELDS", help="Sort rows by these fields, comma-separated; -FIELD sorts descending."
        ),
        click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Print at most N rows."),
        click.option("--no-header", is_flag=True, help="In tables and CSV, leave out the header row."),
    )

    def decorate(command: C) -> C:
        @functools.wraps(command)
        def with_shape(
            *args: Any,
            fields: str | None,
            sort: str | None,
            limit: int | None,
            no_header: bool,
            out: Output,
            **kwargs: Any,
        ) -> Any:
            if no_header and out.format_ not in _FLAT_FORMATS:
                raise click.UsageError(f"--no-header works only with tables and CSV, not with {out.format_}")
            shape = Shape(
                fields=None if fields is None else tuple(_names(fields, names, "--fields")),
                sort=() if sort is None else tuple(_sort(sort, names)),
                limit=limit,
            )
            return command(*args, shown=Shown(Selection(), shape), out=replace(out, header=not no_header), **kwargs)

        result: Any = with_shape
        for option in reversed(options):
            result = option(result)
        return cast("C", result)

    return decorate


def _check(selection: Selection) -> None:
    if selection.no_keys and selection != Selection(no_keys=True):
        raise click.UsageError("--no-keys shows companies without keys: leave out the options that select keys")
    if selection.unlabelled and (selection.labels or selection.duplicates):
        raise click.UsageError("--without-label shows keys without a label: leave out --label and --duplicates")
    if selection.lacking is not None and selection.lacking in selection.labels:
        raise click.UsageError(f"--label and --without-label both name {selection.lacking!r}")


def _names(text: str, names: Sequence[str], option: str) -> list[str]:
    wanted = [name.strip() for name in text.split(",")]
    for name in wanted:
        if name not in names:
            raise click.UsageError(f"{option}: there is no field {printable(repr(name))}; {suggestion(name, names)}")
    if len(set(wanted)) < len(wanted):
        raise click.UsageError(f"{option}: a field is named twice")
    return wanted


def _sort(text: str, names: Sequence[str]) -> list[tuple[str, bool]]:
    given = [name.strip() for name in text.split(",")]
    plain = _names(",".join(name.removeprefix("-") for name in given), names, "--sort")
    return [(name, written.startswith("-")) for name, written in zip(plain, given, strict=True)]
