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

# RFC 3986 section 3.3, what a path segment may hold as it is.
_SEGMENT_SAFE = "-._~!$&'()*+,;=:@"

QueryValue = str | int | bool | None


def _fill(template: str, segments: Mapping[str, int | str]) -> str:
    """A path from its template; each `{name}` stays one segment, whatever it holds.

    Raises:
        ConfigError: a segment is empty, `.` or `..`, has no place in the template, or is missing.
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
    """The parameters of a query, all of which can be sent.

    Raises:
        ConfigError: one of them cannot.
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
        except ValueError:  # also for an integer of thousands of digits
            raise ConfigError(
                f"the parameter {name!r} cannot be sent: it has a lone surrogate, or is too long"
            ) from None
    return params


def validate_user_path(path: str) -> str:
    """A path that a user wrote, quoted segment by segment.

    Raises:
        ConfigError: it is not an absolute path below the base URL.
    """
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//"):
        raise ConfigError(f'a path begins with one "/" and is below the base URL, like "/v2/mailboxes"; not {path!r}')
    if "?" in path or "#" in path:
        raise ConfigError(f"a path has no query or fragment: give params= instead; not {path!r}")
    if "\\" in path or not path.isprintable():
        raise ConfigError(f"a path has no backslash, control character or lone surrogate; not {path!r}")
    if ";" in path:  # some servers cut such parameters off, and then /v2/agency;x=1 is an /agency path
        raise ConfigError(f"a path has no parameters after a semicolon; not {path!r}")
    segments = path.split("/")[1:]
    if "" in segments[:-1]:
        raise ConfigError(f"a path has no empty segment; not {path!r}")
    for segment in segments:
        plain = segment.lower().replace("%2e", ".")
        if plain in (".", ".."):
            raise ConfigError(f'a path has no "." or ".." segment; not {path!r}')
    return "/" + "/".join(quote(segment, safe=_SEGMENT_SAFE) for segment in segments)


class OwnAccount(Enum):
    """The account that the key itself belongs to, said out loud."""

    OWN = "own"


OWN: Final = OwnAccount.OWN

AccountId = int | OwnAccount

_AGENCY: Final = re.compile(r"/v\d+/agency(/|$)", re.IGNORECASE)


def is_account_level(path: str) -> bool:
    """Whether a call of this path acts on one account, and `x-company-id` says on whose: all paths but `/agency`."""
    return _AGENCY.match(path) is None


@attrs.define(kw_only=True, eq=False, repr=False)
class Operation(Generic[T]):
    """One operation of the API.

    Attributes:
        method: the HTTP method.
        path: the path below the base URL, quoted.
        template: the path with its placeholders: the name of the operation in logs and statistics.
        response_type: the type the body of a success decodes to; `None` where there is no body to read.
        account: whose account it acts on: a company's id, or `OWN` for the key's own. `None` for `/agency` paths,
            and for them only.
        params: the query; `None` values are left out.
        body: the request model, or JSON values for a raw request.
        secrets: the secrets in the body that are to be sent. Any other one is refused, and these are masked in what the
            server says back.
        company_id: the company this is about; only for errors, logs and lanes.
        idempotent: whether repeating it is harmless by nature (reads, deletions).
        only_reads: whether it changes nothing though its method is a POST: a question whose parameters are in the body.
        deadline: the moment, by the clock, at which the call is over, waiting in the lane included; without it
            the options say for how long, from the first attempt on.
        on_wire: told `True` when the server may act on a request from now on (writes only), and `False` when
            it has said that it did not.
        find_out: how to find out whether a write whose answer was lost happened, for the error.
        on_outcome: handed what came back of each attempt, what that means, and the attempts of the call: a list that
            the attempt is about to join.
        name: of the method of the SDK, where the template does not tell it because there is none.
        before_send: called just before each attempt is sent, when its turn in the lane has come; what it raises
            ends the call, and nothing is sent.
        all_headers: hand out all headers of the answer, the secrets in them masked, not only the `RESPONSE_HEADERS`.

    Raises:
        ConfigError: a placeholder was not filled, or it is not said whose account an account-level path is to act
            on. A request without `x-company-id` would not fail: it would act on the agency's own account.
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
            raise ConfigError(f"say whose account {self.path} is to act on: a company's, or the key's own")
        if self.account is not None and not is_account_level(self.path):
            raise ConfigError(f"{self.path} carries the company in the path; x-company-id has no place there")

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
            account: see the attributes; ignored for `/agency` paths, so that a resource need not ask which it has.
            params: see the attributes.
            body: see the attributes.
            secrets: see the attributes.
            idempotent: see the attributes; by default reads are.
            only_reads: see the attributes.
            about: the company, where it is neither the account nor the segment `company_id`.
            find_out: see the attributes.
            deadline: see the attributes.
            segments: what to fill the placeholders with, by name.
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
        """The company to put into `x-company-id`."""
        return self.account if isinstance(self.account, int) else None

    @property
    def is_write(self) -> bool:
        """Whether the server's state may change."""
        return not self.only_reads and self.method not in ("GET", "HEAD")


_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


def raw_request(
    method: str, path: str, params: Mapping[str, QueryValue] | None, body: Any, account: AccountId | None
) -> Operation[Any]:
    """An operation that a user describes: for endpoints that the SDK has no method for.

    Raises:
        ConfigError: the method, the path or the parameters cannot be sent, or the account is not said.
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
    """What a call brings back.

    Attributes:
        value: the decoded answer.
        raw: the body as it came, if `keep_raw` asked for it.
        attempts: how many requests it took.
        request_id: the server's id of the answer, if it sends one.
        headers: those headers of the answer that somebody reads (`RESPONSE_HEADERS`, or see `all_headers`), in lower
            case.
    """

    value: T_co
    raw: Secret | None = None
    attempts: int = 1
    request_id: str | None = None
    headers: Mapping[str, str] = NO_HEADERS


class Caller(Protocol):
    """All that resources and pages see of the engine."""

    async def run(self, operation: Operation[T], options: CallOptions | None = None) -> Result[T]:
        """Run it: one logical call, with its repeats."""
        ...
