"""The procedure behind create, ensure and resolve, against a model server in virtual time."""

import asyncio
import copy
import logging
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import VirtualClock
from woodpecker_async.creation_lock import CreationLock
from woodpecker_async.errors import (
    BadRequestError,
    ConnectionLostError,
    DeadlineExceededError,
    KeyOutcomeUnknownError,
    LaneTimeoutError,
    NotSentError,
    OutcomeUnknownError,
    PaginationError,
    SessionClosedError,
    WoodpeckerError,
)
from woodpecker_async.exactly_once import KeyCreation, PostHooks
from woodpecker_async.labels import keys_with_label, may_match, same_label
from woodpecker_async.models import ApiKey, IssuedKey
from woodpecker_async.secret import Secret

NOT_SENT = {
    "not sent": NotSentError("no connection"),
    "no turn in the lane": LaneTimeoutError("no turn"),
    "session closed": SessionClosedError("closed"),
    "key function fails": ValueError("the vault is locked"),
}
ANSWERS = {"old key": "1.old", "key of before": "1.made-1"}


def unclear(kind: str, *, settled: bool) -> OutcomeUnknownError:
    return OutcomeUnknownError("the answer got lost", kind=kind, settled=settled, status=500 if settled else None)


class Company:
    """A company's keys; each request follows the next line of a script. Requests take `takes` seconds.

    With `lag`, the list shows a key only this many seconds after it was created.
    """

    def __init__(
        self,
        script: list[str],
        store: Callable[[str], str | None] = lambda label: label,
        *,
        lag: float = 0.0,
        takes: float = 0.0,
    ) -> None:
        self.clock = VirtualClock()
        self.script = script
        self.store = store
        self.lag = lag
        self.takes = takes
        self.lock_of_company = CreationLock("account", 7)
        self.keys = [ApiKey(api_key=Secret("1.old"), label="theirs")]
        self.visible_from: dict[str, float] = {}
        self.late: list[tuple[float, ApiKey]] = []
        self.sent = 0
        self.looks = 0
        self.broken_looks: set[int] = set()
        self.label = "crm"

    # What a creation uses

    async def lock(self) -> CreationLock:
        return self.lock_of_company

    async def list_keys(self, deadline: float) -> list[ApiKey]:
        assert self.clock.now() < deadline
        self.looks += 1
        self.spend(deadline)
        if self.looks in self.broken_looks:
            raise PaginationError("the list changes", resume=1)
        now = self.clock.now()
        for at, key in self.late:
            if at <= now:
                self.add(key, at)
        self.late = [(at, key) for at, key in self.late if at > now]
        return [key for key in self.keys if self.visible_from.get(key.api_key.fingerprint, 0) <= now]

    async def post(self, deadline: float, on_wire: Callable[[bool], None], before_send: object) -> Secret:
        assert self.clock.now() < deadline
        self.sent += 1
        step = self.script[min(self.sent, len(self.script)) - 1]
        if step in NOT_SENT:
            raise NOT_SENT[step]
        on_wire(True)
        return self.act(step, deadline, on_wire)

    # What the server does

    def spend(self, deadline: float, seconds: float | None = None) -> None:
        seconds = self.takes if seconds is None else seconds
        left = deadline - self.clock.now()
        self.clock.time += min(seconds, left)
        if seconds > left:
            raise DeadlineExceededError("no answer within the deadline")

    def add(self, key: ApiKey, at: float) -> None:
        self.keys.append(key)
        self.visible_from[key.api_key.fingerprint] = at + self.lag

    def commit(self) -> Secret:
        secret = Secret(f"1.made-{self.sent}")
        self.add(ApiKey(api_key=secret, label=self.store(self.label)), self.clock.now())
        return secret

    def act(self, step: str, deadline: float, on_wire: Callable[[bool], None]) -> Secret:
        """`..., how`: what the server does, and how the response gets lost."""
        if step == "refuse":
            on_wire(False)
            raise BadRequestError("no", status=400)
        if step == "unheard of":  # an unforeseen error, after sending
            raise ConnectionLostError("the body is larger than Limits.max_body")
        if step in ANSWERS:
            return Secret(ANSWERS[step])
        if step == "ok":
            made = self.commit()
            self.spend(deadline)
            return made
        self.work(step)
        lost = {"500": ("server_error", True), "unreadable": ("unreadable_answer", False)}
        kind, settled = lost.get(step.rpartition(" ")[2], ("connection_lost", False))
        raise unclear(kind, settled=settled)

    def work(self, step: str) -> None:
        what, _, seconds = step.partition(" ")
        if what == "commit,":
            self.commit()
        elif what == "late":
            key = ApiKey(api_key=Secret(f"1.late-{self.sent}"), label=self.store(self.label))
            self.late.append((self.clock.now() + float(seconds), key))
        elif what == "two,":
            self.commit()
            self.sent += 100
            self.commit()
            self.sent -= 100
        elif what == "somebody":
            self.add(ApiKey(api_key=Secret("1.theirs"), label="other integration"), self.clock.now())

    # What a test does

    def creation(
        self, *, settle: float = 20.0, sendings: int = 5, deadline: float = 120, **more: object
    ) -> KeyCreation:
        return KeyCreation(
            company_id=7,
            label=self.label,
            endpoint=self,
            clock=self.clock,
            backoff=lambda sent: 0.125 * sent,
            settle=settle,
            max_sends=sendings,
            deadline=deadline,
            **more,
        )

    async def create(self, *, baseline: bool = True, **more: object) -> IssuedKey:
        return await self.creation(**more).create(baseline=baseline)

    async def ensure(self, **more: object) -> IssuedKey:
        return await self.creation(**more).ensure()

    async def resolve(self, error: KeyOutcomeUnknownError, **more: object) -> IssuedKey | None:
        return await self.creation(id=error.creation_id, **more).resolve(error)

    @property
    def made(self) -> int:
        return len(self.keys) + len(self.late) - 1


async def test_a_clear_answer_needs_no_look_afterwards() -> None:
    company = Company(["ok"])
    made = await company.create()
    assert made == IssuedKey(company_id=7, label="crm", api_key=Secret("1.made-1"), created=True)
    assert (company.sent, company.looks) == (1, 1)
    assert company.lock_of_company.in_flight_until == 0


async def test_a_refusal_is_raised_as_it_is() -> None:
    company = Company(["refuse"])
    with pytest.raises(BadRequestError):
        await company.create()
    assert (company.sent, company.looks, company.made) == (1, 1, 0)
    assert company.lock_of_company.in_flight_until == 0


@pytest.mark.parametrize("how", ["commit, 500", "commit, drop", "commit, unreadable", "late 3", "late 19"])
async def test_what_was_made_is_found_and_not_made_again(how: str, caplog: pytest.LogCaptureFixture) -> None:
    company = Company([how, "ok"])
    with caplog.at_level(logging.WARNING, "woodpecker_async"):
        made = await company.create()
    assert made.api_key in {key.api_key for key in company.keys}
    assert (company.sent, company.made) == (1, 1)
    assert company.lock_of_company.in_flight_until == 0
    (record,) = caplog.records
    assert record.woodpecker_company_id == 7
    assert record.woodpecker_fingerprint == made.api_key.fingerprint
    assert made.api_key.reveal() not in record.getMessage() + repr(record.__dict__)


@pytest.mark.parametrize("how", ["500", "drop"])
async def test_what_was_not_made_is_sent_again(how: str) -> None:
    company = Company([how, how, "ok"])
    await company.create()
    assert (company.sent, company.made) == (3, 1)


async def test_absence_counts_at_once_only_when_the_server_has_finished() -> None:
    settled = Company(["500", "ok"])
    await settled.create(settle=20)
    assert settled.clock.slept == [0.125]  # before sending again
    unsettled = Company(["drop", "ok"])
    await unsettled.create(settle=20)
    assert unsettled.clock.slept == [0.5, 1, 2, 4, 5, 5, 2.5, 0.125]  # not every 20 s, and not all the time


async def test_it_ends_when_nothing_helps() -> None:
    company = Company(["500"])
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create(sendings=3)
    assert (company.sent, company.made, caught.value.kind, caught.value.candidates) == (3, 0, "not_seen", ())
    assert caught.value.settles_at is None


async def test_without_a_baseline_an_unclear_answer_is_the_end() -> None:
    company = Company(["commit, 500", "ok"])
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create(baseline=False)
    assert (company.sent, company.looks, caught.value.baseline) == (1, 0, None)


async def test_sending_again_waits_a_little_longer_each_time() -> None:
    company = Company(["500"])
    with pytest.raises(KeyOutcomeUnknownError):
        await company.create(sendings=4)
    assert company.clock.slept == [0.125, 0.25, 0.375]


async def test_a_look_that_fails_afterwards_is_an_unknown_outcome() -> None:
    company = Company(["commit, drop"])
    company.broken_looks = {2}
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create()
    assert (caught.value.kind, company.sent) == ("look_failed", 1)


async def test_the_error_carries_the_story_of_the_sending() -> None:
    company = Company(["500"])
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create(sendings=1)
    assert (caught.value.status, caught.value.settled) == (500, True)
    assert "the answer got lost" in str(caught.value)


@pytest.mark.parametrize("then", ["refuse", *NOT_SENT])
async def test_when_nothing_more_can_be_sent_a_late_key_is_found(then: str) -> None:
    company = Company(["late 20.1", then])
    made = await company.create()
    assert made.api_key == Secret("1.late-1")
    assert company.sent == 2


@pytest.mark.parametrize("then", ["refuse", *NOT_SENT])
async def test_when_nothing_more_can_be_sent_and_no_key_is_seen_that_is_raised(then: str) -> None:
    company = Company(["500", then])
    with pytest.raises((WoodpeckerError, ValueError)) as caught:
        await company.create()
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert (company.sent, company.looks) == (2, 3)


@pytest.mark.parametrize("then", ["refuse", *NOT_SENT])
async def test_what_ends_before_anything_was_sent_leaves_nobody_waiting(then: str) -> None:
    company = Company([then])
    with pytest.raises((WoodpeckerError, ValueError)):
        await company.create()
    assert company.lock_of_company.in_flight_until == 0
    company.script = ["ok"]
    await company.create()
    assert company.clock.slept == []


async def test_an_error_nobody_thought_of_is_unknown_once_the_request_was_sent() -> None:
    company = Company(["unheard of"])
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create(baseline=False)
    assert caught.value.settles_at is not None
    assert company.lock_of_company.in_flight_until == company.clock.now() + 20


async def test_another_writer_is_noticed() -> None:
    company = Company(["somebody else", "ok"])
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create()
    assert (company.sent, caught.value.kind) == (1, "other_writer")
    assert caught.value.candidates == (Secret("1.theirs"),)
    assert Secret("1.theirs").fingerprint in str(caught.value)


async def test_two_new_keys_of_the_label_are_not_guessed_between() -> None:
    company = Company(["two, drop"])
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create()
    assert (caught.value.kind, len(caught.value.candidates)) == ("several_keys", 2)


async def test_a_twin_that_comes_too_late_is_reported() -> None:
    """The first request commits after `settle`, when the second has been sent: two keys, which is reported."""
    company = Company(["late 20.5", "ok"], takes=0.3)
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create()
    assert set(caught.value.candidates) == {Secret("1.late-1"), Secret("1.made-2")}


async def test_a_key_found_after_two_lost_answers_counts_when_it_stays_alone() -> None:
    """The key is that of the first request, which was late; the second one is processed as well."""
    company = Company(["late 20.5", "late 10"])
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create()
    assert set(caught.value.candidates) == {Secret("1.late-1"), Secret("1.late-2")}
    alone = Company(["drop", "commit, drop"])
    assert (await alone.create()).api_key == Secret("1.made-2")
    assert sum(alone.clock.slept) == pytest.approx(20 + 0.125 + 20)


async def test_when_it_cannot_be_seen_that_a_second_key_is_alone_that_is_said() -> None:
    company = Company(["500", "ok"])
    company.broken_looks = {3}
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create()
    assert (caught.value.kind, caught.value.candidates) == ("look_failed", (Secret("1.made-2"),))
    found = await company.resolve(caught.value)
    assert found is not None
    assert found.api_key == Secret("1.made-2")


# Deadlines --------------------------------------------------------------------------------------------------


async def test_the_deadline_is_that_of_the_whole_creation() -> None:
    company = Company(["drop"])
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create(deadline=30)
    assert caught.value.kind == "deadline"
    assert company.clock.time - 1000 <= 30
    assert company.sent == 2


async def test_a_send_gets_what_the_looks_have_left() -> None:
    deadlines: list[float] = []

    class Watched(Company):
        async def post(self, deadline: float, on_wire: Callable[[bool], None], before_send: object) -> Secret:
            deadlines.append(deadline - self.clock.now())
            return await super().post(deadline, on_wire, before_send)

    await Watched(["500", "ok"], takes=2).create(deadline=30)
    assert deadlines == [28, 30 - 2 - 2 - 0.125]


@settings(max_examples=2 * settings.default.max_examples)
@given(
    script=st.lists(
        st.sampled_from(["ok", "500", "commit, 500", "drop", "commit, drop", "late 7", "refuse", "not sent"]),
        min_size=1,
        max_size=5,
    ),
    deadline=st.floats(0.5, 60),
    takes=st.floats(0, 25),
    lag=st.floats(0, 30),
    left_behind=st.floats(0, 40),
    ensure=st.booleans(),
)
async def test_no_creation_outlives_its_deadline(
    script: list[str], deadline: float, takes: float, lag: float, left_behind: float, ensure: bool
) -> None:
    company = Company(script, lag=lag, takes=takes)
    company.lock_of_company.in_flight_until = company.clock.now() + left_behind
    began = company.clock.now()
    try:
        await (company.ensure if ensure else company.create)(deadline=deadline)
    except DeadlineExceededError:
        assert company.sent == 0
    except (KeyOutcomeUnknownError, BadRequestError, NotSentError):
        assert company.sent
    assert company.clock.now() - began <= deadline + 1e-6
    assert company.sent == 0 or left_behind <= deadline


async def test_what_hangs_without_knowing_of_a_deadline_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("woodpecker_async.time_limit._GRACE", 0.0)

    class Hanging(Company):
        async def post(self, deadline: float, on_wire: Callable[[bool], None], before_send: object) -> Secret:
            on_wire(self.script == ["sent"])
            await asyncio.Event().wait()
            raise AssertionError

    with pytest.raises(DeadlineExceededError):
        await Hanging(["not sent yet"]).create(deadline=0.05)
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await Hanging(["sent"]).create(deadline=0.05, baseline=False)
    assert caught.value.kind == "deadline"


# Keys that are not new --------------------------------------------------------------------------------------


async def test_a_key_of_the_baseline_is_not_a_new_key() -> None:
    company = Company(["old key"])
    for call in (company.create, company.ensure):
        with pytest.raises(KeyOutcomeUnknownError) as caught:
            await call()
        assert caught.value.kind == "not_new"
        assert caught.value.settles_at is not None
        assert Secret("1.old").fingerprint in str(caught.value)


@pytest.mark.parametrize("how", ["create", "create without a baseline", "create_once"])
async def test_a_key_that_was_handed_out_before_is_not_a_new_key(how: str) -> None:
    company = Company(["ok", "key of before"], lag=1000)  # the list does not show it, so memory must
    await company.create()
    creation = company.creation()
    calls = {
        "create": creation.create,
        "create without a baseline": lambda: creation.create(baseline=False),
        "create_once": creation.create_once,
    }
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await calls[how]()
    assert caught.value.kind == "not_new"


async def test_a_key_that_a_look_found_was_handed_out_too() -> None:
    company = Company(["commit, drop", "key of before"])
    found = await company.create()
    with pytest.raises(KeyOutcomeUnknownError, match=found.api_key.fingerprint):
        await company.create(baseline=False)


# Lists that lag behind --------------------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [0.2, 1, 15])
async def test_ensure_twice_makes_one_key_at_a_list_that_lags(lag: float) -> None:
    company = Company(["ok"], lag=lag)
    first, second = await company.ensure(), await company.ensure()
    assert (first.created, second.created, company.made) == (True, False, 1)
    assert first.api_key == second.api_key


async def test_a_key_that_appears_late_is_not_taken_for_a_new_one() -> None:
    """Create twice with a lagging list; the second request creates nothing."""
    company = Company(["ok", "500", "ok"], lag=0.05)
    first = await company.create()
    second = await company.create()
    assert first.api_key != second.api_key
    assert company.made == 2


async def test_a_list_that_lags_does_not_say_that_nothing_was_made() -> None:
    """The server has finished, and the key exists; but the list is known to lag."""
    company = Company(["ok", "commit, 500", "ok"], lag=3)
    await company.create()
    company.clock.time += 1.7  # so that there is a time when the first key is listed, and the second is not yet
    second = await company.create()
    assert (second.api_key, company.sent, company.made) == (Secret("1.made-2"), 2, 2)


async def test_a_key_that_the_server_says_it_made_is_not_asked_for_again_too_soon() -> None:
    company = Company(["commit, unreadable", "ok"], lag=3)
    assert (await company.create()).api_key == Secret("1.made-1")
    assert company.sent == 1


async def test_after_sending_again_the_list_must_show_the_new_key() -> None:
    """The list after a 500 comes too early, and so would the one for a duplicate."""
    company = Company(["commit, 500", "ok"], lag=3)
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create()
    assert (caught.value.kind, set(caught.value.candidates)) == (
        "several_keys",
        {Secret("1.made-1"), Secret("1.made-2")},
    )
    hidden = Company(["500", "ok"], lag=1000)
    with pytest.raises(KeyOutcomeUnknownError, match="does not show"):
        await hidden.create()


async def test_a_key_that_was_deleted_is_waited_for_once(caplog: pytest.LogCaptureFixture) -> None:
    company = Company(["ok"])
    first = await company.ensure()
    company.keys.pop()
    with caplog.at_level(logging.WARNING, "woodpecker_async"):
        second = await company.ensure(settle=10)
    assert second.created
    assert sum(company.clock.slept) >= 10
    assert first.api_key.fingerprint in caplog.text
    company.keys.pop(0)  # another one, not ours
    company.clock.slept.clear()
    assert not (await company.ensure()).created
    assert company.clock.slept == []


async def test_what_is_missing_does_not_matter_where_the_label_is_found() -> None:
    company = Company(["ok"])
    await company.create()
    company.keys.pop()
    company.keys.append(ApiKey(api_key=Secret("1.erp"), label="erp"))
    company.label = "erp"
    assert (await company.ensure()).api_key == Secret("1.erp")
    assert company.clock.slept == []


# resolve ----------------------------------------------------------------------------------------------------


async def lost(company: Company, **more: object) -> KeyOutcomeUnknownError:
    company.broken_looks = {company.looks + 2}
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create(**more)
    assert caught.value.kind == "look_failed"
    return caught.value


async def test_resolve_does_not_say_nothing_was_made_before_it_is_settled() -> None:
    company = Company(["late 1.5"])
    error = await lost(company)
    found = await company.resolve(error)
    assert found is not None
    assert (found.api_key, found.created) == (Secret("1.late-1"), True)


@pytest.mark.parametrize("travel", [lambda e: e, copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
async def test_resolve_waits_until_it_is_settled_or_says_that_it_is_open(travel: Callable) -> None:
    company = Company(["drop"])
    error = travel(await lost(company, settle=30))
    began = company.clock.now()
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.resolve(error, deadline=5)
    assert (caught.value.kind, company.clock.now() - began) == ("deadline", 5)
    assert "the answer got lost" in str(caught.value)
    assert caught.value.settles_at == error.settles_at
    assert await company.resolve(caught.value) is None
    assert company.clock.now() - began == pytest.approx(30)
    assert await company.resolve(error) is None  # settled: at once
    assert company.clock.now() - began == pytest.approx(30)


async def test_resolve_finds_the_same_key_each_time() -> None:
    company = Company(["commit, drop"])
    error = await lost(company)
    for again in (error, pickle.loads(pickle.dumps(error)), error):
        found = await company.resolve(again)
        assert found is not None
        assert found.api_key == Secret("1.made-1")


async def test_resolve_does_not_give_a_key_that_another_creation_got() -> None:
    company = Company(["500", "ok"])
    error = await lost(company)
    await company.create()
    assert await company.resolve(error) is None


async def test_what_was_resolved_is_not_the_key_of_another_creation() -> None:
    """Two creations without a list, one label, one key: it belongs to the one that is resolved first."""
    company = Company(["commit, drop", "drop"])
    errors = []
    for _ in range(2):
        with pytest.raises(KeyOutcomeUnknownError) as caught:
            await company.creation(settle=1).create_once()
        errors.append(caught.value)
    found = await company.resolve(errors[0])
    assert found is not None
    assert not found.created
    assert await company.resolve(errors[1]) is None
    assert (await company.resolve(errors[0])).api_key == found.api_key


async def test_a_500_of_the_api_is_resolved_at_once_and_a_lost_answer_is_not() -> None:
    for step, open_for in (("500", None), ("drop", 20)):
        company = Company([step])
        with pytest.raises(KeyOutcomeUnknownError) as caught:
            await company.creation().create_once()
        settles_at = caught.value.settles_at
        now = company.clock.utcnow()
        assert (settles_at and (settles_at - now).total_seconds()) == open_for
        assert await company.resolve(caught.value) is None
        assert sum(company.clock.slept) == (open_for or 0)


# Turns and what is left in flight ---------------------------------------------------------------------------


async def test_who_comes_next_waits_for_what_was_left_in_flight() -> None:
    company = Company(["late 15", "ok"])
    with pytest.raises(KeyOutcomeUnknownError):
        await company.create(baseline=False, settle=20)
    assert not (await company.ensure()).created
    assert company.made == 1


async def test_while_a_request_is_on_its_way_the_lock_says_so() -> None:
    """For one that takes over the lock because its holder's event loop was closed."""
    seen: list[float] = []

    class Watched(Company):
        def act(self, step: str, deadline: float, on_wire: Callable[[bool], None]) -> Secret:
            seen.append(self.lock_of_company.in_flight_until - self.clock.now())
            return super().act(step, deadline, on_wire)

    await Watched(["ok"]).create()
    assert seen == [20]


async def test_a_settle_beyond_all_calendars_is_an_unknown_outcome_like_others() -> None:
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await Company(["drop"]).create(settle=1e300)
    assert caught.value.settles_at is not None


async def test_what_is_left_in_flight_counts_from_when_nobody_waited_any_more() -> None:
    class Slow(Company):
        async def post(self, deadline: float, on_wire: Callable[[bool], None], before_send: object) -> Secret:
            on_wire(True)
            self.clock.time += 25  # longer than `settle`, and then it is cancelled
            raise asyncio.CancelledError

    company = Slow([])
    with pytest.raises(asyncio.CancelledError):
        await company.create()
    assert company.lock_of_company.in_flight_until == company.clock.now() + 20


async def test_a_hook_is_called_before_each_request_and_ends_it() -> None:
    class ClaimLostError(Exception):
        pass

    company = Company(["500"])
    calls = 0

    async def claim() -> None:
        nonlocal calls
        calls += 1
        assert company.sent == calls - 1
        if calls == 3:
            raise ClaimLostError

    with pytest.raises(ClaimLostError):
        await company.ensure(hooks=PostHooks(before_queueing=claim))
    assert (calls, company.sent) == (3, 2)
    assert company.lock_of_company.in_flight_until == 0


# Labels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "stored", "could", "same"),
    [
        ("crm", "crm", True, True),
        ("crm  sync", "crm sync", True, True),
        ("CRM", "crm", True, False),
        ("crm integration", "crm integ", True, False),
        ("crm", None, True, False),
        ("crm", "", True, False),
        ("crm", "crm 2", False, False),
        ("crm", "billing", False, False),
        ("Straße", "STRASSE", True, False),
        ("M\u00fcller", "Mu\u0308ller", True, True),
        ("Mu\u0308ller", "M\u00fcller", True, True),
        ("caf\u00e9", "cafe", True, False),  # cut between the letter and its accent
        ("\u00c5", "\u212b", True, True),
    ],
)
def test_labels_that_servers_tidy_up(asked: str, stored: str | None, could: bool, same: bool) -> None:
    assert may_match(asked, stored) is could
    assert same_label(asked, stored) is same


def key(text: str, label: str | None) -> ApiKey:
    return ApiKey(api_key=Secret(text), label=label)


KEYS = [key("1.a", "crm"), key("1.b", "CRM"), key("1.c", "cut"), key("1.d", None)]


@pytest.mark.parametrize(
    ("label", "made_here", "found"),
    [
        ("crm", (), "1.a"),  # exactly this one, although another differs only in case
        ("CRM", (), "1.b"),
        ("Cut", (), "1.c"),  # no exact match
        ("something long", ("1.d",), "1.d"),  # by what was made here
        ("Crm", (), "1.a 1.b"),  # several: none is *the* one
        ("crm", ("1.d",), "1.a 1.d"),  # ours and a twin
        ("nothing", (), ""),
    ],
)
def test_each_way_to_find_a_label(label: str, made_here: tuple[str, ...], found: str) -> None:
    fingerprints = {Secret(text).fingerprint for text in made_here}
    assert [secret.reveal() for secret in keys_with_label(iter(KEYS), label, fingerprints)] == found.split()


@pytest.mark.parametrize("store", [lambda label: None, lambda label: label[:1], lambda label: "?" + label[2:]])
async def test_what_was_made_here_is_found_whatever_became_of_its_label(store: Callable[[str], str | None]) -> None:
    company = Company(["ok"], store)
    first = await company.ensure()
    assert first.created
    for _ in range(2):
        again = await company.ensure()
        assert (again.created, again.api_key) == (False, first.api_key)


async def test_several_keys_of_a_label_are_refused() -> None:
    company = Company(["ok"])
    await company.create()
    await company.create()
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.ensure()
    assert (caught.value.kind, len(caught.value.candidates), company.sent) == ("several_keys", 2, 2)
    says = str(caught.value)
    assert "nothing was sent: delete or rename all but one in Woodpecker, or use another label" in says
    assert "is not known" not in says
    assert all(key.fingerprint in says for key in caught.value.candidates)


# All together -----------------------------------------------------------------------------------------------

STEPS = ["ok", "500", "commit, 500", "drop", "commit, drop", "commit, unreadable", "late 1", "late 7", "late 19.5"]


@settings(max_examples=2 * settings.default.max_examples)
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=6), st.sampled_from([0, 3, 100]))
async def test_one_key_and_its_secret_or_a_clear_unknown(script: list[str], cut: int) -> None:
    """Whatever goes wrong within `settle`: exactly one key is returned; or none, and the error says so."""
    company = Company(script, store=lambda label: label[:cut] or None)
    try:
        made = await company.create(sendings=4)
    except KeyOutcomeUnknownError:
        assert company.made == 0
    else:
        await company.list_keys(company.clock.now() + 1)
        assert company.made == 1
        assert company.keys[-1].api_key == made.api_key


@given(
    script=st.lists(st.sampled_from(STEPS[:-1]), min_size=1, max_size=12),
    lag=st.floats(0, 12),  # with the latest commit it stays below `settle`
    calls=st.lists(st.sampled_from(["create", "ensure"]), min_size=2, max_size=4),
)
async def test_no_key_is_given_twice_and_none_is_lost_in_silence(
    script: list[str], lag: float, calls: list[str]
) -> None:
    """Several creations with a lagging list: each `create` gets its own key, `ensure` creates at most one."""
    company = Company(script, lag=lag)
    given_out: list[Secret] = []
    ensured: set[str] = set()
    for call in calls:
        before = company.made
        try:
            issued = await getattr(company, call)()
        except KeyOutcomeUnknownError:
            continue
        assert company.made - before <= 1  # otherwise a key was created that no one was told about
        if issued.created:
            given_out.append(issued.api_key)
        if call == "ensure":
            ensured.add(issued.api_key.fingerprint)
    assert len({secret.fingerprint for secret in given_out}) == len(given_out)
    assert len(ensured) <= 1
