"""Every documented status and body of the Woodpecker endpoints."""

import re
from datetime import UTC, datetime

import pytest

from woodpecker_async.sandbox.documented import NOT_SERVED

COMPANIES = "/v2/agency/companies"
NO_SUCH_ID = 999_999_999_999


def keys_of(company_id):
    return f"{COMPANIES}/{company_id}/api_keys"


def is_error(got, status, title, detail):
    assert got.status == status
    assert got.headers["Content-Type"].startswith("application/json")
    assert {**got.data, "timestamp": ""} == {
        "title": title,
        "status": status,
        "detail": detail,
        "timestamp": "",
    }
    stamp = datetime.strptime(got.data["timestamp"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - stamp).total_seconds()) < 60


def is_empty(got, status):
    assert (got.status, got.body) == (status, b"")


MALFORMED = (400, "Bad request", "Your request was not valid. Please check the body for any mistakes")
ABSENT = (404, "Not Found", "Requested resource does not exist")
NO_ACTIVE = (404, "Not Found", "No active company found")


async def test_companies_are_listed_with_all_their_fields(api):
    got = await api("GET", COMPANIES)
    assert got.status == 200
    assert [row["id"] for row in got.data["content"]] == list(api.box.company_ids)
    for row in got.data["content"]:
        assert {name: type(value) for name, value in row.items()} == {
            "id": int,
            "name": str,
            "owner": str,
            "active": bool,
            "running_campaigns": int,
            "email_slots": int,
            "linkedin_slots": int,
        }
    assert got.data["pagination_data"] == {
        "total_elements": 4,
        "total_pages": 1,
        "current_page_number": 1,
        "page_size": 50,
    }


async def test_companies_can_be_filtered_by_active(api):
    *active, inactive = api.box.company_ids
    for value, expected in (("true", active), ("false", [inactive])):
        got = await api("GET", f"{COMPANIES}?active={value}")
        assert [row["id"] for row in got.data["content"]] == expected
        assert got.data["pagination_data"]["total_elements"] == len(expected)
    assert (await api("GET", f"{COMPANIES}?active=maybe")).status == 400


async def test_pages(opened):
    async with opened(companies=7, keys_per_company=5, page_size=3) as api:
        for path, total, pages in ((COMPANIES, 7, 3), (keys_of(api.box.company_ids[0]), 5, 2)):
            seen = []
            for page in range(1, pages + 1):
                got = await api("GET", f"{path}?page={page}")
                assert got.data["pagination_data"] == {
                    "total_elements": total,
                    "total_pages": pages,
                    "current_page_number": page,
                    "page_size": 3,
                }
                seen += got.data["content"]
            assert len(seen) == total
            assert seen[:3] == (await api("GET", path)).data["content"]
            beyond = await api("GET", f"{path}?page={pages + 5}")
            assert (beyond.status, beyond.data["content"]) == (200, [])
            assert beyond.data["pagination_data"]["current_page_number"] == pages + 5
            assert beyond.data["pagination_data"]["total_pages"] == pages


@pytest.mark.parametrize("page", ["0", "-1", "one", "", "1.0", "%D9%A1"])
async def test_a_page_that_is_no_positive_number_is_refused(api, page):
    for path in (COMPANIES, keys_of(api.box.company_ids[0])):
        is_error(await api("GET", f"{path}?page={page}"), 400, "Bad request", "Value of page is incorrect.")


@pytest.mark.parametrize("pages", [0, 1])
async def test_an_empty_list(opened, pages):
    async with opened(companies=0, empty_total_pages=pages) as api:
        got = await api("GET", COMPANIES)
        assert got.data["content"] == []
        assert got.data["pagination_data"]["total_pages"] == pages


async def test_keys_are_those_of_the_caller_only(api):
    company_id = api.box.company_ids[0]
    got = await api("GET", keys_of(company_id))
    assert got.status == 200
    assert got.data["content"] == [
        {"api_key": key.secret, "label": key.label} for key in api.box.state.listed(company_id)
    ]
    assert len(got.data["content"]) == 3
    assert len(api.box.state.companies[company_id].keys) == 4
    for row in got.data["content"]:
        assert re.fullmatch(r"\d+\.[A-Za-z0-9]+", row["api_key"])


async def test_keys_of_a_company_that_is_not_there(api):
    is_error(await api("GET", keys_of(NO_SUCH_ID)), *ABSENT)
    is_error(await api("GET", keys_of("abc")), *ABSENT)


async def test_whether_an_inactive_company_lists_its_keys_is_a_switch(api, opened):
    got = await api("GET", keys_of(api.box.company_ids[-1]))
    assert (got.status, len(got.data["content"])) == (200, 3)
    async with opened(companies=1, inactive=1, inactive_lists=False) as other:
        is_error(await other("GET", keys_of(other.box.company_ids[0])), *NO_ACTIVE)


async def test_create_a_key(api):
    company_id = api.box.company_ids[1]
    got = await api("POST", keys_of(company_id), json={"label": "Neu ✓"})
    assert got.status == 201
    assert list(got.data) == ["api_key"]
    listed = (await api("GET", keys_of(company_id))).data["content"]
    assert listed[-1] == {"api_key": got.data["api_key"], "label": "Neu ✓"}
    assert api.box.journal[0].committed
    assert not api.box.journal[1].committed
    me = await api("GET", "/v1/me", key=got.data["api_key"])
    assert me.data["company"]["id"] == company_id


async def test_create_a_key_without_a_body(api):
    is_empty(await api("POST", keys_of(api.box.company_ids[0])), 400)


@pytest.mark.parametrize("body", ["{", "[]", "null", "{}", '{"label": ""}', '{"label": 7}', '{"label": null}', b"\xff"])
async def test_create_a_key_with_a_malformed_body(api, body):
    is_error(await api("POST", keys_of(api.box.company_ids[0]), data=body), *MALFORMED)
    assert api.box.state.version == 0


async def test_create_a_key_for_a_company_that_is_missing_or_inactive(api):
    for company_id in (NO_SUCH_ID, api.box.company_ids[-1]):
        is_error(await api("POST", keys_of(company_id), json={"label": "x"}), *NO_ACTIVE)
    is_error(await api("POST", f"{COMPANIES}/1/api_key", json={"label": "x"}), *ABSENT)


async def test_a_label_can_be_transformed(opened):
    async with opened(companies=1, keys_per_company=0, label_filter=lambda label: label.strip()[:3]) as api:
        await api("POST", keys_of(api.box.company_ids[0]), json={"label": "  abcdef "})
        assert (await api("GET", keys_of(api.box.company_ids[0]))).data["content"][0]["label"] == "abc"


async def test_create_companies(api):
    got = await api("POST", COMPANIES, json={"companies": [{"name": "One"}, {"name": "Two"}]})
    assert got.status == 201
    rows = got.data["companies"]
    assert [(row["name"], row["owner"], row["active"]) for row in rows] == [
        ("One", api.box.state.user.name, True),
        ("Two", api.box.state.user.name, True),
    ]
    assert set(rows[0]) == {"id", "name", "owner", "active"}
    for row in rows:
        assert len((await api("GET", keys_of(row["id"]))).data["content"]) == 1


async def test_create_companies_is_all_or_none(api):
    taken = api.box.state.companies[api.box.company_ids[0]].name
    for names in (["New", taken], ["Twice", "Twice"]):
        got = await api("POST", COMPANIES, json={"companies": [{"name": name} for name in names]})
        assert (got.status, got.data["title"]) == (400, "Bad request")
    assert len(api.box.company_ids) == 4


@pytest.mark.parametrize("names", [[], [f"c{n}" for n in range(11)], [""], [None], [3]])
async def test_create_companies_with_a_malformed_body(api, names):
    body = {"companies": [{"name": name} for name in names]}
    is_error(await api("POST", COMPANIES, json=body), *MALFORMED)
    assert len(api.box.company_ids) == 4


async def test_create_companies_with_no_body_or_none_of_use(api):
    is_empty(await api("POST", COMPANIES), 400)
    is_error(await api("POST", COMPANIES, json={"companies": ["x"]}), *MALFORMED)
    is_error(await api("POST", COMPANIES, data="nothing"), *MALFORMED)


async def test_email_accounts_with_and_without_a_slash(opened):
    async with opened(companies=25) as api:
        with_boxes = next(c for c in api.box.state.companies.values() if c.mailboxes)
        path = f"{COMPANIES}/{with_boxes.id}/email_accounts"
        one, two = await api("GET", path), await api("GET", path + "/")
        assert (one.status, list(one.data)) == (200, ["content"])
        assert one.data == two.data
        smtp, imap = one.data["content"][:2]
        assert (smtp["type"], imap["type"]) == ("SMTP", "IMAP")
        assert set(smtp["details"]) == {
            "email",
            "provider",
            "error",
            "from_name",
            "imap_id",
            "running_campaigns",
        }
        assert set(imap["details"]) == {"email", "provider", "error"}
        is_error(await api("GET", f"{COMPANIES}/{NO_SUCH_ID}/email_accounts"), *ABSENT)


async def test_unknown_urls_and_methods(api):
    is_error(await api("GET", "/v2/nowhere"), *ABSENT)
    is_error(await api("GET", f"{COMPANIES}/"), *ABSENT)
    is_error(await api("GET", "/../nowhere"), *ABSENT)
    is_error(await api("GET", "/v2/no%0Awhere"), *ABSENT)
    got = await api("GET", "/v1/nowhere")
    assert (got.status, got.data["status"]["code"]) == (404, "E_URL_NOT_FOUND")


DOCUMENTED_ELSEWHERE = [(method, path.replace("{name}", "7")) for methods, path in NOT_SERVED for method in methods]


@pytest.mark.parametrize(("method", "path"), DOCUMENTED_ELSEWHERE)
async def test_what_is_documented_and_not_served_says_so(api, method, path):
    got = await api(method, path)
    is_error(got, 501, "Not Implemented", f"The sandbox does not serve {method} {path}, although it is documented")
    assert (await api(method, path, key="1.nobody")).status == 401
    assert not api.box.journal[0].committed


async def test_documented_endpoints_obey_the_company_header(api):
    missing = {"x-company-id": str(NO_SUCH_ID)}
    path = "/v2/domains/mailboxes/order"
    is_error(await api("POST", path, headers=missing), 404, "Not Found", "Company not found")
    known = {"x-company-id": str(api.box.company_ids[0])}
    assert (await api("POST", path, headers=known)).status == 501


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", COMPANIES, "GET, POST"),
        ("PUT", keys_of(1), "GET, POST"),
        ("POST", "/v1/me", "GET"),
        ("PATCH", "/v2/mailboxes", "GET"),
        ("DELETE", "/v2/mailboxes/4", "GET, PATCH"),
        ("POST", "/v2/webhooks", "GET"),
        ("GET", "/v2/domains/order", "POST"),
    ],
)
async def test_a_method_that_a_path_does_not_have(api, method, path, allowed):
    got = await api(method, path)
    assert got.headers["Allow"] == allowed
    is_error(got, 405, "Method Not Allowed", "Method not allowed")


@pytest.mark.parametrize("path", ["/v2/nowhere", "/v2/agency/companies/7/nowhere", "/v2/webhooks/7", "/v3/users"])
async def test_an_unknown_path_is_not_taken_for_a_documented_one(api, path):
    for method in ("GET", "POST"):
        got = await api(method, path)
        is_error(got, *ABSENT)
        assert "Allow" not in got.headers


# --- authentication -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [COMPANIES, "/v1/me", "/v2/mailboxes", "/v2/nowhere"])
@pytest.mark.parametrize("key", [None, "", "123456.wrong"])
async def test_a_wrong_or_missing_key(api, path, key):
    is_error(await api("GET", path, key=key), 401, "Unauthorized", "Invalid api key")
    assert api.box.journal[-1].account is None


async def test_a_client_key_on_an_agency_path(api):
    key = api.box.client_key(api.box.company_ids[0])
    for path in (COMPANIES, keys_of(api.box.company_ids[0]), "/v1/agency/companies"):
        is_empty(await api("GET", path, key=key), 403)


async def test_the_table_of_x_company_id(api):
    first, *_, inactive = api.box.company_ids
    client = api.box.client_key(first)
    for path in ("/v1/me", "/v2/mailboxes"):

        async def sent(value, key=api.key, path=path):
            return await api("GET", path, key=key, headers={"x-company-id": str(value)})

        assert (await sent(first)).status == 200
        is_error(await sent("abc"), 400, "Bad request", "X-Company-Id header value must be a number but is not")
        is_error(await sent(first, key="1.x"), 401, "Unauthorized", "Invalid api key")
        is_empty(await sent(first, key=client), 403)
        is_error(await sent(NO_SUCH_ID), 404, "Not Found", "Company not found")
        is_error(await sent(inactive), 409, "Conflict", "Company is inactive")
        assert api.box.journal[-1].company_header == str(inactive)


async def test_an_agency_path_ignores_x_company_id(api):
    got = await api("GET", COMPANIES, headers={"x-company-id": "abc"})
    assert got.status == 200
    assert api.box.journal[-1].company_header == "abc"


async def test_me_differs_by_key_and_company(api):
    first = api.box.company_ids[0]
    hq = (await api("GET", "/v1/me")).data
    client = (await api("GET", "/v1/me", key=api.box.client_key(first))).data
    master = (await api("GET", "/v1/me", headers={"x-company-id": str(first)})).data
    assert (hq["hq"], hq["company"]["id"]) == (True, api.box.state.hq.id)
    assert (client["hq"], client["company"]["id"]) == (False, first)
    assert (master["hq"], master["company"]["id"]) == (True, first)
    assert set(hq) == {"id", "name", "email", "company", "hq"}


async def test_mailboxes_are_those_of_the_account(opened):
    async with opened(companies=25) as api:
        company = next(c for c in api.box.state.companies.values() if c.mailboxes)
        own = await api("GET", "/v2/mailboxes")
        client = await api("GET", "/v2/mailboxes", key=api.box.client_key(company.id))
        master = await api("GET", "/v2/mailboxes", headers={"x-company-id": str(company.id)})
        assert isinstance(own.data, list)
        assert client.data == master.data != own.data
        assert [row["id"] for row in client.data[::2]] == [box.smtp_id for box in company.mailboxes]


# --- v1 -----------------------------------------------------------------------------------------------


def v1_code(got):
    assert got.data["status"]["status"] == "ERROR"
    assert set(got.data["status"]) == {"status", "code", "msg"}
    return got.status, got.data["status"]["code"]


async def test_v1_lists_companies_with_their_keys(api):
    got = await api("GET", "/v1/agency/companies")
    assert got.status == 200
    assert [row["id"] for row in got.data] == list(api.box.company_ids)
    first = got.data[0]
    assert set(first) == {"id", "name", "campaigns", "owner", "api_keys"}
    assert first["api_keys"] == [
        {"api_key": key.secret, "name": key.label} for key in api.box.state.listed(first["id"])
    ]


async def test_v1_adds_a_key(api):
    first, *_, inactive = api.box.company_ids
    path = "/v1/agency/companies/api/add"
    got = await api("POST", path, json={"company_id": first, "name": "old"})
    assert (got.status, got.data) == (200, {"api_key": api.box.state.listed(first)[-1].secret})
    for body in ({"company_id": first}, {"name": "x"}, {"company_id": first, "name": ""}, []):
        assert v1_code(await api("POST", path, json=body)) == (400, "E_REQUIRED_ELEMENT")
    assert v1_code(await api("POST", path)) == (400, "E_REQUIRED_ELEMENT")
    assert v1_code(await api("POST", path, data="{")) == (400, "E_REQUIRED_ELEMENT")
    for body in ({"company_id": "7", "name": "x"}, {"company_id": first, "name": [1]}):
        assert v1_code(await api("POST", path, json=body)) == (400, "E_WRONG_PARAM")
    for missing in (NO_SUCH_ID, inactive):
        got = await api("POST", path, json={"company_id": missing, "name": "x"})
        assert v1_code(got) == (400, "E_RECORD_NOT_FOUND")


async def test_a_whole_number_of_json_may_have_a_point(api):
    path, first = "/v1/agency/companies/api/add", api.box.company_ids[0]
    assert (await api("POST", path, data=f'{{"company_id": {first}.0, "name": "x"}}')).status == 200
    assert v1_code(await api("POST", path, data=f'{{"company_id": {first}.5, "name": "x"}}')) == (400, "E_WRONG_PARAM")


async def test_v1_adds_a_company(api):
    path = "/v1/agency/companies/add"
    got = await api("POST", path, json={"name": "Bachmanity Infinite"})
    assert got.status == 200
    assert (got.data["id"], got.data["name"]) == (api.box.company_ids[-1], "Bachmanity Infinite")
    assert [key["name"] for key in got.data["api_keys"]] == ["Bachmanity Infinite"]
    assert v1_code(await api("POST", path, json={"name": "Bachmanity Infinite"})) == (400, "E_DUPLICATE")
    assert v1_code(await api("POST", path, json={})) == (400, "E_REQUIRED_ELEMENT")
    assert v1_code(await api("POST", path, json={"name": 5})) == (400, "E_WRONG_PARAM")


async def test_v1_refuses_a_wrong_key_in_its_own_envelope(api):
    assert v1_code(await api("GET", "/v1/agency/companies", key="1.x")) == (401, "E_SESSION")
