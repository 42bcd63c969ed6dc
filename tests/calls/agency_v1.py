from tests.calls import COMPANY, COMPANY_ARG, Row

ROWS: dict[str, Row] = {
    "agency_v1.companies": Row("GET", "/v1/agency/companies", []),
    "agency_v1.create_api_key": Row(
        "POST",
        "/v1/agency/companies/api/add",
        {"api_key": "1.a"},
        (COMPANY_ARG, "key's label"),
        body={"company_id": COMPANY, "name": "key's label"},
    ),
    "agency_v1.create_company": Row(
        "POST",
        "/v1/agency/companies/add",
        {"id": 1, "name": "B", "api_keys": []},
        ("Bachmanity Infinite",),
        body={"name": "Bachmanity Infinite"},
    ),
}
