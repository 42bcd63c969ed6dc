"""Which proxy to use: as curl reads the environment, and never revealing its password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async.engine.proxies import environment_proxy, proxy_url
from woodpecker_async.errors import ConfigError

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "socks_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("REQUEST_METHOD", raising=False)


@pytest.mark.parametrize(
    ("variables", "origin", "proxy"),
    [
        ({}, "http://api.example", None),
        ({"http_proxy": "10.0.0.1:3128"}, "http://api.example", "http://10.0.0.1:3128"),
        ({"http_proxy": "proxy"}, "http://api.example", "http://proxy"),
        ({"http_proxy": "http://proxy:3128/"}, "http://api.example", "http://proxy:3128"),
        ({"http_proxy": "user:pa%40ss@proxy:3128"}, "http://api.example", "http://user:pa%40ss@proxy:3128"),
        ({"http_proxy": "[::1]:3128"}, "http://api.example", "http://[::1]:3128"),
        ({"http_proxy": "  proxy:1 "}, "http://api.example", "http://proxy:1"),
        ({"http_proxy": "proxy:1"}, "https://api.example", None),
        ({"https_proxy": "proxy:1"}, "https://api.example", "http://proxy:1"),
        ({"https_proxy": "https://proxy:1"}, "https://api.example", "https://proxy:1"),
        ({"HTTPS_PROXY": "proxy:1"}, "https://api.example", "http://proxy:1"),
        ({"all_proxy": "proxy:1"}, "https://api.example", "http://proxy:1"),
        ({"all_proxy": "proxy:1", "https_proxy": "other:2"}, "https://api.example", "http://other:2"),
        ({"all_proxy": "proxy:1", "https_proxy": ""}, "https://api.example", "http://proxy:1"),
        ({"all_proxy": "socks5://proxy:1", "no_proxy": "*"}, "https://api.example", None),
    ],
)
def test_the_environment_as_curl_takes_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], origin: str, proxy: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert environment_proxy(origin) == proxy


@pytest.mark.parametrize(
    ("no_proxy", "origin", "exempt"),
    [
        ("", "http://api.example", False),
        ("*", "http://api.example", True),
        ("other.example, *", "http://api.example", True),
        ("api.example", "http://api.example", True),
        ("API.Example", "http://api.example", True),
        ("api.example", "http://API.example", True),
        ("api.example.", "http://api.example", True),
        ("api.example", "http://api.example.", True),
        ("example", "http://api.example", True),
        (".example", "http://api.example", True),
        ("*.example", "http://api.example", True),
        (".api.example", "http://api.example", True),
        ("pi.example", "http://api.example", False),
        ("api.example.org", "http://api.example", False),
        ("other.example", "http://api.example", False),
        ("a,b;c api.example", "http://api.example", True),
        (" , ,api.example", "http://api.example", True),
        ("api.example:80", "http://api.example", True),
        ("api.example:443", "https://api.example", True),
        ("api.example:8080", "http://api.example", False),
        ("api.example:8080", "http://api.example:8080", True),
        (".example:8080", "http://api.example:8080", True),
        ("10.0.0.0/8", "http://10.1.2.3", True),
        ("10.0.0.1/8", "http://10.1.2.3", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("10.0.0.0/8", "http://10.example", False),
        ("10.1.2.3", "http://10.1.2.3:8080", True),
        ("10.1.2.3:8080", "http://10.1.2.3:8080", True),
        ("10.1.2.3:81", "http://10.1.2.3:8080", False),
        ("2.3", "http://10.1.2.3", False),
        (".3", "http://10.1.2.3", False),
        ("127.0.0.0/8,::1", "http://[::1]:8080", True),
        ("::1", "http://[::1]", True),
        ("[::1]", "http://[::1]", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("[::1]:8081", "http://[::1]:8080", False),
        ("0:0:0:0:0:0:0:1", "http://[::1]", True),
        ("fd00::/8", "http://[fd12::1]", True),
        ("[fd00::]/8", "http://[fd12::1]", True),
        ("fd00::/8", "http://[fe80::1]", False),
        ("10.0.0.0/8", "http://[::ffff:10.1.2.3]", True),
        ("10.0.0.0/99", "http://10.1.2.3", False),
        ("bücher.example", "http://xn--bcher-kva.example", True),
        ("xn--bcher-kva.example", "http://bücher.example", True),
    ],
)
def test_no_proxy(monkeypatch: pytest.MonkeyPatch, no_proxy: str, origin: str, exempt: bool) -> None:
    monkeypatch.setenv("all_proxy", "proxy:1")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert (environment_proxy(origin) is None) == exempt


PASSWORDS = ["hunter2", "p@ss#1", "p/ss?", "p ss", "\udcff"]


@pytest.mark.parametrize(
    "url",
    [
        "socks5://{}proxy:1080",
        "socks5h://{}proxy:1080",
        "socks4://{}proxy:1080",
        "ftp://{}proxy:1080",
        "http://{}proxy:99999",
        "http://{}proxy:port",
        "http://{}",
        "http://{}proxy:3128/path",
        "http://{}proxy:3128?query",
        "http://{}[::1",
        "{}proxy:0",
        "//{}proxy",
        "user:{}",
    ],
)
@pytest.mark.parametrize("password", PASSWORDS)
def test_one_that_cannot_be_used_is_refused_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, url: str, password: str
) -> None:
    url = url.format(f"user:{password}@")
    with pytest.raises(ConfigError) as caught:
        proxy_url(url, "proxy")
    assert password not in str(caught.value)
    monkeypatch.setenv("https_proxy", url)
    with pytest.raises(ConfigError, match="https_proxy") as caught:
        environment_proxy("https://api.example")
    assert password not in str(caught.value)
    if url.startswith("socks"):
        assert url.partition(":")[0] in str(caught.value)


@given(st.text(max_size=40))
def test_whatever_it_is_it_is_a_proxy_or_one_clear_error(text: str) -> None:
    try:
        taken = proxy_url(text, "proxy")
    except ConfigError:
        return
    assert taken.startswith(("http://", "https://"))
