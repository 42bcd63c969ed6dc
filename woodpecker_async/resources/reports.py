"""`/v2/reports`: statistics that take a while to be made."""

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

    A report covers days in UTC, all of them within the last 30; what lies further back the server refuses. The methods
    that wait check with pauses that grow from half a second to 15, at the priority `"bulk"`, and can be cancelled; the
    server goes on with the report.
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
        """The general statistics, a row for each campaign and sending address.

        It starts the report, waits until it is ready, and fetches it. The start is retried like a read: one that was
        made in vain does no harm.

        Args:
            from_date: the first day, a `datetime.date` or `"YYYY-MM-DD"`.
            to_date: the last day, at most 30 days later.
            deadline: seconds for all of it.
            on_progress: a plain function that is told the status after each look, and how many seconds it took so far;
                what it raises ends the wait.
            options: for each of the calls.

        Raises:
            ConfigError: a day is none, the range is reversed or too long; nothing was sent.
            DeadlineExceededError: the report was not ready in time; `job` is its hash, to go on with by `wait`.

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
        """The statistics of messages; see `campaigns`.

        Args:
            from_date: the first day, a `datetime.date` or `"YYYY-MM-DD"`.
            to_date: the last day, at most 30 days later.
            deadline: seconds for all of it.
            on_progress: see `campaigns`.
            options: for each of the calls.

        Raises:
            ConfigError: a day is none, the range is reversed or too long; nothing was sent.
            DeadlineExceededError: the report was not ready in time; `job` is its hash, to go on with by `wait`.

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
        """The statistics of opened messages; see `campaigns`.

        Args:
            from_date: the first day, a `datetime.date` or `"YYYY-MM-DD"`.
            to_date: the last day, at most 30 days later.
            deadline: seconds for all of it.
            on_progress: see `campaigns`.
            options: for each of the calls.

        Raises:
            ConfigError: a day is none, the range is reversed or too long; nothing was sent.
            DeadlineExceededError: the report was not ready in time; `job` is its hash, to go on with by `wait`.

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
        """The statistics of each campaign, step and version, the paths of a condition added up; see `campaigns`.

        Args:
            from_date: the first day, a `datetime.date` or `"YYYY-MM-DD"`.
            to_date: the last day, at most 30 days later.
            deadline: seconds for all of it.
            on_progress: see `campaigns`.
            options: for each of the calls.

        Raises:
            ConfigError: a day is none, the range is reversed or too long; nothing was sent.
            DeadlineExceededError: the report was not ready in time; `job` is its hash, to go on with by `wait`.

        Document: "Complete statistics", `POST /v2/reports/complete_statistics_for_each_level_of_campaign`.
        """
        return await self._made(ReportKind.COMPLETE, from_date, to_date, deadline, on_progress, options)

    async def start(
        self, kind: ReportKind | str, from_date: Day, to_date: Day, *, options: CallOptions | None = None
    ) -> str:
        """Start a report and return its hash, for `get` or `wait`.

        Retried like a read: one that was made in vain does no harm.

        Args:
            kind: `"campaigns"`, `"messages"`, `"open_rate"` or `"complete"`.
            from_date: the first day, a `datetime.date` or `"YYYY-MM-DD"`.
            to_date: the last day, at most 30 days later.
            options: for this call.

        Raises:
            ConfigError: the kind is none of these, a day is none, the range is reversed or too long; nothing was sent.

        Documents: "Reports", `POST /v2/reports/campaigns`, `POST /v2/reports/messages`, `POST /v2/reports/open_rate`,
        `POST /v2/reports/complete_statistics_for_each_level_of_campaign`.
        """
        return await self._start(kind, _days(from_date, to_date), options)

    async def get(self, report_hash: str, *, options: CallOptions | None = None) -> Report | None:
        """A report, or `None` as long as it is not ready.

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
        """A report, once it is ready.

        Args:
            report_hash: what `start` returned, or the `job` of an error.
            deadline: seconds to wait at most.
            on_progress: as for `campaigns`.
            options: for each look.

        Raises:
            DeadlineExceededError: the report was not ready in time; it can be waited for again.
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
        with waiting.bounded("the start of the report was not answered: try again"):
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
            what = "$.hash: expected a string that is not empty, got an empty one"
            raise ResponseDecodeError(
                f"the server said that the report is started, but not what it is asked for by: {what}",
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
    """The report, if it is ready.

    Raises:
        ResponseDecodeError: it is said to be, and is not there: that is no report without rows.
    """
    if state.status != ReportStatus.READY:
        return None
    if state.report is None or state.report.data is None:
        where = "$.report: expected an object" if state.report is None else "$.report.data: expected an array"
        raise ResponseDecodeError(
            f"the server said that the report is ready, but did not send it: {where}, got null",
            paths=[f"{where}, got null"],
            status=200,
            method="GET",
            path=_REPORT,
        )
    return Report(description=state.report.description, rows=state.report.data)
