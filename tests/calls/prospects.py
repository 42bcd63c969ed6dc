from tests.calls import Row
from woodpecker_async.sandbox.campaigns import put_campaign
from woodpecker_async.sandbox.prospect_data import Prospect, Prospects

ROWS: dict[str, Row] = {
    "account.prospects.list": Row(
        "GET",
        "/v1/prospects?status=ACTIVE&interested=NOT-MARKED&campaigns_id=3%2C4"
        "&search=email%3Dmonica%40example.com%2Ccompany%3DHooli&sort=%2Bemail%2C-updated&per_page=10&page=1",
        {"message": "No prospects found"},
        kwargs={
            "status": "ACTIVE",
            "interested": "NOT_MARKED",
            "campaign_ids": [3, 4],
            "search": {"email": "monica@example.com", "company": "Hooli"},
            "sort": ["email", "-updated"],
            "per_page": 10,
        },
    ),
    "account.prospects.add": Row(
        "POST",
        "/v1/add_prospects_list",
        {"prospects": [], "status": {"status": "OK", "code": "OK", "msg": "OK"}},
        ([{"email": "monica@example.com", "first_name": "Monica", "tags": ""}],),
        {"update": True},
        {"update": True, "prospects": [{"email": "monica@example.com", "first_name": "Monica", "tags": ""}]},
    ),
    "account.prospects.add_to_campaign": Row(
        "POST",
        "/v1/add_prospects_campaign",
        {"prospects": [], "status": {"status": "OK", "code": "OK", "msg": "OK"}},
        (3, [{"email": "monica@example.com"}]),
        {"force": True, "send_after": "2025-04-01T00:01:01-0000", "file_name": "a.csv"},
        {
            "campaign": {"campaign_id": 3, "send_after": "2025-04-01T00:01:01-0000"},
            "force": True,
            "file_name": "a.csv",
            "prospects": [{"email": "monica@example.com"}],
        },
        prepare=lambda account, seed: put_campaign(account, seed, 3),
    ),
    "account.prospects.delete": Row(
        "DELETE", "/v1/prospects?id=1%2C2&campaigns_id=3", None, ([1, 2],), {"campaign_ids": [3]}
    ),
    "account.prospects.responses": Row(
        "GET",
        "/v2/prospects/1/responses?campaign_id=3%2C4",
        {"prospect_id": 1, "email": "monica@example.com", "responses": []},
        (1,),
        {"campaign_ids": [3, 4]},
        prepare=lambda account, seed: account.of_family(Prospects, seed).all.append(
            Prospect(id=1, email="monica@example.com", updated="2026-10-01T08:00:00+0200")
        ),
    ),
}
