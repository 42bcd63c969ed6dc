"""A key cannot be printed by accident."""

import copy
import json
import pickle

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async import Secret
from woodpecker_async.errors import ConfigError, SecretNotCarriedError
from woodpecker_async.models import ApiKey

KEY = "123456.abcdefg123456hijk987"


def test_only_reveal_shows_it() -> None:
    secret = Secret(KEY)
    holder = ApiKey(api_key=secret, label="crm")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{secret} {secret!r}", secret.masked]
    shown += [repr(holder), str(attrs.asdict(holder))]
    assert all("abcdefg" not in text and "hijk" not in text for text in shown)
    assert secret.reveal() == KEY
    assert secret.masked == "123456.****k987"


def test_json_of_it_is_refused() -> None:
    with pytest.raises(TypeError):
        json.dumps({"key": Secret(KEY)})


def test_the_fingerprint_is_the_head_of_sha256() -> None:
    assert Secret("a").fingerprint == "ca978112ca1b"


def test_copies_are_the_same_object() -> None:
    secret = Secret(KEY)
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"key": [secret]})["key"][0] is secret


def test_a_pickle_carries_mask_and_fingerprint_only() -> None:
    secret = Secret(KEY)
    pickled = pickle.dumps(secret)
    assert b"abcdefg" not in pickled
    hollow = pickle.loads(pickled)
    assert hollow == secret
    assert hash(hollow) == hash(secret)
    assert (hollow.masked, hollow.fingerprint, repr(hollow)) == (secret.masked, secret.fingerprint, repr(secret))
    with pytest.raises(SecretNotCarriedError, match=secret.fingerprint):
        hollow.reveal()
    assert pickle.loads(pickle.dumps(hollow)) == secret


def test_equality_is_by_value_and_never_with_a_text() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret(KEY + "x")
    assert Secret(KEY) != KEY
    assert len({Secret(KEY), Secret(KEY)}) == 1


@pytest.mark.parametrize("value", ["", None, 7, b"bytes"])
def test_what_is_no_key_is_refused(value: object) -> None:
    with pytest.raises(ConfigError):
        Secret(value)  # type: ignore[arg-type]


@given(st.text(min_size=1))
def test_a_mask_shows_at_most_the_account_and_four_characters(value: str) -> None:
    head, dot, _ = value.partition(".")
    account = head + dot if dot and head.isdigit() else ""
    masked = Secret(value).masked
    assert masked.startswith(account + "****")
    end = masked.removeprefix(account + "****")
    assert len(end) <= 4
    assert not end or len(value) - len(account) >= 16
