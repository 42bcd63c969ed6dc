"""Guests, prospects, LinkedIn accounts and deliverability of the agency's companies, and the users of an account."""

import logging
import pickle
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import attrs
import pytest
from aioresponses import aioresponses

from tests.aioresponses_shim import mocked
from tests.fakes import VirtualClock
from woodpecker_async import CallOptions, WoodpeckerSession, errors
from woodpecker_async.models import (
    CompanyDeliverability,
    GuestPermission,
    LinkedInConnection,
    PeriodCount,
    User,
    UserRole,
)
from woodpecker_async.sandbox import Fault, Sandbox
from woodpecker_async.sandbox.linkedin import LinkedIn

BASE = "https://api.woodpecker.co/rest"
COMPANY = "/v2/agency/companies/7"


@pytest.fixture
def mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    with mocked(monkeypatch) as started:
        yield started


async def test_guests_keep_their_permissions(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    company = box.company_ids[0]
    client = woodpecker.company(company)
    invited = await client.guests.invite([{"name": name, "email": f"{name}@example.com"} for name in ("n", "m")])
    first, second = (guest["id"] for guest in invited["guests"])
    await client.guests.set_permissions({first: ["mailboxes"], second: (GuestPermission.MAILBOXES,)})
    await woodpecker.agency.guests.set_permissions(company, {second: []})
    seen = {user.id: user.guest_permissions for user in await woodpecker.agency.users.list(company, role="guest")}
    assert seen == {first: ("mailboxes",), second: ()}
    with pytest.raises(errors.NotFoundError):
        await client.guests.set_permissions({first: [], 1: []})
    assert box.state.companies[company].guests[0].permissions == ("mailboxes",), "all of them or none"


async def test_what_is_repeatable_is_repeated_after_a_lost_answer(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    company, account = box.company_ids[0], box.state.companies[box.company_ids[0]]
    account.linkedin_slots = 9
    linkedin = woodpecker.company(company).linkedin
    connected = await linkedin.connect(timezone="Europe/Warsaw")
    (guest,) = (await woodpecker.agency.guests.invite(company, [{"name": "n", "email": "n@example.com"}]))["guests"]
    for method, path, call in (
        ("PUT", "permissions", lambda: woodpecker.agency.guests.set_permissions(company, {guest["id"]: []})),
        ("POST", "generate-connect-link", lambda: linkedin.new_link(connected.account_id or 0)),
    ):
        before = len(box.journal)
        box.faults.add(Fault.close(at="after_commit", method=method))
        await call()
        sent = [record for record in box.journal[before:] if record.path.endswith(path)]
        assert [record.method for record in sent] == [method, method]


NEVER_REPEATED: dict[str, tuple[Callable[[WoodpeckerSession, int], Any], str]] = {
    "companies.create": (lambda w, _: w.agency.companies.create(["Aviato"]), r"agency\.companies\.list\(\)"),
    "guests.invite": (
        lambda w, c: w.agency.guests.invite(c, [{"name": "n", "email": "n@example.com"}]),
        r"agency\.users\.list\(\d+\)",
    ),
    "prospects.delete_all": (
        lambda w, c: w.agency.prospects.delete_all(c, confirm=c),
        r"session\.company\(\d+\)\.prospects\.list\(\)",
    ),
    "linkedin.connect": (
        lambda w, c: w.agency.linkedin.connect(c, timezone="UTC"),
        r"session\.company\(\d+\)\.linkedin_accounts\.list\(\)",
    ),
    "agency_v1.create_api_key": (lambda w, c: w.agency_v1.create_api_key(c, "crm"), r"agency_v1\.companies\(\)"),
    "agency_v1.create_company": (lambda w, _: w.agency_v1.create_company("Aviato"), r"agency_v1\.companies\(\)"),
}


@pytest.mark.parametrize(
    "fault",
    [lambda: Fault.close(at="after_commit", times=None), lambda: Fault.commit_then(500, times=None)],
    ids=["lost", "500"],
)
@pytest.mark.parametrize("name", NEVER_REPEATED)
async def test_what_is_never_repeated_says_how_to_find_out(name: str, fault: Callable[[], Fault]) -> None:
    call, find_out = NEVER_REPEATED[name]
    async with Sandbox(companies=1) as box, box.session() as woodpecker:
        box.state.companies[box.company_ids[0]].linkedin_slots = 9
        box.faults.add(fault())
        with pytest.raises(errors.OutcomeUnknownError, match=rf"; look with {find_out} before trying again \["):
            await call(woodpecker, box.company_ids[0])
        assert [record.method for record in box.journal] == ["POST"]


@pytest.mark.parametrize("confirm", [2, 0, True, "1", None])
async def test_prospects_are_deleted_only_if_the_company_is_named_twice(box: Sandbox, confirm: Any) -> None:
    async with box.session() as woodpecker:
        with pytest.raises(errors.ConfigError, match=r"confirm must be|company id must be"):
            await woodpecker.agency.prospects.delete_all(1, confirm=confirm)
    assert not box.journal


async def test_a_connect_link_is_a_secret(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    company = box.company_ids[0]
    account = box.state.companies[company]
    account.linkedin_slots = 1
    account.of_family(LinkedIn, box.state.seed).accounts.clear()
    linkedin = woodpecker.company(company).linkedin
    connected = await linkedin.connect(timezone="America/Argentina/Buenos_Aires")
    assert connected.account_id
    again = await linkedin.new_link(connected.account_id)
    assert again.account_id == connected.account_id
    links = []
    for connection in (connected, again):
        assert connection.connect_account_link
        links.append(connection.connect_account_link.reveal())
        token = links[-1].rpartition("=")[2]
        seen = f"{connection!r} {connection} {attrs.asdict(connection)}"
        assert len(token) == 32
        assert token not in seen
        assert token[-8:] not in seen
        assert token.encode() not in pickle.dumps(connection)
    assert len({*links}) == 2
    with pytest.raises(errors.ConflictError):
        await linkedin.connect(timezone="UTC")  # the slot is taken


async def test_a_link_is_not_in_the_error_of_an_answer_that_cannot_be_read(mock: aioresponses) -> None:
    link = "https://connect.example/?token=SENTINELsentinel"
    mock.post(f"{BASE}{COMPANY}/linkedin_accounts", payload={"account_id": [link], "connect_account_link": link})
    async with WoodpeckerSession("1.key") as woodpecker:
        with pytest.raises(errors.ResponseDecodeError) as failed:
            await woodpecker.agency.linkedin.connect(7, timezone="UTC")
    assert failed.value.paths == ("$.account_id: expected an integer, got an array",)
    assert "SENTINEL" not in f"{failed.value!r} {failed.value} {pickle.dumps(failed.value)!r}"


async def test_deliverability_of_a_period(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    for place, company in enumerate(box.state.companies.values()):
        company.running_campaigns = place  # the first one does nothing
    deliverability = woodpecker.agency.deliverability
    figures = await deliverability.list(per_page=5).collect()
    assert [row.id for row in figures] == list(box.company_ids[1:])
    assert [record.query["page"] for record in box.journal] == ["1", "2", "3"]
    today = date.today()  # noqa: DTZ011 - on any day, the period has the same length
    same = await deliverability.list(from_date=today - timedelta(days=29), to_date=str(today)).collect()
    assert same == figures
    day = await deliverability.list(from_date=today, to_date=today).collect()
    for row, whole in zip(day, figures, strict=True):
        assert row.emails_sent
        assert whole.emails_sent
        assert whole.emails_sent.current_period == 30 * (row.emails_sent.current_period or 0) > 0


NOTHING = CompanyDeliverability(id=9)


@pytest.mark.parametrize(
    ("pagination_data", "drifted"),
    [
        ({"total_elements": 2, "total_pages": 1, "current_page_number": 1, "page_size": 20}, False),
        ({"total_count": 2, "pages_count": 1, "current_page_number": 1, "page_size": 20}, False),
        # As in an older document, which contradicts itself.
        ({"total_count": 1, "pages_count": 1, "current_page_number": 1, "page_size": 20}, True),
    ],
)
async def test_deliverability_in_both_namings_and_with_fields_missing(
    mock: aioresponses, pagination_data: Any, drifted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        {
            "id": 8,
            "name": "Aviato",
            "emails_sent": {"current_period": 5, "previous_period": None, "change": 1},
            "views": None,
            "clicks": {"current_period": 1},
        },
        {"id": 9},
    ]
    mock.get(f"{BASE}/v2/agency/deliverability?page=1", payload={"content": rows, "pagination_data": pagination_data})
    async with WoodpeckerSession("1.key") as woodpecker:
        listed = woodpecker.agency.deliverability.list()
        with caplog.at_level(logging.WARNING):
            assert await listed.collect() == [
                CompanyDeliverability(id=8, name="Aviato", emails_sent=PeriodCount(current_period=5)),
                NOTHING,
            ]
    assert listed.drifted is drifted
    assert bool(caplog.records) is drifted


async def test_users_of_an_account_by_pages_from_0(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    own = await woodpecker.account.users.list().collect()
    assert [(type(user), user.role) for user in own] == [(User, UserRole.ADMIN), (User, UserRole.USER)]
    assert await woodpecker.company(box.company_ids[0]).users.list(sort="-id").collect() == own[::-1]
    first, second = box.journal
    assert (first.query, first.company_header) == ({"page": "0"}, None)
    assert (second.query, second.company_header) == ({"sort": "-id", "page": "0"}, str(box.company_ids[0]))
    async with Sandbox(page_size=1) as other, other.session() as woodpecker:
        listed = woodpecker.account.users.list(sort="+id")
        assert [page.number async for page in listed.pages()] == [1, 2]
        assert not listed.drifted
        assert [record.query for record in other.journal] == [{"sort": "+id", "page": str(page)} for page in (0, 1)]


async def _items(call: Awaitable[Mapping[str, Any]]) -> dict[str, Any]:
    return dict(await call)


ODD: dict[str, tuple[str, str, int, Any, Callable[[WoodpeckerSession], Any], Any]] = {
    "a role of tomorrow": (
        "GET",
        "/v2/users?page=0",
        200,
        {
            "content": [{"id": 1, "name": None, "role": "OWNER", "phone": "1"}],
            "pagination_data": {"total_elements": 1, "total_pages": 1, "current_page_number": 1, "page_size": 25},
        },
        lambda w: w.account.users.list().collect(),
        [User(id=1, role=UserRole("OWNER"))],
    ),
    "no users": (
        "GET",
        "/v2/users?page=0",
        200,
        {"content": [], "pagination_data": {"total_elements": 0, "total_pages": 0}},
        lambda w: w.account.users.list().collect(),
        [],
    ),
    "no deliverability": (
        "GET",
        "/v2/agency/deliverability?page=1",
        200,
        {"content": [], "pagination_data": {"total_count": 0, "pages_count": 0}},
        lambda w: w.agency.deliverability.list().collect(),
        [],
    ),
    "permissions, 200 without a body": (
        "PUT",
        f"{COMPANY}/guests/permissions",
        200,
        None,
        lambda w: w.agency.guests.set_permissions(7, {5: []}),
        None,
    ),
    "nobody was left to delete": (
        "POST",
        f"{COMPANY}/prospects/delete",
        202,
        {"deletion_request_id": 0, "count": 0, "state": "NEW"},
        lambda w: w.agency.prospects.delete_all(7, confirm=7),
        "ProspectDeletion(deletion_request_id=0, count=0)",
    ),
    "a connection without its link": (
        "POST",
        f"{COMPANY}/linkedin_accounts",
        200,
        {"account_id": 3, "connect_account_link": None},
        lambda w: w.agency.linkedin.connect(7, timezone="UTC"),
        LinkedInConnection(account_id=3),
    ),
    "an invitation answered with an array": (
        "POST",
        f"{COMPANY}/invite_guest",
        201,
        [{"id": 1}],
        lambda w: _items(w.agency.guests.invite(7, [{"name": "n", "email": "n@example.com"}])),
        {"guests": [{"id": 1}]},
    ),
    "an invitation answered without a body": (
        "POST",
        f"{COMPANY}/invite_guest",
        201,
        None,
        lambda w: _items(w.agency.guests.invite(7, [{"name": "n", "email": "n@example.com"}])),
        {},
    ),
    "an invitation of unknown form": (
        "POST",
        f"{COMPANY}/invite_guest",
        200,
        {"invitations": [1, 2]},
        lambda w: w.agency.guests.invite(7, [{"name": "n", "email": "n@example.com"}]),
        "<InvitedGuests invitations>",
    ),
}


@pytest.mark.parametrize("name", ODD)
async def test_odd_answers(mock: aioresponses, name: str) -> None:
    method, path, status, body, call, expected = ODD[name]
    mock.add(BASE + path, method, status=status, **({} if body is None else {"payload": body}))
    async with WoodpeckerSession("1.key") as woodpecker:
        got = await call(woodpecker)
    assert (repr(got) if isinstance(expected, str) else got) == expected


REFUSED: dict[str, tuple[Callable[[WoodpeckerSession], Any], str]] = {
    "no permissions": (lambda w: w.agency.guests.set_permissions(1, {}), "permissions must be a mapping with the ids"),
    "a list of permissions": (
        lambda w: w.agency.guests.set_permissions(1, ["mailboxes"]),
        "permissions must be a mapping with the ids",
    ),
    "a guest's name": (
        lambda w: w.agency.guests.set_permissions(1, {"monica": []}),
        "a guest's id must be an integer >= 1, not 'monica'",
    ),
    "one permission": (
        lambda w: w.agency.guests.set_permissions(1, {5: "mailboxes"}),
        r"permissions\[5\] must be a list of 'mailboxes'",
    ),
    "unknown permission": (
        lambda w: w.agency.guests.set_permissions(1, {5: ["mailbox"]}),
        "did you mean 'mailboxes'",
    ),
    "no time zone": (lambda w: w.agency.linkedin.connect(1, timezone=""), "timezone is empty"),
    "an offset": (lambda w: w.agency.linkedin.connect(1, timezone="+02:00"), "IANA name of a time zone"),
    "half a time zone": (lambda w: w.agency.linkedin.connect(1, timezone="Europe/"), "IANA name of a time zone"),
    "a sentence": (lambda w: w.agency.linkedin.connect(1, timezone="Warsaw time"), "IANA name of a time zone"),
    "account 0": (lambda w: w.agency.linkedin.new_link(1, 0), "account_id must be an integer >= 1"),
    "a reversed range": (
        lambda w: w.agency.deliverability.list(from_date="2026-02-02", to_date=date(2026, 2, 1)),
        "from_date must not be after to_date: 2026-02-02 is after 2026-02-01",
    ),
    "a moment": (
        lambda w: w.agency.deliverability.list(from_date=datetime(2026, 2, 1)),  # noqa: DTZ001
        "from_date must be a day",
    ),
    "no date": (lambda w: w.agency.deliverability.list(to_date="02/01/2026"), "to_date must be a datetime.date or"),
    "51 on a page": (
        lambda w: w.agency.deliverability.list(per_page=51),
        "per_page must be an integer from 1 to 50, not 51",
    ),
    "an order that is none": (lambda w: w.account.users.list(sort="id"), r"sort must be one of '\+id', '-id'"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_arguments_are_refused_before_anything_is_sent(name: str) -> None:
    call, message = REFUSED[name]
    async with WoodpeckerSession("1.key", base_url="http://127.0.0.1:9/rest", clock=VirtualClock()) as woodpecker:
        with pytest.raises(errors.ConfigError, match=message):
            await call(woodpecker)


async def test_strict_reading_knows_all_documented_fields(box: Sandbox) -> None:
    async with box.session() as woodpecker:
        strict = CallOptions(strict=True)
        assert await woodpecker.agency.deliverability.list(options=strict).collect()
        assert await woodpecker.account.users.list(options=strict).collect()
        assert await woodpecker.account.blacklist.domains.list(options=strict).collect()
        await woodpecker.agency.prospects.delete_all(box.company_ids[0], confirm=box.company_ids[0], options=strict)


async def test_the_answer_to_a_connection_is_read_as_far_as_it_goes(
    box: Sandbox, woodpecker: WoodpeckerSession
) -> None:
    box.faults.add(Fault.body({"account_id": "7", "connect_account_link": "https://link.example/?t=1"}))
    connection = await woodpecker.agency.linkedin.connect(box.company_ids[0], timezone="Europe/Warsaw")
    assert connection.account_id == 7
    assert connection.connect_account_link is not None


@pytest.mark.parametrize("body", [{}, {"account_id": 7, "connect_account_link": None}])
async def test_a_new_link_that_did_not_come_is_an_error(box: Sandbox, woodpecker: WoodpeckerSession, body: Any) -> None:
    company = box.company_ids[0]
    account = (await woodpecker.agency.linkedin.connect(company, timezone="Europe/Warsaw")).account_id
    assert account is not None
    box.faults.add(Fault.body(body, path=re.compile("generate-connect-link")))
    with pytest.raises(errors.ResponseDecodeError, match="connect_account_link"):
        await woodpecker.agency.linkedin.new_link(company, account)
