"""Reports: statistics that the server makes when asked, which takes a while."""

from collections.abc import Mapping
from typing import Any

import attrs

from woodpecker_async.models.enums import OpenEnum


class ReportKind(OpenEnum):
    """The reports there are."""

    CAMPAIGNS = "campaigns"
    MESSAGES = "messages"
    OPEN_RATE = "open_rate"
    COMPLETE = "complete"


class ReportStatus(OpenEnum):
    """How far a report is. The documents name no other status; any other one means: not ready."""

    READY = "READY"


@attrs.frozen(kw_only=True)
class Report:
    """A report. Its columns differ by kind, so a row is a mapping of them as they came.

    Attributes:
        description: what the server says of the report; its form is not documented.
        rows: the rows. Rates are strings such as `"5.2%"`. The report on campaigns has one row for each campaign and
            sending address, and none for a campaign without a sent message.
    """

    description: Any
    rows: tuple[Mapping[str, Any], ...]


@attrs.frozen(kw_only=True)
class StartedReport:
    """The answer to the start of a report.

    Attributes:
        hash: what it is asked for by.
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
    """How far a report is, and the report once it is ready.

    Attributes:
        status: how far.
        report: the report.
    """

    status: ReportStatus
    report: ReportData | None = None
