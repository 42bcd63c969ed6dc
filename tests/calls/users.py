from tests.calls import COMPANY_ARG, Row, page

ROWS: dict[str, Row] = {
    "agency.users.list": Row(
        "GET",
        "/v2/agency/companies/7/users?role=owner&page=1",
        page({"id": 1, "name": "n", "email": "e"}),
        (COMPANY_ARG,),
        {"role": "owner"},
    ),
    "account.users.list": Row(
        "GET",
        "/v2/users?sort=-id&page=0",
        page({"id": 1, "name": "n", "email": "e", "role": "admin"}),
        kwargs={"sort": "-id"},
    ),
}
