"""What can be set, and how it merges."""

import attrs
import pytest

from woodpecker_async import CallOptions, Limits, RetryPolicy, Timeouts, WoodpeckerSession
from woodpecker_async.errors import ConfigError


@pytest.mark.parametrize(
    "make",
    [
        lambda: Timeouts(attempt=0),
        lambda: Timeouts(connect=-1),
        lambda: Timeouts(lane=float("nan")),
        lambda: Timeouts(attempt="30"),  # type: ignore[arg-type]
        lambda: RetryPolicy(attempts=0),
        lambda: RetryPolicy(attempts=True),
        lambda: RetryPolicy(deadline=float("inf")),
        lambda: Limits(max_in_flight=0),
        lambda: Limits(max_in_flight=8),
        lambda: Limits(lanes="both"),  # type: ignore[arg-type]
        lambda: CallOptions(priority="urgent"),  # type: ignore[arg-type]
        lambda: CallOptions(retry=3),  # type: ignore[arg-type]
        lambda: CallOptions(deadline=-1),
        lambda: CallOptions(headers={"X-Api-Key": "other"}),
        lambda: CallOptions(headers={"x-company-id": "7"}),
        lambda: CallOptions(headers={"user-agent": "x"}),
        lambda: CallOptions(headers={"Accept": "text/csv"}),
        lambda: CallOptions(headers={"X-Trace": "a\r\nb: c"}),
        lambda: CallOptions(headers={"X Trace": "a"}),
        lambda: CallOptions(headers={"X-Trace": 7}),  # type: ignore[dict-item]
        lambda: CallOptions(headers=["X-Trace"]),  # type: ignore[arg-type]
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_made(make) -> None:
    with pytest.raises(ConfigError):
        make()


def test_the_nearer_level_wins_and_headers_add_up() -> None:
    session = CallOptions(deadline=60, priority="bulk", headers={"X-App": "a", "X-Team": "t"})
    call = CallOptions(deadline=5, keep_raw=True, headers={"X-App": "b"})
    merged = call.merged_over(session)
    assert merged == CallOptions(deadline=5, priority="bulk", keep_raw=True, headers={"x-app": "b", "x-team": "t"})


def test_false_is_said_and_none_is_not() -> None:
    assert CallOptions(idempotent=False).merged_over(CallOptions(idempotent=True)).idempotent is False
    assert CallOptions(keep_raw=False).merged_over(CallOptions(keep_raw=True)).keep_raw is False


def test_a_word_about_one_call_does_not_spread() -> None:
    assert CallOptions().merged_over(CallOptions(idempotent=True)).idempotent is None
    for standing in (CallOptions(idempotent=True), CallOptions(idempotent=False)):
        with pytest.raises(ConfigError, match="one call"):
            WoodpeckerSession("1.key", options=standing)
        with pytest.raises(ConfigError, match="one call"):
            WoodpeckerSession("1.key").company(7, options=standing)


def test_the_nearer_policy_brings_its_own_deadline() -> None:
    near = CallOptions(retry=RetryPolicy(deadline=1))
    assert near.merged_over(CallOptions(deadline=3)).deadline is None
    assert near.merged_over(CallOptions(deadline=3)).retry == near.retry


def test_header_names_merge_whatever_their_case() -> None:
    assert CallOptions(headers={"x-trace": "b"}).merged_over(CallOptions(headers={"X-Trace": "a"})).headers == {
        "x-trace": "b"
    }


def test_every_option_takes_part_in_merging() -> None:
    full = CallOptions(
        deadline=1,
        attempt_timeout=2,
        retry=RetryPolicy(attempts=1),
        priority="bulk",
        idempotent=True,
        headers={"X-A": "1"},
        keep_raw=True,
        skip_bad_items=True,
        strict=True,
    )
    assert all(getattr(full, field.name) not in (None, {}) for field in attrs.fields(CallOptions))
    assert CallOptions(deadline=9).merged_over(full) == attrs.evolve(full, deadline=9, idempotent=None)


def test_header_values_are_not_shown() -> None:
    assert "secret-ish" not in repr(CallOptions(headers={"X-Signature": "secret-ish"}))
