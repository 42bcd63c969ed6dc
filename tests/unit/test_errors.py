"""Errors are plain values that contain all details."""

import copy
import inspect
import pickle
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context

import pytest

from woodpecker_async import errors
from woodpecker_async.secret import Secret

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.WoodpeckerError)]

CONTEXT = {
    "method": "POST",
    "path": "/v2/agency/companies/7/api_keys",
    "company_id": 7,
    "call_id": "1-2",
    "request_id": "r-1",
    "attempts": [errors.Attempt(1, 500, "server", 0.0, 0.25), errors.Attempt(2, 500, "server", 0.5, 0.25)],
}


def example(kind: type[errors.WoodpeckerError]) -> errors.WoodpeckerError:
    fields: dict[str, object] = {}
    if issubclass(kind, errors.CallError):
        fields |= CONTEXT
    if issubclass(kind, errors.ApiError):
        fields |= {"status": 500, "title": "T", "detail": "D", "timestamp": datetime(2026, 1, 1, tzinfo=UTC)}
    if issubclass(kind, errors.OutcomeUnknownError):
        fields |= {"kind": "timeout"}
    if issubclass(kind, errors.KeyOutcomeUnknownError):
        fields |= {"label": "crm", "candidates": [Secret("123.abcdef")], "baseline": ["aa"]}
    if issubclass(kind, errors.ResponseDecodeError):
        fields |= {"paths": ["$.a: expected a string, got null"], "status": 200}
    if issubclass(kind, errors.KeyNotStoredError):
        fields |= {"company_id": 7, "api_key": Secret("123.abcdef")}
    if issubclass(kind, errors.PaginationError):
        fields |= {"resume": 3}
    return kind("it went wrong", **fields)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickle_and_copy(kind: type[errors.WoodpeckerError]) -> None:
    error = example(kind)
    error.add_note("in row 7")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)
        assert twin.__notes__ == ["in row 7"]


def raise_in_another_process() -> None:
    raise example(errors.KeyOutcomeUnknownError)


@pytest.mark.system
def test_an_error_crosses_a_process_pool() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        error = pool.submit(raise_in_another_process).exception()
    assert isinstance(error, errors.KeyOutcomeUnknownError)
    assert error.candidates == (Secret("123.abcdef"),)
    with pytest.raises(errors.SecretNotCarriedError):
        error.candidates[0].reveal()


def test_an_error_passes_through_a_context_manager() -> None:
    @contextmanager
    def outer():
        yield

    with pytest.raises(errors.ServerError, match="it went wrong"), outer():
        raise example(errors.ServerError)


def test_the_text_tells_the_whole_story_in_a_line() -> None:
    text = str(example(errors.ServerError))
    assert text == (
        "it went wrong [POST /v2/agency/companies/7/api_keys, company 7, 2 attempts in 1.00 s, "
        "request id r-1, call 1-2]"
    )


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = {line.strip("│├└─ ").split()[0] for line in (errors.__doc__ or "").splitlines() if "Error" in line}
    named = {name for name in drawn if name.endswith("Error")}
    assert {kind.__name__ for kind in CLASSES} <= named


def test_config_errors_are_value_errors() -> None:
    assert issubclass(errors.ConfigError, ValueError)


@pytest.mark.parametrize(
    ("kind", "maybe_sent"),
    [
        (errors.NotSentError, False),
        (errors.LaneTimeoutError, False),
        (errors.ConnectionLostError, True),
        (errors.ServerError, True),
    ],
)
def test_errors_know_whether_the_server_may_have_acted(kind: type[errors.CallError], maybe_sent: bool) -> None:
    error = example(kind)
    assert isinstance(error, errors.CallError)
    assert error.maybe_sent is maybe_sent
