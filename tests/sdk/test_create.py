"""Exactly one key, on the wire."""

import asyncio
import pickle

import pytest

from woodpecker_async import CallOptions, RetryPolicy, WoodpeckerSession, errors
from woodpecker_async.sandbox import Fault, Sandbox

QUICK = RetryPolicy(initial_backoff=0.01, max_backoff=0.05)


def labelled(box: Sandbox, company_id: int, label: str) -> list[str]:
    return [key.secret for key in box.state.companies[company_id].keys if key.label == label]


def posts(box: Sandbox) -> int:
    return sum(record.method == "POST" for record in box.journal)


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        (None, 1),
        (Fault.commit_then(500, method="POST"), 1),
        (Fault.close(at="after_commit", method="POST"), 1),
        (Fault.half_body(method="POST"), 1),
        (Fault.html(502, at="after_commit", method="POST"), 1),
        (Fault.commit_then(504, body=None, method="POST"), 1),
        (Fault.null_api_key(method="POST"), 1),
        (Fault.truncated_json(method="POST"), 1),
        (Fault.late_commit(0.15, method="POST"), 1),
        (Fault.status(500, method="POST"), 2),
        (Fault.status(500, method="POST", times=3), 4),
        (Fault.status(429, method="POST", times=3), 4),
        (Fault.close(method="POST"), 2),
        (Fault.html(503, method="POST"), 2),
    ],
)
async def test_exactly_one_key_whatever_happens(box: Sandbox, fault: Fault | None, sent: int) -> None:
    company_id = box.company_ids[0]
    if fault is not None:
        box.faults.add(fault)
    async with box.session(retry=QUICK) as woodpecker:
        made = await woodpecker.agency.api_keys.create(company_id=company_id, label="crm", settle=0.6)
    assert made.created
    assert labelled(box, company_id, "crm") == [made.api_key.reveal()]
    assert posts(box) == sent


async def test_a_timeout_is_settled_by_looking(box: Sandbox) -> None:
    company_id = box.company_ids[0]
    box.faults.add(Fault.wait(0.5, at="after_commit", method="POST"))
    async with box.session() as woodpecker:
        options = CallOptions(attempt_timeout=0.2)
        made = await woodpecker.agency.api_keys.create(company_id, "crm", settle=1, options=options)
    assert labelled(box, company_id, "crm") == [made.api_key.reveal()]
    assert posts(box) == 1


@pytest.mark.parametrize(
    ("company", "error"),
    [("inactive", errors.CompanyNotFoundError), ("unknown", errors.CompanyNotFoundError)],
)
async def test_a_refusal_makes_nothing_and_is_not_repeated(box: Sandbox, company: str, error) -> None:
    company_id = box.company_ids[-1] if company == "inactive" else 999_999
    async with box.session() as woodpecker:
        with pytest.raises(error) as caught:
            await woodpecker.agency.api_keys.create(company_id, "crm", baseline=False)
    assert caught.value.detail == "No active company found"
    assert posts(box) == 1


async def test_create_once_sends_one_post_and_says_that_it_does_not_know(box: Sandbox) -> None:
    company_id = box.company_ids[0]
    box.faults.add(Fault.commit_then(500, method="POST", times=None))
    async with box.session(retry=QUICK) as woodpecker:
        with pytest.raises(errors.KeyOutcomeUnknownError) as caught:
            await woodpecker.agency.api_keys.create_once(company_id, "crm")
        assert (posts(box), caught.value.status, caught.value.kind) == (1, 500, "server_error")
        assert len(box.journal) == 1
        # the error goes through a job queue and is resolved by another worker
        resolved = await woodpecker.agency.api_keys.resolve(pickle.loads(pickle.dumps(caught.value)))
        assert resolved is not None
        assert labelled(box, company_id, "crm") == [resolved.api_key.reveal()]


async def test_create_once_is_repeated_on_the_callers_word(box: Sandbox) -> None:
    company_id = box.company_ids[0]
    box.faults.add(Fault.commit_then(500, method="POST", times=2))
    async with box.session(retry=QUICK) as woodpecker:
        options = CallOptions(idempotent=True)
        made = await woodpecker.agency.api_keys.create_once(company_id, "crm", options=options)
    assert posts(box) == 3
    assert len(labelled(box, company_id, "crm")) == 3
    assert made.api_key.reveal() in labelled(box, company_id, "crm")


async def test_without_a_baseline_it_does_not_guess(box: Sandbox) -> None:
    company_id = box.company_ids[0]
    box.faults.add(Fault.commit_then(500, method="POST"))
    async with box.session() as woodpecker:
        with pytest.raises(errors.KeyOutcomeUnknownError):
            await woodpecker.agency.api_keys.create(company_id, "crm", baseline=False)
    assert posts(box) == 1


async def test_resolve_tells_that_nothing_was_made(box: Sandbox) -> None:
    company_id = box.company_ids[0]
    box.faults.add(Fault.status(500, method="POST", times=None))
    async with box.session(retry=RetryPolicy(attempts=2, initial_backoff=0.01)) as woodpecker:
        with pytest.raises(errors.KeyOutcomeUnknownError) as caught:
            await woodpecker.agency.api_keys.create(company_id, "crm")
        assert posts(box) == 2
        assert await woodpecker.agency.api_keys.resolve(caught.value) is None


async def test_concurrent_creations_give_each_caller_a_key_of_its_own(box: Sandbox) -> None:
    company_id = box.company_ids[0]
    box.faults.add(Fault.commit_then(500, method="POST", times=3, skip=1))
    async with box.session(retry=QUICK) as woodpecker, box.session(retry=QUICK) as another:
        made = await asyncio.gather(
            *(session.agency.api_keys.create(company_id, "crm") for session in (woodpecker, another) * 4)
        )
    secrets = [key.api_key.reveal() for key in made]
    assert sorted(secrets) == sorted(labelled(box, company_id, "crm"))
    assert len(set(secrets)) == 8


async def test_ensure_makes_one_and_then_finds_it(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    company_id = box.company_ids[0]
    keys = woodpecker.agency.api_keys
    ensured = await asyncio.gather(*(keys.ensure(company_id, "crm") for _ in range(6)))
    assert [key.created for key in ensured].count(True) == 1
    assert {key.api_key.reveal() for key in ensured} == set(labelled(box, company_id, "crm"))
    assert posts(box) == 1
    async with woodpecker.company(company_id) as client:
        assert (await client.api_keys.ensure("crm")).created is False


async def test_ensure_refuses_a_label_that_several_keys_have(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    company_id = box.company_ids[0]
    box.state.add_key(company_id, "crm")
    box.state.add_key(company_id, "crm")
    with pytest.raises(errors.KeyOutcomeUnknownError) as caught:
        await woodpecker.agency.api_keys.ensure(company_id, "crm")
    assert len(caught.value.candidates) == 2
    assert posts(box) == 0


async def test_a_server_that_trims_labels_is_seen_through() -> None:
    async with Sandbox(companies=1, label_filter=lambda label: label.strip()[:6].lower()) as box:
        box.faults.add(Fault.commit_then(500, method="POST"))
        async with box.session() as woodpecker:
            made = await woodpecker.agency.api_keys.create(box.company_ids[0], "Sales  CRM integration")
        assert labelled(box, box.company_ids[0], "sales ") == [made.api_key.reveal()]
        assert posts(box) == 1


WRITES = {
    "companies": lambda w, company_id, name: w.agency.companies.create([name]),
    "v1 company": lambda w, company_id, name: w.agency_v1.create_company(name),
    "v1 key": lambda w, company_id, name: w.agency_v1.create_api_key(company_id, name),
    "request": lambda w, company_id, name: w.request("POST", "/v2/agency/companies", json={"companies": [{"name": name}]}),
}  # fmt: skip


@pytest.mark.parametrize("write", WRITES)
async def test_other_writes_are_never_repeated_blindly(box: Sandbox, write: str) -> None:
    call, company_id = WRITES[write], box.company_ids[0]
    async with box.session(retry=QUICK) as woodpecker:
        for number, (fault, kind) in enumerate(
            [
                (Fault.commit_then(500, method="POST"), "server_error"),
                (Fault.close(method="POST"), "connection_lost"),
                (Fault.half_body(method="POST"), "connection_lost"),
                (Fault.html(503, method="POST"), "server_error"),
            ]
        ):
            before = posts(box)
            box.faults.add(fault)
            with pytest.raises(errors.OutcomeUnknownError) as caught:
                await call(woodpecker, company_id, f"name {number}")
            assert caught.value.kind == kind
            assert caught.value.maybe_sent
            assert posts(box) == before + 1
        # a refused write was not processed, and is sent again
        before = posts(box)
        box.faults.add(Fault.status(429, method="POST", at="arrival", times=2))
        await call(woodpecker, company_id, "another name")
        assert posts(box) == before + 3


async def test_a_callers_word_does_not_reach_create(box: Sandbox) -> None:
    """`idempotent` is about one POST; `create` decides by listing, regardless of it."""
    company_id = box.company_ids[0]
    box.faults.add(Fault.commit_then(500, method="POST"))
    async with box.session(retry=QUICK) as woodpecker:
        options = CallOptions(idempotent=True)
        await woodpecker.agency.api_keys.create(company_id, "crm", options=options)
        await woodpecker.agency.api_keys.ensure(company_id, "erp", options=options)
    assert (posts(box), len(labelled(box, company_id, "crm")), len(labelled(box, company_id, "erp"))) == (2, 1, 1)


async def test_a_gateways_504_does_not_settle_anything(box: Sandbox) -> None:
    """A 504 with a body that looks like the API's own, followed by the commit."""
    company_id = box.company_ids[0]
    body = {"title": "Gateway Timeout", "status": 504, "detail": "x", "timestamp": "2025-03-05 17:57:00"}
    box.faults.add(Fault.status(504, body=body, method="POST", at="arrival"))
    async with box.session(retry=QUICK) as woodpecker:
        creation = asyncio.create_task(woodpecker.agency.api_keys.create(company_id, "crm", settle=2))
        await asyncio.sleep(0.3)
        late = box.state.add_key(company_id, "crm")
        made = await creation
    assert made.api_key.reveal() == late.secret
    assert posts(box) == 1


async def test_a_list_that_never_holds_still_is_no_ground_to_decide_on() -> None:
    turn = 0

    def rotate(info, answer):
        nonlocal turn
        turn += 1
        data = answer.json()
        everything = [{"api_key": key.secret, "label": key.label} for key in box.state.listed(box.company_ids[0])]
        everything = everything[turn % len(everything) :] + everything[: turn % len(everything)]
        page = int(info.query.get("page", "1"))
        data["content"] = everything[(page - 1) * 50 : page * 50]
        return answer.with_json(data)

    async with Sandbox(companies=1, keys_per_company=51, service_time=0) as box:
        box.faults.add(Fault.rewriting(rotate, method="GET", times=None))
        async with box.session(retry=QUICK) as woodpecker:
            for call in (woodpecker.agency.api_keys.create, woodpecker.agency.api_keys.ensure):
                with pytest.raises(errors.PaginationError, match="changed"):
                    await call(box.company_ids[0], "crm")
        assert posts(box) == 0


async def test_the_deadline_is_that_of_the_whole_creation(box: Sandbox) -> None:
    box.faults.add(Fault.close(method="POST", times=None))
    async with box.session(retry=QUICK) as woodpecker:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(errors.KeyOutcomeUnknownError) as caught:
            await woodpecker.agency.api_keys.create(
                box.company_ids[0], "crm", settle=0.4, options=CallOptions(deadline=0.6)
            )
        assert loop.time() - began < 30
    assert caught.value.kind == "deadline"
    assert caught.value.maybe_sent
    assert len(caught.value.attempts) == 1


async def test_closing_the_session_in_the_middle_is_an_unknown_outcome(box: Sandbox) -> None:
    box.faults.add(Fault.close(at="after_commit", method="POST"))
    async with box.session() as woodpecker:
        creation = asyncio.create_task(woodpecker.agency.api_keys.create(box.company_ids[0], "crm"))
        while not posts(box):
            await asyncio.sleep(0.001)
        await woodpecker.aclose()
        with pytest.raises(errors.KeyOutcomeUnknownError):
            await creation


async def test_ensure_makes_one_key_also_when_asking_for_the_key_takes_its_time(box: Sandbox) -> None:
    """Between learning of the company's turn and waiting for it, no one may be skipped."""

    async def vault() -> str:
        await asyncio.sleep(0.001)
        return box.hq_key

    async with WoodpeckerSession(vault, base_url=box.base_url, retry=QUICK) as woodpecker:
        companies = box.company_ids[:6]
        await asyncio.gather(
            *(woodpecker.agency.api_keys.ensure(company_id, "crm") for _ in range(4) for company_id in companies)
        )
    assert [len(labelled(box, company_id, "crm")) for company_id in companies] == [1] * 6
