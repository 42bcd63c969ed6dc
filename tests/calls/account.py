from tests.calls import Row

ROWS: dict[str, Row] = {
    "account.me": Row("GET", "/v1/me", {}),
    "account.request": Row("GET", "/v2/mailboxes", [], ("GET", "/v2/mailboxes")),
}
