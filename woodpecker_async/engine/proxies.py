"""Which proxy a session uses: the one it was given, or the environment's."""

import ipaddress
import re
import urllib.request
from typing import Final
from urllib.parse import urlsplit

from woodpecker_async.errors import SetupError

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def proxy_url(value: object, source: str) -> str:
    """Check the URL of an HTTP proxy. It may contain a password, so no message shows it.

    Args:
        value: a URL including its scheme.
        source: the name of the argument or variable, for messages.

    Raises:
        SetupError: it is not such a URL, or the proxy is of another kind.
    """
    example = f"{source} must be the URL of an HTTP proxy, like http://127.0.0.1:3128"
    if not isinstance(value, str):
        raise SetupError(f"{example}; not {type(value).__name__}")
    scheme, separator, _ = value.lower().partition("://")
    if not separator or re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) is None:
        raise SetupError(f"{example}; this one has no scheme")
    if scheme not in _DEFAULT_PORTS:
        raise SetupError(f"{example}; {scheme}:// proxies are not supported")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
        value.encode()
    except ValueError:
        raise SetupError(
            f"{example}; this one cannot be parsed: check host and port, and percent-encode the password"
        ) from None
    if not host or port == 0 or not value.isprintable() or " " in value:
        raise SetupError(f"{example}; this one has no host and port")
    if parts.path not in ("", "/") or "?" in value or "#" in value:
        raise SetupError(
            f"{example}; this one has a path, a query or a fragment (or a password that is not percent-encoded)"
        )
    return f"{scheme}://{parts.netloc}"


def environment_proxy(origin: str) -> str | None:
    """Return the environment's proxy for this origin, if any.

    aiohttp's own `trust_env` would also read `~/.netrc` and might add an Authorization header from it.

    Raises:
        SetupError: it cannot be used.
    """
    parts = urlsplit(origin)
    host = parts.hostname or ""
    proxies = urllib.request.getproxies_environment()
    if proxies:
        if _is_exempt(host, parts.port or _DEFAULT_PORTS[parts.scheme], proxies.get("no", "")):
            return None
    else:  # the operating system may have its own settings
        proxies = urllib.request.getproxies()
        if not proxies or urllib.request.proxy_bypass(host):
            return None
    for name in (parts.scheme, "all"):
        if value := proxies.get(name, "").strip():
            url = value if "://" in value else f"http://{value}"  # like curl
            return proxy_url(url, f"the environment's {name}_proxy")
    return None


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Whether `NO_PROXY` lists the host: by name, by a parent domain, by address or by network."""
    return any(_matches(entry, host, port) for entry in re.split(r"[,\s]+", no_proxy.lower()) if entry)


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _network(host)
    if (network := _network(re.sub(r"^\[(.*)\](/\d+)?$", r"\1\2", entry))) is not None:
        return address is not None and address.version == network.version and address.subnet_of(network)  # type: ignore[arg-type]
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdecimal():
        return int(digits) == port and _matches(name, host, port)
    domain = _ascii(entry.removeprefix("*").strip("."))
    name = _ascii(host.rstrip("."))
    return bool(domain) and address is None and (name == domain or name.endswith(f".{domain}"))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Parse an address or a network; an address is a network of one."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen == 128:
        mapped = network.network_address.ipv4_mapped
        return network if mapped is None else ipaddress.ip_network(mapped)
    return network


def _ascii(name: str) -> str:
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        return name
