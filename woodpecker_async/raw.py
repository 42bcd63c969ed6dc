"""Calls to arbitrary endpoints, and raw responses: for endpoints without a method, and for debugging the API."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import attrs

from woodpecker_async import checks
from woodpecker_async.engine import codec
from woodpecker_async.engine.hidden import look_at
from woodpecker_async.engine.operation import OWN, AccountId, Operation, QueryValue, is_account_level, raw_request
from woodpecker_async.engine.protocol import AttemptResult, TransportFailure
from woodpecker_async.engine.protocol import RawResponse as Response
from woodpecker_async.errors import Attempt, CallError, ConfigError, ResponseDecodeError, SecretNotCarriedError


def _read_only(headers: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(headers))


@attrs.frozen(kw_only=True, eq=False)
class RawResponse:
    """A response as received, whatever its status.

    Its body may contain keys in plain text. Only `read`, `text` and `json` return it; neither `repr` nor an error
    reporter sees it, and a pickle does not include it.

    Attributes:
        method: the HTTP method.
        path: the path below the base URL.
        company_id: the company the call was for, if any.
        status: the HTTP status of the last attempt.
        headers: the response headers, by lower-case name; values that may be secrets are masked.
        unreadable: why the body could not be read: too large, or in a content coding that was not requested. Empty if
            it could.
        request_id: the server's id of the response, if it sends one.
        attempts: every attempt made; the last one got this response.
        error: what `request` would have raised; `None` for a success.
    """

    method: str
    path: str
    company_id: int | None
    status: int
    headers: Mapping[str, str] = attrs.field(converter=_read_only)
    unreadable: str
    request_id: str | None
    attempts: tuple[Attempt, ...]
    error: CallError | None
    _body: Callable[[], bytes] = attrs.field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return self.error is None

    def read(self) -> bytes:
        """Return the body, decompressed."""
        return self._body()

    def text(self) -> str:
        """Return the body decoded as UTF-8; invalid bytes become U+FFFD."""
        return self._body().decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the parsed body.

        Raises:
            ResponseDecodeError: it is not JSON.
        """
        decode: Callable[[bytes, Any], Any] = codec.decode
        value = look_at(self._body, decode, Any)
        if isinstance(value, codec.Undecodable):
            raise ResponseDecodeError(
                f"the server sent {self.status}, but the body is not JSON: {self.unreadable or ', '.join(value.paths)}",
                paths=value.paths,
                status=self.status,
                method=self.method,
                path=self.path,
                company_id=self.company_id,
                request_id=self.request_id,
                attempts=self.attempts,
            )
        return value

    def raise_for_error(self) -> None:
        """Raise `error`, if there is one.

        Raises:
            CallError: what `request` would have raised.
        """
        if self.error is not None:
            raise self.error

    def __copy__(self) -> "RawResponse":
        return self

    def __deepcopy__(self, memo: object) -> "RawResponse":
        return self

    def __reduce__(self) -> tuple[Callable[..., "RawResponse"], tuple[dict[str, Any]]]:
        fields = {field.name: getattr(self, field.name) for field in attrs.fields(RawResponse) if field.init}
        del fields["_body"]
        return _unpickled, ({**fields, "headers": dict(self.headers)},)


def _unpickled(fields: dict[str, Any]) -> RawResponse:
    return RawResponse(**fields, body=_not_carried)


def _not_carried() -> bytes:
    raise SecretNotCarriedError(
        "a pickle does not carry the body, because it may contain keys: call read() in the process that made the call"
    )


class Unsaid:
    """The type of a `company_id` that was not passed."""


UNSAID: Final = Unsaid()


def described(
    method: str, path: str, company_id: int | Unsaid | None, params: Mapping[str, QueryValue] | None, json: Any
) -> Operation[Any]:
    """Return the operation that the arguments describe.

    Raises:
        ConfigError: an argument is invalid, or the account is missing.
    """
    account: AccountId | None = None
    if isinstance(path, str) and is_account_level(path):
        if isinstance(company_id, Unsaid):
            raise ConfigError(
                f"specify whose account {path} acts on: company_id=123, or company_id=None for the key's own"
            )
        account = OWN if company_id is None else checks.company_id(company_id)
    elif not (company_id is None or isinstance(company_id, Unsaid)):
        raise ConfigError("an /agency path has the company in the path: do not pass company_id")
    return raw_request(method, path, params, json, account)


async def raw_response(
    operation: Operation[Any], run: Callable[[Operation[Any]], Coroutine[Any, Any, Any]]
) -> RawResponse:
    """Run an operation, and return its response even if it is an error.

    Args:
        operation: the request; its response body is not decoded.
        run: runs it, retries included.

    Raises:
        CallError: the last attempt got no response, or there was no attempt.
    """
    outcomes: list[tuple[Response | TransportFailure, AttemptResult, Sequence[Attempt]]] = []

    def keep(*outcome: Any) -> None:
        outcomes[:] = [outcome]

    operation.response_type, operation.all_headers, operation.name = None, True, "raw"
    operation.on_outcome, failure = keep, None
    try:
        await run(operation)
    except CallError as error:
        # Without a status, the error is about a later attempt than the one that got the response.
        if not outcomes or getattr(error, "status", None) is None or not isinstance(outcomes[0][0], Response):
            raise
        failure = error.with_traceback(None)
    ((last, result, attempts),) = outcomes
    assert isinstance(last, Response)
    company_id = operation.company_id if operation.company_header is None else operation.company_header
    return RawResponse(
        method=operation.method,
        path=operation.path,
        company_id=company_id,
        status=last.status,
        headers=result.headers,
        unreadable=last.unreadable,
        request_id=result.request_id,
        attempts=tuple(attempts),
        error=failure,
        body=last.body,
    )
