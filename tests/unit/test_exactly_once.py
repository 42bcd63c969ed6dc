"""The procedure behind create, against a model server in virtual time."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import VirtualClock
from woodpecker_async.errors import BadRequestError, KeyOutcomeUnknownError, OutcomeUnknownError, PaginationError
from woodpecker_async.exactly_once import Creation, could_be, same_label
from woodpecker_async.models import ApiKey, IssuedKey
from woodpecker_async.secret import Secret


def unclear(kind: str, *, settled: bool) -> OutcomeUnknownError:
    return OutcomeUnknownError("the answer got lost", kind=kind, settled=settled, status=500 if settled else None)


class Company:
    """A company's keys; each sending follows the next line of a script."""

    def __init__(self, script: list[str], store: Callable[[str], str | None] = lambda label: label) -> None:
        self.clock = VirtualClock()
        self.script = script
        self.store = store
        self.keys = [ApiKey(api_key=Secret("1.old"), label="crm")]
        self.late: list[tuple[float, ApiKey]] = []
        self.sent = 0
        self.looks = 0
        self.broken_looks: set[int] = set()

    def commit(self) -> Secret:
        secret = Secret(f"1.made-{self.sent}")
        self.keys.append(ApiKey(api_key=secret, label=self.store("crm")))
        return secret

    async def send(self, seconds: float) -> Secret | OutcomeUnknownError:
        self.sent += 1
        step = self.script[min(self.sent, len(self.script)) - 1]
        if step == "ok":
            return self.commit()
        if step == "refuse":
            raise BadRequestError("no", status=400)
        if step == "commit, 500":
            self.commit()
            return unclear("server_error", settled=True)
        if step == "500":
            return unclear("server_error", settled=True)
        if step == "commit, drop":
            self.commit()
            return unclear("connection_lost", settled=False)
        if step == "drop":
            return unclear("connection_lost", settled=False)
        if step.startswith("late "):
            key = ApiKey(api_key=Secret(f"1.late-{self.sent}"), label=self.store("crm"))
            self.late.append((self.clock.now() + float(step.split()[1]), key))
            return unclear("timeout", settled=False)
        if step == "unreadable":
            self.commit()
            return unclear("unreadable_answer", settled=True)
        if step == "somebody else":
            self.keys.append(ApiKey(api_key=Secret("1.theirs"), label="other integration"))
            return unclear("connection_lost", settled=False)
        raise AssertionError(step)

    async def look(self, seconds: float) -> list[ApiKey]:
        self.looks += 1
        if self.looks in self.broken_looks:
            raise PaginationError("the list changes", resume=1)
        now = self.clock.now()
        self.keys += [key for at, key in self.late if at <= now]
        self.late = [(at, key) for at, key in self.late if at > now]
        return list(self.keys)

    async def create(
        self, *, baseline: bool = True, settle: float = 20.0, sendings: int = 5, deadline: float = 120
    ) -> IssuedKey:
        creation = Creation(
            company_id=7,
            label="crm",
            look=self.look,
            send=self.send,
            sleep=self.clock.sleep,
            now=self.clock.now,
            backoff=lambda sent: 0.125 * sent,
            settle=settle,
            sendings=sendings,
            deadline=deadline,
        )
        return await creation.run(list(self.keys) if baseline else None)

    @property
    def made(self) -> int:
        return len(self.keys) + len(self.late) - 1


async def test_a_clear_answer_needs_no_look() -> None:
    company = Company(["ok"])
    made = await company.create()
    assert made == IssuedKey(company_id=7, label="crm", api_key=Secret("1.made-1"), created=True)
    assert (company.sent, company.looks) == (1, 0)


async def test_a_refusal_is_raised_as_it_is() -> None:
    company = Company(["refuse"])
    with pytest.raises(BadRequestError):
        await company.create()
    assert (company.sent, company.looks, company.made) == (1, 0, 0)


@pytest.mark.parametrize("how", ["commit, 500", "commit, drop", "unreadable", "late 3", "late 19"])
async def test_what_was_made_is_found_and_not_made_again(how: str) -> None:
    company = Company([how, "ok"])
    made = await company.create()
    assert made.api_key in {key.api_key for key in company.keys}
    assert (company.sent, company.made) == (1, 1)


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
    assert sum(unsettled.clock.slept) == pytest.approx(20 + 0.125)


async def test_it_ends_when_nothing_helps() -> None:
    company = Company(["500"])
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create(sendings=3)
    assert (company.sent, company.made, caught.value.kind, caught.value.candidates) == (3, 0, "not_seen", ())


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


async def test_the_deadline_is_that_of_the_whole_creation() -> None:
    company = Company(["drop"])
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create(deadline=30)
    assert caught.value.kind == "deadline"
    assert company.clock.time - 1000 <= 30
    assert company.sent == 2


async def test_a_look_that_fails_afterwards_is_an_unknown_outcome() -> None:
    company = Company(["commit, drop"])
    company.broken_looks = {1}
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create()
    assert (caught.value.kind, company.sent) == ("look_failed", 1)


async def test_the_error_carries_the_story_of_the_sending() -> None:
    company = Company(["500"])
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create(sendings=1)
    assert (caught.value.status, caught.value.settled) == (500, True)
    assert "the answer got lost" in str(caught.value)


async def test_a_refusal_after_a_late_commit_finds_the_key() -> None:
    company = Company(["late 20.1", "refuse"])
    made = await company.create()
    assert made.api_key == Secret("1.late-1")
    assert company.sent == 2


async def test_another_writer_is_noticed() -> None:
    company = Company(["somebody else", "ok"])
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create()
    assert (company.sent, caught.value.kind) == (1, "other_writer")
    assert caught.value.candidates == (Secret("1.theirs"),)
    assert Secret("1.theirs").fingerprint in str(caught.value)


async def test_a_twin_that_comes_too_late_is_reported() -> None:
    """The first request commits after `settle`, when the second has been sent: two keys, and it is said."""
    company = Company(["late 20.5", "commit, late look"])

    async def send(seconds: float) -> Secret | OutcomeUnknownError:
        company.sent += 1
        if company.sent == 1:
            company.late.append((company.clock.now() + 20.5, ApiKey(api_key=Secret("1.twin"), label="crm")))
            return unclear("timeout", settled=False)
        company.clock.time += 1
        return company.commit()

    company.send = send
    with pytest.raises(KeyOutcomeUnknownError) as caught:
        await company.create()
    assert set(caught.value.candidates) == {Secret("1.twin"), Secret("1.made-2")}


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
    ],
)
def test_labels_that_servers_tidy_up(asked: str, stored: str | None, could: bool, same: bool) -> None:
    assert could_be(asked, stored) is could
    assert same_label(asked, stored) is same


STEPS = ["ok", "500", "commit, 500", "drop", "commit, drop", "unreadable", "late 1", "late 7", "late 19.5"]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=6), st.sampled_from([0, 3, 100]))
async def test_one_key_and_its_secret_or_a_clear_unknown(script: list[str], cut: int) -> None:
    """Whatever goes wrong within `settle`: exactly one key, in hand; or none, and the error says so."""
    company = Company(script, store=lambda label: label[:cut] or None)
    try:
        made = await company.create(sendings=4)
    except KeyOutcomeUnknownError:
        assert company.made == 0
    else:
        await company.look(1)
        assert company.made == 1
        assert company.keys[-1].api_key == made.api_key
