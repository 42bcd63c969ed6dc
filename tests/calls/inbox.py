from tests.calls import Row
from woodpecker_async.sandbox.inbox import put_message

ROWS: dict[str, Row] = {
    "account.inbox.list": Row(
        "GET",
        "/v2/inbox/messages?prospect_interest_level=INTERESTED&campaign_ids=1%2C2&search_phrases=call%20me&read=false",
        {"content": [{"id": 1}], "pagination": {"next_page_cursor": None}},
        kwargs={"interest": "INTERESTED", "campaign_ids": [1, 2], "search": ["call me"], "read": False},
    ),
    "account.inbox.reply": Row(
        "POST",
        "/v2/inbox/messages/12/reply",
        args=(12, "<p>Gladly!</p>"),
        kwargs={"cc": ["a@example.com", "b@example.com"], "subject": "Re: You", "quote_original": True},
        body={
            "cc": "a@example.com,b@example.com",
            "subject": "Re: You",
            "body": {"html": "<p>Gladly!</p>"},
            "quote_original_message": True,
        },
        prepare=lambda account, seed: put_message(account, seed, 12),
    ),
}
