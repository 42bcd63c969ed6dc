"""The description of one API operation: what resources write and the engine runs."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Generic, Protocol, TypeVar, cast
from urllib.parse import quote

import attrs

from woodpecker_async.errors import Attempt, ConfigError
from woodpecker_async.models.paging import ListBody
from woodpecker_async.options import CallOptions
from woodpecker_async.secret import Secret

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# RFC 3986 section 3.3: characters that a path segment may contain unquoted.
_SEGMENT_SAFE = "-._~!$&'()*+,;=:@"

QueryValue = str | int | bool | None


def _fill(template: str, segments: Mapping[str, int | str]) -> str:
    """Fill in a path template; each `{name}` stays one segment, whatever its value.

    Raises:
        ConfigError: a segment is empty, `.` or `..`, is not in the template, or is missing.
    """
    path = template
    for name, value in segments.items():
        if isinstance(value, str):
            if value in ("", ".", ".."):
                raise ConfigError(f"{name} cannot be {value!r}: it is one segment of a path")
            value = quote(value, safe=_SEGMENT_SAFE)
        if f"{{{name}}}" not in path:
            raise ConfigError(f"{template} has no place for {name}")
        path = path.replace(f"{{{name}}}", str(value))
    return path


def query(params: object) -> Mapping[str, QueryValue]:
    """Check the parameters of a query.

    Raises:
        ConfigError: one of them cannot be sent.
    """
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise ConfigError(f'params must be a mapping, like {{"page": 1}}, not {type(params).__name__}')
    for name, value in params.items():
        if not isinstance(name, str) or not isinstance(value, str | int | None):
            raise ConfigError(f"the parameter {name!r} must be a str, an integer, a boolean or None")
        try:
            name.encode()
            str(value).encode()
        except ValueError:  # also raised for an integer with thousands of digits
            raise ConfigError(
                f"the parameter {name!r} cannot be sent: it contains a lone surrogate, or is too long"
            ) from None
    return params


def validate_user_path(path: str) -> str:
    """Check a user's path, and quote it segment by segment.

    Raises:
        ConfigError: it is not an absolute path below the base URL.
    """
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//"):
        raise ConfigError(f'path must be below the base URL and begin with one "/", like "/v2/mailboxes", not {path!r}')
    if "?" in path or "#" in path:
        raise ConfigError(f"path must not have a query or fragment: give params= instead; not {path!r}")
    if "\\" in path or not path.isprintable():
        raise ConfigError(f"path must not contain a backslash, control character or lone surrogate; not {path!r}")
    if ";" in path:  # some servers cut such parameters off, and then /v2/agency;x=1 is an /agency path
        raise ConfigError(f"path must not have parameters after a semicolon; not {path!r}")
    segments = path.split("/")[1:]
    if "" in segments[:-1]:
        raise ConfigError(f"path must not have an empty segment; not {path!r}")
    for segment in segments:
        plain = segment.lower().replace("%2e", ".")
        if plain in (".", ".."):
            raise ConfigError(f'path must not have a "." or ".." segment; not {path!r}')
    return "/" + "/".join(quote(segment, safe=_SEGMENT_SAFE) for segment in segments)


class OwnAccount(Enum):
    """The type of `OWN`, which explicitly names the account that the key itself belongs to."""

    OWN = "own"


OWN: Final = OwnAccount.OWN

AccountId = int | OwnAccount

_AGENCY: Final = re.compile(r"/v\d+/agency(/|$)", re.IGNORECASE)


def is_account_level(path: str) -> bool:
    """Whether a call acts on the account named by `x-company-id`: true for all paths outside `/agency`."""
    return _AGENCY.match(path) is None


@attrs.define(kw_only=True, eq=False, repr=False)
class Operation(Generic[T]):
    """One operation of the API.

    Attributes:
        method: the HTTP method.
        path: the path below the base URL, quoted.
        template: the path with its placeholders, which is the operation's name in logs and statistics.
        response_type: the type to decode the body of a success to; `None` if there is no body to read.
        account: whose account it acts on: a company's id, or `OWN` for the key's own. `None` for `/agency` paths, and
            only for them.
        params: the query; those that are `None` are left out.
        body: the request model, or JSON values for a raw request.
        secrets: the secrets in the body that may be sent. Any other secret is rejected, and these are masked in
            whatever the server quotes.
        company_id: the company it is about; only for errors, logs and lanes.
        idempotent: whether repeating it is harmless by nature (reads, deletions).
        only_reads: whether it changes nothing although its method is POST: a query whose parameters are in the body.
        deadline: the clock's time at which the call ends, including the wait in the lane; without it, the options set
            the time from the first attempt on.
        on_wire: called with `True` when the server may act on a request from now on (writes only), and with `False`
            once it has said that it did not.
        find_out: for the error, how to find out whether a write happened whose response was lost.
        on_outcome: called after each attempt with its outcome, the result, and the list of the call's attempts, to
            which this one is yet to be added.
        name: the name of the SDK's method, if the template does not determine it.
        before_send: called right before each attempt is sent, after its wait in the lane. If it raises, the call ends
            and nothing is sent.
        all_headers: return all response headers, with secrets masked, instead of only the `RESPONSE_HEADERS`.

    Raises:
        ConfigError: a placeholder was not filled, or the account of an account-level path is missing. Without
            `x-company-id` a request would not fail: it would act on the agency's own account.
    """

    method: str
    path: str
    template: str
    response_type: type[T] | ListBody[Any] | None
    account: AccountId | None = None
    params: Mapping[str, QueryValue] = attrs.field(factory=dict)
    body: Any = None
    secrets: tuple[Secret, ...] = ()
    company_id: int | None = None
    idempotent: bool = False
    only_reads: bool = False
    find_out: str = ""
    deadline: float | None = None
    on_wire: Callable[[bool], None] | None = None
    before_send: Callable[[], object] | None = None
    on_outcome: Callable[[Any, Any, Sequence[Attempt]], object] | None = None
    name: str = ""
    all_headers: bool = False

    def __attrs_post_init__(self) -> None:
        if "{" in self.path:
            raise ConfigError(f"a placeholder of {self.path} was not filled")
        if self.account is None and is_account_level(self.path):
            raise ConfigError(f"specify whose account {self.path} acts on: a company's, or the key's own")
        if self.account is not None and not is_account_level(self.path):
            raise ConfigError(f"{self.path} has the company in the path: it takes no x-company-id")

    @classmethod
    def of(
        cls,
        method: str,
        template: str,
        response_type: type[T] | ListBody[Any] | None,
        *,
        account: AccountId | None,
        params: Mapping[str, QueryValue] | None = None,
        body: Any = None,
        secrets: Iterable[Secret] = (),
        idempotent: bool | None = None,
        only_reads: bool = False,
        about: int | None = None,
        find_out: str = "",
        deadline: float | None = None,
        segments: Mapping[str, int | str] = MappingProxyType({}),
    ) -> "Operation[T]":
        """Describe an operation: the constructor for every method.

        Args:
            method: the HTTP method.
            template: the path, with a placeholder for each of the `segments`.
            response_type: see the attributes.
            account: see the attributes; ignored for `/agency` paths, so that resources need not distinguish them.
            params: see the attributes.
            body: see the attributes.
            secrets: see the attributes.
            idempotent: see the attributes; by default true for reads.
            only_reads: see the attributes.
            about: the company, if it is neither the account nor the segment `company_id`.
            find_out: see the attributes.
            deadline: see the attributes.
            segments: the values of the placeholders, by name.
        """
        path = _fill(template, segments) if segments else template
        company_id = segments.get("company_id", about)
        return cls(
            method=method,
            path=path,
            template=template,
            response_type=response_type,
            account=account if is_account_level(template) else None,
            params=params or {},
            body=body,
            secrets=tuple(secrets),
            company_id=company_id if isinstance(company_id, int) else None,
            idempotent=method == "GET" or only_reads if idempotent is None else idempotent,
            only_reads=only_reads,
            find_out=find_out,
            deadline=deadline,
        )

    @property
    def company_header(self) -> int | None:
        """The company to send in `x-company-id`."""
        return self.account if isinstance(self.account, int) else None

    @property
    def is_write(self) -> bool:
        """Whether the server's state may change."""
        return not self.only_reads and self.method not in ("GET", "HEAD")


_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


def raw_request(
    method: str, path: str, params: Mapping[str, QueryValue] | None, body: Any, account: AccountId | None
) -> Operation[Any]:
    """Return a user-defined operation, for endpoints that the SDK has no method for.

    Raises:
        ConfigError: the method, the path or the parameters cannot be sent, or the account is missing.
    """
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise ConfigError(f"method must be one of {', '.join(sorted(_METHODS))}, not {method!r}")
    quoted = validate_user_path(path)
    method = method.upper()
    return Operation(
        method=method,
        path=quoted,
        template=quoted,
        response_type=cast("type[Any]", Any),
        account=account,
        params=query(params),
        body=body,
        idempotent=method == "GET",
        name="request",
    )


RESPONSE_HEADERS: Final = ("x-total-count",)

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@attrs.define(kw_only=True, eq=False, repr=False)
class Result(Generic[T_co]):
    """The result of a call.

    Attributes:
        value: the decoded response.
        raw: the body as received, if requested with `keep_raw`.
        attempts: how many requests it took.
        request_id: the server's id of the response, if it sends one.
        headers: the response headers that are used (`RESPONSE_HEADERS`, or see `all_headers`), by lower-case name.
    """

    value: T_co
    raw: Secret | None = None
    attempts: int = 1
    request_id: str | None = None
    headers: Mapping[str, str] = NO_HEADERS


class Caller(Protocol):
    """The engine as seen by resources and pagers."""

    async def run(self, operation: Operation[T], options: CallOptions | None = None) -> Result[T]:
        """Run an operation: one logical call, including retries."""
        ...
