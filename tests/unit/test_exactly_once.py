"""The procedure behind create, against a model server in virtual time."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import VirtualClock
from woodpecker_async.errors import KeyOutcomeUnknownError, ServerError
from woodpecker_async.exactly_once import Creation, Unclear, could_be, same_label
from woodpecker_async.models import ApiKey, IssuedKey
from woodpecker_async.secret import Secret


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

    def commit(self) -> Secret:
        secret = Secret(f"1.made-{self.sent}")
        self.keys.append(ApiKey(api_key=secret, label=self.store("crm")))
        return secret

    async def send(self) -> Secret | Unclear:
        self.sent += 1
        step = self.script[min(self.sent, len(self.script)) - 1]
        if step == "ok":
            return self.commit()
        if step == "refuse":
            raise ServerError("no", status=400)
        if step == "commit, 500":
            self.commit()
            return Unclear("server_error", settled=True, reason="500")
        if step == "500":
            return Unclear("server_error", settled=True, reason="500")
        if step == "commit, drop":
            self.commit()
            return Unclear("connection_lost", settled=False, reason="dropped")
        if step == "drop":
            return Unclear("connection_lost", settled=False, reason="dropped")
        if step.startswith("late "):
            key = ApiKey(api_key=Secret(f"1.late-{self.sent}"), label=self.store("crm"))
            self.late.append((self.clock.now() + float(step.split()[1]), key))
            return Unclear("timeout", settled=False, reason="timed out")
        if step == "unreadable":
            self.commit()
            return Unclear("unreadable_answer", settled=True, reason="201 null")
        if step == "somebody else":
            self.keys.append(ApiKey(api_key=Secret("1.theirs"), label="other integration"))
            return Unclear("connection_lost", settled=False, reason="dropped")
        raise AssertionError(step)

    async def look(self) -> list[ApiKey]:
        self.looks += 1
        now = self.clock.now()
        self.keys += [key for at, key in self.late if at <= now]
        self.late = [(at, key) for at, key in self.late if at > now]
        return list(self.keys)

    async def create(self, *, baseline: bool = True, settle: float = 20.0, sendings: int = 5) -> IssuedKey:
        creation = Creation(
            company_id=7,
            label="crm",
            look=self.look,
            send=self.send,
            sleep=self.clock.sleep,
            now=self.clock.now,
            settle=settle,
            sendings=sendings,
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
    with pytest.raises(ServerError):
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
    assert settled.clock.slept == []
    unsettled = Company(["drop", "ok"])
    await unsettled.create(settle=20)
    assert sum(unsettled.clock.slept) == pytest.approx(20)


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

    async def send() -> Secret | Unclear:
        company.sent += 1
        if company.sent == 1:
            company.late.append((company.clock.now() + 20.5, ApiKey(api_key=Secret("1.twin"), label="crm")))
            return Unclear("timeout", settled=False, reason="timed out")
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
        ("CRM", "crm", True, True),
        ("crm integration", "crm integ", True, False),
        ("crm", None, True, False),
        ("crm", "", True, False),
        ("crm", "crm 2", False, False),
        ("crm", "billing", False, False),
        ("Straße", "STRASSE", True, True),
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
        await company.look()
        assert company.made == 1
        assert company.keys[-1].api_key == made.api_key
