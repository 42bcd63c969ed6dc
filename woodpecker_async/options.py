"""What can be set, and how the three levels (session, scope, call) merge."""

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

# Each of these has one owner in the SDK; a second value from outside would win or lose by accident.
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
        # These are about the connection, or about an exchange of more than one request and one answer.
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
    """When a failed attempt is repeated.

    Reads are repeated after a lost connection, an attempt that timed out, 429, 500, 502, 503 and 504.
    Writes only when the request measurably never left, or after 429, which means that the server did not
    process it. Waits are evenly random between 0 and `initial_backoff`, doubled with each failure up to
    `max_backoff` (full jitter), and never below a `Retry-After` of the server.

    Attributes:
        attempts: attempts in all, 1 and up; 1 means never repeat. An answer 429 does not count, unless
            `attempts` is 1.
        deadline: seconds for the whole call, from the moment its first attempt may be sent.
        initial_backoff: seconds, the longest wait after the first failure.
        max_backoff: seconds, the longest wait at all that the SDK chooses by itself.
        retry_after_cap: seconds; when the server asks for more, the call fails now and says so.
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
        connect: seconds to reach the server.
        attempt: seconds for one attempt, from its turn in the lane to the last byte of the answer. The
            default leaves room for the 15 s that the server may keep a request in its queue.
        lane: seconds to wait for a turn in the lane; `None` waits as long as it takes.
    """

    connect: float = attrs.field(default=10.0, validator=_seconds)
    attempt: float = attrs.field(default=30.0, validator=_seconds)
    lane: float | None = attrs.field(default=None, validator=_seconds_or_none)


def _within_queue(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    _at_least_one(instance, attribute, value)
    if value > 7:
        raise ConfigError(
            f"Limits.max_in_flight must be at most 7, not {value}: the server works on one request of an account, "
            "queues six and refuses the rest"
        )


def _kept(value: str | Secret | None) -> Literal["host"] | Secret | None:
    if value == "host":
        return "host"
    return Secret(value) if isinstance(value, str) and value else cast("Secret | None", value)  # a URL, it seems


def _shared_shown(value: str | Secret | None) -> str:
    try:
        if isinstance(value, Secret) and redis_url.fault(value) is None:
            return repr(redis_url.without_password(value))
    except SecretNotCarriedError:  # out of a pickle
        pass
    return repr(value)


_SHARED_IS = 'Limits.shared must be "host" or the URL of a Redis, such as "redis://localhost:6379/0"'
_MAX_BODY = 64 * 1024 * 1024


@attrs.frozen(kw_only=True, init=False)
class Limits:
    """How many requests may be in flight at once.

    The server works on one request at a time per account, queues six more for at most 15 s and answers 429
    to the rest. All calls pass a lane that keeps to that.

    Attributes:
        max_in_flight: requests in flight in one lane, 1 to 7.
        lanes: `"account"`: all calls of one key share one lane. `"company"`: every company has a lane of its
            own (only right if the server counts each company apart). `"discover"`: one lane that may open
            past seven, up to `total`, and falls back for good on the first refusal.
        total: requests in flight over all lanes of one key.
        queue_wait: seconds the server keeps a queued request.
        shared: count what other processes have in flight too. `None`: this process is alone. `"host"`: all
            processes of this user on this machine, by lock files. `"redis://[user:password@]host:port/db"`
            (also `rediss://` and `unix://`): all that use this Redis; kept as a `Secret`. All of them say the
            same here.
        shared_outage: what to do while that Redis cannot be reached: `"local"`: go on, one request at a time
            in each lane of this process. `"wait"`: wait, `Timeouts.lane` at most. `"fail"`: calls raise
            `SharedLaneError`.
        max_body: bytes that the body of an answer may have, as it comes and after decompression. A larger one
            is not read to its end: the call raises `ResponseDecodeError`, and the connection is closed.

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
        # The name is bound to a Secret at once: this frame is part of a traceback.
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
                    "Limits.shared names a Redis, and its client is not installed: "
                    "pip install 'woodpecker-async[redis]'"
                )
        elif value == "host":
            if find_spec("fcntl") is None:
                raise ConfigError('Limits(shared="host") needs flock, which this system lacks: use the URL of a Redis')
        elif value is not None:
            raise ConfigError(f"{_SHARED_IS}, not {value!r}")
        if value is not None and self.lanes == "discover":
            raise ConfigError('Limits.shared needs lanes="account" or "company": "discover" is for one process')

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
        if re.sub(r"[^a-z0-9]", "-", name.lower()) in _RESERVED_HEADERS:  # servers take X_Company_Id for X-Company-Id
            raise ConfigError(f"the SDK sets {name} itself; it cannot be passed as a header")
        if any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 for c in text):
            raise ConfigError(f"the value of header {name} has a control character or a lone surrogate")
        clean[name.lower()] = text  # so that levels merge whatever the case
    return clean


@attrs.frozen(kw_only=True)
class CallOptions:
    """What one call, or all calls of a scope or a session, do differently. `None` leaves a setting unchanged.

    Attributes:
        deadline: seconds for the whole call with all its repeats, instead of `RetryPolicy.deadline`.
        attempt_timeout: seconds for one attempt, instead of `Timeouts.attempt`.
        retry: another `RetryPolicy`.
        priority: `"interactive"` (the default) goes before `"bulk"`.
        idempotent: your promise that repeating this write is harmless; it is then repeated like a read. Only
            for a call: a session or a scope refuses it.
        headers: more headers; never the ones the SDK owns.
        keep_raw: keep the body of each page as it came, as `Page.raw` (a `Secret`, for it may hold keys).
        skip_bad_items: leave out of a list the items that cannot be decoded, and name them in
            `Page.undecodable`, instead of failing.
        strict: fields that this version of the SDK does not know are an error: for your tests, to notice what
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
        """These options, with the other's where these are `None`. Headers add up."""
        if self is other or other is _NOTHING:
            return self
        if self is _NOTHING and other.idempotent is None:
            return other
        merged: dict[str, Any] = {
            name: mine if (mine := getattr(self, name)) is not None else getattr(other, name)
            for name in ("deadline", "attempt_timeout", "retry", "priority", "keep_raw", "skip_bad_items", "strict")
        }
        if self.retry is not None and self.deadline is None:
            merged["deadline"] = None  # the nearer level's policy brings a deadline of its own
        return type(self)(headers={**other.headers, **self.headers}, idempotent=self.idempotent, **merged)


_NOTHING = CallOptions()


def standing_options(options: CallOptions | None) -> CallOptions:
    """The options of a session or a scope.

    Raises:
        ConfigError: they are not `CallOptions`, or say `idempotent`, which is a promise about one call.
    """
    standing = call_options(options)
    if standing.idempotent is not None:
        raise ConfigError("idempotent is a promise about one call: pass it in that call's options")
    return standing


def call_options(options: CallOptions | None) -> CallOptions:
    """The options given, or those that change nothing.

    Raises:
        ConfigError: they are not `CallOptions`.
    """
    if options is None:
        return _NOTHING
    if not isinstance(options, CallOptions):
        raise ConfigError(f"options must be a CallOptions, not {type(options).__name__}")
    return options
