from tests.calls import Row

ROWS: dict[str, Row] = {
    "account.manual_tasks.list": Row("GET", "/v2/manual_tasks?limit=100", [], kwargs={"limit": 100}),
}
