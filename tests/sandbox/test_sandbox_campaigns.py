"""Campaigns, the inbox and LinkedIn accounts of the sandbox, seen by a plain client."""

import re
import uuid

import pytest

from woodpecker_async.sandbox.inbox import put_message

V2 = "/v2/campaigns"
STEP = {"type": "EMAIL", "body": {"versions": [{"subject": "Hello", "message": "<p>Hello</p>"}]}}
NEW = {"name": "n", "email_account_ids": [1], "settings": {}, "steps": {"type": "START", "followup": STEP}}


def chain(length):
    step = None
    for _ in range(length):
        step = {**STEP, "followup": step}
    return {**NEW, "steps": {"type": "START", "followup": step}}


async def statuses(api):
    rows = (await api("GET", "/v1/campaign_list")).data
    return {row["id"]: row["status"] for row in rows}


async def test_a_campaign_on_the_wire(api):
    made = await api("POST", V2, json=chain(2))
    assert (made.status, made.data["status"]) == (201, "DRAFT")
    assert set(made.data) == {"id", "name", "status", "email_account_ids", "settings", "steps"}
    start = made.data["steps"]
    first, last = start["followup"], start["followup"]["followup"]
    assert (start["type"], last["followup"]) == ("START", None)
    assert len({str(uuid.UUID(step["id"])) for step in (start, first, last)}) == 3
    (version,) = first["body"]["versions"]
    assert re.fullmatch("[0-9a-f]{32}", version["id"])
    assert version["version"] == "A"
    assert (await api("GET", f"{V2}/{made.data['id']}")).data == made.data


async def test_statistics_come_with_exactly_one_id(api):
    one, other, *_ = await statuses(api)
    assert [set(row) >= {"stats"} for row in (await api("GET", f"/v1/campaign_list?id={one}")).data] == [True]
    rows = (await api("GET", f"/v1/campaign_list?id={one},{other}&status=RUNNING,DRAFT")).data
    assert [(row["id"], "stats" in row) for row in rows] == [(one, False), (other, False)]
    assert (await api("GET", "/v1/campaign_list?id=1")).data == []
    got = await api("GET", "/v1/campaign_list?status=GOING")
    assert (got.status, got.data["status"]["code"]) == (400, "E_WRONG_PARAM")


@pytest.mark.parametrize("length", [0, 17])
async def test_a_campaign_has_1_to_16_steps(api, length):
    assert (await api("POST", V2, json=chain(length))).status == 400
    assert len(await statuses(api)) == 4


async def test_what_is_not_there_and_what_the_api_does_not_show(api):
    conditional = list(await statuses(api))[-1]
    for method, path, json in (
        ("GET", "", None),
        ("PATCH", "", {"name": "n"}),
        ("POST", "/run", None),
        ("POST", "/make_editable", None),
        ("POST", "/steps", {"parent_id": "a", "step": STEP}),
        ("DELETE", "/steps/a", None),
        ("PATCH", "/steps/a/versions/b", {"message": "m"}),
    ):
        absent = await api(method, f"{V2}/1{path}", json=json)
        assert (absent.status, absent.data["code"]) == (404, "CAMPAIGN_NOT_EXIST")
        got = await api(method, f"{V2}/{conditional}{path}", json=json)
        assert (got.status, got.data["code"]) == (409, "API_UNSUPPORTED_CAMPAIGN_FEATURES")


async def test_only_a_draft_or_an_edited_campaign_is_changed(api):
    states = await statuses(api)
    assert list(states.values()) == ["RUNNING", "DRAFT", "PAUSED", "RUNNING"]
    for campaign, status in list(states.items())[:3]:
        got = await api("PATCH", f"{V2}/{campaign}", json={"name": "n"})
        assert got.status == (200 if status == "DRAFT" else 409)
        assert (await api("POST", f"{V2}/{campaign}/make_editable")).body == b""
        assert (await api("PATCH", f"{V2}/{campaign}", json={"settings": {"daily_enroll": 1}})).status == 200
    assert list((await statuses(api)).values()) == ["EDITED", "DRAFT", "EDITED", "RUNNING"]


async def test_an_inbox_and_linkedin_accounts(api):
    hq = api.box.state.hq
    put_message(hq, api.box.state.seed, 12)
    got = await api("POST", "/v2/inbox/messages/12/reply", json={"body": {"html": "x"}})
    assert (got.status, got.body) == (200, b"")
    for json in ({"body": {}}, {"body": "x"}, {}, {"body": {"html": "x"}, "mailbox_id": 1}):
        assert (await api("POST", "/v2/inbox/messages/12/reply", json=json)).status == 400
    assert (await api("POST", "/v2/inbox/messages/13/reply", json={"body": {"html": "x"}})).status == 404
    read = (await api("GET", "/v2/inbox/messages?read=true&per_page=50")).data["content"]
    assert 12 in [row["id"] for row in read]
    rows = (await api("GET", "/v2/linkedin_accounts")).data["linkedin_accounts"]
    assert (await api("GET", "/v2/linkedin_accounts?status=DISCONNECTED")).data == {"linkedin_accounts": []}
    assert all(set(row) >= {"id", "session_status", "full_name", "linkedin_url", "level"} for row in rows)
    assert (await api("GET", "/v2/linkedin_accounts?status=connected")).status == 400
