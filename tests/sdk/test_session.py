"""Everything in the documentation, through the SDK, on the sandbox."""

import re

import aiohttp
import pytest

from woodpecker_async import CallOptions, Limits, RetryPolicy, Secret, Timeouts, WoodpeckerSession, __version__, errors
from woodpecker_async.models import Company, IssuedKey, MailboxType
from woodpecker_async.sandbox import Fault, Sandbox


async def test_companies_page_by_page() -> None:
    async with Sandbox(companies=120, inactive=7, service_time=0) as box, box.session() as woodpecker:
        companies = await woodpecker.agency.companies.list().collect()
        assert [company.id for company in companies] == list(box.company_ids)
        assert all(isinstance(company, Company) and company.owner for company in companies)
        active = await woodpecker.agency.companies.list(active=True).collect()
        inactive = await woodpecker.agency.companies.list(active=False).collect()
        assert (len(active), len(inactive)) == (113, 7)
        assert [record.query.get("page") for record in box.journal] == ["1", "2", "3", "1", "2", "3", "1"]
        assert [record.query.get("active") for record in box.journal] == [None] * 3 + ["true"] * 3 + ["false"]


async def test_every_key_of_a_company_is_listed_once() -> None:
    async with Sandbox(companies=2, keys_per_company=120, other_users_keys=3, service_time=0) as box:
        async with box.session() as woodpecker:
            for company_id in box.company_ids:
                keys = await woodpecker.agency.api_keys.list(company_id=company_id).collect()
                expected = [(key.secret, key.label) for key in box.state.listed(company_id)]
                assert [(key.api_key.reveal(), key.label) for key in keys] == expected
                assert len(keys) == 120


async def test_companies_are_created_all_or_none(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    made = await woodpecker.agency.companies.create(["Aviato", "Bachmanity"])
    assert [company.name for company in made] == ["Aviato", "Bachmanity"]
    assert box.state.companies[made[0].id].name == "Aviato"
    with pytest.raises(errors.BadRequestError):
        await woodpecker.agency.companies.create(["New", "Aviato"])
    assert not any(company.name == "New" for company in box.state.companies.values())


async def test_email_accounts_come_in_one_answer(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    company_id = box.company_ids[0]
    accounts = await woodpecker.agency.email_accounts.list(company_id).collect()
    assert accounts
    assert {account.type for account in accounts} <= set(MailboxType)
    async with woodpecker.company(company_id) as client:
        assert await client.email_accounts.list().collect() == accounts


async def test_the_legacy_calls(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    listed = await woodpecker.agency_v1.companies()
    assert len(listed) == len(box.company_ids)
    assert all(key.api_key.reveal() for company in listed for key in company.api_keys)
    company_id = box.company_ids[0]
    made = await woodpecker.agency_v1.create_api_key(company_id=company_id, name="crm")
    assert box.state.companies[company_id].keys[-1].secret == made.api_key.reveal()
    company = await woodpecker.agency_v1.create_company(name="Bachmanity Infinite")
    assert company.name == "Bachmanity Infinite"
    assert len(company.api_keys) == 1
    with pytest.raises(errors.ApiError) as caught:
        await woodpecker.agency_v1.create_company(name="Bachmanity Infinite")
    assert caught.value.code == "E_DUPLICATE"


async def test_the_keys_own_account_is_said_out_loud(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    me = await woodpecker.account.me()
    assert me["company"]["id"] == box.state.hq.id
    assert await woodpecker.account.mailboxes.list().collect() is not None
    assert all(record.company_header is None for record in box.journal)
    assert not hasattr(woodpecker, "me")
    assert not hasattr(woodpecker, "mailboxes")


async def test_a_clients_own_key_works_on_the_account_level(box: Sandbox) -> None:
    company_id = box.company_ids[0]
    async with WoodpeckerSession(box.client_key(company_id), base_url=box.base_url) as client:
        assert (await client.account.me())["company"]["id"] == company_id


async def test_key_and_base_url_come_from_the_environment(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOODPECKER_API_KEY", box.hq_key)
    monkeypatch.setenv("WOODPECKER_BASE_URL", box.base_url + "/")
    async with WoodpeckerSession() as woodpecker:
        await woodpecker.account.me()
    assert box.journal[-1].headers["x-api-key"] == box.hq_key


async def test_every_request_is_signed_and_named(box: Sandbox) -> None:
    async with box.session(user_agent="crm-sync/3", options=CallOptions(headers={"X-Team": "growth"})) as woodpecker:
        await woodpecker.agency.companies.list(options=CallOptions(headers={"X-Run": "7"}))
        await woodpecker.agency.api_keys.create(box.company_ids[0], "crm")
    for record in box.journal:
        assert record.headers["x-api-key"] == box.hq_key
        assert record.headers["user-agent"] == f"crm-sync/3 woodpecker-async/{__version__}"
        assert record.headers["x-team"] == "growth"
        assert "cookie" not in record.headers
    assert box.journal[0].headers["x-run"] == "7"
    assert "x-run" not in box.journal[1].headers


async def test_a_key_that_is_rotated_is_asked_for_each_time(box: Sandbox) -> None:
    handed_out = [box.hq_key, Secret(box.hq_key), box.hq_key]

    async def vault() -> str | Secret:
        return handed_out.pop()

    async with WoodpeckerSession(vault, base_url=box.base_url) as woodpecker:
        await woodpecker.account.me()
        box.faults.add(Fault.status(500))
        await woodpecker.account.me()
    assert handed_out == []


async def test_a_rotated_key_that_is_no_key_is_one_clear_error(box: Sandbox) -> None:
    async with WoodpeckerSession(lambda: "key\n", base_url=box.base_url) as woodpecker:
        with pytest.raises(errors.ConfigError, match="line break"):
            await woodpecker.account.me()
    assert box.journal == []


async def test_the_escape_hatch_goes_the_same_way(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    box.faults.add(Fault.status(503))
    answer = await woodpecker.request("GET", "/v2/agency/companies", params={"active": True, "page": 1})
    assert len(answer["content"]) == 11
    company_id = box.company_ids[0]
    made = await woodpecker.request("post", f"/v2/agency/companies/{company_id}/api_keys", json={"label": "x"})
    assert made["api_key"] == box.state.companies[company_id].keys[-1].secret
    mailboxes = await woodpecker.request("GET", "/v2/mailboxes", company_id=company_id)
    assert box.journal[-1].company_header == str(company_id)
    assert len(mailboxes) == len(await woodpecker.company(company_id).mailboxes.list())
    await woodpecker.request("GET", "/v2/mailboxes", company_id=None)
    assert box.journal[-1].company_header is None
    client = woodpecker.company(company_id)
    assert await client.request("GET", "/v2/mailboxes") == mailboxes
    sent = len(box.journal)
    with pytest.raises(errors.ConfigError, match="whose account"):
        await woodpecker.request("GET", "/v2/mailboxes")
    with pytest.raises(errors.ConfigError, match="in the path"):
        await woodpecker.request("GET", "/v2/agency/companies", company_id=company_id)
    with pytest.raises(errors.ConfigError):
        await client.request("GET", "/v2/agency/companies")
    assert len(box.journal) == sent


async def test_the_raw_body_is_kept_on_request_only(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    keys = woodpecker.agency.api_keys
    plain = await keys.list(box.company_ids[0])
    assert plain.raw is None
    page = await keys.list(box.company_ids[0], options=CallOptions(keep_raw=True))
    assert page.raw is not None
    assert page[0].api_key.reveal() in page.raw.reveal()
    assert page[0].api_key.reveal() not in repr(page)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"api_key": ""}, "empty"),
        ({"api_key": "key\n"}, "line break"),
        ({"api_key": "a\r\nx-company-id: 7"}, "line break"),
        ({"api_key": '"1.key"'}, "in quotation marks"),
        ({"api_key": "'1.key'"}, "in quotation marks"),
        ({"api_key": "a b"}, "whitespace"),
        ({"api_key": "kéy"}, "ASCII"),
        ({"api_key": 7}, "int"),
        ({"api_key": b"key"}, "bytes"),
        ({"api_key": None}, "WOODPECKER_API_KEY"),
        ({"base_url": "api.woodpecker.co/rest"}, "scheme"),
        ({"base_url": "ftp://host"}, "scheme"),
        ({"base_url": "https://"}, "host"),
        ({"base_url": "https://user:pw@host/rest"}, "user name"),
        ({"base_url": "https://host/rest?x=1"}, "query"),
        ({"base_url": "https://host:port"}, "URL"),
        ({"base_url": 7}, "str"),
        ({"retry": 3}, "RetryPolicy"),
        ({"timeouts": 30}, "Timeouts"),
        ({"limits": 7}, "Limits"),
        ({"hooks": print}, "sequence"),
        ({"hooks": [3]}, "hook"),
        ({"http_session": "session"}, "ClientSession"),
        ({"proxy": "host:3128"}, "proxy"),
        ({"ssl_context": True}, "SSLContext"),
        ({"trust_env": "yes"}, "bool"),
        ({"user_agent": "a\nb"}, "user_agent"),
        ({"options": {}}, "CallOptions"),
    ],
)
def test_bad_arguments_are_one_clear_error(arguments: dict, says: str) -> None:
    with pytest.raises(errors.ConfigError, match=re.escape(says)) as caught:
        WoodpeckerSession(**{"api_key": "1.key", **arguments})
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("company_id", [0, -1, True, False, "7", 7.0, None, 2**63])
async def test_company_ids_are_checked_before_any_io(box: Sandbox, woodpecker: WoodpeckerSession, company_id) -> None:
    agency = woodpecker.agency
    with pytest.raises(errors.ConfigError):
        woodpecker.company(company_id)
    with pytest.raises(errors.ConfigError):
        agency.api_keys.list(company_id)
    with pytest.raises(errors.ConfigError):
        agency.email_accounts.list(company_id)
    with pytest.raises(errors.ConfigError):
        await agency.api_keys.create(company_id, "crm")
    with pytest.raises(errors.ConfigError):
        await agency.api_keys.create_once(company_id, "crm")
    with pytest.raises(errors.ConfigError):
        await woodpecker.agency_v1.create_api_key(company_id, "crm")
    if company_id is not None:
        with pytest.raises(errors.ConfigError):
            await woodpecker.request("GET", "/v2/mailboxes", company_id=company_id)
    assert box.journal == []


@pytest.mark.parametrize("label", ["", "  ", " crm", "crm\n", None, 7, b"crm", "\ud800"])
async def test_labels_are_checked_before_any_io(box: Sandbox, woodpecker: WoodpeckerSession, label) -> None:
    keys, company_id = woodpecker.agency.api_keys, box.company_ids[0]
    for call in (keys.create, keys.ensure, keys.create_once, woodpecker.agency_v1.create_api_key):
        with pytest.raises(errors.ConfigError):
            await call(company_id, label)
    with pytest.raises(errors.ConfigError):
        await woodpecker.agency_v1.create_company(label)
    assert box.journal == []


@pytest.mark.parametrize("names", [[], ["a"] * 11, [f"n{i}" for i in range(11)], "Aviato", [""], [7], None, ["a", "a"]])
async def test_company_names_are_checked_before_any_io(box: Sandbox, woodpecker: WoodpeckerSession, names) -> None:
    with pytest.raises(errors.ConfigError):
        await woodpecker.agency.companies.create(names)
    assert box.journal == []


async def test_the_whole_range_of_settings_is_taken(box: Sandbox) -> None:
    async with (
        aiohttp.ClientSession() as http_session,
        box.session(
            retry=RetryPolicy(attempts=2),
            timeouts=Timeouts(connect=1, attempt=2, lane=3),
            limits=Limits(max_in_flight=2),
            http_session=http_session,
            hooks=[lambda event: None],
            trust_env=False,
        ) as woodpecker,
    ):
        made = await woodpecker.agency.api_keys.create(box.company_ids[0], "crm")
        assert isinstance(made, IssuedKey)
        assert woodpecker.limits.max_in_flight == 2
        assert box.hq_key not in repr(woodpecker)
