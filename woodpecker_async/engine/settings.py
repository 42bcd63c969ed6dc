"""What a session was made with, and what the options of a call come to in it."""

from collections.abc import Mapping
from ssl import SSLContext
from typing import Any

import attrs

from woodpecker_async.engine.clock import Clock
from woodpecker_async.engine.credentials import KeySource
from woodpecker_async.engine.protocol import Dialect, common_headers
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
