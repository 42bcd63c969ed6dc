"""Reports of parts of a run become one, in whatever order they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async import ConfigError, errors
from woodpecker_async.bulk import Failed, Outcome, Report, Succeeded
from woodpecker_async.models import ApiKey
from woodpecker_async.secret import Secret


def report_of(outcomes: list[Outcome]) -> Report:
    report = Report(task="list")
    for outcome in outcomes:
        report.add(outcome)
    return report


@st.composite
def parts(draw: st.DrawFn) -> list[list[Outcome]]:
    """Outcomes of different companies, distributed over a few parts."""
    dealt: list[list[Outcome]] = [[] for _ in range(draw(st.integers(1, 4)))]
    for company in range(1, draw(st.integers(0, 12)) + 1):
        error = draw(st.sampled_from([None, errors.CompanyInactiveError, errors.ConfigError]))
        if error is errors.CompanyInactiveError:
            error = errors.CompanyInactiveError("inactive", status=409)
        elif error is not None:
            error = errors.ConfigError("no")
        keys = tuple(ApiKey(api_key=Secret(f"key-{company}-{n}")) for n in range(draw(st.integers(0, 3))))
        told = {
            "company_id": company,
            "index": company,
            "created": draw(st.sampled_from([None, True, False])),
            "drifted": draw(st.booleans()),
            "attempts": draw(st.integers(0, 3)),
        }
        outcome = Failed(error=error, **told) if error else Succeeded(keys=keys, **told)
        dealt[draw(st.integers(0, len(dealt) - 1))].append(outcome)
    return dealt


@given(parts=parts(), backwards=st.booleans())
def test_the_parts_say_what_the_whole_would(parts: list[list[Outcome]], backwards: bool) -> None:
    merged = Report(task="list")
    for part in reversed(parts) if backwards else parts:
        merged.merge(report_of(part))
    assert merged == report_of([outcome for part in parts for outcome in part])
    assert Report.from_json(merged.to_json()) == merged


@pytest.mark.parametrize("backwards", [False, True])
def test_a_success_counts_more_than_a_failure(backwards: bool) -> None:
    failed = Report(task="list", failures={1: ("ServerError", "no"), 2: ("ServerError", "no")}, inactive={1})
    done = Report(task="list", done={1}, keys=3, seconds=1.5)
    one, other = (done, failed) if backwards else (failed, done)
    one.merge(other)
    assert (one.done, set(one.failures), one.inactive, one.keys, one.seconds) == ({1}, {2}, set(), 3, 1.5)


def test_what_stopped_a_part_is_told() -> None:
    report = Report(task="list")
    report.merge(Report(task="list", stopped_by="ServerError"))
    report.merge(Report(task="list"))
    assert report.stopped_by == "ServerError"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Report(task="ensure crm"), "different tasks: 'list' and 'ensure crm'"),
        (Report(task="list", done={7}), "company 7 is done in both"),
        ({"task": "list"}, "merged with a Report, not dict"),
    ],
)
def test_what_cannot_be_merged_is_refused(other: object, message: str) -> None:
    report = Report(task="list", done={7})
    with pytest.raises(ConfigError, match=message):
        report.merge(other)  # type: ignore[arg-type]
    assert report == Report(task="list", done={7})
