"""Guests, prospects, LinkedIn, deliverability, blacklists and users, as a plain HTTP client sees them."""

import pytest

COMPANIES = "/v2/agency/companies"
NO_SUCH_ID = 999_999_999_999


def at(api, rest):
    return f"{COMPANIES}/{api.box.company_ids[0]}/{rest}"


@pytest.mark.parametrize("slash", ["", "/"])
async def test_permissions_of_guests(api, slash):
    invited = await api("POST", at(api, "invite_guest"), json={"guests": [{"name": "n", "email": "n@example.com"}]})
    (guest,) = invited.data["guests"]
    path = at(api, "guests/permissions") + slash
    for permissions in (["mailboxes"], []):
        got = await api("PUT", path, json={"guests": [{"id": guest["id"], "permissions": permissions}]})
        assert (got.status, got.body) == (200, b"")
        users = (await api("GET", at(api, "users?role=guest"))).data["content"]
        assert [user["guest_permissions"] for user in users] == [permissions]
    for body in (
        {"guests": []},
        {"guests": [{"id": guest["id"], "guest_permissions": []}]},
        {"guests": [{"id": guest["id"], "permissions": ["everything"]}]},
        {},
    ):
        assert (await api("PUT", path, json=body)).status == 400
    assert (await api("PUT", path)).body == b""
    assert (await api("PUT", path, json={"guests": [{"id": 1, "permissions": []}]})).status == 404


@pytest.mark.parametrize(
    ("whose", "statuses"), [("/v2/agency/blacklist", (201, 200)), ("/v2/blacklist", (200, 200))], ids=["agency", "own"]
)
async def test_blacklists(api, whose, statuses):
    path = f"{whose}/domains"
    begun = (await api("GET", path)).data["domains"]
    added = await api("POST", path, json={"domains": ["B.example", "a.example"]})
    listed = await api("GET", f"{path}?per_page=2&page=0&domain_filter=*.example,other.test")
    assert listed.data == {"domains": ["a.example", "b.example"], "total": 2 + len(begun)}
    assert (await api("GET", f"{path}?page=9&per_page=100000")).data == {"domains": [], "total": 2 + len(begun)}
    removed = await api("DELETE", path, json={"domains": ["a.example", "never.there"]})
    assert (added.status, removed.status) == statuses
    if "agency" in whose:
        assert (added.body, removed.body) == (b"", b"")
    else:
        assert removed.data == {"domains": ["a.example"]}
    assert (await api("GET", f"{path}?domain_filter=a.example")).data["total"] == 0
    for body in ({"domains": []}, {"domains": ["x"] * 501}, {"domains": [7]}, {"emails": ["a@a.example"]}):
        assert (await api("POST", path, json=body)).status == 400
    for query in ("page=-1", "per_page=0", "page=x"):
        assert (await api("GET", f"{path}?{query}")).status == 400


async def test_an_account_sees_neither_the_blacklist_of_the_agency_nor_that_of_another(api):
    await api("POST", "/v2/agency/blacklist/emails", json={"emails": ["agency@a.example"]})
    first, second = ({"x-company-id": str(company)} for company in api.box.company_ids[:2])
    await api("POST", "/v2/blacklist/emails", json={"emails": ["first@a.example"]}, headers=first)
    for headers, expected in (({}, []), (first, ["first@a.example"]), (second, [])):
        got = await api("GET", "/v2/blacklist/emails?email_filter=*@a.example", headers=headers)
        assert got.data["emails"] == expected
    assert (await api("DELETE", "/v2/agency/blacklist/emails", json={"emails": ["x@a.example"]})).status == 405


async def test_linkedin_takes_a_slot(api):
    company = api.box.state.companies[api.box.company_ids[0]]
    company.linkedin_slots = 1
    made = await api("POST", at(api, "linkedin_accounts"), json={"timezone": "UTC"})
    assert (made.status, set(made.data)) == (201, {"account_id", "connect_account_link"})
    again = await api("POST", at(api, f"linkedin_accounts/{made.data['account_id']}/generate-connect-link"))
    assert (again.status, again.data["account_id"]) == (201, made.data["account_id"])
    assert again.data["connect_account_link"] != made.data["connect_account_link"]
    assert (await api("POST", at(api, "linkedin_accounts"), json={"timezone": "UTC"})).status == 409
    assert (await api("POST", at(api, "linkedin_accounts"), json={"timezone": ""})).status == 400
    for path in (at(api, "linkedin_accounts/1/generate-connect-link"), f"{COMPANIES}/{NO_SUCH_ID}/linkedin_accounts"):
        assert (await api("POST", path, json={"timezone": "UTC"})).status == 404


async def test_all_prospects_of_a_company_are_deleted(api):
    deleted = await api("POST", at(api, "prospects/delete"), json={"type": "ALL"})
    assert deleted.status == 202
    assert {name: type(value) for name, value in deleted.data.items()} == {"deletion_request_id": int, "count": int}
    assert (await api("POST", at(api, "prospects/delete"), json={"type": "ALL"})).data["count"] == 0
    assert (await api("POST", at(api, "prospects/delete"), json={"type": "SOME"})).status == 400
    assert (await api("POST", f"{COMPANIES}/{NO_SUCH_ID}/prospects/delete", json={"type": "ALL"})).status == 404


async def test_deliverability(api):
    path = "/v2/agency/deliverability"
    for place, company in enumerate(api.box.state.companies.values()):
        company.running_campaigns = place
    got = await api("GET", f"{path}?from=2026-01-01&to=2026-01-10&per_page=2")
    assert [row["id"] for row in got.data["content"]] == list(api.box.company_ids[1:3])
    assert got.data["pagination_data"] == {
        "total_elements": 3,
        "total_pages": 2,
        "current_page_number": 1,
        "page_size": 2,
    }
    for row in got.data["content"]:
        for count in (row[name] for name in ("emails_sent", "delivered_emails", "views", "replies", "bounces")):
            assert set(count) == {"current_period", "previous_period"}
        sent, delivered, bounces = (
            row[name]["current_period"] for name in ("emails_sent", "delivered_emails", "bounces")
        )
        assert sent == delivered + bounces > 0
    for query in ("from=2026-01-02&to=2026-01-01", "from=yesterday", "per_page=51", "page=0"):
        assert (await api("GET", f"{path}?{query}")).status == 400


async def test_users_are_asked_for_from_page_0_and_numbered_from_1(opened):
    async with opened(page_size=1) as api:
        ids = []
        for page in (0, 1):
            got = (await api("GET", f"/v2/users?page={page}")).data
            assert got["pagination_data"]["current_page_number"] == page + 1
            ids += [user["id"] for user in got["content"]]
        assert ids == sorted(ids)
        assert (await api("GET", "/v2/users?sort=-id")).data["content"][0]["id"] == ids[1]
        for plus in ("%2B", "+"):  # the documentation has a raw one, which arrives as a space
            assert (await api("GET", f"/v2/users?sort={plus}id")).data["content"][0]["id"] == ids[0]
        assert (await api("GET", "/v2/users?sort=name")).status == 400


async def test_what_was_set_survives_a_restart(tmp_path, opened):
    path = tmp_path / "state.json"
    async with opened(companies=1, state_file=path) as api:
        await api("POST", "/v2/agency/blacklist/domains", json={"domains": ["kept.example"]})
        await api("POST", "/v2/blacklist/emails", json={"emails": ["kept@a.example"]})
    async with opened(companies=1, state_file=path) as api:
        assert (await api("GET", "/v2/agency/blacklist/domains")).data["domains"] == ["kept.example"]
        assert "kept@a.example" in (await api("GET", "/v2/blacklist/emails")).data["emails"]
