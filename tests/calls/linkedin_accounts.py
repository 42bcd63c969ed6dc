from tests.calls import Row

ROWS: dict[str, Row] = {
    "account.linkedin_accounts.list": Row(
        "GET",
        "/v2/linkedin_accounts?status=CONNECTED",
        {"linkedin_accounts": [{"id": 1, "session_status": "CONNECTED", "level": None}]},
        kwargs={"status": "CONNECTED"},
    ),
}
