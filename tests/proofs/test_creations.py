"""Keys are made exactly once, whatever the server does: thousands of creations under random faults.

The ledger is kept by company and job. After each job the server's own state is compared with what the
callers were told: no more keys than requested, every key returned to a caller or found through the error
that said "unknown", and no secret handed out twice.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest

from woodpecker_async import CallOptions, RetryPolicy, Timeouts, WoodpeckerSession, errors
from woodpecker_async.models import IssuedKey
from woodpecker_async.sandbox import Fault, Sandbox
from woodpecker_async.sandbox.state import ApiKey, State
from woodpecker_async.sandbox.wire import Answer, RequestInfo

SETTLE = 0.4
LATE = 0.15  # how long after the connection breaks the server still commits: well below SETTLE
ATTEMPT = 0.5

LAG = 0.15  # how long a lagging list hides a key; together with LATE still below SETTLE

PATIENT = RetryPolicy(attempts=6, initial_backoff=0.005, max_backoff=0.03)
# Gives up soon, so that some outcomes stay unknown.
HASTY = CallOptions(retry=RetryPolicy(attempts=2, initial_backoff=0.005, max_backoff=0.03))


@pytest.fixture(autouse=True)
def _settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults of `create_once` and `resolve`."""
    monkeypatch.setattr("woodpecker_async.resources.api_keys._SETTLE", SETTLE)


def the_faults() -> dict[str, Fault]:
    """About half of all POSTs are struck, and one in twenty GETs."""
    post = {"method": "POST", "times": None}
    get = {"method": "GET", "times": None}
    return {
        "late commit": Fault.late_commit(LATE, probability=0.05, **post),
        "late answer": Fault.wait(ATTEMPT + 0.1, at="after_commit", probability=0.005, **post),
        "429": Fault.status(429, at="arrival", probability=0.06, **post),
        "429 in the queue": Fault.status(429, probability=0.03, **post),
        "500, nothing done": Fault.status(500, probability=0.08, **post),
        "dropped, nothing done": Fault.close(probability=0.06, **post),
        "502 page, nothing done": Fault.html(502, probability=0.04, **post),
        "committed, 500": Fault.commit_then(500, probability=0.08, **post),
        "committed, dropped": Fault.close(at="after_commit", probability=0.08, **post),
        "committed, half a body": Fault.half_body(probability=0.05, **post),
        "committed, 502 page": Fault.html(502, at="after_commit", probability=0.05, **post),
        "committed, empty 504": Fault.commit_then(504, body=None, probability=0.03, **post),
        "committed, null key": Fault.null_api_key(probability=0.03, **post),
        "committed, half the JSON": Fault.truncated_json(probability=0.03, **post),
        "look: 500": Fault.status(500, probability=0.02, **get),
        "look: 429": Fault.status(429, at="arrival", probability=0.02, **get),
        "look: dropped": Fault.close(probability=0.02, **get),
        "look: half a body": Fault.half_body(probability=0.01, **get),
    }


@attrs.define
class Ledger:
    """What all callers were told, and what the server stores."""

    asked: int = 0
    in_hand: list[str] = attrs.field(factory=list)
    made: int = 0
    unknown: Counter[str] = attrs.field(factory=Counter)
    found: set[str] = attrs.field(factory=set)
    refused: Counter[str] = attrs.field(factory=Counter)


@attrs.define
class Line:
    """The creations at one company, one job after another; within a job several may run at once."""

    box: Sandbox
    company_id: int
    sessions: tuple[WoodpeckerSession, WoodpeckerSession]
    chance: random.Random
    ledger: Ledger
    kinds: tuple[str, ...]
    label: Callable[[int], str]
    ensured: dict[str, str] = attrs.field(factory=dict)
    number: int = 0

    def on_server(self) -> set[str]:
        return {key.secret for key in self.box.state.companies[self.company_id].keys}

    async def run(self, creations: int) -> None:
        until = self.number + creations
        while self.number < until:
            self.number += 1
            await getattr(self, self.chance.choice(self.kinds))(self.label(self.number))

    async def single(self, label: str) -> None:
        await self.job(1, [self.sessions[0].agency.api_keys.create(self.company_id, label, settle=SETTLE)])

    async def hasty(self, label: str) -> None:
        keys = self.sessions[1].agency.api_keys
        await self.job(1, [keys.create(self.company_id, label, settle=SETTLE, options=HASTY)])

    async def blind(self, label: str) -> None:
        keys = self.sessions[0].agency.api_keys
        await self.job(1, [keys.create(self.company_id, label, baseline=False, settle=SETTLE)])

    async def once(self, label: str) -> None:
        await self.job(1, [self.sessions[1].agency.api_keys.create_once(self.company_id, label)])

    async def pair(self, label: str) -> None:
        """Two callers, one label: each gets its own key."""
        self.number += 1
        calls = [session.agency.api_keys.create(self.company_id, label, settle=SETTLE) for session in self.sessions]
        await self.job(2, calls)

    async def herd(self, label: str) -> None:
        """Four callers who want the one key of this label."""
        calls = [session.agency.api_keys.ensure(self.company_id, label, settle=SETTLE) for session in self.sessions * 2]
        told = await self.job(1, calls)
        secrets = {key.api_key.reveal() for key in told}
        assert len(secrets) <= 1
        self.ensured |= dict.fromkeys((label,) if secrets else (), *secrets)

    async def found_again(self, label: str) -> None:
        """An ensure with a label that was created before creates nothing."""
        if not self.ensured:
            await self.herd(label)
            return
        known = self.chance.choice(sorted(self.ensured))
        told = await self.job(0, [self.sessions[1].agency.api_keys.ensure(self.company_id, known, settle=SETTLE)])
        assert [key.api_key.reveal() for key in told] == [self.ensured[known]] * len(told)
        self.number -= 1

    async def job(self, wanted: int, calls: list[Awaitable[IssuedKey]]) -> list[IssuedKey]:
        before = self.on_server()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        told = [outcome for outcome in outcomes if isinstance(outcome, IssuedKey)]
        mine = [key.api_key.reveal() for key in told if key.created]
        failed = [outcome for outcome in outcomes if not isinstance(outcome, IssuedKey)]
        if failed:
            await asyncio.sleep(ATTEMPT)  # by then the server has done whatever it still does
        said: set[str] = set()
        for error in failed:
            said |= await self.said_by(error)
        new = self.on_server() - before
        story = f"company {self.company_id}: {wanted} wanted, {len(new)} new, told {told}, failed {failed!r}"
        assert len(new) <= wanted, f"duplicates; {story}"
        assert len(set(mine)) == len(mine), f"one key for two callers; {story}"
        assert set(mine) <= new, f"a key that is not there, or not new; {story}"
        assert {key.api_key.reveal() for key in told} <= new | before, f"a key that is not there; {story}"
        assert new <= set(mine) | said, f"a key is lost; {story}"
        self.ledger.asked += wanted
        self.ledger.made += len(new)
        self.ledger.in_hand += mine
        self.ledger.found |= (said & new) - set(mine)
        return told

    async def said_by(self, error: BaseException) -> set[str]:
        """The keys that an error resolves to."""
        if not isinstance(error, errors.KeyOutcomeUnknownError):
            # From the list before anything was sent, or a clear refusal: nothing was created.
            assert isinstance(error, errors.CallError), repr(error)
            assert not isinstance(error, errors.OutcomeUnknownError), repr(error)
            self.ledger.refused[type(error).__name__] += 1
            return set()
        self.ledger.unknown[error.kind] += 1
        assert error.company_id == self.company_id
        assert f"{error.label!r}" in str(error)
        said = {key.reveal() for key in error.candidates}
        try:
            resolved = await self.sessions[0].agency.api_keys.resolve(error)
        except errors.KeyOutcomeUnknownError as still:
            return said | {key.reveal() for key in still.candidates}
        return said if resolved is None else said | {resolved.api_key.reveal()}


EVERYTHING = ("single",) * 6 + ("hasty",) * 3 + ("blind", "once", "pair", "herd", "found_again")


async def creations(
    box: Sandbox,
    count: int,
    *,
    seed: int,
    kinds: tuple[str, ...] = EVERYTHING,
    label: Callable[[int], str] = "key {}".format,
) -> Ledger:
    """At all companies of the sandbox at once, `count` creations in all; checked as they go and at the end."""
    ledger = Ledger()
    known = {company_id: {key.secret for key in company.keys} for company_id, company in box.state.companies.items()}
    timeouts = Timeouts(attempt=ATTEMPT)
    async with (
        box.session(retry=PATIENT, timeouts=timeouts) as one,
        box.session(retry=PATIENT, timeouts=timeouts) as other,
    ):
        options = {"kinds": kinds, "label": label, "ledger": ledger, "box": box}
        lines = [
            Line(company_id=company_id, sessions=(one, other), chance=random.Random(seed * 1000 + index), **options)
            for index, company_id in enumerate(box.company_ids)
        ]
        async with asyncio.TaskGroup() as group:
            for line in lines:
                group.create_task(line.run(-(-count // len(lines))))
    new = [secret for line in lines for secret in line.on_server() - known[line.company_id]]
    assert ledger.asked >= count
    assert len(new) == len(ledger.in_hand) + len(ledger.found)  # no duplicates
    assert set(new) == set(ledger.in_hand) | ledger.found  # none lost
    assert len(set(ledger.in_hand)) == len(ledger.in_hand)  # each caller has its own key
    return ledger


def told(ledger: Ledger, box: Sandbox, faults: dict[str, Fault]) -> str:
    struck = {name: box.faults.hits(fault) for name, fault in faults.items()}
    return (
        f"asked {ledger.asked}, made {ledger.made}, in hand {len(ledger.in_hand)}, found {len(ledger.found)}, "
        f"unknown {dict(ledger.unknown)}, refused {dict(ledger.refused)}, requests {box.stats.requests}, "
        f"429 by the queue {box.stats.refused}, struck {struck}"
    )


async def proof(count: int, *, companies: int, seed: int, service_time: float = 0.0, within: float = 110) -> None:
    faults = the_faults()
    async with Sandbox(companies=companies, keys_per_company=1, seed=seed, service_time=service_time) as box:
        box.faults.add(*faults.values())
        async with asyncio.timeout(within):
            ledger = await creations(box, count, seed=seed)
        print(told(ledger, box, faults))
        if count >= 1000:
            assert all(box.faults.hits(fault) for fault in faults.values()), "a fault never struck"
            assert ledger.unknown
            assert ledger.found


@pytest.mark.parametrize("seed", [1])
async def test_150_creations_under_random_faults(seed: int) -> None:
    await proof(150, companies=15, seed=seed)


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("seed", "service_time"), [(11, 0.0), (12, 0.0005)])
async def test_2000_creations_under_random_faults(seed: int, service_time: float) -> None:
    await proof(2000, companies=80, seed=seed, service_time=service_time, within=380)


def tidied(label: str) -> str:
    return " ".join(label.split())


def cut(label: str) -> str:
    """Many labels become one."""
    return label.strip()[:10].rstrip().lower()


@pytest.mark.parametrize("label_filter", [tidied, cut, str.lower], ids=["tidied", "cut", "lower case"])
async def test_a_server_that_changes_labels_is_seen_through(label_filter: Callable[[str], str]) -> None:
    """A creation is identified by the difference between two lists, so its stored label does not matter."""
    faults = the_faults()
    # A key that nobody listed before can only be identified by its label.
    kinds = ("single", "hasty", "pair") + (("herd", "found_again") if label_filter is tidied else ())
    async with Sandbox(companies=8, keys_per_company=2, seed=5, service_time=0, label_filter=label_filter) as box:
        box.faults.add(*faults.values())
        async with asyncio.timeout(60):
            await creations(box, 48, seed=5, kinds=kinds, label="Sales  CRM integration No {}".format)


@pytest.mark.parametrize(
    "fault",
    [None, "timed out, then committed", *(name for name in the_faults() if not name.startswith("look"))],
)
async def test_concurrent_ensures_of_one_label_make_one_key(fault: str | None) -> None:
    """Two sessions, eight callers at once, and the first POST fails in every possible way."""
    async with Sandbox(companies=1, keys_per_company=1, service_time=0) as box:
        if fault is not None:
            faults = the_faults()
            faults["timed out, then committed"] = Fault.wait(ATTEMPT + 0.1, at="arrival", method="POST")
            chosen = faults[fault]
            box.faults.add(attrs.evolve(chosen, when=attrs.evolve(chosen.when, probability=1, times=1)))
        (company_id,) = box.company_ids
        options = CallOptions(attempt_timeout=ATTEMPT)
        async with box.session(retry=PATIENT, options=options) as one, box.session(retry=PATIENT) as other:
            ensured = await asyncio.gather(
                *(
                    session.agency.api_keys.ensure(company_id, "crm", settle=SETTLE, options=options)
                    for session in (one, other) * 4
                )
            )
        assert [key.created for key in ensured].count(True) == 1
        assert {key.api_key.reveal() for key in ensured} == {
            key.secret for key in box.state.companies[company_id].keys if key.label == "crm"
        }
        assert len(box.state.companies[company_id].keys) == 2


async def test_unknown_is_said_and_the_key_is_found_later() -> None:
    """The list fails too: the error has what is needed to find the key once the server works again."""
    async with Sandbox(companies=1, keys_per_company=1, service_time=0) as box:
        (company_id,) = box.company_ids
        broken = Fault.status(500, method="GET", times=None, skip=1)
        box.faults.add(Fault.close(at="after_commit", method="POST"), broken)
        async with box.session(retry=PATIENT) as woodpecker:
            with pytest.raises(errors.KeyOutcomeUnknownError) as caught:
                await woodpecker.agency.api_keys.create(company_id, "crm", settle=SETTLE)
            assert caught.value.kind == "look_failed"
            box.faults.clear()
            found = await woodpecker.agency.api_keys.resolve(caught.value)
        assert found is not None
        assert found.created
        (made,) = [key.secret for key in box.state.companies[company_id].keys if key.label == "crm"]
        assert found.api_key.reveal() == made


# Outside the model ------------------------------------------------------------------------------------------


def a_list_that_lags(monkeypatch: pytest.MonkeyPatch) -> Fault:
    """A key is listed `LAG` seconds after it was created."""
    since: dict[str, float] = {}
    add = State.add_key

    def noted(*args: Any, **more: Any) -> ApiKey:
        key = add(*args, **more)
        since[key.secret] = time.monotonic()
        return key

    def hide(_info: RequestInfo, reply: Answer) -> Answer:
        if reply.status != 200:
            return reply
        latest = time.monotonic() - LAG
        data = reply.json()
        data["content"] = [key for key in data["content"] if since.get(key["api_key"], 0.0) <= latest]
        data["pagination_data"]["total_elements"] = len(data["content"])
        return reply.with_json(data)

    monkeypatch.setattr(State, "add_key", noted)
    return Fault.rewriting(hide, method="GET", times=None)


def old_keys(box: Sandbox, probability: float) -> Fault:
    """A key is created, but the response contains another one that existed before."""

    def old(info: RequestInfo, reply: Answer) -> Answer:
        if reply.status != 201:
            return reply
        return reply.with_json({"api_key": box.state.companies[info.company_id].keys[0].secret})

    return Fault.rewriting(old, method="POST", times=None, probability=probability)


def everything_on(box: Sandbox) -> set[str]:
    return {key.secret for company in box.state.companies.values() for key in company.keys}


async def test_creations_at_a_list_that_lags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without faults where the server's response would immediately be taken as proof of absence."""
    faults = {name: fault for name, fault in the_faults().items() if name != "committed, 500"}
    async with Sandbox(companies=12, keys_per_company=1, seed=21, service_time=0) as box:
        box.faults.add(*faults.values(), a_list_that_lags(monkeypatch))
        async with asyncio.timeout(100):
            ledger = await creations(box, 96, seed=21)
    assert ledger.made


async def test_answers_with_old_keys_are_never_handed_over() -> None:
    async with Sandbox(companies=8, keys_per_company=1, seed=22, service_time=0) as box:
        before = everything_on(box)
        box.faults.add(old_keys(box, 0.3))
        async with asyncio.timeout(100):
            ledger = await creations(box, 48, seed=22, kinds=("single", "hasty", "pair", "herd"))
        assert ledger.unknown["not_new"]
        assert not before & set(ledger.in_hand)


async def test_threads_sessions_and_loops_make_one_key_of_a_label() -> None:
    """Each thread runs one loop after another, each loop several sessions one after another."""

    def in_a_thread(box: Sandbox, seed: int) -> set[str]:
        chance = random.Random(seed)
        told: set[str] = set()

        async def a_loop() -> None:
            for _ in range(2):
                async with WoodpeckerSession(box.hq_key, base_url=box.base_url, retry=PATIENT) as woodpecker:
                    with contextlib.suppress(TimeoutError, errors.KeyOutcomeUnknownError):
                        async with asyncio.timeout(chance.choice([0.01, 0.05, 20])):
                            made = await woodpecker.agency.api_keys.ensure(box.company_ids[0], "crm", settle=SETTLE)
                            told.add(made.api_key.reveal())

        for _ in range(3):
            asyncio.run(a_loop())
        return told

    async with Sandbox(companies=1, keys_per_company=1, seed=23, service_time=0.001) as box:
        box.faults.add(
            Fault.late_commit(LATE, probability=0.2, method="POST", times=None),
            Fault.close(at="after_commit", probability=0.2, method="POST", times=None),
            Fault.close(probability=0.2, method="POST", times=None),
        )
        told = await asyncio.gather(*(asyncio.to_thread(in_a_thread, box, seed) for seed in range(4)))
        async with box.session(retry=PATIENT) as woodpecker:
            last = await woodpecker.agency.api_keys.ensure(box.company_ids[0], "crm", settle=SETTLE)
        assert set().union(*told) <= {last.api_key.reveal()}
        assert len(box.state.companies[box.company_ids[0]].keys) == 2


# Found with the proofs above, each reduced to its smallest form -----------------------------------------------------


def keys_labelled(box: Sandbox, label: str) -> int:
    return sum(key.label == label for key in box.state.companies[box.company_ids[0]].keys)


async def test_a_slow_look_does_not_settle_what_it_did_not_see() -> None:
    """The list is read at once but arrives late; the commit is in between, and well within `settle`."""
    async with (
        Sandbox(companies=1, keys_per_company=1, service_time=0) as box,
        box.session(retry=PATIENT) as woodpecker,
    ):
        late, slow = Fault.late_commit(0.3, method="POST"), Fault.wait(0.6, at="after_commit", method="GET", skip=1)
        box.faults.add(late, slow)
        await woodpecker.agency.api_keys.create(box.company_ids[0], "crm", settle=0.5)
        assert keys_labelled(box, "crm") == 1


async def test_an_ensure_after_one_that_was_cancelled_makes_no_second_key() -> None:
    async with (
        Sandbox(companies=1, keys_per_company=1, service_time=0) as box,
        box.session(retry=PATIENT) as woodpecker,
    ):
        box.faults.add(Fault.wait(0.3, at="arrival", method="POST"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await woodpecker.agency.api_keys.ensure(box.company_ids[0], "crm", settle=0.6)
        await woodpecker.agency.api_keys.ensure(box.company_ids[0], "crm", settle=0.6)
        await asyncio.sleep(0.4)
        assert keys_labelled(box, "crm") == 1


async def test_an_ensure_beside_one_whose_look_failed_makes_no_second_key() -> None:
    async with Sandbox(companies=1, keys_per_company=1, service_time=0) as box:
        box.faults.add(Fault.late_commit(0.3, method="POST"), Fault.status(500, method="GET", skip=1))
        async with box.session(retry=RetryPolicy(attempts=1)) as woodpecker:
            calls = (woodpecker.agency.api_keys.ensure(box.company_ids[0], "crm", settle=0.6) for _ in range(2))
            await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.sleep(0.4)
        assert keys_labelled(box, "crm") == 1


@pytest.mark.parametrize("label_filter", [cut, str.lower], ids=["cut", "lower case"])
async def test_ensure_sees_through_a_server_that_changes_labels(label_filter: Callable[[str], str]) -> None:
    async with Sandbox(companies=1, keys_per_company=0, service_time=0, label_filter=label_filter) as box:
        async with box.session() as woodpecker:
            for _ in range(3):
                await woodpecker.agency.api_keys.ensure(box.company_ids[0], "Sales CRM integration")
        assert keys_labelled(box, label_filter("Sales CRM integration")) == 1
