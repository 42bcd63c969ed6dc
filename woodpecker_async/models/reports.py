"""Reports: statistics that the server generates on request, which takes a while."""

from collections.abc import Mapping
from typing import Any

import attrs

from woodpecker_async.models.enums import OpenEnum


class ReportKind(OpenEnum):
    """The kinds of reports."""

    CAMPAIGNS = "campaigns"
    MESSAGES = "messages"
    OPEN_RATE = "open_rate"
    COMPLETE = "complete"


class ReportStatus(OpenEnum):
    """The status of a report. The documents name only this one; any other means "not ready"."""

    READY = "READY"


@attrs.frozen(kw_only=True)
class Report:
    """A report. Its columns depend on the kind, so each row is a mapping of columns as received.

    Attributes:
        description: the server's description of the report; its format is not documented.
        rows: the rows. Rates are strings such as `"5.2%"`. The report on campaigns has one row per campaign and
            sending address, and none for a campaign without a sent message.
    """

    description: Any
    rows: tuple[Mapping[str, Any], ...]


@attrs.frozen(kw_only=True)
class StartedReport:
    """The response to starting a report.

    Attributes:
        hash: identifies the report.
    """

    hash: str


@attrs.frozen(kw_only=True)
class ReportData:
    """A report as the server sends it.

    Attributes:
        description: see `Report`.
        data: the rows.
    """

    description: Any = None
    data: tuple[Mapping[str, Any], ...] | None = None


@attrs.frozen(kw_only=True)
class ReportState:
    """The status of a report, and the report once it is ready.

    Attributes:
        status: its status.
        report: the report.
    """

    status: ReportStatus
    report: ReportData | None = None
