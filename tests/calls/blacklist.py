from tests.calls import Row


def _rows(family: str, path: str, kind: str, entry: str) -> dict[str, Row]:
    body = {kind: [entry]}
    return {
        f"{family}.{kind}.list": Row(
            "GET",
            f"{path}/{kind}?{kind.removesuffix('s')}_filter=a.com%2Cb.com&per_page=10&page=0",
            {kind: [entry], "total": 1},
            kwargs={"filter": ["a.com", "b.com"], "per_page": 10},
        ),
        f"{family}.{kind}.add": Row("POST", f"{path}/{kind}", None, ([entry],), body=body),
        f"{family}.{kind}.remove": Row(
            "DELETE", f"{path}/{kind}", body if family.startswith("account") else None, ([entry],), body=body
        ),
    }


ROWS: dict[str, Row] = {
    **_rows("agency.blacklist", "/v2/agency/blacklist", "domains", "a.com"),
    **_rows("agency.blacklist", "/v2/agency/blacklist", "emails", "a@a.com"),
    **_rows("account.blacklist", "/v2/blacklist", "domains", "a.com"),
    **_rows("account.blacklist", "/v2/blacklist", "emails", "a@a.com"),
}
del ROWS["agency.blacklist.emails.remove"]  # not documented
