"""What a session was made with, and what the options of a call come to in it."""

import re
from collections.abc import Mapping
from ssl import SSLContext
from typing import Any
from urllib.parse import quote, urlsplit

import attrs

from woodpecker_async.engine.clock import Clock
from woodpecker_async.engine.credentials import KeySource
from woodpecker_async.engine.protocol import Dialect, common_headers
from woodpecker_async.errors import ConfigError
from woodpecker_async.options import CallOptions, Limits, Priority, RetryPolicy, Timeouts


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Terms:
    """What the options of a session, of a scope and of a call come to."""

    options: CallOptions
    retry: RetryPolicy
    attempt_timeout: float
    priority: Priority
    headers: Mapping[str, str]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Settings:
    """What a session was made with."""

    dialect: Dialect
    base_url: str
    key: KeySource
    user_agent: str
    options: CallOptions
    retry: RetryPolicy
    timeouts: Timeouts
    limits: Limits
    http_session: Any
    proxy: str | None
    trust_env: bool
    ssl_context: SSLContext | None
    clock: Clock

    def terms(self, options: CallOptions) -> Terms:
        """What these options and the session's come to."""
        merged = options.merged_over(self.options)
        retry = merged.retry or self.retry
        return Terms(
            options=merged,
            retry=retry if merged.deadline is None else attrs.evolve(retry, deadline=merged.deadline),
            attempt_timeout=merged.attempt_timeout or self.timeouts.attempt,
            priority=merged.priority or "interactive",
            headers=common_headers(self.user_agent, merged.headers),
        )


def checked_base_url(value: object) -> str:
    """Scheme, host, perhaps a port and a path; without a slash at its end, the path quoted.

    It may hold a password where none belongs, so messages show it without.

    Raises:
        ConfigError: it is not.
    """
    example = "like https://api.woodpecker.co/rest"
    if not isinstance(value, str):
        raise ConfigError(f"base_url must be a str {example}, not {type(value).__name__}")
    shown = _without_secrets(value)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
        (host or "").encode("ascii" if (host or "").isascii() else "idna")
        value.encode()
    except ValueError:
        raise ConfigError(f"base_url is not a URL: {shown}; it is {example}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"base_url needs a scheme (http or https) and a host, {example}; not {shown}")
    if "@" in parts.netloc:
        raise ConfigError("base_url holds no user name or password; the key is passed as api_key")
    if "?" in value or "#" in value or not value.isprintable() or " " in value:
        raise ConfigError(f"base_url has no query, fragment, whitespace or control character; not {shown}")
    if "\\" in value or ";" in parts.path:
        raise ConfigError(f"base_url has no backslash or semicolon; not {shown}")
    if any(segment in (".", "..") for segment in parts.path.lower().replace("%2e", ".").split("/")):
        raise ConfigError(f'base_url has no "." or ".." segment; not {shown}')
    stray_percent = re.compile(r"%(?![0-9A-Fa-f]{2})")
    path = quote(stray_percent.sub("%25", parts.path), safe="/%-._~!$&'()*+,=:@").rstrip("/")
    return f"{value[: value.index('://')]}://{parts.netloc}{path}"


def _without_secrets(url: str) -> str:
    """A URL to show: without user, password and query."""
    scheme, separator, rest = url.rpartition("://") if "://" in url else ("", "", url)
    shown = re.split(r"[?#]", rest.rpartition("@")[2])[0]
    return repr(f"{scheme}{separator}{'****@' if '@' in rest else ''}{shown}")


def whole_user_agent(own: str, more: object) -> str:
    """The User-Agent: what the user adds, and ours.

    Raises:
        ConfigError: the addition cannot stand in a header.
    """
    if more is None:
        return own
    if not isinstance(more, str) or not more.strip() or not more.isascii() or not more.isprintable():
        raise ConfigError(f"user_agent must be a str of printable ASCII characters, not {more!r}")
    return f"{more.strip()} {own}"
