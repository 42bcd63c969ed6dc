"""The settings, and how the three levels (session, scope, call) merge."""

import math
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal, Self, cast

import attrs

from woodpecker_async import redis_url
from woodpecker_async.errors import ConfigError, SecretNotCarriedError
from woodpecker_async.secret import Secret

Priority = Literal["interactive", "bulk"]
Lanes = Literal["account", "company", "discover"]
SharedOutage = Literal["local", "wait", "fail"]

# The SDK sets each of these in one place; which of two values would win is an accident.
_RESERVED_HEADERS = frozenset(
    {
        "x-api-key",
        "x-company-id",
        "authorization",
        "proxy-authorization",
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "cookie",
        "accept",
        "accept-encoding",
        "user-agent",
        # These control the connection, or an exchange of more than one request and one response.
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
    }
)


def _seconds(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise ConfigError(f"{type(instance).__name__}.{attribute.name} must be a number of seconds > 0, not {value!r}")


def _seconds_or_none(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None:
        _seconds(instance, attribute, value)


def _at_least_one(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{type(instance).__name__}.{attribute.name} must be an integer >= 1, not {value!r}")


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """When a failed attempt is retried.

    Reads are retried after a lost connection, an attempt that timed out, 429, 500, 502, 503 and 504. Writes are retried
    only if the request is known not to have been sent, or after 429, which means that the server did not process it.
    Each wait is drawn uniformly between 0 and a bound (full jitter): `initial_backoff` after the first failure, doubled
    with each further one up to `max_backoff`. It is never shorter than the server's `Retry-After`.

    Attributes:
        attempts: the maximum number of attempts, an integer >= 1; 1 disables retries. A 429 does not count as an
            attempt, unless `attempts` is 1.
        deadline: seconds for the whole call, counted from the moment its first attempt may be sent.
        initial_backoff: the longest wait after the first failure, in seconds.
        max_backoff: the longest wait that the SDK chooses itself, in seconds.
        retry_after_cap: seconds. If the server asks for a longer wait, the call fails at once and the error says so.
    """

    attempts: int = attrs.field(default=5, validator=_at_least_one)
    deadline: float = attrs.field(default=120.0, validator=_seconds)
    initial_backoff: float = attrs.field(default=0.5, validator=_seconds)
    max_backoff: float = attrs.field(default=8.0, validator=_seconds)
    retry_after_cap: float = attrs.field(default=60.0, validator=_seconds)


@attrs.frozen(kw_only=True)
class Timeouts:
    """Three independent time limits.

    Attributes:
        connect: seconds to establish a connection.
        attempt: seconds for one attempt, from its turn in the lane to the last byte of the response. The default
            leaves room for the 15 s that the server may keep a request queued.
        lane: seconds to wait for a turn in the lane; `None` waits as long as it takes.
    """

    connect: float = attrs.field(default=10.0, validator=_seconds)
    attempt: float = attrs.field(default=30.0, validator=_seconds)
    lane: float | None = attrs.field(default=None, validator=_seconds_or_none)


def _within_queue(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    _at_least_one(instance, attribute, value)
    if value > 7:
        raise ConfigError(
            f"Limits.max_in_flight must be at most 7, not {value}: the server processes one request per account, "
            "queues six more and refuses the rest"
        )


def _kept(value: str | Secret | None) -> Literal["host"] | Secret | None:
    if value == "host":
        return "host"
    return Secret(value) if isinstance(value, str) and value else cast("Secret | None", value)  # taken for a URL


def _shared_shown(value: str | Secret | None) -> str:
    try:
        if isinstance(value, Secret) and redis_url.fault(value) is None:
            return repr(redis_url.without_password(value))
    except SecretNotCarriedError:  # unpickled
        pass
    return repr(value)


_SHARED_IS = 'Limits.shared must be "host" or the URL of a Redis, such as "redis://localhost:6379/0"'
_MAX_BODY = 64 * 1024 * 1024


@attrs.frozen(kw_only=True, init=False)
class Limits:
    """How many requests may be in flight at once.

    The server processes one request at a time per account, queues six more for at most 15 s and answers 429 to the
    rest. Every call passes through a lane that stays within that limit.

    Attributes:
        max_in_flight: requests in flight in one lane, 1 to 7.
        lanes: `"account"`: all calls with one key share one lane. `"company"`: each company has a lane of its own
            (only correct if the server limits each company separately). `"discover"`: one lane that may grow
            past seven, up to `total`, and falls back for good on the first refusal.
        total: requests in flight across all lanes of one key.
        queue_wait: how long the server keeps a queued request, in seconds.
        shared: which other processes to share the limit with. `None`: none. `"host"`: all processes of this user
            on this machine, through lock files. `"redis://[user:password@]host:port/db"` (also `rediss://` and
            `unix://`): all processes that use this Redis; the URL is kept as a `Secret`. Set the same value in every
            process.
        shared_outage: what to do while that Redis cannot be reached. `"local"`: continue with one request at a time
            in each lane of this process. `"wait"`: wait, for at most `Timeouts.lane`. `"fail"`: raise
            `SharedLaneError`.
        max_body: the largest response body, in bytes, both as received and after decompression. A larger one is not
            read to the end: the call raises `ResponseDecodeError`, and the connection is closed.

    Example:
        >>> Limits(shared="redis://app:pa55@10.0.0.5:6379/0").shared
        Secret('****')
    """

    max_in_flight: int = attrs.field(default=7, validator=_within_queue)
    lanes: Lanes = attrs.field(default="account")
    total: int = attrs.field(default=64, validator=_at_least_one)
    queue_wait: float = attrs.field(default=15.0, validator=_seconds)
    shared: Literal["host"] | Secret | None = attrs.field(default=None, repr=_shared_shown)
    shared_outage: SharedOutage = attrs.field(default="local")
    max_body: int = attrs.field(default=_MAX_BODY, validator=_at_least_one)

    def __init__(
        self,
        *,
        max_in_flight: int = 7,
        lanes: Lanes = "account",
        total: int = 64,
        queue_wait: float = 15.0,
        shared: str | Secret | None = None,
        shared_outage: SharedOutage = "local",
        max_body: int = _MAX_BODY,
    ) -> None:
        # Rebind the name to a Secret at once: this frame, with its locals, may end up in a traceback.
        kept = shared = _kept(shared)
        self.__attrs_init__(
            max_in_flight=max_in_flight,
            lanes=lanes,
            total=total,
            queue_wait=queue_wait,
            max_body=max_body,
            shared=kept,
            shared_outage=shared_outage,
        )

    @lanes.validator
    def _known(self, _attribute: "attrs.Attribute[Lanes]", value: str) -> None:
        if value not in ("account", "company", "discover"):
            raise ConfigError(f'Limits.lanes must be "account", "company" or "discover", not {value!r}')

    @shared.validator
    def _usable(self, _attribute: "attrs.Attribute[Any]", value: object) -> None:
        if isinstance(value, Secret):
            if (fault := redis_url.fault(value)) is not None:
                raise ConfigError(f"{_SHARED_IS}: {fault}")
            if find_spec("redis") is None:
                raise ConfigError(
                    "Limits.shared names a Redis, but its client is not installed: "
                    "pip install 'woodpecker-async[redis]'"
                )
        elif value == "host":
            if find_spec("fcntl") is None:
                raise ConfigError('Limits(shared="host") needs flock, which this system lacks: use the URL of a Redis')
        elif value is not None:
            raise ConfigError(f"{_SHARED_IS}, not {value!r}")
        if value is not None and self.lanes == "discover":
            raise ConfigError('Limits.shared needs lanes="account" or "company": "discover" works in one process only')

    @shared_outage.validator
    def _one_of_three(self, _attribute: "attrs.Attribute[Any]", value: str) -> None:
        if value not in ("local", "wait", "fail"):
            raise ConfigError(f'Limits.shared_outage must be "local", "wait" or "fail", not {value!r}')


def _headers(value: Mapping[str, str] | None) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"headers must be a mapping of str to str, not {type(value).__name__}")
    clean: dict[str, str] = {}
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise ConfigError(f"header {name!r}: name and value must be str")
        if not name or not name.isascii() or any(not c.isalnum() and c not in "!#$%&'*+-.^_`|~" for c in name):
            raise ConfigError(f"{name!r} is not a header name")
        if re.sub(r"[^a-z0-9]", "-", name.lower()) in _RESERVED_HEADERS:  # servers may read _ as -
            raise ConfigError(f"the SDK sets {name} itself; it cannot be passed as a header")
        if any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 for c in text):
            raise ConfigError(f"the value of header {name} has a control character or a lone surrogate")
        clean[name.lower()] = text  # so that the levels merge regardless of case
    return clean


@attrs.frozen(kw_only=True)
class CallOptions:
    """Overrides for one call, or for all calls of a scope or a session. `None` leaves a setting unchanged.

    Attributes:
        deadline: seconds for the whole call including retries, instead of `RetryPolicy.deadline`.
        attempt_timeout: seconds for one attempt, instead of `Timeouts.attempt`.
        retry: another `RetryPolicy`.
        priority: `"interactive"` (the default) goes before `"bulk"`.
        idempotent: your promise that repeating this write is harmless; it is then retried like a read. Valid for
            a single call only: a session or a scope rejects it.
        headers: extra headers; the ones the SDK sets itself are rejected.
        keep_raw: keep the body of each page as received, in `Page.raw` (a `Secret`, because it may contain keys).
        skip_bad_items: leave items that cannot be decoded out of a list and describe them in `Page.undecodable`,
            instead of failing.
        strict: treat fields that this version of the SDK does not know as an error, so that your tests notice what
            is new. By default they are ignored.

    Example:
        >>> CallOptions(deadline=30).merged_over(CallOptions(deadline=60, priority="bulk"))
        CallOptions(deadline=30, attempt_timeout=None, retry=None, priority='bulk', idempotent=None, keep_raw=None, \
skip_bad_items=None, strict=None)
    """

    deadline: float | None = attrs.field(default=None, validator=_seconds_or_none)
    attempt_timeout: float | None = attrs.field(default=None, validator=_seconds_or_none)
    retry: RetryPolicy | None = attrs.field(default=None)
    priority: Priority | None = attrs.field(default=None)
    idempotent: bool | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict, converter=_headers, repr=False)
    keep_raw: bool | None = None
    skip_bad_items: bool | None = None
    strict: bool | None = None

    @retry.validator
    def _is_policy(self, _attribute: "attrs.Attribute[Any]", value: object) -> None:
        if value is not None and not isinstance(value, RetryPolicy):
            raise ConfigError(f"retry must be a RetryPolicy, not {type(value).__name__}")

    @priority.validator
    def _is_priority(self, _attribute: "attrs.Attribute[Any]", value: object) -> None:
        if value not in (None, "interactive", "bulk"):
            raise ConfigError(f'priority must be "interactive" or "bulk", not {value!r}')

    def merged_over(self, other: Self) -> Self:
        """Return these options, taking from the other what is `None` here. Headers are combined."""
        if self is other or other is _NOTHING:
            return self
        if self is _NOTHING and other.idempotent is None:
            return other
        merged: dict[str, Any] = {
            name: mine if (mine := getattr(self, name)) is not None else getattr(other, name)
            for name in ("deadline", "attempt_timeout", "retry", "priority", "keep_raw", "skip_bad_items", "strict")
        }
        if self.retry is not None and self.deadline is None:
            merged["deadline"] = None  # the policy of the inner level brings its own deadline
        return type(self)(headers={**other.headers, **self.headers}, idempotent=self.idempotent, **merged)


_NOTHING = CallOptions()


def standing_options(options: CallOptions | None) -> CallOptions:
    """Check the options of a session or a scope.

    Raises:
        ConfigError: they are not `CallOptions`, or they set `idempotent`, which is a promise about one call.
    """
    standing = call_options(options)
    if standing.idempotent is not None:
        raise ConfigError("idempotent is a promise about one call: pass it in that call's options")
    return standing


def call_options(options: CallOptions | None) -> CallOptions:
    """Return the options given, or options that change nothing.

    Raises:
        ConfigError: they are not `CallOptions`.
    """
    if options is None:
        return _NOTHING
    if not isinstance(options, CallOptions):
        raise ConfigError(f"options must be a CallOptions, not {type(options).__name__}")
    return options
