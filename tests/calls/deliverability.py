from tests.calls import Row, page

_COUNT = {"current_period": 2, "previous_period": 1}

ROWS: dict[str, Row] = {
    "agency.deliverability.list": Row(
        "GET",
        "/v2/agency/deliverability?from=2026-10-01&to=2026-10-31&per_page=50&page=1",
        page({"id": 1, "name": "Aviato", "emails_sent": _COUNT}),
        kwargs={"from_date": "2026-10-01", "to_date": "2026-10-31", "per_page": 50},
    ),
}
