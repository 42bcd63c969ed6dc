"""Leads cost money: never one more than requested, and none lost."""

import asyncio
import json
from typing import Any

import pytest

from tests.fakes import Hasty
from woodpecker_async import WoodpeckerSession
from woodpecker_async.errors import CallError, ConfigError, OutcomeUnknownError, PaginationError, ServerError
from woodpecker_async.models import Lead, SearchCriterion
from woodpecker_async.sandbox import Fault, Sandbox
from woodpecker_async.sandbox.lead_finder import Bought

EVERYBODY = SearchCriterion(name="any", value="thing")
PATH = "/v2/lead_finder/leads"


def spent(box: Sandbox) -> float:
    return box.state.hq.of_family(Bought, box.state.seed).credits_spent


def sizes(box: Sandbox) -> list[int]:
    return [json.loads(record.body)["size"] for record in box.journal if record.path == f"/rest{PATH}"]


@pytest.mark.parametrize(("limit", "asked"), [(1, [1]), (50, [50]), (51, [50, 1]), (120, [50, 50, 20])])
async def test_never_one_more_than_the_limit(
    box: Sandbox, woodpecker: WoodpeckerSession, limit: int, asked: list[int]
) -> None:
    leads = await woodpecker.account.lead_finder.leads([EVERYBODY], limit=limit)
    assert len(leads) == len({lead["id"] for lead in leads}) == limit
    assert sizes(box) == asked
    assert spent(box) == limit
    assert leads.total_found == 400
    more = await woodpecker.account.lead_finder.leads([EVERYBODY], limit=3, next_page=leads.next_page)
    assert [lead["id"] for lead in more] == [limit + 1, limit + 2, limit + 3]
    assert isinstance(leads[0], Lead)
    assert list(leads[:1]) == [leads[0]]


async def test_a_search_ends_where_the_leads_do(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    criteria = [{"name": "job_title", "value": "CEO"}, {"name": "country", "value": "France", "operator": "EXCLUDE"}]
    leads = await woodpecker.account.lead_finder.leads(criteria, limit=1000)
    assert leads.next_page is None
    assert len(leads) == leads.total_found == spent(box)
    assert {(lead["job_title"], lead["country"] == "France") for lead in leads} == {("CEO", False)}


@pytest.mark.parametrize(
    ("fault", "kind", "paid_by_the_server"),
    [
        (Fault.close(at="after_commit", path=PATH, skip=1), OutcomeUnknownError, 100),
        (Fault.status(500, path=PATH, skip=1), OutcomeUnknownError, 50),
        (Fault.status(400, path=PATH, skip=1), CallError, 50),
        (Fault.not_json(path=PATH, skip=1), CallError, 100),
    ],
    ids=["lost", "500", "400", "not JSON"],
)
async def test_what_was_paid_for_before_a_failure_is_in_the_error(
    box: Sandbox, woodpecker: WoodpeckerSession, fault: Fault, kind: type[CallError], paid_by_the_server: int
) -> None:
    box.faults.add(fault)
    with pytest.raises(kind) as failed:
        await woodpecker.account.lead_finder.leads([EVERYBODY], limit=200)
    assert [lead["id"] for lead in failed.value.leads] == list(range(1, 51))
    assert sizes(box) == [50, 50], "a request that costs credits is never repeated"
    assert spent(box) == paid_by_the_server
    if kind is OutcomeUnknownError:
        assert "check the credits of the account" in str(failed.value)
    box.faults.clear()
    rest = await woodpecker.account.lead_finder.leads([EVERYBODY], limit=10, next_page=failed.value.next_page)
    assert rest[0]["id"] == 51


async def test_a_cancelled_search_keeps_what_was_paid_for(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    box.faults.add(Fault.wait(5, path=PATH, skip=1))
    search = asyncio.create_task(woodpecker.account.lead_finder.leads([EVERYBODY], limit=200))
    while len(sizes(box)) < 2:
        await asyncio.sleep(0.01)
    search.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await search
    assert len(cancelled.value.leads) == 50  # type: ignore[attr-defined]
    assert cancelled.value.next_page  # type: ignore[attr-defined]


async def test_a_server_that_does_not_go_on_is_not_paid_again(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    box.faults.add(
        Fault.body({"leads": [{"id": 1}], "total_found": 9, "next_page": "again"}, status=200, path=PATH, times=9)
    )
    with pytest.raises(PaginationError, match="next_page that it had returned before") as failed:
        await woodpecker.account.lead_finder.leads([EVERYBODY], limit=200)
    assert len(failed.value.leads) == 2
    assert failed.value.next_page == "again"
    assert len(sizes(box)) == 2


async def test_a_server_that_goes_in_a_circle_is_not_paid_again(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    for place, token in enumerate(("b", "c", "a", "b", "c")):
        answer = {"leads": [{"id": 1}], "total_found": 9, "next_page": token}
        box.faults.add(Fault.body(answer, status=200, path=PATH, skip=place))
    with pytest.raises(PaginationError, match="next_page that it had returned before") as failed:
        await woodpecker.account.lead_finder.leads([EVERYBODY], limit=200, next_page="a")
    assert len(failed.value.leads) == len(sizes(box)) == 3
    assert failed.value.next_page == "a"


async def test_an_enrichment_is_started_once_and_followed(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    finder = woodpecker.account.lead_finder
    leads = await finder.leads([EVERYBODY], limit=2)
    box.faults.add(Fault.close(at="after_commit", method="POST", path=f"{PATH}/enrichments"))
    with pytest.raises(OutcomeUnknownError, match=r"check with lead_finder\.enrichments\.list"):
        await finder.enrichments.start(leads, campaign_ids=[3])
    (started,) = await finder.enrichments.list()
    assert [(await finder.enrichments.get(started["uuid"]))["status"] for _ in range(2)] == ["IN_PROGRESS", "DONE"]
    of_prospects = await finder.prospect_enrichments.start([{"email": "anna@example.com"}])
    assert of_prospects.uuid is not None
    (status,) = await finder.prospect_enrichments.statuses([of_prospects.uuid])
    assert status["uuid"] == of_prospects.uuid
    assert dict(await finder.prospect_enrichments.get(of_prospects.uuid))["uuid"] == of_prospects.uuid


async def test_an_enrichment_need_not_be_for_a_campaign(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    started = await woodpecker.account.lead_finder.enrichments.start([LEAD], campaign_ids=())
    assert started.uuid is not None
    assert json.loads(box.journal[-1].body) == {"leads": [LEAD]}


async def test_criteria_and_their_values(woodpecker: WoodpeckerSession) -> None:
    names = [criterion["name"] async for criterion in woodpecker.account.lead_finder.criteria()]
    assert "job_title" in names
    values = await woodpecker.account.lead_finder.criterion_values("job_title", search_phrase="head").collect()
    assert values == ["Head of Sales"]


@pytest.mark.parametrize(
    ("body", "items"),
    [
        ([{"name": "a"}], [{"name": "a"}]),
        ({"anything": ["a", "b"]}, ["a", "b"]),
        ([], []),
        ({"anything": []}, []),
        ({"items": ["a"], "next": "x"}, [{"items": ["a"], "next": "x"}]),
        ({"a": {"b": 1}}, [{"a": {"b": 1}}]),
    ],
)
async def test_an_undocumented_list_loses_nothing(
    box: Sandbox, woodpecker: WoodpeckerSession, body: Any, items: list[Any]
) -> None:
    box.faults.add(Fault.body(body))
    assert await woodpecker.account.lead_finder.criteria().collect() == items


async def test_a_failure_of_an_undocumented_list_is_an_error(box: Sandbox) -> None:
    box.faults.add(Fault.status(500, times=99))
    async with box.session(clock=Hasty()) as woodpecker:
        with pytest.raises(ServerError):
            await woodpecker.account.lead_finder.criteria()


LEAD = {"id": 1}
REFUSED: dict[str, tuple[Any, str]] = {
    "no criteria": (lambda f: f.leads([], limit=1), "criteria must not be empty"),
    "one criterion": (lambda f: f.leads({"name": "a", "value": "b"}, limit=1), "criteria must be a list"),
    "a criterion without a value": (lambda f: f.leads([{"name": "a"}], limit=1), "needs value"),
    "an empty value": (lambda f: f.leads([{"name": "a", "value": ""}], limit=1), r"criteria\[0\]\.value"),
    "an operator": (
        lambda f: f.leads([{"name": "a", "value": "b", "operator": "INCLUD"}], limit=1),
        "did you mean 'INCLUDE'",
    ),
    "a misspelt field": (lambda f: f.leads([{"name": "a", "value": 1, "operater": 1}], limit=1), "did you mean"),
    "no lead": (lambda f: f.leads([EVERYBODY], limit=0), "limit must be an integer >= 1"),
    "no limit": (lambda f: f.leads([EVERYBODY], limit=None), "limit must be an integer >= 1"),
    "a page": (lambda f: f.leads([EVERYBODY], limit=1, next_page=2), "next_page must be a str"),
    "a long phrase": (lambda f: f.criterion_values("a", search_phrase="x" * 51), "at most 50 characters, not 51"),
    "no leads": (lambda f: f.enrichments.start([], campaign_ids=[1]), "leads must not be empty"),
    "51 leads": (lambda f: f.enrichments.start([LEAD] * 51, campaign_ids=[1]), "at most 50"),
    "a lead": (lambda f: f.enrichments.start(["x"], campaign_ids=[1]), r"leads\[0\] must be a Lead"),
    "no campaigns": (lambda f: f.enrichments.start([LEAD], campaign_ids=[]), "campaign_ids must not be empty"),
    "a campaign": (lambda f: f.enrichments.start([LEAD], campaign_ids=["1"]), "an entry of campaign_ids"),
    "a day": (lambda f: f.enrichments.list(created_after="1.11.2026"), "YYYY-MM-DD"),
    "a uuid": (lambda f: f.enrichments.get(""), "a uuid is empty"),
    "no prospects": (lambda f: f.prospect_enrichments.start([]), "prospects must not be empty"),
    "no e-mail": (lambda f: f.prospect_enrichments.start([{"first_name": "a"}]), "needs email"),
    "an e-mail": (lambda f: f.prospect_enrichments.start([{"email": "a"}]), "e-mail address"),
    "no uuids": (lambda f: f.prospect_enrichments.statuses([]), "uuids must not be empty"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_bad_input_is_refused_before_anything_is_sent(name: str) -> None:
    call, message = REFUSED[name]
    async with WoodpeckerSession("1.key", base_url="http://127.0.0.1:9/rest") as woodpecker:
        with pytest.raises(ConfigError, match=message):
            await call(woodpecker.account.lead_finder)


VALUES = [f"title {number}" for number in range(120)]


def _page(number: int) -> dict[str, Any]:
    page = VALUES[(number - 1) * 50 :][:50]
    return {"criterion_name": "JOB", "page": number, "limit": 50, "values": page, "total_found": 120, "last": False}


async def test_all_pages_of_the_values_of_a_criterion_are_read(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    for number in (1, 2, 3):
        box.faults.add(Fault.body(_page(number), page=number))
    assert await woodpecker.account.lead_finder.criterion_values("job_title").collect() == VALUES
    assert [record.query for record in box.journal] == [{"limit": "50", "page": str(number)} for number in (1, 2, 3)]


@pytest.mark.parametrize("body", [["a", "b"], {"values": ["a", "b"]}, {"values": ["a", "b"], "total_found": None}])
async def test_values_that_are_not_counted_are_all_there_is(
    box: Sandbox, woodpecker: WoodpeckerSession, body: Any
) -> None:
    box.faults.add(Fault.body(body))
    assert await woodpecker.account.lead_finder.criterion_values("job_title").collect() == ["a", "b"]
    assert len(box.journal) == 1
