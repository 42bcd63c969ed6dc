from tests.calls import Row, page

ROWS: dict[str, Row] = {
    "agency.companies.list": Row(
        "GET",
        "/v2/agency/companies?active=false&page=1",
        page({"id": 1, "name": "Aviato"}),
        kwargs={"active": False},
    ),
    "agency.companies.create": Row(
        "POST",
        "/v2/agency/companies",
        {"companies": [{"id": 1, "name": "Aviato"}]},
        (["Aviato"],),
        body={"companies": [{"name": "Aviato"}]},
    ),
}
