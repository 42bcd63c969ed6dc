"""A listed key is in its object as a text until it is asked for; nobody sees it before."""

import copy
import gc
import json
import pickle
from collections.abc import Callable
from typing import Any

import attrs
import cattrs
import pytest

from woodpecker_async import Secret
from woodpecker_async.engine import fast
from woodpecker_async.engine.codec import Undecodable, decode
from woodpecker_async.models import ApiKey, Listing

KEY = "123456.abcdefg123456hijk987"
BODY = json.dumps({"content": [{"api_key": KEY, "label": "crm"}, {"api_key": KEY + "x"}]}).encode()


@pytest.fixture(params=["msgspec", "columns"])
def listed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[ApiKey, ...]:
    """Keys that nobody has looked at."""
    if request.param == "columns":
        monkeypatch.setitem(fast._readers, Listing[ApiKey], None)
    else:
        pytest.importorskip("msgspec", reason="msgspec is not installed: pip install 'woodpecker-async[fast]'")
    listing = decode(BODY, Listing[ApiKey])
    assert isinstance(listing, Listing)
    return listing.content


def test_it_is_a_text_first_and_then_one_secret(listed: tuple[ApiKey, ...]) -> None:
    key = listed[0]
    assert type(key) is ApiKey
    assert KEY in gc.get_referents(key)
    secret = key.api_key
    assert type(secret) is Secret
    assert secret.reveal() == KEY
    assert key.api_key is secret
    assert KEY not in gc.get_referents(key)


@pytest.mark.parametrize(
    "shown",
    [
        repr,
        str,
        "{0} {0!r}".format,
        lambda key: repr(attrs.asdict(key)),
        lambda key: repr(attrs.astuple(key)),
        lambda key: repr(key.__getstate__()),
        lambda key: repr([getattr(key, name) for name in dir(key) if not callable(getattr(key, name))]),
        lambda key: repr([getattr(key, slot) for slot in type(key).__slots__]),
        lambda key: repr(pickle.dumps(key)),
        lambda key: repr(copy.copy(key)) + repr(copy.deepcopy(key)) + repr(attrs.evolve(key, label="x")),
        lambda key: repr(cattrs.unstructure(key)),
    ],
)
def test_whatever_is_asked_of_it_shows_no_text(listed: tuple[ApiKey, ...], shown: Callable[[Any], str]) -> None:
    assert "abcdefg" not in shown(listed[0])


def test_it_is_not_json(listed: tuple[ApiKey, ...]) -> None:
    msgspec = pytest.importorskip("msgspec", reason="msgspec is not installed: pip install 'woodpecker-async[fast]'")
    with pytest.raises(TypeError):
        json.dumps(attrs.asdict(listed[0]))
    with pytest.raises(TypeError):
        msgspec.json.encode(listed[1])


def test_it_is_like_any_other(listed: tuple[ApiKey, ...]) -> None:
    first, second = listed
    same = ApiKey(api_key=Secret(KEY), label="crm")
    assert hash(first) == hash(same)
    assert first == same
    assert first != second
    assert copy.deepcopy(second) == second
    assert pickle.loads(pickle.dumps(second)) == second
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        first.api_key = Secret("1.a")  # type: ignore[misc]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del first.api_key


def test_one_that_is_made_by_hand_keeps_its_secret() -> None:
    secret = Secret(KEY)
    assert ApiKey(api_key=secret).api_key is secret


def test_an_empty_text_is_no_key() -> None:
    told = decode(b'{"content": [{"api_key": ""}]}', Listing[ApiKey])
    assert told == Undecodable(("$.content[0].api_key: expected a text that is not empty, got a text",))
