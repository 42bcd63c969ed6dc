"""Prospects and manual tasks: against the sandbox, and against odd answers."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.raw import RawServer, answer, raw_server
from woodpecker_async import RetryPolicy, WoodpeckerSession, errors
from woodpecker_async.engine.protocol import _query
from woodpecker_async.errors import CallError, ConfigError
from woodpecker_async.models import (
    AddedProspect,
    AddedProspects,
    InterestLevel,
    ManualTaskType,
    NewProspect,
    Prospect,
    ProspectActivity,
    ProspectInterest,
    ProspectStatus,
)
from woodpecker_async.resources import prospect_wire
from woodpecker_async.resources.base import LONGEST_URL
from woodpecker_async.resources.prospects import Prospects
from woodpecker_async.sandbox import Fault, Sandbox
from woodpecker_async.sandbox.campaigns import put_campaign

QUICK = RetryPolicy(attempts=3, initial_backoff=0.01, max_backoff=0.02)


# Against the sandbox ------------------------------------------------------------------------------------------


async def test_what_was_added_is_listed_found_and_deleted(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    async with woodpecker.company(box.company_ids[0]) as client:
        before = await client.prospects.list().collect()
        added = await client.prospects.add(
            [
                NewProspect(email="monica@raviga.example", first_name="Monica", company="Raviga", snippet3="a b"),
                {"email": "jared@raviga.example", "tags": "#PR", "status": "INVALID"},
            ],
            file_name="a.csv",
        )
        assert [row.email for row in added] == ["monica@raviga.example", "jared@raviga.example"]
        assert added.failed == added.unmatched == ()
        page = await client.prospects.list(per_page=1000)
        assert page.total_elements == len(page) == len(before) + 2
        monica, jared = page[-2:]
        assert (monica.id, jared.id) == tuple(row.id for row in added)
        assert (monica.first_name, monica.snippet3, monica.status) == ("Monica", "a b", ProspectStatus.ACTIVE)
        assert await client.prospects.list(search={"snippet3": ["no", "a b"], "company": "ravi"}).collect() == [monica]
        assert await client.prospects.list(search={"email": "jared@raviga.example"}).collect() == [jared]
        assert await client.prospects.list(search={"company": "nobody"}).collect() == []
        await client.prospects.delete([monica.id])
        assert await client.prospects.list(ids=[monica.id, jared.id]).collect() == [jared]
    assert all(record.company_header == str(box.company_ids[0]) for record in box.journal)


FILTERS: dict[str, tuple[dict[str, Any], Callable[[Prospect], bool]]] = {
    "status": ({"status": "REPLIED"}, lambda p: p.status == "REPLIED"),
    "contacted": ({"contacted": True}, lambda p: p.last_contacted is not None),
    "not contacted": ({"contacted": False}, lambda p: p.last_contacted is None),
    "changed since": (
        {"changed_since": datetime(2026, 10, 6, tzinfo=UTC)},
        lambda p: p.updated is not None and p.updated >= datetime(2026, 10, 6, tzinfo=UTC),
    ),
    "changed since, as a str": (
        {"changed_since": "2026-10-06T02:00:00+0200"},
        lambda p: p.updated is not None and p.updated >= datetime(2026, 10, 6, tzinfo=UTC),
    ),
    "search": ({"search": {"first_name": "mon"}}, lambda p: "mon" in (p.first_name or "").lower()),
    "one of several": (
        {"search": {"first_name": ["Monica", "Jared"], "country": "USA"}},
        lambda p: p.first_name in ("Monica", "Jared"),
    ),
}


@pytest.fixture
def account(woodpecker: WoodpeckerSession) -> Prospects:
    return woodpecker.account.prospects


@pytest.mark.parametrize("name", FILTERS)
async def test_every_filter_by_what_is_in_the_prospects(account: Prospects, name: str) -> None:
    filters, matches = FILTERS[name]
    everything = await account.list().collect()
    expected = [prospect for prospect in everything if matches(prospect)]
    assert await account.list(**filters).collect() == expected
    assert 0 < len(expected) < len(everything)


async def test_filters_by_what_is_not_in_the_prospects(account: Prospects) -> None:
    everything = {prospect.id for prospect in await account.list().collect()}

    async def ids(**filters: Any) -> set[int]:
        return {prospect.id for prospect in await account.list(**filters).collect()}

    for yes, no in (
        (ProspectActivity.OPENED, "NOT_OPENED"),
        ("CLICKED", ProspectActivity.NOT_CLICKED),
    ):
        opened, other = await ids(activity=yes), await ids(activity=no)
        assert opened | other == everything
        assert not opened & other
        assert opened
    by_interest = [await ids(interested=level) for level in (*ProspectInterest, *InterestLevel)]
    assert by_interest[:4] == by_interest[4:]
    assert set.union(*by_interest) == everything
    assert sum(map(len, by_interest[:4])) == len(everything)


async def test_an_order_of_several_fields(account: Prospects) -> None:
    def order(prospect: Prospect) -> tuple[str, float]:
        assert prospect.updated is not None
        return prospect.company or "", -prospect.updated.timestamp()

    listed = await account.list(sort=["+company", "-updated"], per_page=5).collect()
    assert listed == sorted(listed, key=order)
    assert await account.list(sort="id").collect() == (await account.list(sort=["-id"]).collect())[::-1]
    assert await account.list(sort=["snippet1"]).collect()
    assert await account.list(sort=["-last_opened", "sent_mails"], activity="OPENED").collect()


async def test_an_update_touches_what_is_sent_only(account: Prospects) -> None:
    one = (await account.list(search={"tags": "VISIONARY"}))[0]
    assert one.email
    assert one.first_name
    unchanged = await account.add([{"email": one.email.upper(), "title": "?"}])
    assert unchanged.rows == (AddedProspect(email=one.email.upper(), id=one.id, prospect="DUPLICATE"),)
    assert await account.list(ids=[one.id]).collect() == [one]
    rows = (
        await account.add(
            [{"email": one.email, "first_name": "", "tags": "#NEW", "title": None, "interested": "MAYBE_LATER"}],
            update=True,
        )
    ).rows
    assert rows == (AddedProspect(email=one.email, id=one.id),)
    (now,) = await account.list(ids=[one.id], interested="MAYBE-LATER").collect()
    assert (now.first_name, now.tags, now.title, now.last_name) == ("", "#VISIONARY #NEW", one.title, one.last_name)


async def test_a_campaign_gets_those_that_are_active(box: Sandbox, account: Prospects) -> None:
    put_campaign(box.state.hq, box.state.seed, 77)
    people: list[dict[str, Any]] = [
        {"email": "a@new.example"},
        {"email": "b@new.example", "status": ProspectStatus.INVALID},
        {"email": "not an address@new.example"},
    ]
    with pytest.raises(ConfigError, match=r"prospects\[2\].email must be an e-mail address"):
        await account.add_to_campaign(77, people)
    moment = datetime(2026, 12, 24, 18, 30, 5, 999, tzinfo=timezone(timedelta(hours=1)))
    added = await account.add_to_campaign(77, people[:2], send_after=moment)
    assert [row.ok for row in added] == [True, False]
    assert added.failed[0].code == "E_INV_STATUS"
    assert json.loads(box.journal[-1].body)["campaign"] == {
        "campaign_id": 77,
        "send_after": "2026-12-24T18:30:05+0100",
    }
    (listed,) = await account.list(campaign_ids=[77], campaign_details=True).collect()
    assert (listed.email, listed.campaign_id) == ("a@new.example", 77)
    assert listed.campaigns_details[0]["campaign_id"] == 77
    assert [row.prospect_campaign for row in await account.add_to_campaign(77, people[:2], force=True)] == [
        "DUPLICATE",
        None,
    ]
    assert await account.list(campaign_ids=[77], status="PAUSED").collect() == []
    with pytest.raises(errors.NotFoundError, match="Campaign does not exist"):
        await account.add_to_campaign(78, people[:2])
    await account.delete([listed.id], campaign_ids=[77])
    assert len(await account.list(campaign_ids=[77])) == 1
    assert await account.list(ids=[listed.id]).collect()


async def test_the_agency_deletes_all_prospects_of_one_company(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    one, other = box.company_ids[:2]
    before = [len(await woodpecker.company(company).prospects.list()) for company in (one, other)]
    deletion = await woodpecker.agency.prospects.delete_all(one, confirm=one)
    assert deletion.count == before[0] > 0
    after = [len(await woodpecker.company(company).prospects.list()) for company in (one, other)]
    assert after == [0, before[1]]


async def test_responses_are_those_of_one_prospect(account: Prospects) -> None:
    replied = await account.list(status="REPLIED", contacted=True)
    first, second = await account.responses(replied[0].id).collect()
    assert first.delivered is not None
    assert second.delivered is not None
    assert first.delivered < second.delivered
    assert first.delivered.tzinfo is None
    assert first.secondary_prospect_email
    assert second.secondary_prospect_email is None
    campaign = first.campaign_id
    assert campaign is not None
    assert await account.responses(replied[0].id, campaign_ids=[campaign]).collect() == [first, second]
    assert await account.responses(replied[0].id, campaign_ids=[campaign + 1]).collect() == []
    with pytest.raises(errors.NotFoundError):
        await account.responses(1)


async def test_a_lost_addition_is_not_repeated_and_a_lost_deletion_is(box: Sandbox) -> None:
    async with box.session(retry=QUICK) as woodpecker:
        prospects = woodpecker.account.prospects
        box.faults.add(Fault.close(at="after_commit", method="POST"))
        with pytest.raises(errors.OutcomeUnknownError, match=r"look with prospects\.list\(search") as lost:
            await prospects.add([{"email": "a@new.example"}])
        assert lost.value.done == 0
        (found,) = await prospects.list(search={"email": "a@new.example"}).collect()
        box.faults.add(Fault.close(at="after_commit", method="DELETE"))
        await prospects.delete([found.id])
        assert await prospects.list(ids=[found.id]).collect() == []
    assert [record.method for record in box.journal] == ["POST", "GET", "DELETE", "DELETE", "GET"]


async def test_prospects_outlive_a_sandbox_that_keeps_its_state(tmp_path: Path) -> None:
    seen = []
    for _ in range(2):
        async with Sandbox(companies=1, state_file=tmp_path / "state.json") as box, box.session() as woodpecker:
            prospects = woodpecker.account.prospects
            if not seen:
                put_campaign(box.state.hq, box.state.seed, 5)
            await prospects.add_to_campaign(5, [{"email": "a@new.example"}])
            seen.append(await prospects.list(campaign_ids=[5]).collect())
    assert seen[0] == seen[1] != []


async def test_tasks_of_accounts_that_have_some_and_of_those_that_have_none(
    box: Sandbox, woodpecker: WoodpeckerSession
) -> None:
    tasks = await woodpecker.account.manual_tasks.list().collect()
    assert tasks
    assert tasks[0].task.due_date is not None
    assert tasks[0].prospect is not None
    assert tasks[0].prospect.last_contacted is not None
    assert tasks[0].campaign is not None
    assert isinstance(tasks[0].task.type, ManualTaskType)
    assert len(await woodpecker.account.manual_tasks.list(limit=1)) == 1
    client = woodpecker.company(box.company_ids[0])
    await client.prospects.delete([prospect.id async for prospect in client.prospects.list()])
    assert await client.manual_tasks.list().collect() == []


# Against documented responses, and odd ones ---------------------------------------------------------

ERLICH = {
    "id": 4804,
    "email": "erlich@bachman.com",
    "first_name": "Erlich",
    "organization_id": 93784,
    "tags": "#VISIONARY #SECONDARYEMAIL",
    "phone": "",
    "last_contacted": "2016-08-14T02:08:58+0200",
    "last replied": "2016-08-19T02:08:58+0200",
    "last_replied": "",
    "updated": None,
    "encrypted": False,
    "snippet1": "x",
    "snipet1": "x",
    "snipper9": "",
    "snippet_labels": {"Mine": "x"},
    "status": "TO-WATCH",
    "interested": "NOT_MARKED",
    "campaign_id": "12",
    "in_campaign": None,
    "emails_sent": "",
}
TASK = {
    "prospect": {
        "id": 1,
        "company": None,
        "last_contacted": 1735056455867,
        "interested": None,
        "imported": "a.csv",
        "snippet_labels": {"Mine": "x"},
        "in_campaign": None,
        "emails_sent": "",
    },
    "campaign": {"campaign_id": 987654, "campaign_name": "Tasks", "sent_from_emails": ["jared@piedpiper.com"]},
    "task": {"type": "FAX", "name": "Reminder", "message": "Send", "due_date": "2025-05-06T12:59:30.814+0200"},
}


async def answered(call: Callable[[WoodpeckerSession], Any], *answers: bytes, requests: list[str] | None = None) -> Any:
    """The result of a call with these responses, one for each request."""
    left = list(answers)

    async def handle(server: RawServer, number: int, head: str) -> bytes:
        return left.pop(0)

    async with raw_server(handle) as server, WoodpeckerSession("1.key", base_url=server.url, retry=QUICK) as woodpecker:
        try:
            return await call(woodpecker)
        finally:
            if requests is not None:
                requests += [head.partition(" HTTP/")[0] for head in server.requests]
            assert not left


def said(value: Any, status: str = "200 OK", **headers: str) -> bytes:
    return answer(json.dumps(value).encode(), status, **headers)


async def test_a_documented_prospect_and_what_is_odd_about_it() -> None:
    page = await answered(lambda w: w.account.prospects.list(), said([ERLICH], X_Total_Count="1"))
    (erlich,) = page
    assert page.total_elements == 1
    assert erlich.last_contacted == datetime(2016, 8, 14, 0, 8, 58, tzinfo=UTC)
    assert erlich.last_replied is erlich.updated is None
    assert (erlich.status, erlich.interested) == ("TO-WATCH", ProspectInterest.NOT_MARKED)
    assert (erlich.campaign_id, erlich.organization_id, erlich.phone) == (12, 93784, "")


@pytest.mark.parametrize(
    "nothing",
    [answer(b"", "204 No Content"), said([]), said({"message": "No prospects"}), said([], X_Total_Count="0")],
)
async def test_all_ways_to_say_that_there_is_none(nothing: bytes) -> None:
    assert await answered(lambda w: w.account.prospects.list().collect(), nothing) == []
    assert await answered(lambda w: w.account.manual_tasks.list().collect(), nothing) == []


@pytest.mark.parametrize(
    "odd", [{}, {"content": []}, {"message": "x", "y": 1}, {"message": None}, [{}], [[]], "x", None]
)
async def test_what_is_no_list_is_not_an_empty_one(odd: Any) -> None:
    for call in (lambda w: w.account.prospects.list().collect(), lambda w: w.account.manual_tasks.list().collect()):
        with pytest.raises(errors.ResponseDecodeError):
            await answered(call, said(odd))


async def test_pages_are_read_up_to_the_number_in_the_header() -> None:
    requests: list[str] = []
    rows = [{"id": number} for number in range(5)]
    listed = await answered(
        lambda w: w.account.prospects.list(per_page=2).collect(),
        *(said(rows[at : at + 2], X_Total_Count="5") for at in (0, 2, 4)),
        requests=requests,
    )
    assert [prospect.id for prospect in listed] == [0, 1, 2, 3, 4]
    assert requests[2] == "GET /rest/v1/prospects?per_page=2&page=3"


async def test_pages_are_read_up_to_one_without_prospects_where_no_number_is_told() -> None:
    rows = [{"id": number} for number in range(3)]
    for end in (answer(b"", "204 No Content"), said([]), said({"message": "No prospects found"})):
        listed = await answered(lambda w: w.account.prospects.list().collect(), said(rows[:2]), said(rows[2:]), end)
        assert [prospect.id for prospect in listed] == [0, 1, 2]


async def test_what_has_a_meaning_in_urls_is_quoted() -> None:
    requests: list[str] = []
    await answered(
        lambda w: w.account.prospects.list(
            sort=["updated", "-snippet2", "snippet5"],
            search={"email": "a+b@x.y", "organization_id": 12},
            changed_since="2025-04-01T00:01:01+0200",
            contacted=False,
            campaign_details=True,
        ),
        said([]),
        requests=requests,
    )
    (request,) = requests
    assert request == (
        "GET /rest/v1/prospects?contacted=false&diff=2025-04-01T00%3A01%3A01%2B0200&campaigns_details=true"
        "&search=email%3Da%2Bb%40x.y%2Corganization_id%3D12&sort=%2Bupdated%2C-snipet2%2C%2Bsnippet5&page=1"
    )


async def test_one_prospect_in_two_campaigns_is_two_rows() -> None:
    rows = [{"id": 1, "campaign_id": 7, "status": "PAUSED"}, {"id": 1, "campaign_id": 8}]
    listed = await answered(
        lambda w: w.account.prospects.list(campaign_ids=[7, 8]).collect(), said(rows, X_Total_Count="2")
    )
    assert [(prospect.campaign_id, prospect.status) for prospect in listed] == [(7, "PAUSED"), (8, None)]


@pytest.mark.parametrize("nothing", [{"prospect_id": 1, "email": "e", "responses": []}, []])
async def test_a_prospect_that_said_nothing(nothing: Any) -> None:
    assert await answered(lambda w: w.account.prospects.responses(1).collect(), said(nothing)) == []


async def test_a_documented_task_and_what_is_odd_about_it() -> None:
    first, again = await answered(lambda w: w.account.manual_tasks.list(), said([TASK, TASK]))
    assert first == again  # they have no ids: these are two
    assert first.task.type == "FAX"
    assert first.task.due_date == datetime(2025, 5, 6, 10, 59, 30, 814000, tzinfo=UTC)
    assert first.prospect.last_contacted == datetime(2024, 12, 24, 16, 7, 35, 867000, tzinfo=UTC)
    assert first.prospect.snippet_labels == {"Mine": "x"}
    assert first.prospect.emails_sent is first.prospect.in_campaign is None
    assert first.campaign.sent_from_emails == ("jared@piedpiper.com",)
    (bare,) = await answered(lambda w: w.account.manual_tasks.list(), said([{"task": {}, "new": 1}]))
    assert bare.prospect is bare.campaign is bare.task.name is None


ADD = [{"email": "a@b.c"}]


async def test_rows_tell_of_errors_of_single_prospects() -> None:
    row = {"email": "A@B.c", "id": "12", "prospect": "DUPLICATE", "prospect_campaign": None, "status": "ERROR"}
    added = await answered(
        lambda w: w.account.prospects.add([*ADD, {"email": "nobody@b.c"}]),
        said({"prospects": [{**row, "code": "E_DUPLICATE", "msg": "m", "new": 1}], "status": {"status": "OK"}}),
    )
    assert added.rows == (
        AddedProspect(email="a@b.c", id=12, prospect="DUPLICATE", status="ERROR", code="E_DUPLICATE", msg="m"),
        AddedProspect(email="nobody@b.c"),
    )
    assert added.failed == added.rows


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("E_WRONG_PARAM", errors.BadRequestError),
        ("E_NO_PERMISSION", errors.PermissionDeniedError),
        ("E_OF_TOMORROW", errors.ApiError),
        ("E_UNKNOWN", errors.OutcomeUnknownError),
    ],
)
async def test_a_failure_of_all_inside_a_200_is_an_error(code: str, kind: type[errors.CallError]) -> None:
    requests: list[str] = []
    body = {"prospects": [], "status": {"status": "ERROR", "code": code, "msg": "no"}}
    with pytest.raises(kind) as failed:
        await answered(lambda w: w.account.prospects.add_to_campaign(1, ADD), said(body), requests=requests)
    assert requests == ["POST /rest/v1/add_prospects_campaign"]
    assert getattr(failed.value, "code", code) == code


async def test_a_refusal_inside_a_200_is_repeated() -> None:
    refused = said({"status": {"status": "ERROR", "code": "E_TOO_MANY_REQUESTS", "msg": "wait"}})
    added = await answered(
        lambda w: w.account.prospects.add(ADD), refused, refused, said({"prospects": [{"email": "a@b.c", "id": 1}]})
    )
    assert added.rows == (AddedProspect(email="a@b.c", id=1),)


# Several requests ---------------------------------------------------------------------------------------------


class FakeAccess:
    """Accepts operations, and fails at one of them."""

    account = 7
    base_url = "https://api.woodpecker.co/rest"

    def __init__(self, fail_at: int | None = None) -> None:
        self.sent: list[Any] = []
        self.fail_at = fail_at

    async def run(self, operation: Any, options: Any) -> Any:
        if len(self.sent) == self.fail_at:
            raise CallError("lost")
        self.sent.append(operation)
        emails = [prospect["email"] for prospect in (operation.body or {}).get("prospects", ())]

        class Result:
            value = AddedProspects(prospects=tuple(AddedProspect(email=email, id=1) for email in reversed(emails)))

        return Result()


async def test_long_additions_are_several_and_the_rows_are_in_the_order_of_the_input() -> None:
    access = FakeAccess()
    emails = [f"{number}@b.c" for number in range(40_001)]
    added = await Prospects(access).add(({"email": email} for email in emails), update=True)  # type: ignore[arg-type]
    assert [len(operation.body["prospects"]) for operation in access.sent] == [20_000, 20_000, 1]
    assert all(operation.body["update"] is True for operation in access.sent)
    assert [row.email for row in added] == emails
    with pytest.raises(CallError) as failed:
        await Prospects(FakeAccess(fail_at=2)).add([{"email": email} for email in emails])  # type: ignore[arg-type]
    assert failed.value.done == 40_000


def drawn(seed: int, count: int, digits: int) -> list[int]:
    chance = random.Random(seed)
    return [chance.randrange(1, 10 ** chance.randint(1, digits)) for _ in range(count)]


@pytest.mark.parametrize("bad", [{"email": "a@b.c", "city": "\ud800"}, {"email": "a@b.c", "city": 5}, {"email": "a"}])
async def test_nothing_is_sent_where_one_prospect_of_the_second_request_is_bad(bad: dict[str, Any]) -> None:
    access = FakeAccess()
    with pytest.raises(ConfigError, match=r"prospects\[20000\]\.(city|email)"):
        await Prospects(access).add([{"email": "a@b.c"}] * 20_000 + [bad])  # type: ignore[arg-type,list-item]
    assert access.sent == []


@given(seed=st.integers(), count=st.integers(1, 2000), digits=st.integers(1, 18), campaigns=st.integers(0, 150))
async def test_deletions_fit_into_urls_and_are_as_few_as_can_be(
    seed: int, count: int, digits: int, campaigns: int
) -> None:
    ids, campaign_ids = drawn(seed, count, digits), drawn(seed, campaigns, 18)

    def url(ids: list[str], campaign_ids: str | None) -> str:
        return f"{access.base_url}/v1/prospects?{_query({'id': ','.join(ids), 'campaigns_id': campaign_ids})}"

    access = FakeAccess()
    await Prospects(access).delete(ids, campaign_ids=tuple(campaign_ids))  # type: ignore[arg-type]
    parts = [operation.params["id"].split(",") for operation in access.sent]
    assert [int(text) for part in parts for text in part] == ids
    given_campaigns = ",".join(map(str, campaign_ids)) or None
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        assert len(url(part, given_campaigns)) <= LONGEST_URL
        assert following is None or len(url([*part, following[0]], given_campaigns)) > LONGEST_URL


async def test_a_deletion_that_fails_in_the_middle_tells_how_many_went_before() -> None:
    access = FakeAccess(fail_at=2)
    with pytest.raises(CallError) as failed:
        await Prospects(access).delete(range(10**9, 10**9 + 2000))  # type: ignore[arg-type]
    assert failed.value.done == sum(operation.params["id"].count(",") + 1 for operation in access.sent) > 600


async def test_no_request_is_made_where_the_campaigns_leave_no_room_for_a_long_id() -> None:
    access = FakeAccess()
    with pytest.raises(ConfigError, match="campaign_ids has too many entries"):
        await Prospects(access).delete([1, 10**18], campaign_ids=range(10**17, 10**17 + 192))  # type: ignore[arg-type]
    assert access.sent == []


letters = st.sampled_from(["a@x.y", "A@x.y", "a@X.y", "b@x.y", "B@x.y", "c@x.y"])


@given(emails=st.lists(letters, min_size=1, max_size=8), said_of=st.lists(letters | st.none(), max_size=8))
def test_rows_are_matched_by_address(emails: list[str], said_of: list[str | None]) -> None:
    answered = [AddedProspect(email=email, id=number) for number, email in enumerate(said_of)]
    added = prospect_wire.matched(emails, answered)
    assert [row.email for row in added.rows] == emails
    spelled: dict[int | None, str | None] = dict(enumerate(said_of))
    folded = {(email or "").lower() for email in said_of}
    for row in added.rows:
        assert (row.id is None) == ((row.email or "").lower() not in folded)
        assert row.id is None or (spelled[row.id] or "").lower() == (row.email or "").lower()
        if row.id is not None and spelled[row.id] != row.email:  # the same letters are matched first
            assert emails.count(row.email or "") > said_of.count(row.email) or row.email not in said_of
    used = {row.id for row in added.rows} - {None}
    assert used | {row.id for row in added.unmatched} == set(range(len(said_of)))
    assert not used & {row.id for row in added.unmatched}
    for email in set(emails):
        alike = [row.id for row in added.rows if (row.email or "").lower() == email.lower()]
        asked, told = len(alike), sum((other or "").lower() == email.lower() for other in said_of)
        assert len(set(alike) - {None}) == min(asked, told)


# Arguments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2025, 4, 1, 0, 1, 1, tzinfo=UTC), "2025-04-01T00:01:01-0000"),
        (datetime(2025, 4, 1, 0, 1, 1, 999999, tzinfo=timezone(timedelta(hours=-3.5))), "2025-04-01T00:01:01-0330"),
        (datetime(1850, 1, 1, tzinfo=timezone(timedelta(minutes=84, seconds=30))), "1849-12-31T22:35:30-0000"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00-0000"),
        ("2025-04-01T00:01:01-0000", "2025-04-01T00:01:01-0000"),
        ("2025-04-01T00:01:01+0000", "2025-04-01T00:01:01+0000"),
        ("2025-04-01 00:01:01.5+02:00", "2025-04-01T00:01:01+0200"),
        ("2025-04-01T00:01:01Z", "2025-04-01T00:01:01-0000"),
    ],
)
def test_moments_on_the_wire(moment: datetime | str, written: str) -> None:
    assert prospect_wire.moment(moment, "m") == written


@given(
    st.datetimes(
        datetime(1900, 1, 2),  # noqa: DTZ001
        timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
)
def test_a_moment_stays_what_it_is_up_to_a_second(moment: datetime) -> None:
    written = prospect_wire.moment(moment, "m")
    assert datetime.strptime(written, "%Y-%m-%dT%H:%M:%S%z") == moment.replace(microsecond=0)
    assert prospect_wire.moment(written, "m") == written


REFUSED: dict[str, tuple[Callable[[Prospects], Any], str]] = {
    "a prospect without an address": (lambda p: p.add([{"first_name": "Monica"}]), r"prospects\[0\] needs email"),
    "an empty address": (lambda p: p.add([*ADD, {"email": ""}]), r"prospects\[1\]\.email is empty"),
    "no address": (lambda p: p.add([NewProspect(email="monica")]), r"prospects\[0\]\.email must be an e-mail address"),
    "no prospects": (lambda p: p.add([]), "prospects must not be empty"),
    "one prospect alone": (lambda p: p.add({"email": "a@b.c"}), "prospects must be a list"),
    "no prospect": (lambda p: p.add(["a@b.c"]), r"prospects\[0\] must be a NewProspect or a mapping"),
    "a field that is none": (
        lambda p: p.add([{"email": "a@b.c", "second_name": "x"}]),
        r"has no field 'second_name', but .*did you mean",
    ),
    "a field of another type": (
        lambda p: p.add([{"email": "a@b.c", "phone": 5}]),
        r"prospects\[0\]\.phone must be a str, not int",
    ),
    "an unknown status": (
        lambda p: p.add([{"email": "a@b.c", "status": "ACTVE"}]),
        r"prospects\[0\]\.status must be one of .*did you mean 'ACTIVE'",
    ),
    "an interest of a new prospect": (
        lambda p: p.add([{"email": "a@b.c", "interested": "INTERESTED"}]),
        "interested is taken with update=True only",
    ),
    "no boolean": (lambda p: p.add(ADD, update="yes"), "update must be True or False, not 'yes'"),
    "no boolean for force": (lambda p: p.add_to_campaign(1, ADD, force=1), "force must be True or False, not 1"),
    "no campaign": (lambda p: p.add_to_campaign(0, ADD), "campaign_id must be an integer >= 1"),
    "a moment without a zone": (
        lambda p: p.add_to_campaign(1, ADD, send_after=datetime(2025, 4, 1)),  # noqa: DTZ001
        "send_after must have a time zone",
    ),
    "no moment": (lambda p: p.list(changed_since="yesterday"), "changed_since must be an aware datetime, or a str"),
    "a moment of no calendar": (lambda p: p.list(changed_since="2025-02-30T00:00:00+0000"), "changed_since must be"),
    "a number for a moment": (lambda p: p.list(changed_since=5), "changed_since must be an aware datetime"),
    "a comma in a search": (lambda p: p.list(search={"company": "a, b"}), r"search\['company'\] cannot have a comma"),
    "a field that is not searched": (lambda p: p.list(search={"emial": "a"}), "did you mean 'email'"),
    "a search for nothing": (lambda p: p.list(search={"email": ""}), r"an entry of search\['email'\] is empty"),
    "a search of no texts": (lambda p: p.list(search={"email": []}), r"search\['email'\] must not be empty"),
    "a search that is a string": (lambda p: p.list(search="monica"), "search must be a mapping"),
    "an order by something else": (lambda p: p.list(sort=["-uptaded"]), "did you mean 'updated'"),
    "an order that needs an activity": (lambda p: p.list(sort=["-last_opened"]), "only where activity is given"),
    "a status of a campaign": (lambda p: p.list(status="PAUSED"), "give campaign_ids with it"),
    "an unknown activity": (lambda p: p.list(activity="OPEN"), "did you mean 'OPENED'"),
    "ids of nobody": (lambda p: p.list(ids=[]), "ids must not be empty"),
    "too large a page": (lambda p: p.list(per_page=1001), "per_page must be an integer from 1 to 1000"),
    "too long a URL": (lambda p: p.list(ids=range(10**9, 10**9 + 400)), "the URL would have .* characters"),
    "a deletion of nobody": (lambda p: p.delete([]), "ids must not be empty"),
    "a deletion from no campaign": (lambda p: p.delete([1], campaign_ids=[]), "campaign_ids must not be empty"),
    "ids in a string": (lambda p: p.delete("12"), "ids must be a list of integers"),
    "responses of nobody": (lambda p: p.responses(0), "prospect_id must be an integer >= 1"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_arguments_are_refused_before_anything_is_sent(name: str) -> None:
    call, message = REFUSED[name]
    async with WoodpeckerSession("1.key", base_url="http://127.0.0.1:9/rest") as woodpecker:
        with pytest.raises(ConfigError, match=message):
            await call(woodpecker.account.prospects)
        with pytest.raises(ConfigError, match="limit must be an integer from 1 to 500"):
            woodpecker.account.manual_tasks.list(limit=501)
