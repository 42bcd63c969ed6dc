"""Every exception of the SDK, in one tree.

::

    WoodpeckerError
    ├── ConfigError                 a bad argument; also a ValueError; nothing was sent
    │   └── SetupError              what the program was set up with is at fault: the key, a file, a proxy
    ├── SessionClosedError          the session has been closed
    ├── ScopeClosedError            the `async with woodpecker.company(...)` block has ended
    ├── WrongLoopError              the session belongs to another event loop that is still alive
    ├── SecretNotCarriedError       reveal() of a Secret that came out of a pickle
    ├── UnexpectedError             code that is not the SDK's (a key function, an iterable) failed
    ├── RunIncompleteError          a bulk run ended, and some companies have no outcome
    ├── LabelNotKeptError           a new key cannot be found again by its label
    ├── ClaimLostError              another worker may have taken the company over; nothing was sent
    ├── KeyNotStoredError           the sink of `bulk.ensure_api_keys` failed; the key is on the server
    ├── QueueError                  the queue of the workers cannot be reached, or a job in it failed for good
    ├── PaginationError             the server's pages make no sense; `.resume` is the page to go on from
    └── CallError                   one call failed: method, path, company, attempts
        ├── LaneTimeoutError        no turn in the lane within `Timeouts.lane`; nothing was sent
        ├── SharedLaneError         what the processes share cannot be reached; nothing was sent
        ├── DeadlineExceededError   `RetryPolicy.deadline` is over
        ├── TransportError          no answer
        │   ├── NotSentError        the request never left: DNS, connect, TLS, proxy
        │   ├── ConnectionLostError the connection broke after sending
        │   └── AttemptTimeoutError no answer within `Timeouts.attempt`
        ├── OutcomeUnknownError     a write may or may not have happened
        │   └── KeyOutcomeUnknownError   ... the creation of an API key
        ├── ResponseDecodeError     a success whose body is not what the documents say; `.paths`
        └── ApiError                the server refused
            ├── BadRequestError           400
            ├── AuthenticationError       401
            ├── PermissionDeniedError     403
            ├── NotFoundError             404
            │   └── CompanyNotFoundError  404 that speaks of the company
            ├── ConflictError             409
            │   ├── CompanyInactiveError  409 Company is inactive
            │   └── UnsupportedCampaignError  409 for a campaign that the API does not show
            ├── RateLimitedError          429
            ├── ServerError               5xx
            └── UnexpectedRedirectError   3xx; the SDK follows none

All of them are plain values: they survive `pickle`, `copy` and a process pool, and never hold a request
header, a body, or an exception of the HTTP library.

They are in one module, so that the tree above is all there is.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from woodpecker_async.secret import Secret

FailureKind: TypeAlias = Literal["not_sent", "lost", "timeout", "refused", "server", "client", "redirect"]
"""What went wrong with an attempt, in a word."""

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
"""How the outcome of a write got lost."""

BodyKind: TypeAlias = Literal["api", "empty", "foreign"]
"""Whose body an error came with."""


class Attempt(NamedTuple):
    """One attempt of a call.

    Attributes:
        number: 1 for the first.
        status: the HTTP status of the answer; `None` if there was none.
        failure: what went wrong, in a word; `""` for a success.
        wait: seconds waited before this attempt.
        elapsed: seconds from sending to the end of the answer.
    """

    number: int
    status: int | None
    failure: FailureKind | Literal[""]
    wait: float
    elapsed: float


class WoodpeckerError(Exception):
    """The base of everything the SDK raises.

    Attributes:
        retryable: trying the same again later may help.
        leads: what `lead_finder.leads` had bought before the error.
        next_page: where that search goes on.
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
    """An argument is not usable; the message says which and what to do. Nothing was sent."""


class SetupError(ConfigError):
    """What the program was set up with cannot be used: the API key, a file, a proxy, a connection that was passed in.

    It is not the fault of whoever asks: in a web application this is a 500, where any other `ConfigError` is a 4xx.
    """


class SessionClosedError(WoodpeckerError):
    """The session has been closed: make a new one."""


class ScopeClosedError(WoodpeckerError):
    """The company scope this object was made in has ended; the session itself lives on."""


class WrongLoopError(WoodpeckerError, RuntimeError):
    """The session is open on another event loop: use one session for each loop."""


class SecretNotCarriedError(WoodpeckerError):
    """A `Secret` that came out of a pickle holds no key to reveal."""


class KeyNotStoredError(WoodpeckerError):
    """A company has its key, but the sink failed to take it. Nothing is lost: the server lists the key.

    Attributes:
        company_id: the company.
        api_key: the key, a `Secret`.
    """

    def __init__(self, message: str, *, company_id: int, api_key: "Secret") -> None:
        super().__init__(message)
        self.company_id = company_id
        self.api_key = api_key


class UnexpectedError(WoodpeckerError):
    """Code outside the SDK failed: a key function, the companies handed in, a callback.

    A `CancelledError` that nobody sent to the task is one of these: it came out of something that was
    cancelled elsewhere, and says nothing about this task.
    """


class RunIncompleteError(WoodpeckerError):
    """A bulk run ended, and companies that were handed in have no outcome. `resume=run.report` processes them.

    Attributes:
        companies: their ids, as far as they were read.
    """

    def __init__(self, message: str, *, companies: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.companies = tuple(companies)


class LabelNotKeptError(WoodpeckerError):
    """A new key cannot be found again by its label, so each run would make another one. The run was stopped.

    Attributes:
        company_id: the company that has the key.
        label: the label asked for.
        api_key: the key, a `Secret`.
    """

    def __init__(self, message: str, *, company_id: int = 0, label: str = "", api_key: Any = None) -> None:
        super().__init__(message)
        self.company_id = company_id
        self.label = label
        self.api_key = api_key


class ClaimLostError(WoodpeckerError):
    """A worker's claim on a company has expired, so another may be at work there; see `workers.Claims`."""


class QueueError(WoodpeckerError):
    """The queue of the workers cannot be reached, or a job in it failed for good; see `woodpecker_async.workers`."""


class PaginationError(WoodpeckerError):
    """The server's pages contradict themselves, or do not end.

    Attributes:
        resume: the page to go on from: `pager.pages(start=error.resume)`.
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
        call_id: our own id of the call, the same in all its attempts (see the hooks).
        request_id: the server's id of the last answer, if it sends one.
        attempts: every attempt made, refused ones too.
        resume: the page that could not be had, if this was a list.
        done: how many entries went through in earlier calls, if this was one of several for a long list of entries.
        job: what names the work at the server that was waited for, if it was: the hash of a report, the id of a batch.
        retryable: trying the same call again later may help.
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
    """The call did not get its turn within `Timeouts.lane` seconds. Nothing was sent."""

    retryable = True

    @property
    def maybe_sent(self) -> bool:
        """Never, because the wait is before the first attempt."""
        return False


class SharedLaneError(CallError):
    """The lane is shared with other processes, and what they share it through cannot be reached. Nothing was sent.

    See `Limits.shared` and `Limits.shared_outage`.
    """

    retryable = True

    @property
    def maybe_sent(self) -> bool:
        """Never, because the wait is before the first attempt."""
        return False


class DeadlineExceededError(CallError):
    """`RetryPolicy.deadline` seconds have passed since the first attempt began, and no answer came.

    The deadline of a key creation begins with the call, and includes waiting for one's turn; so does that of a wait for
    long work at the server (`job`), which goes on there.
    """

    retryable = True


class TransportError(CallError):
    """No answer came back."""

    retryable = True


class NotSentError(TransportError):
    """The request never left this machine: the name, the connection, TLS or the proxy failed."""

    @property
    def maybe_sent(self) -> bool:
        """Never, because no attempt got as far as sending."""
        return False


class ConnectionLostError(TransportError):
    """The connection broke after the request was sent, before the answer was complete."""


class AttemptTimeoutError(TransportError):
    """The answer did not come within `Timeouts.attempt` seconds."""


class OutcomeUnknownError(CallError):
    """A write was sent and its outcome is not known: it may have happened.

    Never repeat such a call blindly: look first whether it happened.

    Attributes:
        status: the HTTP status, if one came (5xx).
        kind: `"server_error"`, `"connection_lost"`, `"timeout"`, `"deadline"` or `"closed"`; from key
            creation also `"unreadable_answer"`, `"several_keys"`, `"other_writer"`, `"not_seen"`, `"not_new"`,
            `"mixed_up"` or `"look_failed"`.
        settled: the server has surely finished with the request: a look at the result counts at once.
    """

    def __init__(
        self, message: str, *, kind: UnknownKind, status: int | None = None, settled: bool = False, **context: Any
    ) -> None:
        super().__init__(message, **context)
        self.kind = kind
        self.status = status
        self.settled = settled


class KeyOutcomeUnknownError(OutcomeUnknownError):
    """It cannot be said which API key, if any, a creation made.

    `await woodpecker.agency.api_keys.resolve(error)` looks again, later.

    Attributes:
        company_id: the company.
        label: the label asked for.
        candidates: the keys (`Secret`) that may be the one, most often none or several.
        baseline: fingerprints of the keys that were there before; `None` if nobody looked.
        settles_at: the moment (UTC) until which the server may still be working on it, so that a key may yet
            appear; `None` if it is done.
        creation_id: names the creation, the same in all copies of the error.
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
    """The server reported success, but the body is not as documented.

    Or it cannot be read at all: it is larger than `Limits.max_body`, or in an encoding that was not asked for.

    Attributes:
        paths: what is wrong and where, such as `"$.content[57].label: expected str, got null"`; never a value.
        status: the HTTP status.
    """

    def __init__(self, message: str, *, paths: Iterable[str], status: int | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.paths = tuple(paths)
        self.status = status

    def as_unknown(self) -> OutcomeUnknownError:
        """The same error, for a write whose result the server did not hand over readably.

        The server says that it is done. Where a look does not show it, that look came too early.
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
    """The server answered with an error.

    Attributes:
        status: the HTTP status.
        title: the API's short title (v2), or the reason phrase.
        detail: the API's sentence about it.
        code: the API's code, where it has one (v1 `E_...`, Feldera `DuplicateName`).
        details: the API's structured details, where it has them (Feldera).
        retry_after: seconds the server asked to wait, if it did.
        timestamp: when it happened, by the server's clock, in UTC.
        body_kind: `"api"` for one of the API's own error bodies, `"empty"` for none, `"foreign"` for anything
            else, such as the error page of a proxy.
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
    """400: the server could not make sense of the request."""


class AuthenticationError(ApiError):
    """401: the key is not valid, or the account has no API add-on or plan."""


class PermissionDeniedError(ApiError):
    """403: with `x-company-id`, the key is not from the main agency account."""


class NotFoundError(ApiError):
    """404: the path, or what it names, does not exist."""


class CompanyNotFoundError(NotFoundError):
    """404: no such company in this agency (creating a key: or the company is inactive)."""


class ConflictError(ApiError):
    """409: the request conflicts with the current state at the server."""


class CompanyInactiveError(ConflictError):
    """409: the company named in `x-company-id` is inactive."""


class UnsupportedCampaignError(ConflictError):
    """409: the campaign has a condition, a scheduled start or manual tasks, which the v2 API does not show."""


class RateLimitedError(ApiError):
    """429: the account's queue is full. The request was not processed."""

    retryable = True

    @property
    def maybe_sent(self) -> bool:
        """Whether an attempt before this refusal may have been acted on."""
        return any(attempt.failure != "refused" for attempt in self.attempts)


class ServerError(ApiError):
    """5xx: the server failed."""

    retryable = True


class UnexpectedRedirectError(ApiError):
    """3xx: the API redirects nowhere, and following would carry the key to another host.

    Attributes:
        target: scheme and host of the redirect's target.
    """

    def __init__(self, message: str, *, target: str = "", **context: Any) -> None:
        super().__init__(message, **context)
        self.target = target


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
