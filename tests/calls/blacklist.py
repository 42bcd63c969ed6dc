from tests.calls import Row

ROWS: dict[str, Row] = {
    "agency.blacklist.domains.list": Row(
        "GET",
        "/v2/agency/blacklist/domains?domain_filter=a.com%2Cb.com&per_page=10&page=0",
        {"domains": ["a.com"], "total": 1},
        kwargs={"filter": ["a.com", "b.com"], "per_page": 10},
    ),
    "agency.blacklist.domains.add": Row(
        "POST", "/v2/agency/blacklist/domains", None, (["a.com"],), body={"domains": ["a.com"]}
    ),
    "agency.blacklist.domains.remove": Row(
        "DELETE", "/v2/agency/blacklist/domains", None, (["a.com"],), body={"domains": ["a.com"]}
    ),
}
