"""Campaigns, their steps and the bounce shield: against the sandbox, and against odd answers."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.calls import ROWS, method_at
from tests.raw import RawServer, answer, raw_server
from woodpecker_async import CallOptions, RetryPolicy, WoodpeckerSession, errors
from woodpecker_async.models import (
    Campaign,
    CampaignSettings,
    CampaignStatus,
    LinkedInAction,
    NewCampaign,
    NewStep,
    NewVersion,
    StepType,
    Weekday,
)
from woodpecker_async.resources import campaign_bodies
from woodpecker_async.sandbox import Fault, Sandbox

WORKDAYS = {day: [("08:00", "16:00")] for day in (Weekday.MONDAY, "FRIDAY")}
SPRING = NewCampaign(
    name="Spring",
    email_account_ids=[101, 102],
    settings=CampaignSettings(timezone="Europe/Warsaw", daily_enroll=20, open_disabled_list=("google.com",)),  # type: ignore[arg-type]
    steps=[
        NewStep(
            versions=[NewVersion(subject="Hello", message="<p>A</p>"), {"subject": "Hi", "message": "<p>B</p>"}],
            delivery_time=WORKDAYS,
            followup_after={"range": "DAY", "value": 3},
        ),
        NewStep(type="LINKEDIN", action_type="VISIT_PROFILE", linkedin_account_id=7),
        NewStep(versions=[NewVersion(message="<p>And?</p>", signature="SENDER", track_opens=False)]),
    ],
)


@asynccontextmanager
async def answering(*answers: bytes, options: CallOptions | None = None) -> AsyncIterator[WoodpeckerSession]:
    """A session with a server that sends these responses, one after another."""
    left = list(answers)

    async def handle(server: RawServer, number: int, head: str) -> bytes:
        return left.pop(0)

    async with raw_server(handle) as server, WoodpeckerSession("1.k", base_url=server.url, options=options) as session:
        yield session


def json_answer(body: Any, status: str = "200 OK") -> bytes:
    return answer(json.dumps(body).encode(), status)


async def test_the_life_of_a_campaign(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    async with woodpecker.company(box.company_ids[0]) as client:
        campaigns = client.campaigns
        made = await campaigns.create(SPRING)
        assert (made.status, made.name, made.email_account_ids) == (CampaignStatus.DRAFT, "Spring", (101, 102))
        assert await campaigns.get(made.id) == made
        assert made.settings is not None
        assert made.settings.daily_enroll == 20
        assert made.steps is not None
        assert [step.type for step in made.steps] == ["EMAIL", "LINKEDIN", "EMAIL"]
        first, linked, last = made.steps
        assert [(version.version, version.subject) for version in first.versions] == [("A", "Hello"), ("B", "Hi")]
        assert linked.body is not None
        assert linked.body.action_type is LinkedInAction.VISIT_PROFILE
        assert (last.followup, last.versions[0].subject) == (None, "")

        async def status() -> str | None:
            (row,) = await campaigns.list(ids=[made.id])
            return row.status

        await campaigns.run(made.id)
        assert await status() == "RUNNING"
        with pytest.raises(errors.ConflictError, match="cannot be edited"):
            await campaigns.update(made.id, name="Summer")
        await campaigns.pause(made.id)
        await campaigns.pause(made.id)
        assert await status() == "PAUSED"
        await campaigns.run(made.id)
        await campaigns.stop(made.id)
        assert await status() == "STOPPED"
        await campaigns.make_editable(made.id)
        assert await status() == "EDITED"
        changed = await campaigns.update(made.id, name="Summer", settings={"daily_enroll": 30})
        assert changed is not None
        assert (changed.name, changed.email_account_ids) == ("Summer", (101, 102))
        assert changed.settings == attrs.evolve(made.settings, daily_enroll=30)
        await campaigns.delete(made.id)
        with pytest.raises(errors.NotFoundError) as gone:
            await campaigns.get(made.id)
        assert gone.value.code == "CAMPAIGN_NOT_EXIST"
        assert made.id not in [row.id for row in await campaigns.list()]
    assert all(record.company_header == str(box.company_ids[0]) for record in box.journal)


async def test_campaigns_are_listed_by_their_state(woodpecker: WoodpeckerSession) -> None:
    campaigns = woodpecker.account.campaigns
    everything = await campaigns.list().collect()
    assert {row.status for row in everything} == {"RUNNING", "DRAFT", "PAUSED"}
    some = await campaigns.list(status=["DRAFT", CampaignStatus.PAUSED]).collect()
    assert some == [row for row in everything if row.status in ("DRAFT", "PAUSED")]
    assert all(row.created is not None and row.created.utcoffset() is not None for row in everything)
    stats = await campaigns.stats(everything[0].id)
    assert stats.stats is not None
    assert stats.stats["sent"] == 0
    assert len(stats.stats["emails"]) == 1


async def test_steps_are_added_behind_the_last_one(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    campaigns = woodpecker.account.campaigns
    made = await campaigns.create(attrs.evolve(SPRING, steps=[NewStep(versions=[NewVersion(message="<p>1</p>")])]))
    for text in ("<p>2</p>", "<p>3</p>"):
        grown = await campaigns.steps.add(made.id, {"versions": [{"message": text}]})
    assert grown is not None
    assert grown.steps is not None
    steps = list(grown.steps)
    assert [step.versions[0].message for step in steps] == ["<p>1</p>", "<p>2</p>", "<p>3</p>"]
    assert steps[2].id is not None
    with pytest.raises(errors.BadRequestError):
        await campaigns.steps.add(made.id, NewStep(versions=[NewVersion(message="4")]), parent_id=str(steps[0].id))
    again = await campaigns.steps.update(made.id, steps[2].id, delivery_time={"SUNDAY": [("10:00", "11:30")]})
    assert again is not None
    assert again.steps is not None
    assert list(again.steps)[2].delivery_time == {"SUNDAY": [{"from": "10:00", "to": "11:30"}]}
    version = str(steps[2].versions[0].id)
    changed = await campaigns.steps.update_version(made.id, steps[2].id, version, subject="New", track_opens=True)
    assert changed is not None
    assert changed.steps is not None
    text = list(changed.steps)[2].versions[0]
    assert (text.subject, text.message, text.track_opens) == ("New", "<p>3</p>", True)
    shrunk = await campaigns.steps.delete(made.id, str(steps[1].id))
    assert shrunk is not None
    assert shrunk.steps is not None
    assert [step.id for step in shrunk.steps] == [steps[0].id, steps[2].id]
    with pytest.raises(errors.NotFoundError):
        await campaigns.steps.delete(made.id, str(steps[1].id))


async def test_the_bounce_shield(woodpecker: WoodpeckerSession) -> None:
    campaigns = woodpecker.account.campaigns
    campaign = (await campaigns.list())[0].id
    assert await campaigns.bounce_shield.get(campaign) is None
    await campaigns.bounce_shield.set(campaign, 7)
    assert await campaigns.bounce_shield.get(campaign) == 7
    await campaigns.bounce_shield.clear(campaign)
    assert await campaigns.bounce_shield.get(campaign) is None


async def test_a_campaign_with_a_condition_is_listed_and_not_shown(woodpecker: WoodpeckerSession) -> None:
    campaigns = woodpecker.account.campaigns
    (conditional,) = [row for row in await campaigns.list() if str(row.name).startswith("IF")]
    assert (await campaigns.stats(conditional.id)).status == "RUNNING"
    for call in (campaigns.get, campaigns.run, campaigns.make_editable):
        with pytest.raises(errors.UnsupportedCampaignError, match="has a condition, a scheduled start or manual tasks"):
            await call(conditional.id)


@pytest.mark.parametrize("code", ["API_UNSUPPORTED_CAMPAIGN", "API_UNSUPPORTED_CAMPAIGN_FEATURES", "WCNF001"])
@pytest.mark.parametrize("rest", [{"message": "no"}, {"message": "no", "details": ["IF"]}, {"details": ["IF"]}, {}])
async def test_each_spelling_of_an_unsupported_campaign_is_understood(code: str, rest: dict[str, Any]) -> None:
    async with answering(json_answer({"code": code, **rest}, "409 Conflict")) as woodpecker:
        with pytest.raises(errors.UnsupportedCampaignError) as caught:
            await woodpecker.account.campaigns.get(1)
    assert (caught.value.code, caught.value.status) == (code, 409)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        ("409 Conflict", {"code": "SOMETHING_ELSE", "message": "no"}, errors.ConflictError),
        ("409 Conflict", {"title": "Conflict", "status": 409, "detail": "no", "timestamp": "x"}, errors.ConflictError),
        ("404 Not Found", {"code": "CAMPAIGN_NOT_EXIST", "message": "no"}, errors.NotFoundError),
        ("400 Bad Request", {"title": "Bad Request", "status": 400, "detail": "no"}, errors.BadRequestError),
    ],
)
async def test_other_refusals_are_what_their_status_says(status: str, body: Any, kind: type[errors.ApiError]) -> None:
    async with answering(json_answer(body, status)) as woodpecker:
        with pytest.raises(errors.ApiError) as caught:
            await woodpecker.account.campaigns.get(1)
    assert type(caught.value) is kind


FULL = {
    "id": 1,
    "name": None,
    "status": "ARCHIVED",
    "email_account_ids": [],
    "settings": {"timezone": "Europe/Warsaw", "auto_pause_prospect_from_domain_statuses": ["OOO"], "new": {}},
    "steps": {
        "id": "a",
        "type": "START",
        "followup": {
            "id": "b",
            "type": "SMS",
            "delivery_time": None,
            "body": {"versions": None},
            "followup_after": {"range": "WEEK", "value": 1},
            "followup": {"id": "c", "type": "EMAIL", "followup": None},
        },
    },
    "workflow": True,
}


@pytest.mark.parametrize(
    "body",
    [FULL, {"id": 1}, {"id": 1, "settings": None, "steps": None, "email_account_ids": None}, {"id": 1, "steps": {}}],
)
async def test_a_campaign_may_lack_parts_and_have_new_ones(body: Any) -> None:
    async with answering(json_answer(body)) as woodpecker:
        campaign = await woodpecker.account.campaigns.get(1)
    assert campaign.id == 1
    if body is FULL:
        assert campaign.steps is not None
        assert campaign.status == "ARCHIVED"
        assert [step.type for step in campaign.steps] == ["SMS", "EMAIL"]
        assert [step.versions for step in campaign.steps] == [(), ()]


NOTHING = {"an array": b"[]", "a message": b'{"message": "No campaigns."}', "204": b""}


@pytest.mark.parametrize("said", NOTHING)
async def test_no_campaigns(said: str) -> None:
    async with answering(*[answer(NOTHING[said], "204 No Content" if said == "204" else "200 OK")] * 2) as woodpecker:
        assert await woodpecker.account.campaigns.list(status=["DRAFT"]).collect() == []
        with pytest.raises(errors.NotFoundError, match="has no campaign 12"):
            await woodpecker.account.campaigns.stats(12)


async def test_statistics_are_those_of_the_campaign_that_was_asked_for() -> None:
    rows = [{"id": 11, "stats": {"sent": 1}}, {"id": 12, "bcc": "", "created": None, "stats": {"sent": 2, "new": [1]}}]
    async with answering(json_answer(rows), json_answer(rows[:1]), json_answer({})) as woodpecker:
        stats = await woodpecker.account.campaigns.stats(12)
        assert stats.stats == {"sent": 2, "new": [1]}
        assert stats.bcc is None
        with pytest.raises(errors.NotFoundError):
            await woodpecker.account.campaigns.stats(12)
        with pytest.raises(errors.ResponseDecodeError):
            await woodpecker.account.campaigns.stats(12)


# Writes whose response is not documented, or not reliably.
OPEN_ANSWERS: dict[str, Callable[[WoodpeckerSession], Any]] = {
    "update": lambda w: w.account.campaigns.update(1, name="n"),
    "steps.add": lambda w: w.account.campaigns.steps.add(1, {"versions": [{"message": "m"}]}, parent_id="a"),
    "steps.update": lambda w: w.account.campaigns.steps.update(1, "a", delivery_time=WORKDAYS),
    "steps.delete": lambda w: w.account.campaigns.steps.delete(1, "a"),
    "steps.update_version": lambda w: w.account.campaigns.steps.update_version(1, "a", "b", message="m"),
}


@pytest.mark.parametrize("name", OPEN_ANSWERS)
async def test_a_write_that_succeeded_does_not_fail_for_its_answer(name: str) -> None:
    bodies = [json.dumps({"id": 1}).encode(), b"", b"[]", b'{"id": "b", "type": "EMAIL"}', b"OK"]
    async with answering(*map(answer, bodies)) as woodpecker:
        campaigns = [await OPEN_ANSWERS[name](woodpecker) for _ in bodies]
    assert campaigns == [Campaign(id=1), None, None, None, None]


async def test_who_is_strict_hears_of_an_odd_answer() -> None:
    async with answering(answer(b"[]"), options=CallOptions(strict=True)) as woodpecker:
        with pytest.raises(errors.ResponseDecodeError):
            await woodpecker.account.campaigns.update(1, name="n")


NEVER_TWICE = {
    "account.campaigns.create": "campaigns.list",
    "account.campaigns.run": "campaigns.list",
    "account.campaigns.steps.add": "campaigns.get",
    "account.inbox.reply": "sent mail",
}
WRITES = [name for name, row in ROWS.items() if name.startswith(("account.campaigns.", "account.inbox."))]
WRITES = [name for name in WRITES if ROWS[name].method != "GET"]


@pytest.fixture
async def patient(box: Sandbox) -> AsyncIterator[WoodpeckerSession]:
    async with box.session(retry=RetryPolicy(attempts=3, initial_backoff=0.001)) as session:
        yield session


@pytest.mark.parametrize("name", WRITES)
async def test_a_lost_answer_is_asked_for_again_where_that_is_harmless(
    name: str, box: Sandbox, patient: WoodpeckerSession
) -> None:
    row = ROWS[name]
    if row.prepare is not None:
        row.prepare(box.state.hq, box.state.seed)
    box.faults.add(Fault.close(at="after_commit"))
    if (find_out := NEVER_TWICE.get(name)) is None:
        await row.call(method_at(patient, name))
        assert len(box.journal) == 2
    else:
        with pytest.raises(errors.OutcomeUnknownError, match=find_out):
            await row.call(method_at(patient, name))
        assert len(box.journal) == 1
    assert box.journal[0].committed


async def test_a_step_is_not_added_twice_where_the_campaign_is_read_first(
    box: Sandbox, patient: WoodpeckerSession
) -> None:
    campaign = (await patient.account.campaigns.list(status=["DRAFT"]))[0].id
    box.faults.add(Fault.close(at="after_commit", method="GET"), Fault.close(at="after_commit", method="POST"))
    with pytest.raises(errors.OutcomeUnknownError):
        await patient.account.campaigns.steps.add(campaign, {"versions": [{"message": "m"}]})
    assert [record.method for record in box.journal][1:] == ["GET", "GET", "POST"]
    whole = await patient.account.campaigns.get(campaign)
    assert whole.steps is not None
    assert len(list(whole.steps)) == 2


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
VERSIONS = st.builds(
    NewVersion,
    message=TEXTS.filter(str.strip),
    subject=TEXTS,
    signature=st.sampled_from([None, "SENDER", "NO_SIGNATURE"]),
    track_opens=st.sampled_from([None, True, False]),
)
DAYS = st.dictionaries(
    st.sampled_from(list(Weekday)),
    st.lists(st.sampled_from([("00:00", "23:59"), ("09:05", "09:06")]), min_size=1, max_size=3),
    min_size=1,
)
STEPS = st.one_of(
    st.builds(NewStep, versions=st.lists(VERSIONS, min_size=1, max_size=5), delivery_time=st.none() | DAYS),
    st.builds(
        NewStep,
        type=st.just(StepType.LINKEDIN),
        versions=st.lists(VERSIONS, max_size=5).map(tuple),
        action_type=st.sampled_from([None, *LinkedInAction]),
        followup_after=st.sampled_from([None, {"range": "HOUR", "value": 1}]),
    ),
)


@given(st.lists(STEPS, min_size=1, max_size=16))
def test_a_campaign_in_the_form_of_the_api_is_the_same_campaign(steps: list[NewStep]) -> None:
    sent = campaign_bodies.campaign(attrs.evolve(SPRING, steps=steps))
    assert campaign_bodies.campaign({**sent}) == sent
    levels, step = 0, sent["steps"]["followup"]
    while step is not None:
        levels, step = levels + 1, step["followup"]
    assert levels == len(steps)


@pytest.mark.parametrize(
    "form",
    [
        {"body": {"versions": [{"id": "x", "version": "A", "message": "m", "subject": None}]}},
        {"versions": [{"version": "A", "message": "m", "signature": None}], "body": None, "followup_after": None},
        {"versions": [NewVersion(message="m")], "id": "a", "followup": None},
    ],
)
def test_what_an_answer_has_and_a_request_has_not_is_left_out(form: dict[str, Any]) -> None:
    sent = {"type": "EMAIL", "body": {"versions": [{"subject": "", "message": "m"}]}}
    assert campaign_bodies.step({"type": "EMAIL", **form}) == sent


def test_a_campaign_on_linkedin_alone_needs_no_mailbox() -> None:
    visit = NewStep(type="LINKEDIN", action_type="VISIT_PROFILE", linkedin_account_id=7)
    sent = campaign_bodies.campaign(NewCampaign(name="n", steps=[visit]))
    assert sent["email_account_ids"] == []
    assert campaign_bodies.campaign({**sent}) == sent


async def test_a_campaign_is_copied(woodpecker: WoodpeckerSession) -> None:
    campaigns = woodpecker.account.campaigns
    made = await campaigns.create(SPRING)
    assert made.steps is not None
    assert made.email_account_ids is not None
    assert made.settings is not None
    twin = await campaigns.create(
        NewCampaign(name="Spring", email_account_ids=made.email_account_ids, settings=made.settings, steps=made.steps)
    )
    assert twin.steps is not None
    assert campaign_bodies.campaign(attrs.evolve(SPRING, steps=list(twin.steps))) == campaign_bodies.campaign(SPRING)


async def test_a_state_file_keeps_campaigns_and_what_was_read(tmp_path: Path) -> None:
    kept = tmp_path / "state.json"
    async with Sandbox(companies=1, state_file=kept) as box, box.session() as woodpecker:
        made = await woodpecker.account.campaigns.create(SPRING)
        await woodpecker.account.campaigns.bounce_shield.set(made.id, 3)
        unread = await woodpecker.account.inbox.list(read=False).collect()
        await woodpecker.account.inbox.reply(unread[0].id, "<p>Gladly!</p>")
    async with Sandbox(state_file=kept) as box, box.session() as woodpecker:
        assert await woodpecker.account.campaigns.get(made.id) == made
        assert await woodpecker.account.campaigns.bounce_shield.get(made.id) == 3
        assert await woodpecker.account.inbox.list(read=False).collect() == unread[1:]
        assert (await woodpecker.account.campaigns.create(SPRING)).id not in (made.id, None)


def step(**fields: Any) -> Callable[[WoodpeckerSession], Any]:
    given = {"versions": [{"message": "m"}], **fields}
    return lambda w: w.account.campaigns.steps.add(1, given, parent_id="a")


def campaign(**fields: Any) -> Callable[[WoodpeckerSession], Any]:
    return lambda w: w.account.campaigns.create({**attrs.asdict(SPRING, recurse=False), **fields})


def settings(**fields: Any) -> Callable[[WoodpeckerSession], Any]:
    return lambda w: w.account.campaigns.update(1, settings=fields)


def windows(given: Any) -> Callable[[WoodpeckerSession], Any]:
    return lambda w: w.account.campaigns.steps.update(1, "a", delivery_time=given)


ENDLESS: dict[str, Any] = {"versions": [{"message": "m"}]}
ENDLESS["followup"] = ENDLESS

REFUSED: dict[str, tuple[Callable[[WoodpeckerSession], Any], str]] = {
    "campaign 0": (lambda w: w.account.campaigns.get(0), "campaign_id must be an integer from 1"),
    "a campaign's id as a str": (lambda w: w.account.campaigns.run("12"), "campaign_id must be an integer"),
    "True for a campaign": (lambda w: w.account.campaigns.delete(True), "campaign_id must be an integer"),
    "an unknown status": (lambda w: w.account.campaigns.list(status=["PAUSE"]), "did you mean 'PAUSED'"),
    "one status alone": (lambda w: w.account.campaigns.list(status="PAUSED"), "status must be a list of"),
    "an empty list of states": (lambda w: w.account.campaigns.list(status=[]), "status must not be empty"),
    "an empty list of ids": (lambda w: w.account.campaigns.list(ids=iter(())), "ids must not be empty"),
    "too many ids": (lambda w: w.account.campaigns.list(ids=range(10**6, 10**6 + 600)), "the API takes 4100"),
    "a campaign that is none": (lambda w: w.account.campaigns.create("Spring"), "must be a NewCampaign or a mapping"),
    "no name": (lambda w: w.account.campaigns.create({"email_account_ids": [1], "steps": []}), "campaign needs name"),
    "an unknown field": (campaign(step=[]), "campaign has no field 'step'.*did you mean 'steps'"),
    "an empty name": (campaign(name=" "), "campaign.name is empty"),
    "no mailboxes": (campaign(email_account_ids=[]), "email_account_ids must not be empty"),
    "no mailboxes at all": (campaign(email_account_ids=()), "email_account_ids must not be empty"),
    "mailboxes that are none": (campaign(email_account_ids=["a"]), "email_account_ids must be an integer"),
    "no steps": (campaign(steps=[]), "1 to 16 steps after its start, not 0"),
    "17 steps": (campaign(steps=[{"versions": [{"message": "m"}]}] * 17), "1 to 16 steps after its start, not 17"),
    "a step alone": (campaign(steps=NewStep(versions=[{"message": "m"}])), "steps must be a list"),
    "a start alone": (campaign(steps={"type": "START", "followup": None}), "not 0"),
    "a step of the wrong kind": (campaign(steps=["EMAIL"]), r"steps\[0\] must be a NewStep or a mapping"),
    "a second start": (campaign(steps=[{"type": "START"}]), r"steps\[0\].type must be one of 'EMAIL', 'LINKEDIN'"),
    "a chain in a list": (
        campaign(steps=[{"versions": [{"message": "m"}], "followup": {"type": "EMAIL"}}]),
        r"steps\[0\] has a followup of its own: make a list",
    ),
    "a chain that goes on as a list": (
        campaign(steps={"type": "START", "followup": {"versions": [{"message": "m"}], "followup": [{}]}}),
        "followup of a step must be a mapping or None, not list",
    ),
    "a chain without an end": (campaign(steps=ENDLESS), "1 to 16 steps after its start"),
    "a chain to add": (step(followup={"type": "EMAIL"}), "step has a followup of its own"),
    "an unknown type": (step(type="MAIL"), "step.type must be one of .* did you mean 'EMAIL'"),
    "no versions": (step(versions=[]), "step.versions must not be empty"),
    "six versions": (step(versions=[{"message": "m"}] * 6), "at most 5 entries, not 6"),
    "an empty message": (step(versions=[{"message": "\n"}]), r"step.versions\[0\].message is empty"),
    "a message that is none": (step(versions=[{"message": 3}]), r"step.versions\[0\].message must be a str, not int"),
    "a subject that is none": (step(versions=[{"message": "m", "subject": 1}]), "subject must be a str, not int"),
    "an unknown signature": (step(versions=[{"message": "m", "signature": "SENDR"}]), "did you mean 'SENDER'"),
    "an e-mail on LinkedIn": (step(linkedin_account_id=3), "step is an e-mail"),
    "a delay of nothing": (
        step(followup_after={"range": "DAY", "value": 0}),
        "followup_after.value must be an integer",
    ),
    "a delay in weeks": (step(followup_after={"range": "WEEK", "value": 1}), "followup_after.range must be one of"),
    "a delay without a unit": (step(followup_after={"value": 1}), "step.followup_after needs range"),
    "a lone surrogate": (step(versions=[{"message": "\ud800"}]), "lone surrogate"),
    "an empty parent": (
        lambda w: w.account.campaigns.steps.add(1, SPRING.steps[0], parent_id=""),
        "parent_id is empty",
    ),  # type: ignore[index]
    "nothing to update": (lambda w: w.account.campaigns.update(1), "say what is to change"),
    "no settings to update": (lambda w: w.account.campaigns.update(1, settings={}), "say what is to change"),
    "an unknown setting": (settings(daily_enrol=1), "settings has no field 'daily_enrol'.*did you mean 'daily_enroll'"),
    "a negative number": (settings(daily_enroll=-1), "settings.daily_enroll must be an integer from 0 to 500"),
    "a boolean as a str": (settings(gdpr_unsubscribe="yes"), "settings.gdpr_unsubscribe must be True or False"),
    "an unknown mode": (settings(catch_all_verification_mode="MAX"), "must be one of 'NONE', 'BALANCED'"),
    "an unknown provider": (settings(open_disabled_list=["gogle.com"]), "did you mean 'google.com'"),
    "an empty zone": (settings(timezone=""), "settings.timezone is empty"),
    "no day": (windows({}), "at least one day of the week"),
    "no mapping of days": (windows([("08:00", "16:00")]), "must be a mapping of at least one day"),
    "an unknown day": (windows({"MONDY": [("08:00", "16:00")]}), "did you mean 'MONDAY'"),
    "a day in small letters": (windows({"monday": [("08:00", "16:00")]}), "a day of delivery_time must be one of"),
    "no window": (windows({"MONDAY": []}), r"delivery_time\['MONDAY'\] must have 1 to 3 windows, not 0"),
    "four windows": (windows({"MONDAY": [("08:00", "16:00")] * 4}), "1 to 3 windows, not 4"),
    "a window alone": (windows({"MONDAY": ("08:00", "16:00")}), "must be a pair"),
    "a window backwards": (windows({"MONDAY": [("16:00", "08:00")]}), "must end after it begins: 16:00 to 08:00"),
    "a window of no length": (windows({"MONDAY": [("08:00", "08:00")]}), "must end after it begins"),
    "a time of one digit": (windows({"MONDAY": [("8:00", "16:00")]}), "'8:00'"),
    "a time past midnight": (windows({"MONDAY": [("08:00", "24:00")]}), "from 00:00 to 23:59, not '24:00'"),
    "a time with seconds": (windows({"MONDAY": [{"from": "08:00:00", "to": "16:00"}]}), "'08:00:00'"),
    "a window without an end": (windows({"MONDAY": [{"from": "08:00"}]}), "must be a pair"),
    "an empty step": (lambda w: w.account.campaigns.steps.delete(1, ""), "step_id is empty"),
    "an id of a step that is none": (lambda w: w.account.campaigns.steps.delete(1, 3), "step_id must be a str"),
    "dots for a step": (lambda w: w.account.campaigns.steps.delete(1, ".."), "step_id cannot be '..'"),
    "no change of a version": (
        lambda w: w.account.campaigns.steps.update_version(1, "a", "b"),
        "say what is to change",
    ),
    "a version's opens": (
        lambda w: w.account.campaigns.steps.update_version(1, "a", "b", track_opens="no"),
        "track_opens must be True or False",
    ),
    "a threshold of 0": (
        lambda w: w.account.campaigns.bounce_shield.set(1, 0),
        "threshold must be an integer from 1 to 99",
    ),
    "a threshold of 100": (lambda w: w.account.campaigns.bounce_shield.set(1, 100), "from 1 to 99, not 100"),
    "a threshold of 5.5": (lambda w: w.account.campaigns.bounce_shield.set(1, 5.5), "from 1 to 99, not 5.5"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_arguments_are_refused_before_anything_is_sent(name: str) -> None:
    call, message = REFUSED[name]
    async with WoodpeckerSession("1.key", base_url="http://127.0.0.1:9/rest") as woodpecker:
        with pytest.raises(errors.ConfigError, match=message):
            await call(woodpecker)


@pytest.mark.parametrize(
    "call",
    [
        lambda w: w.account.campaigns.pause(1),
        lambda w: w.account.campaigns.update(1, name="n"),
        lambda w: w.account.prospects.delete([1]),
        lambda w: w.account.inbox.reply(1, "<p>x</p>"),
    ],
    ids=["no body", "perhaps a body", "a deletion", "never repeated"],
)
async def test_the_page_of_a_proxy_is_no_success(call: Callable[[WoodpeckerSession], Any]) -> None:
    async with answering(answer(b"\n<html>log in</html>")) as woodpecker:
        with pytest.raises(errors.ResponseDecodeError, match="got HTML"):
            await call(woodpecker)


@pytest.mark.parametrize("body", [{}, {"message": "m"}])
async def test_a_threshold_that_did_not_come_is_not_one_that_is_not_set(body: Any) -> None:
    async with answering(json_answer(body)) as woodpecker:
        with pytest.raises(errors.ResponseDecodeError, match="bounce_rate_threshold"):
            await woodpecker.account.campaigns.bounce_shield.get(1)
