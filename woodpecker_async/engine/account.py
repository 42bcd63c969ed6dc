"""The name of an account, the same however its base URL is spelled."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, unquote, urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def account_name(base_url: str, fingerprint: str) -> str:
    """Return the name of the account that a key belongs to.

    Scheme, host and port are normalized, and so are percent-encoding and a trailing slash.

    Args:
        base_url: a base URL that has been checked.
        fingerprint: the key's fingerprint.

    Example:
        >>> account_name("HTTPS://API.Example.com.:443/%72est/", "3cb8512f6d56")
        'https://api.example.com:443/rest 3cb8512f6d56'
    """
    parts = urlsplit(base_url)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    path = "/".join(quote(unquote(segment), safe="") for segment in parts.path.rstrip("/").split("/"))
    return f"{parts.scheme}://{_host(parts.hostname or '')}:{port}{path} {fingerprint}"


def _host(name: str) -> str:
    name = unquote(name).rstrip(".").lower()
    try:
        address = ip_address(name)
    except ValueError:
        pass
    else:
        # Clients use any of these for the local machine.
        return "localhost" if str(address) in ("127.0.0.1", "::1") else f"[{address}]"
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name
