from tests.calls import Row

ROWS: dict[str, Row] = {
    "account.inbox.list": Row(
        "GET",
        "/v2/inbox/messages?prospect_interest_level=INTERESTED&campaign_ids=1%2C2&search_phrases=call%20me&read=false",
        {"content": [{"id": 1}], "pagination": {"next_page_cursor": None}},
        kwargs={"interest": "INTERESTED", "campaign_ids": [1, 2], "search": ["call me"], "read": False},
    ),
}
