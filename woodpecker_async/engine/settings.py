"""What a session was made with."""

from ssl import SSLContext
from typing import Any

import attrs

from woodpecker_async.engine.clock import Clock
from woodpecker_async.engine.credentials import KeySource
from woodpecker_async.engine.protocol import Dialect
from woodpecker_async.options import CallOptions, Limits, RetryPolicy, Timeouts


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
