"""Each fault, as a plain client sees it."""

import asyncio
import json
import re
import time

import aiohttp
import pytest

from woodpecker_async.sandbox import Answer, Fault, When

COMPANIES = "/v2/agency/companies"


@pytest.fixture
def keys(api):
    return f"{COMPANIES}/{api.box.company_ids[0]}/api_keys"


def count(api):
    return len(api.box.state.listed(api.box.company_ids[0]))


async def settled(api, number):
    """The record with that number, once it is finished."""
    for _ in range(400):
        if len(api.box.journal) > number and api.box.journal[number].finished is not None:
            break
        await asyncio.sleep(0.005)
    return api.box.journal[number]


# --- which requests -----------------------------------------------------------------------------------


async def test_a_fault_strikes_once_unless_told_otherwise(api):
    fault = Fault.status(500)
    api.box.faults.add(fault)
    assert [(await api("GET", COMPANIES)).status for _ in range(3)] == [500, 200, 200]
    assert api.box.faults.hits(fault) == 1
    api.box.faults.add(Fault.status(503, skip=1, times=2))
    assert [(await api("GET", COMPANIES)).status for _ in range(5)] == [200, 503, 503, 200, 200]
    api.box.faults.add(Fault.status(502, times=None))
    assert [(await api("GET", COMPANIES)).status for _ in range(3)] == [502] * 3
    api.box.faults.clear()
    assert (await api("GET", COMPANIES)).status == 200


@pytest.mark.parametrize(
    "fault",
    [
        Fault.status(500, method="POST", times=None),
        Fault.status(500, path=COMPANIES, times=None),
        Fault.status(500, path=re.compile(r"^/v1/"), times=None),
        Fault.status(500, company=1, times=None),
        Fault.status(500, page=2, times=None),
        Fault.status(500, times=0),
        Fault.status(500, probability=0.0, times=None),
    ],
)
async def test_a_fault_spares_what_it_does_not_match(api, keys, fault):
    api.box.faults.add(fault)
    assert (await api("GET", keys)).status == 200


async def test_a_fault_finds_what_it_matches(api, keys):
    company = api.box.company_ids[0]
    for when in (
        {"method": "GET"},
        {"path": keys},
        {"path": re.compile("api_keys$")},
        {"company": company},
        {"page": 1},
        {"probability": 1.0},
    ):
        api.box.faults.add(Fault.status(500, **when))
        assert (await api("GET", keys)).status == 500
    api.box.faults.add(Fault.status(500, company=company))
    assert (await api("GET", "/v1/me", headers={"x-company-id": str(company)})).status == 500


async def test_of_two_faults_the_second_waits_for_the_next_request(api):
    api.box.faults.add(Fault.status(500), Fault.status(429))
    assert [(await api("GET", COMPANIES)).status for _ in range(3)] == [500, 429, 200]


async def test_chance_follows_from_the_seed(opened):
    async def run(seed):
        async with opened(companies=1, service_time=0, seed=seed) as api:
            api.box.faults.add(Fault.status(500, times=None, probability=0.5))
            return [(await api("GET", COMPANIES)).status for _ in range(30)]

    one, again, other = await run(1), await run(1), await run(2)
    assert one == again != other
    assert 5 < one.count(500) < 25


def test_a_fault_at_a_moment_that_cannot_be():
    with pytest.raises(ValueError, match="rewrite works only with at='after_commit'"):
        Fault(rewrite=lambda _, answer: answer, at="arrival")
    with pytest.raises(ValueError, match="edit works only with at='arrival'"):
        Fault(edit=lambda info: info, at="before_commit")
    with pytest.raises(ValueError, match="one of arrival"):
        Fault.close(at="sometime")
    assert Fault(rewrite=lambda _, answer: answer).at == "after_commit"


# --- statuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 404, 409, 418, 429, 500, 502, 503, 504])
async def test_a_status_with_its_documented_body(api, keys, status):
    api.box.faults.add(Fault.status(status, method="POST"))
    got = await api("POST", keys, json={"label": "x"})
    assert (got.status, got.data["status"]) == (status, status)
    assert set(got.data) == {"title", "status", "detail", "timestamp"}
    assert not api.box.journal[-1].committed
    assert count(api) == 3


async def test_a_status_with_another_body_none_or_headers(api):
    api.box.faults.add(
        Fault.status(429, headers={"Retry-After": "2"}),
        Fault.status(500, body={"a": 1}),
        Fault.status(500, body=None),
        Fault.status(403),
        Fault.status(500, body="text", headers={"Content-Type": "text/plain"}),
    )
    first = await api("GET", COMPANIES)
    assert (first.headers["Retry-After"], first.data["title"]) == ("2", "Too Many Requests")
    assert (await api("GET", COMPANIES)).data == {"a": 1}
    assert (await api("GET", COMPANIES)).body == b""
    assert (await api("GET", COMPANIES)).body == b""
    assert (await api("GET", COMPANIES)).body == b"text"


async def test_the_documented_500_of_an_account_endpoint(api):
    api.box.faults.add(Fault.status(500))
    got = await api("GET", "/v1/me", headers={"x-company-id": str(api.box.company_ids[0])})
    assert (got.status, got.data["title"]) == (500, "Internal Server Error")
    assert got.data["detail"] == "An unexpected error has occurred. Please try again later."


async def test_a_status_of_feldera_has_its_own_shape(api):
    api.box.faults.add(Fault.status(500, path="/v0/api_keys"))
    headers = {"Authorization": f"Bearer {api.box.feldera_token}"}
    got = await api("GET", "/v0/api_keys", headers=headers)
    assert (got.status, set(got.data)) == (500, {"message", "error_code", "details"})


async def test_commit_and_then_an_error(api, keys):
    api.box.faults.add(Fault.commit_then(500))
    got = await api("POST", keys, json={"label": "x"})
    assert (got.status, got.data["title"]) == (500, "Internal server error")
    assert api.box.journal[-1].committed
    assert count(api) == 4


async def test_an_error_of_v1_in_a_200(api):
    api.box.faults.add(Fault.v1_error("E_UNKNOWN", "oh"))
    got = await api("GET", "/v1/agency/companies")
    assert (got.status, got.data) == (200, {"status": {"status": "ERROR", "code": "E_UNKNOWN", "msg": "oh"}})


async def test_html_redirect_and_cookie(api):
    api.box.faults.add(Fault.html(502))
    got = await api("GET", COMPANIES)
    assert (got.status, got.headers["Content-Type"]) == (502, "text/html")
    assert got.body.startswith(b"<!doctype html>")
    api.box.faults.add(Fault.redirect("http://127.0.0.1:9/else", 307))
    got = await api("GET", COMPANIES)
    assert (got.status, got.headers["Location"]) == (307, "http://127.0.0.1:9/else")
    api.box.faults.add(Fault.set_cookie("session", "abc"))
    got = await api("GET", COMPANIES)
    assert (got.status, got.headers["Set-Cookie"]) == (200, "session=abc; Path=/")


# --- connections and time -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "committed"), [("arrival", False), ("before_commit", False), ("after_commit", True)]
)
async def test_a_closed_connection(api, keys, moment, committed):
    api.box.faults.add(Fault.close(at=moment))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await api("POST", keys, json={"label": "x"})
    record = await settled(api, 0)
    assert (record.status, record.committed) == (None, committed)
    assert count(api) == 3 + committed
    assert (await api("GET", keys)).status == 200


async def test_a_late_commit(api, keys):
    api.box.faults.add(Fault.late_commit(0.25))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await api("POST", keys, json={"label": "late"})
    assert len((await api("GET", keys)).data["content"]) == 3
    record = await settled(api, 0)
    assert (record.status, record.committed) == (None, True)
    assert (await api("GET", keys)).data["content"][-1]["label"] == "late"


async def test_half_a_body(api, keys):
    api.box.faults.add(Fault.half_body())
    with pytest.raises(aiohttp.ClientPayloadError):
        await api("POST", keys, json={"label": "x"})
    record = await settled(api, 0)
    assert (record.status, record.committed) == (None, True)


@pytest.mark.parametrize("moment", ["arrival", "before_commit", "after_commit"])
async def test_a_delay(api, keys, moment):
    api.box.faults.add(Fault.wait(0.15, at=moment))
    before = time.monotonic()
    assert (await api("POST", keys, json={"label": "x"})).status == 201
    assert time.monotonic() - before >= 0.14
    record = api.box.journal[0]
    waited_first = record.started - record.received >= 0.14
    assert waited_first == (moment == "arrival")


async def test_a_delay_with_the_answer_keeps_nobody_waiting(api, keys):
    api.box.faults.add(Fault.wait(0.3, at="after_commit"))
    slow = asyncio.create_task(api("POST", keys, json={"label": "x"}))
    await asyncio.sleep(0.1)
    assert len((await api("GET", keys)).data["content"]) == 4
    assert not slow.done()
    assert (await slow).status == 201


# --- wrong content ------------------------------------------------------------------------------------


async def test_json_that_is_wrong(api, keys):
    for fault in (Fault.not_json(), Fault.truncated_json(), Fault.body(b"")):
        api.box.faults.add(fault)
        with pytest.raises(json.JSONDecodeError):
            await _raw(api, keys)
    api.box.faults.add(Fault.body(["what"], status=202))
    got = await api("GET", keys)
    assert (got.status, got.data) == (202, ["what"])


async def _raw(api, path):
    async with api.http.get(api.box.base_url + path, headers={"x-api-key": api.key}) as got:
        assert got.status == 200
        return json.loads(await got.read())


async def test_null_where_the_secrets_belong(api, keys):
    api.box.faults.add(Fault.null_api_key(times=3))
    assert [row["api_key"] for row in (await api("GET", keys)).data["content"]] == [None] * 3
    assert (await api("POST", keys, json={"label": "x"})).data == {"api_key": None}
    assert (await api("GET", "/v1/agency/companies")).data[0]["api_keys"][0]["api_key"] is None


async def test_a_rewritten_answer(api, keys):
    def teapot(info, answer):
        assert info.resource == keys
        return Answer.of({"was": answer.status}, 418).with_headers(X_Kind="tea")

    api.box.faults.add(Fault.rewriting(teapot), Fault(when=When(skip=1), rewrite=teapot))
    for _ in range(2):
        got = await api("GET", keys)
        assert (got.status, got.data, got.headers["X-Kind"]) == (418, {"was": 200}, "tea")


# --- pages --------------------------------------------------------------------------------------------


@pytest.fixture
async def paged(opened):
    async with opened(companies=7, keys_per_company=7, page_size=3) as client:
        yield client


async def pages(api, path, numbers):
    return [(await api("GET", f"{path}?page={number}")).data for number in numbers]


async def test_the_same_page_for_ever(paged):
    paged.box.faults.add(Fault.same_page())
    one, two, nine = await pages(paged, COMPANIES, [1, 2, 9])
    assert one == two == nine
    assert one["pagination_data"]["total_pages"] == 3
    assert paged.box.journal[-1].query == {"page": "9"}


async def test_a_page_number_that_does_not_advance(paged):
    paged.box.faults.add(Fault.stuck_page_number())
    one, two = await pages(paged, COMPANIES, [1, 2])
    assert one["content"] != two["content"]
    assert two["pagination_data"]["current_page_number"] == 1
    assert (await paged("GET", "/v1/me")).status == 200


async def test_an_empty_page_in_the_middle(paged):
    paged.box.faults.add(Fault.empty_page(2))
    one, two, three = await pages(paged, COMPANIES, [1, 2, 3])
    assert [len(page["content"]) for page in (one, two, three)] == [3, 0, 1]
    assert two["pagination_data"]["total_pages"] == 3


@pytest.mark.parametrize("path", [COMPANIES, "keys"])
@pytest.mark.parametrize("new_items", [False, True])
async def test_pages_without_end(paged, path, new_items):
    path = f"{COMPANIES}/{paged.box.company_ids[0]}/api_keys" if path == "keys" else path
    paged.box.faults.add(Fault.growing_total_pages(new_items=new_items))
    seen = await pages(paged, path, range(1, 8))
    assert [page["pagination_data"]["total_pages"] for page in seen] == [3, 3, 4, 5, 6, 7, 8]
    assert all(page["content"] for page in seen)
    items = [json.dumps(item) for page in seen for item in page["content"]]
    assert (len(set(items)) == len(items)) == new_items


async def test_faults_of_pages_leave_other_answers_alone(paged):
    paged.box.faults.add(Fault.stuck_page_number(), Fault.growing_total_pages(), Fault.empty_page(1))
    assert (await paged("GET", "/v1/me")).data["hq"] is True
