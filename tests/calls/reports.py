import attrs

from tests.calls import Row
from woodpecker_async.sandbox.reports import Making, ReportsOfAccount
from woodpecker_async.sandbox.state import Company

HASH = "a1b2"
READY = {"status": "READY", "report": {"description": "d", "data": [{"rate": "5.2%"}]}}
DAYS = ("2026-11-01", "2026-11-30")


def prepare(account: Company, seed: int) -> None:
    """A report with this hash."""
    reports = account.of_family(ReportsOfAccount, seed).reports
    reports[HASH] = Making(kind="campaigns", from_date=DAYS[0], to_date=DAYS[1])


_CAMPAIGNS = Row(
    "POST",
    "/v2/reports/campaigns",
    {"hash": HASH},
    DAYS,
    body={"from": DAYS[0], "to": DAYS[1]},
    one_request=False,
)
_GET = Row("GET", f"/v2/reports/{HASH}", READY, (HASH,), prepare=prepare)

ROWS: dict[str, Row] = {
    "account.reports.start": attrs.evolve(_CAMPAIGNS, args=("campaigns", *DAYS), one_request=True),
    "account.reports.get": _GET,
    "account.reports.wait": attrs.evolve(_GET),
    "account.reports.campaigns": _CAMPAIGNS,
    "account.reports.messages": attrs.evolve(_CAMPAIGNS, path="/v2/reports/messages"),
    "account.reports.open_rate": attrs.evolve(_CAMPAIGNS, path="/v2/reports/open_rate"),
    "account.reports.complete": attrs.evolve(
        _CAMPAIGNS, path="/v2/reports/complete_statistics_for_each_level_of_campaign"
    ),
}
