from typing import Any

from tests.calls import Row
from woodpecker_async.sandbox.lead_finder import Bought, Enrichment

_CRITERION = {"name": "job_title", "value": "CEO", "operator": "INCLUDE"}
_LEAD = {"id": 1, "first_name": "Anna"}


def _enrichment(of: str) -> Any:
    def prepare(account: Any, seed: int) -> None:
        kept = account.of_family(Bought, seed)
        kept.enrichments.append(Enrichment(uuid="7b1f", of=of, created="2026-11-02T09:30:00", entries=[]))

    return prepare


ROWS: dict[str, Row] = {
    "account.lead_finder.criteria": Row("GET", "/v2/lead_finder/search_criteria", {"search_criteria": []}),
    "account.lead_finder.criterion_values": Row(
        "GET",
        "/v2/lead_finder/search_criteria/job_title/values?search_phrase=ce&limit=50&page=1",
        ["CEO"],
        ("job_title",),
        {"search_phrase": "ce"},
    ),
    "account.lead_finder.leads": Row(
        "POST",
        "/v2/lead_finder/leads",
        {"leads": [_LEAD], "total_found": 1, "next_page": None},
        ([{"name": "job_title", "value": "CEO"}],),
        {"limit": 7},
        body={"search_criteria": [_CRITERION], "size": 7},
    ),
    "account.lead_finder.enrichments.start": Row(
        "POST",
        "/v2/lead_finder/leads/enrichments",
        {"uuid": "7b1f", "status": "IN_PROGRESS"},
        ([_LEAD],),
        {"campaign_ids": [3]},
        body={"leads": [_LEAD], "target_campaign_ids": [3]},
    ),
    "account.lead_finder.enrichments.list": Row(
        "GET",
        "/v2/lead_finder/leads/enrichments?created_after=2026-11-01",
        [],
        kwargs={"created_after": "2026-11-01"},
    ),
    "account.lead_finder.enrichments.get": Row(
        "GET", "/v2/lead_finder/leads/enrichments/7b1f", {}, ("7b1f",), prepare=_enrichment("leads")
    ),
    "account.lead_finder.prospect_enrichments.start": Row(
        "POST",
        "/v2/lead_finder/prospects/enrichments",
        {"uuid": "7b1f"},
        ([{"email": "anna@example.com", "company_name": "Aviato"}],),
        body={"prospects": [{"email": "anna@example.com", "company_name": "Aviato"}]},
    ),
    "account.lead_finder.prospect_enrichments.statuses": Row(
        "POST",
        "/v2/lead_finder/prospects/enrichments/statuses/query",
        [],
        (["7b1f"],),
        body={"uuids": ["7b1f"]},
    ),
    "account.lead_finder.prospect_enrichments.get": Row(
        "GET", "/v2/lead_finder/prospects/enrichments/7b1f", {}, ("7b1f",), prepare=_enrichment("prospects")
    ),
}
