"""`woodpecker-async keys sweep`: all companies, shared among the workers of a queue."""

import json
import math
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import click

from woodpecker_async.cli import logs, output, process, progress, terminal
from woodpecker_async.cli.connection import Connection, display_options
from woodpecker_async.cli.failures import exit_code, tell_failures
from woodpecker_async.cli.layout import Record
from woodpecker_async.cli.printers import Printer
from woodpecker_async.cli.worker import check_installed, queue_options

if TYPE_CHECKING:
    from woodpecker_async.workers import Sweep
    from woodpecker_async.workers.sweep import Progress, SweepResult

# Seconds after which Redis counts as not responding.
_SILENT_REDIS: Final = 3.0


@click.command()
@click.option("--all", "everything", is_flag=True, help="All companies of the agency; with --ensure, all active ones.")
@click.option("--active/--inactive", default=None, help="Only active companies, or only inactive ones.")
@click.option("--ensure", "label", metavar="LABEL", help="Make sure that each company has a key with this label.")
@click.option("--sink", metavar="NAME", help="With --ensure, where the workers write the keys; see `worker --sink`.")
@click.option("--run", "run_id", metavar="ID", help="Continue this run, skipping what is already done.")
@click.option("--chunk", type=click.IntRange(1, 1000), default=25, show_default=True, help="Companies per job.")
@click.option("--yes", "-y", is_flag=True, help="With --ensure, do not ask before creating more than ten keys.")
@queue_options
@output.output_options()
@display_options
@click.pass_obj
def sweep(
    connection: Connection,
    everything: bool,
    active: bool | None,
    label: str | None,
    sink: str | None,
    run_id: str | None,
    chunk: int,
    yes: bool,
    redis_url: str,
    queue: str,
    out: output.Output,
) -> int:
    """List the keys of all companies, or create keys, with the workers of a queue.

    Needs no API key, because the workers have it. Prints one report on the work of all workers. It contains no keys;
    in JSON it has their labels and fingerprints.
    """
    if not everything:
        raise click.UsageError("say which companies: --all")
    if (label is None) != (sink is None):
        raise click.UsageError("--ensure LABEL and --sink NAME go together: without a sink the keys would be lost")
    check_installed()
    from woodpecker_async.workers import Sweep, new_run_id  # noqa: PLC0415 - not for --help

    spec = Sweep(
        run=new_run_id() if run_id is None else run_id,
        task="list" if label is None else "ensure",
        label=label,
        sink=sink,
        active=True if active is None and label is not None else active,
        chunk_size=chunk,
    )
    with out.opened(None, connection.note) as printer, logs.logging_to(connection.verbose, connection.log_file):
        return process.run(lambda: _sweep(redis_url, queue, spec, out, printer, connection, asks=not yes))


async def _sweep(
    redis_url: str,
    queue: str,
    spec: "Sweep",
    out: output.Output,
    printer: Printer,
    connection: Connection,
    *,
    asks: bool,
) -> int:
    from asyncio import CancelledError  # noqa: PLC0415 - not for --help

    from woodpecker_async.cli.plan import UNASKED, ask  # noqa: PLC0415
    from woodpecker_async.cli.waiting import watching  # noqa: PLC0415
    from woodpecker_async.workers.sweep import sweep as sweep_  # noqa: PLC0415

    async def confirm(left: int) -> None:
        what = (
            f"This creates up to {terminal.count(left, 'key')} labelled {spec.label!r}, one at each company without one"
        )
        if asks and spec.task == "ensure" and left > UNASKED and not await ask(what, connection):
            raise click.exceptions.Exit(process.FAILED)

    connection.note(f"Run {spec.run}.")
    with progress.progress("Sweeping", "companies", wanted=connection.shows_progress(out)) as bar:
        watch = _Watch(bar)
        try:
            async with watching(watch.what, connection):
                swept = await sweep_(redis_url, spec, queue=queue, on_progress=watch.progress, on_planned=confirm)
        except CancelledError:
            terminal.echo_err(
                f"Interrupted after {watch.so_far}; the other jobs were withdrawn. To continue, add: --run {spec.run}"
            )
            return process.INTERRUPTED
    printer.add(_record(swept, spec, whole=out.format_ in {"json", "jsonl"}))
    printer.finish()
    tell_failures(swept.report, connection, "done", "use --format json to get all of them")
    connection.note(_summary(swept.report, time.monotonic() - watch.began))
    if swept.failed_jobs:
        for why, count in Counter(swept.failed_jobs.values()).most_common():
            terminal.echo_err(f"Error: {terminal.count(count, 'job')} failed: {why}")
        terminal.echo_err(f"To continue, add: --run {spec.run}")
        return process.FAILED
    if swept.missing:
        lost = terminal.companies(len(swept.missing))
        terminal.echo_err(f"{lost} without an outcome. To continue, add: --run {spec.run}")
    if swept.report.drifted:
        terminal.echo_err(
            f"The keys of {terminal.companies(len(swept.report.drifted))} changed each time they were listed: some may "
            "be missing. --format json lists the companies."
        )
    if swept.report.unsettled:
        terminal.echo_err("The list of companies changed each time it was read: some may be missing. Start a new run.")
    if swept.report.failed > len(swept.report.inactive):
        connection.note(f"To retry the failed companies, add: --run {spec.run}")
    return process.SOME_FAILED if swept.missing else exit_code(swept.report)


class _Watch:
    """Shows the progress of the sweep."""

    def __init__(self, bar: progress.Bar) -> None:
        self.began = time.monotonic()
        self._bar = bar
        self._done = 0
        self._total: int | None = None
        self._workers = 0
        self._looked = -math.inf

    def progress(self, progress: "Progress") -> None:
        """Take note of the progress; called several times a second while Redis responds."""
        self._bar.expect(progress.total)
        if progress.done != self._done:
            self._bar.advance(progress.done - self._done)
        self._done, self._total, self._workers = progress.done, progress.total, progress.workers
        self._looked = time.monotonic()

    def what(self) -> str:
        """What the command is waiting for."""
        if time.monotonic() - self._looked > _SILENT_REDIS:
            return "Waiting for Redis, which is not responding."
        if not self._workers:
            return "The jobs are waiting for a worker; start one: woodpecker-async worker"
        return f"Waiting for {terminal.count(self._workers, 'worker')}; {self.so_far} done."

    @property
    def so_far(self) -> str:
        return terminal.companies(self._done) if self._total is None else f"{self._done} of {self._total} companies"


def _record(swept: "SweepResult", spec: "Sweep", *, whole: bool) -> Record:
    report = swept.report
    record: dict[str, Any] = {"run": spec.run}
    if whole:
        record |= json.loads(report.to_json())
        record["companies"] = {str(company): keys for company, keys in swept.found.items()}
    else:
        record |= {
            "task": report.task,
            "companies": report.total,
            "failed": report.failed - len(report.inactive),
            "inactive": len(report.inactive),
            "keys": report.keys,
            "new keys": report.created,
            "requests": report.requests,
        }
    return record


def _summary(report: Any, seconds: float) -> str:
    failed = report.failed - len(report.inactive)
    return f"{terminal.companies(report.total)}, {terminal.count(report.keys, 'key')}, {failed} failed, {seconds:.2f} s"
