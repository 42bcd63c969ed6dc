"""Every exception of the SDK, in one tree.

::

    WoodpeckerError
    ├── ConfigError                 a bad argument; also a ValueError; nothing was sent
    │   └── SetupError              the program's setup is at fault: the key, a file, a proxy
    ├── SessionClosedError          the session has been closed
    ├── ScopeClosedError            the `async with woodpecker.company(...)` block has ended
    ├── WrongLoopError              the session belongs to another event loop that is still alive
    ├── SecretNotCarriedError       reveal() of an unpickled Secret
    ├── UnexpectedError             code outside the SDK (a key function, an iterable) failed
    ├── RunIncompleteError          a bulk run ended, and some companies have no outcome
    ├── LabelNotKeptError           a new key cannot be found again by its label
    ├── ClaimLostError              another worker may have taken over the company; nothing was sent
    ├── KeyNotStoredError           the sink of `bulk.ensure_api_keys` failed; the key is on the server
    ├── QueueError                  the workers' queue cannot be reached, or a job in it failed permanently
    ├── PaginationError             the server's pages are inconsistent; `.resume` is where to continue
    └── CallError                   one call failed: method, path, company, attempts
        ├── LaneTimeoutError        no turn in the lane within `Timeouts.lane`; nothing was sent
        ├── SharedLaneError         the shared lane cannot be reached; nothing was sent
        ├── DeadlineExceededError   `RetryPolicy.deadline` has passed
        ├── TransportError          no response
        │   ├── NotSentError        the request was not sent: DNS, connect, TLS, proxy
        │   ├── ConnectionLostError the connection broke after sending
        │   └── AttemptTimeoutError no response within `Timeouts.attempt`
        ├── OutcomeUnknownError     a write may or may not have happened
        │   └── KeyOutcomeUnknownError   ... the creation of an API key
        ├── ResponseDecodeError     a success whose body is not as documented; `.paths`
        └── ApiError                the server responded with an error
            ├── BadRequestError           400
            ├── AuthenticationError       401
            ├── PermissionDeniedError     403
            ├── NotFoundError             404
            │   └── CompanyNotFoundError  404 about the company
            ├── ConflictError             409
            │   ├── CompanyInactiveError  409 Company is inactive
            │   └── UnsupportedCampaignError  409 for a campaign that the API does not expose
            ├── RateLimitedError          429
            ├── ServerError               5xx
            └── UnexpectedRedirectError   3xx; the SDK never follows redirects

All of them are plain values: they survive `pickle`, `copy` and a process pool, and never hold a request
header, a body, or an exception of the HTTP library.

They are in one module, so that the tree above is complete.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from woodpecker_async.secret import Secret

FailureKind: TypeAlias = Literal["not_sent", "lost", "timeout", "refused", "server", "client", "redirect"]
"""What went wrong with an attempt."""

UnknownKind: TypeAlias = Literal[
    "server_error",
    "connection_lost",
    "timeout",
    "deadline",
    "closed",
    "unreadable_answer",
    "several_keys",
    "other_writer",
    "not_seen",
    "not_new",
    "mixed_up",
    "look_failed",
]
"""Why the outcome of a write is unknown."""

BodyKind: TypeAlias = Literal["api", "empty", "foreign"]
"""What kind of body an error response had."""


class Attempt(NamedTuple):
    """One attempt of a call.

    Attributes:
        number: counted from 1.
        status: the HTTP status of the response; `None` if there was none.
        failure: what went wrong; `""` for a success.
        wait: seconds waited before this attempt.
        elapsed: seconds from sending to the end of the response.
    """

    number: int
    status: int | None
    failure: FailureKind | Literal[""]
    wait: float
    elapsed: float


class WoodpeckerError(Exception):
    """The base class of all exceptions of the SDK.

    Attributes:
        retryable: whether trying again later may help.
        leads: the leads that `lead_finder.leads` had bought before the error.
        next_page: where to continue that search.
    """

    retryable: ClassVar[bool] = False
    leads: tuple[Any, ...] = ()
    next_page: str | None = None

    def __init__(self, message: str = "") -> None:
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        # Rebuilt from args and attributes, so that no subclass needs a constructor that pickle can call.
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _rebuild(cls: type[WoodpeckerError], args: tuple[Any, ...], state: dict[str, Any]) -> WoodpeckerError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(WoodpeckerError, ValueError):
    """An argument is invalid; the message says which one and what to do. Nothing was sent."""


class SetupError(ConfigError):
    """The program's setup is invalid: the API key, a file, a proxy, or a connection that was passed in.

    A user's request is not to blame: a web application should answer 500, and a 4xx to any other `ConfigError`.
    """


class SessionClosedError(WoodpeckerError):
    """The session has been closed: make a new one."""


class ScopeClosedError(WoodpeckerError):
    """The company scope this object was created in has ended; the session itself is still open."""


class WrongLoopError(WoodpeckerError, RuntimeError):
    """The session is open on another event loop: use one session per event loop."""


class SecretNotCarriedError(WoodpeckerError):
    """The `Secret` was unpickled, and a pickle does not carry the key."""


class KeyNotStoredError(WoodpeckerError):
    """A company has its key, but the sink failed to store it. Nothing is lost: the server lists the key.

    Attributes:
        company_id: the company.
        api_key: the key, a `Secret`.
    """

    def __init__(self, message: str, *, company_id: int, api_key: "Secret") -> None:
        super().__init__(message)
        self.company_id = company_id
        self.api_key = api_key


class UnexpectedError(WoodpeckerError):
    """Code outside the SDK failed: a key function, the iterable of companies, a callback.

    This includes a `CancelledError` although the task itself was not cancelled: something it was waiting for was
    cancelled elsewhere.
    """


class RunIncompleteError(WoodpeckerError):
    """A bulk run ended without an outcome for some companies. To process them, pass `resume=run.report`.

    Attributes:
        companies: their ids, as far as they were read from the input.
    """

    def __init__(self, message: str, *, companies: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.companies = tuple(companies)


class LabelNotKeptError(WoodpeckerError):
    """A new key cannot be found again by its label, so every run would create another one. The run was stopped.

    Attributes:
        company_id: the company that has the key.
        label: the requested label.
        api_key: the key, a `Secret`.
    """

    def __init__(self, message: str, *, company_id: int = 0, label: str = "", api_key: Any = None) -> None:
        super().__init__(message)
        self.company_id = company_id
        self.label = label
        self.api_key = api_key


class ClaimLostError(WoodpeckerError):
    """A worker's claim on a company has expired, so another worker may be processing it; see `workers.Claims`."""


class QueueError(WoodpeckerError):
    """The workers' queue cannot be reached, or a job in it failed permanently; see `woodpecker_async.workers`."""


class PaginationError(WoodpeckerError):
    """The server's pages contradict each other, or do not end.

    Attributes:
        resume: the page to continue from: `pager.pages(start=error.resume)`.
    """

    def __init__(self, message: str, *, resume: int | str) -> None:
        super().__init__(message)
        self.resume = resume


class CallError(WoodpeckerError):
    """A call failed. `str(error)` describes it completely, in one line.

    Attributes:
        method: the HTTP method.
        path: the path below the base URL.
        company_id: the company the call was for, if any.
        call_id: the SDK's id of the call, the same for all its attempts (see the hooks).
        request_id: the server's id of the last response, if it sends one.
        attempts: every attempt made, including those refused with 429.
        resume: the page that could not be fetched, if this was a list.
        done: how many entries earlier requests had processed, if a long list of entries was sent in several requests.
        job: the work at the server that was being waited for, if any: the hash of a report, or the id of a batch.
        retryable: whether trying the same call again later may help.
    """

    def __init__(
        self,
        message: str,
        *,
        method: str = "",
        path: str = "",
        company_id: int | None = None,
        call_id: str | None = None,
        request_id: str | None = None,
        attempts: Iterable[Attempt] = (),
    ) -> None:
        super().__init__(message)
        self.method = method
        self.path = path
        self.company_id = company_id
        self.call_id = call_id
        self.request_id = request_id
        self.attempts = tuple(attempts)
        self.resume: int | str | None = None
        self.done = 0
        self.job: int | str | None = None

    @property
    def maybe_sent(self) -> bool:
        """Whether the server may have acted on the call."""
        return bool(self.attempts)

    def __str__(self) -> str:
        parts = [f"{self.method} {self.path}".strip()]
        if self.company_id is not None:
            parts.append(f"company {self.company_id}")
        if self.resume is not None:
            parts.append(f"page {self.resume}")
        if self.job is not None:
            parts.append(f"job {self.job}")
        if self.attempts:
            spent = sum(attempt.wait + attempt.elapsed for attempt in self.attempts)
            parts.append(f"{_count(len(self.attempts), 'attempt')} in {spent:.2f} s")
        if self.request_id:
            parts.append(f"request id {self.request_id}")
        if self.call_id:
            parts.append(f"call {self.call_id}")
        context = ", ".join(part for part in parts if part)
        return f"{self.args[0]} [{context}]" if context else str(self.args[0])


class LaneTimeoutError(CallError):
    """The call did not get its turn in the lane within `Timeouts.lane` seconds. Nothing was sent."""

    retryable = True

    @property
    def maybe_sent(self) -> bool:
        """Never, because the wait is before the first attempt."""
        return False


class SharedLaneError(CallError):
    """The lane is shared with other processes, but the Redis or the files it is shared through cannot be reached.

    Nothing was sent. See `Limits.shared` and `Limits.shared_outage`.
    """

    retryable = True

    @property
    def maybe_sent(self) -> bool:
        """Never, because the wait is before the first attempt."""
        return False


class DeadlineExceededError(CallError):
    """`RetryPolicy.deadline` seconds have passed since the first attempt began, without a response.

    The deadline of a key creation starts with the call, so it includes the wait for the lane. The same is true when
    waiting for long-running work at the server (`job`), which continues there.
    """

    retryable = True


class TransportError(CallError):
    """No response was received."""

    retryable = True


class NotSentError(TransportError):
    """The request was not sent: the name lookup, the connection, TLS or the proxy failed."""

    @property
    def maybe_sent(self) -> bool:
        """Never, because no attempt got as far as sending."""
        return False


class ConnectionLostError(TransportError):
    """The connection broke after the request was sent and before the response was complete."""


class AttemptTimeoutError(TransportError):
    """The response did not arrive within `Timeouts.attempt` seconds."""


class OutcomeUnknownError(CallError):
    """A write was sent, but its outcome is unknown: it may have happened.

    Never repeat such a call blindly: check first whether it happened.

    Attributes:
        status: the HTTP status, if one was received (5xx).
        kind: `"server_error"`, `"connection_lost"`, `"timeout"`, `"deadline"` or `"closed"`; from key
            creation also `"unreadable_answer"`, `"several_keys"`, `"other_writer"`, `"not_seen"`, `"not_new"`,
            `"mixed_up"` or `"look_failed"`.
        settled: whether the server is certain to have finished with the request, so that a check counts at once.
    """

    def __init__(
        self, message: str, *, kind: UnknownKind, status: int | None = None, settled: bool = False, **context: Any
    ) -> None:
        super().__init__(message, **context)
        self.kind = kind
        self.status = status
        self.settled = settled


class KeyOutcomeUnknownError(OutcomeUnknownError):
    """It is not known which API key, if any, a creation made.

    `await woodpecker.agency.api_keys.resolve(error)` checks again later.

    Attributes:
        company_id: the company.
        label: the requested label.
        candidates: the keys (`Secret`) that may be the new one; usually none or several.
        baseline: fingerprints of the keys that existed before; `None` if they were not listed.
        settles_at: the time (UTC) until which the server may still be processing the request, so that a key may still
            appear; `None` if it has finished.
        creation_id: identifies the creation; the same in all copies of the error.
    """

    company_id: int

    def __init__(
        self,
        message: str,
        *,
        company_id: int,
        label: str,
        kind: UnknownKind,
        candidates: "Iterable[Secret]" = (),
        baseline: Iterable[str] | None = None,
        settles_at: datetime | None = None,
        creation_id: str = "",
        **context: Any,
    ) -> None:
        super().__init__(message, kind=kind, company_id=company_id, **context)
        self.label = label
        self.candidates = tuple(candidates)
        self.baseline = None if baseline is None else frozenset(baseline)
        self.settles_at = settles_at
        self.creation_id = creation_id


class ResponseDecodeError(CallError):
    """The server reported success, but the body is not as documented, or cannot be read.

    It cannot be read if it is larger than `Limits.max_body`, or in a content coding that was not requested.

    Attributes:
        paths: what is wrong and where, such as `"$.content[57].label: expected str, got null"`; never a value.
        status: the HTTP status.
    """

    def __init__(self, message: str, *, paths: Iterable[str], status: int | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.paths = tuple(paths)
        self.status = status

    def as_unknown(self) -> OutcomeUnknownError:
        """Return the same error for a write whose response could not be read.

        The server says that the write is done, so if a check does not find it, the check came too early.
        """
        return OutcomeUnknownError(
            str(self.args[0]),
            kind="unreadable_answer",
            status=self.status,
            method=self.method,
            path=self.path,
            company_id=self.company_id,
            call_id=self.call_id,
            request_id=self.request_id,
            attempts=self.attempts,
        )


class ApiError(CallError):
    """The server responded with an error.

    Attributes:
        status: the HTTP status.
        title: the API's short title (v2), or the reason phrase.
        detail: the API's description of the error.
        code: the API's error code, if any (v1 `E_...`, Feldera `DuplicateName`).
        details: the API's structured details, if any (Feldera).
        retry_after: how many seconds the server asked to wait, if it did.
        timestamp: when it happened according to the server's clock, in UTC.
        body_kind: `"api"` for one of the API's own error bodies, `"empty"` for none, `"foreign"` for anything else,
            such as a proxy's error page.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        title: str = "",
        detail: str = "",
        code: str | None = None,
        details: Any = None,
        retry_after: float | None = None,
        timestamp: datetime | None = None,
        body_kind: BodyKind = "api",
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.status = status
        self.title = title
        self.detail = detail
        self.code = code
        self.details = details
        self.retry_after = retry_after
        self.timestamp = timestamp
        self.body_kind = body_kind


class BadRequestError(ApiError):
    """400: the server rejected the request as invalid."""


class AuthenticationError(ApiError):
    """401: the key is not valid, or the account has no API add-on or plan."""


class PermissionDeniedError(ApiError):
    """403: with `x-company-id`, the key is not from the main agency account."""


class NotFoundError(ApiError):
    """404: the path, or what it names, does not exist."""


class CompanyNotFoundError(NotFoundError):
    """404: there is no such company in this agency (or, when creating a key, the company is inactive)."""


class ConflictError(ApiError):
    """409: the request conflicts with the current state on the server."""


class CompanyInactiveError(ConflictError):
    """409: the company named in `x-company-id` is inactive."""


class UnsupportedCampaignError(ConflictError):
    """409: the campaign has a condition, a scheduled start or manual tasks, which the v2 API does not expose."""


class RateLimitedError(ApiError):
    """429: the account's queue is full. The request was not processed."""

    retryable = True

    @property
    def maybe_sent(self) -> bool:
        """Whether the server may have acted on an attempt before this refusal."""
        return any(attempt.failure != "refused" for attempt in self.attempts)


class ServerError(ApiError):
    """5xx: the server failed."""

    retryable = True


class UnexpectedRedirectError(ApiError):
    """3xx: the API itself never redirects, and following a redirect could send the key to another host.

    Attributes:
        target: scheme and host of the redirect's target.
    """

    def __init__(self, message: str, *, target: str = "", **context: Any) -> None:
        super().__init__(message, **context)
        self.target = target


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
