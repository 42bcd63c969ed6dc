from tests.calls import COMPANY_ARG, Row

ROWS: dict[str, Row] = {
    "agency.prospects.delete_all": Row(
        "POST",
        "/v2/agency/companies/7/prospects/delete",
        {"deletion_request_id": 1, "count": 0},
        (COMPANY_ARG,),
        {"confirm": COMPANY_ARG},
        body={"type": "ALL"},
    ),
}
