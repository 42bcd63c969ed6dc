"""A session's settings, and the effective options of a call."""

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
    """The effective options of a call, merged from session, scope and call."""

    options: CallOptions
    retry: RetryPolicy
    attempt_timeout: float
    priority: Priority
    headers: Mapping[str, str]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Settings:
    """The settings a session was created with."""

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
        """Return the effective options, merged from these and the session's."""
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
    """Check a base URL, and return it with the path quoted and without a trailing slash.

    It may contain a password where none belongs, so messages show it without.

    Raises:
        ConfigError: it is invalid.
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
        raise ConfigError(f"base_url is not a URL: {shown}; it must be {example}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"base_url needs a scheme (http or https) and a host, {example}, not {shown}")
    if "@" in parts.netloc:
        raise ConfigError("base_url must not contain a user name or password; the key is passed as api_key")
    if "?" in value or "#" in value or not value.isprintable() or " " in value:
        raise ConfigError(f"base_url must not have a query, fragment, whitespace or control character; not {shown}")
    if "\\" in value or ";" in parts.path:
        raise ConfigError(f"base_url must not contain a backslash or semicolon; not {shown}")
    if any(segment in (".", "..") for segment in parts.path.lower().replace("%2e", ".").split("/")):
        raise ConfigError(f'base_url must not have a "." or ".." segment; not {shown}')
    stray_percent = re.compile(r"%(?![0-9A-Fa-f]{2})")
    path = quote(stray_percent.sub("%25", parts.path), safe="/%-._~!$&'()*+,=:@").rstrip("/")
    return f"{value[: value.index('://')]}://{parts.netloc}{path}"


def _without_secrets(url: str) -> str:
    """Return a URL for display: without user, password and query."""
    scheme, separator, rest = url.rpartition("://") if "://" in url else ("", "", url)
    shown = re.split(r"[?#]", rest.rpartition("@")[2])[0]
    return repr(f"{scheme}{separator}{'****@' if '@' in rest else ''}{shown}")


def whole_user_agent(own: str, more: object) -> str:
    """Return the User-Agent: the user's addition, followed by ours.

    Raises:
        ConfigError: the addition cannot be sent in a header.
    """
    if more is None:
        return own
    if not isinstance(more, str) or not more.strip() or not more.isascii() or not more.isprintable():
        raise ConfigError(f"user_agent must be a str of printable ASCII characters, not {more!r}")
    return f"{more.strip()} {own}"
