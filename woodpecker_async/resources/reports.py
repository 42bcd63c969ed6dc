"""`/v2/reports`: statistics that the server takes a while to generate."""

import datetime as dt
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Final

from woodpecker_async import checks
from woodpecker_async.errors import ResponseDecodeError
from woodpecker_async.models.reports import Report, ReportKind, ReportState, ReportStatus, StartedReport
from woodpecker_async.options import CallOptions
from woodpecker_async.polling import Wait
from woodpecker_async.resources.base import Resource

_MOST_DAYS: Final = 30
_REPORT: Final = "/v2/reports/{hash}"
_STARTS: Final[Mapping[ReportKind, str]] = {
    ReportKind.CAMPAIGNS: "/v2/reports/campaigns",
    ReportKind.MESSAGES: "/v2/reports/messages",
    ReportKind.OPEN_RATE: "/v2/reports/open_rate",
    ReportKind.COMPLETE: "/v2/reports/complete_statistics_for_each_level_of_campaign",
}

Day = dt.date | str
OnProgress = Callable[[ReportStatus, float], object]


class Reports(Resource):
    """Reports about the account.

    A report covers days in UTC, all within the last 30; the server rejects anything older. The methods that wait poll
    with pauses that grow from 0.5 to 15 s, at priority `"bulk"`. You can cancel them; the server then still finishes
    the report.
    """

    async def campaigns(
        self,
        from_date: Day,
        to_date: Day,
        *,
        deadline: float = 300,
        on_progress: OnProgress | None = None,
        options: CallOptions | None = None,
    ) -> Report:
        """Return the general statistics, one row per campaign and sending address.

        Starts the report, waits until it is ready, and fetches it. The start is retried like a read: an extra report
        does no harm.

        Args:
            from_date: the first day, a `datetime.date` or `"YYYY-MM-DD"`.
            to_date: the last day, at most 30 days later.
            deadline: seconds for the whole procedure.
            on_progress: a plain function, called after each poll with the status and the seconds elapsed; if it raises,
                the wait ends.
            options: for each request.

        Raises:
            ConfigError: a day is invalid, or the range is reversed or too long; nothing was sent.
            DeadlineExceededError: the report was not ready in time; `job` is its hash, to pass to `wait`.

        Document: "General statistics", `POST /v2/reports/campaigns`.
        """
        return await self._made(ReportKind.CAMPAIGNS, from_date, to_date, deadline, on_progress, options)

    async def messages(
        self,
        from_date: Day,
        to_date: Day,
        *,
        deadline: float = 300,
        on_progress: OnProgress | None = None,
        options: CallOptions | None = None,
    ) -> Report:
        """Return the statistics of messages; see `campaigns`.

        Args:
            from_date: the first day, a `datetime.date` or `"YYYY-MM-DD"`.
            to_date: the last day, at most 30 days later.
            deadline: seconds for the whole procedure.
            on_progress: see `campaigns`.
            options: for each request.

        Raises:
            ConfigError: a day is invalid, or the range is reversed or too long; nothing was sent.
            DeadlineExceededError: the report was not ready in time; `job` is its hash, to pass to `wait`.

        Document: "Messages statistics", `POST /v2/reports/messages`.
        """
        return await self._made(ReportKind.MESSAGES, from_date, to_date, deadline, on_progress, options)

    async def open_rate(
        self,
        from_date: Day,
        to_date: Day,
        *,
        deadline: float = 300,
        on_progress: OnProgress | None = None,
        options: CallOptions | None = None,
    ) -> Report:
        """Return the statistics of opened messages; see `campaigns`.

        Args:
            from_date: the first day, a `datetime.date` or `"YYYY-MM-DD"`.
            to_date: the last day, at most 30 days later.
            deadline: seconds for the whole procedure.
            on_progress: see `campaigns`.
            options: for each request.

        Raises:
            ConfigError: a day is invalid, or the range is reversed or too long; nothing was sent.
            DeadlineExceededError: the report was not ready in time; `job` is its hash, to pass to `wait`.

        Document: "Open rate statistics", `POST /v2/reports/open_rate`.
        """
        return await self._made(ReportKind.OPEN_RATE, from_date, to_date, deadline, on_progress, options)

    async def complete(
        self,
        from_date: Day,
        to_date: Day,
        *,
        deadline: float = 300,
        on_progress: OnProgress | None = None,
        options: CallOptions | None = None,
    ) -> Report:
        """Return the statistics per campaign, step and version, with the paths of a condition summed; see `campaigns`.

        Args:
            from_date: the first day, a `datetime.date` or `"YYYY-MM-DD"`.
            to_date: the last day, at most 30 days later.
            deadline: seconds for the whole procedure.
            on_progress: see `campaigns`.
            options: for each request.

        Raises:
            ConfigError: a day is invalid, or the range is reversed or too long; nothing was sent.
            DeadlineExceededError: the report was not ready in time; `job` is its hash, to pass to `wait`.

        Document: "Complete statistics", `POST /v2/reports/complete_statistics_for_each_level_of_campaign`.
        """
        return await self._made(ReportKind.COMPLETE, from_date, to_date, deadline, on_progress, options)

    async def start(
        self, kind: ReportKind | str, from_date: Day, to_date: Day, *, options: CallOptions | None = None
    ) -> str:
        """Start a report and return its hash, for `get` or `wait`.

        Retried like a read: an extra report does no harm.

        Args:
            kind: `"campaigns"`, `"messages"`, `"open_rate"` or `"complete"`.
            from_date: the first day, a `datetime.date` or `"YYYY-MM-DD"`.
            to_date: the last day, at most 30 days later.
            options: for this call.

        Raises:
            ConfigError: the kind or a day is invalid, or the range is reversed or too long; nothing was sent.

        Documents: "Reports", `POST /v2/reports/campaigns`, `POST /v2/reports/messages`, `POST /v2/reports/open_rate`,
        `POST /v2/reports/complete_statistics_for_each_level_of_campaign`.
        """
        return await self._start(kind, _days(from_date, to_date), options)

    async def get(self, report_hash: str, *, options: CallOptions | None = None) -> Report | None:
        """Return a report, or `None` if it is not ready yet.

        Args:
            report_hash: what `start` returned.
            options: for this call.

        Raises:
            NotFoundError: there is no such report.

        Document: "Get a report", `GET /v2/reports/{hash}`.
        """
        return _report(await self._look(checks.text(report_hash, "report_hash"), options))

    async def wait(
        self,
        report_hash: str,
        *,
        deadline: float = 300,
        on_progress: OnProgress | None = None,
        options: CallOptions | None = None,
    ) -> Report:
        """Wait until a report is ready, and return it.

        Args:
            report_hash: what `start` returned, or the `job` of an error.
            deadline: seconds to wait at most.
            on_progress: as for `campaigns`.
            options: for each poll.

        Raises:
            DeadlineExceededError: the report was not ready in time; you can wait for it again.
            NotFoundError: there is no such report.

        Document: "Get a report", `GET /v2/reports/{hash}`.
        """
        waiting = self._begin(deadline, on_progress, options)
        return await self._ready(waiting, checks.text(report_hash, "report_hash"))

    async def _made(
        self,
        kind: ReportKind,
        from_date: Day,
        to_date: Day,
        deadline: float,
        on_progress: OnProgress | None,
        options: CallOptions | None,
    ) -> Report:
        days = _days(from_date, to_date)
        waiting = self._begin(deadline, on_progress, options)
        with waiting.bounded("there was no response to the start of the report: try again"):
            report_hash = await self._start(kind, days, options, waiting.ends)
        return await self._ready(waiting, report_hash)

    def _begin(self, deadline: float, on_progress: OnProgress | None, options: CallOptions | None) -> Wait:
        return Wait.begin(self._access.clock, deadline=deadline, on_progress=on_progress, options=options)

    async def _ready(self, waiting: Wait, report_hash: str) -> Report:
        state = await waiting.until(
            lambda state: _report(state) is not None,
            lambda options, ends: self._look(report_hash, options, ends),
            job=report_hash,
            progress=attrgetter("status"),
            go_on=f"reports.wait({report_hash!r})",
        )
        report = _report(state)
        assert report is not None
        return report

    async def _start(
        self,
        kind: ReportKind | str,
        days: tuple[str | None, str | None],
        options: CallOptions | None,
        ends: float | None = None,
    ) -> str:
        started = await self._call(
            "POST",
            _STARTS[checks.choice("kind", kind, ReportKind)],
            StartedReport,
            body={"from": days[0], "to": days[1]},
            idempotent=True,
            deadline=ends,
            options=options,
        )
        if not started.hash.strip():
            what = "$.hash: expected a non-empty string, got an empty one"
            raise ResponseDecodeError(
                f"the server reported that the report has been started, but did not send its hash: {what}",
                paths=[what],
                status=200,
                method="POST",
                path="/v2/reports",
            )
        return started.hash

    async def _look(
        self, report_hash: str, options: CallOptions | None = None, ends: float | None = None
    ) -> ReportState:
        return await self._call("GET", _REPORT, ReportState, deadline=ends, options=options, hash=report_hash)


def _days(from_date: Day, to_date: Day) -> tuple[str | None, str | None]:
    return checks.date_range(from_date, to_date, most_days=_MOST_DAYS)


def _report(state: ReportState) -> Report | None:
    """Return the report, if it is ready.

    Raises:
        ResponseDecodeError: it is ready according to its status, but missing (which is not the same as having no rows).
    """
    if state.status != ReportStatus.READY:
        return None
    if state.report is None or state.report.data is None:
        where = "$.report: expected an object" if state.report is None else "$.report.data: expected an array"
        raise ResponseDecodeError(
            f"the server reported that the report is ready, but did not send it: {where}, got null",
            paths=[f"{where}, got null"],
            status=200,
            method="GET",
            path=_REPORT,
        )
    return Report(description=state.report.description, rows=state.report.data)
