"""One account has one name, however its base URL is spelled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async.engine.account import account_name
from woodpecker_async.engine.settings import checked_base_url


def name(base_url: str) -> str:
    return account_name(checked_base_url(base_url), "3cb8512f6d56")


HOSTS = st.sampled_from(["api.woodpecker.co", "localhost", "münchen.example", "127.0.0.2", "[2001:db8::1]"])


@given(
    scheme=st.sampled_from(["http", "https"]),
    host=HOSTS,
    default_port=st.booleans(),
    upper_scheme=st.booleans(),
    upper_host=st.booleans(),
    dot=st.booleans(),
    slashes=st.integers(0, 2),
    encoded=st.sets(st.integers(0, 3)),
    lower_hex=st.booleans(),
)
def test_a_spelling_does_not_matter(
    scheme: str,
    host: str,
    default_port: bool,
    upper_scheme: bool,
    upper_host: bool,
    dot: bool,
    slashes: int,
    encoded: set[int],
    lower_hex: bool,
) -> None:
    spelled = host.upper() if upper_host else host
    if dot and not host[-1].isdigit() and host[-1] != "]":
        spelled += "."
    port = {"http": ":80", "https": ":443"}[scheme] if default_port else ""
    path = "".join(f"%{ord(c):02x}" if at in encoded else c for at, c in enumerate("rest"))
    if not lower_hex:
        path = path.replace("%6f", "%6F")
    other = f"{scheme.upper() if upper_scheme else scheme}://{spelled}{port}/{path}{'/' * slashes}"
    assert name(other) == name(f"{scheme}://{host}/rest")


def test_the_addresses_of_this_machine_are_one() -> None:
    assert len({name(f"http://{host}:8080/rest") for host in ("localhost", "LOCALHOST.", "127.0.0.1", "[::1]")}) == 1


@pytest.mark.parametrize(
    "other",
    [
        "http://api.example.com/rest",
        "https://api.example.com:8443/rest",
        "https://api.example.org/rest",
        "https://api.example.com/REST",
        "https://api.example.com",
        "https://api.example.com/a%2Frest",
        "https://api.example.com/a/rest",
    ],
)
def test_what_differs_is_another_account(other: str) -> None:
    others = {"https://api.example.com/rest", "https://api.example.com/a%2Frest", "https://api.example.com/a/rest"}
    assert name(other) not in {name(url) for url in others - {other}}


def test_another_key_is_another_account() -> None:
    assert account_name("https://a.example/rest", "0" * 12) != account_name("https://a.example/rest", "1" * 12)
