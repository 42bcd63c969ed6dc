"""Reports, which take a while to be ready."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Company
from woodpecker_async.sandbox.wire import Answer, bad_request, not_found

_MOST_DAYS = 30


class Days(Input):
    """The days that a report covers."""

    from_date: dt.date = msgspec.field(name="from")
    to_date: dt.date = msgspec.field(name="to")


class Started(Struct, kw_only=True):
    """The response to starting a report."""

    hash: str


class Making(Struct, kw_only=True):
    """A report that is being created, and how often it was polled."""

    kind: str
    from_date: str
    to_date: str
    looks: int = 0


class ReportsOfAccount(Struct, kw_only=True):
    """The reports of an account, by hash."""

    reports: dict[str, Making]

    @classmethod
    def begin(cls, seed: int, account: Company) -> "ReportsOfAccount":  # noqa: ARG003 - as every family
        """None."""
        return cls(reports={})


class Report(Struct, kw_only=True):
    """A report, once it is ready."""

    description: str
    data: list[dict[str, Any]]


class State(Struct, kw_only=True):
    """The progress of a report."""

    status: str
    report: Report | None


def _start(kind: str) -> Callable[[Call, Days], Answer]:
    def run(call: Call, body: Days) -> Answer:
        if not 0 <= (body.to_date - body.from_date).days <= _MOST_DAYS:
            return bad_request("Value of from or to is incorrect.")
        reports = call.kept(ReportsOfAccount).reports
        name = draw.letters(32, call.state.seed, "report", call.account.id, len(reports))
        reports[name] = Making(kind=kind, from_date=body.from_date.isoformat(), to_date=body.to_date.isoformat())
        call.changed()
        return Answer.of(Started(hash=name))

    run.__name__ = f"start_{kind}"
    run.__doc__ = f"``POST /v2/reports/{kind}``: start a report."
    return run


def get_report(call: Call) -> Answer:
    """``GET /v2/reports/{hash}``: the progress of a report, and the report once it is ready."""
    making = call.kept(ReportsOfAccount).reports.get(call.parts[0])
    if making is None:
        return not_found()
    making.looks += 1
    if making.looks <= call.rules.ready_after:
        return Answer.of(State(status="IN_PROGRESS", report=None))
    description = f"{making.kind} from {making.from_date} to {making.to_date}"
    return Answer.of(State(status="READY", report=Report(description=description, data=_rows(call, making))))


def _rows(call: Call, making: Making) -> list[dict[str, Any]]:
    """A row for each sending address; the columns are not documented."""
    rows = []
    for number, mailbox in enumerate(call.account.mailboxes):
        topic = (call.state.seed, "report", making.kind, mailbox.smtp_id)
        sent = 20 + draw.number(*topic) % 400
        opened = draw.number(*topic, "opened") % sent
        rows.append(
            {
                "campaign_id": call.account.id * 10 + number % 3,
                "campaign_name": f"Campaign {1 + number % 3}",
                "email": mailbox.email,
                "sent": sent,
                "opened": opened,
                "open_rate": f"{opened * 100 / sent:.1f}%",
            }
        )
    return rows


_KINDS: Final = ("campaigns", "messages", "open_rate", "complete_statistics_for_each_level_of_campaign")
ENDPOINTS: Final = (
    *(
        Endpoint(method="POST", path=f"/v2/reports/{kind}", run=_start(kind), body=Days, answer=Started)
        for kind in _KINDS
    ),
    Endpoint(method="GET", path="/v2/reports/{hash}", run=get_report, answer=State),
)
