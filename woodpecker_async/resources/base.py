"""What all resources are built on: an endpoint is described where it is called, and nowhere else.

A method of a resource is one `_call` or one `_list`. A company's view gets it with one line, see `for_company`.
"""

import inspect
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from importlib import import_module
from typing import Any, ClassVar, Concatenate, Final, Generic, ParamSpec, Protocol, Self, TypeVar, cast, overload
from urllib.parse import quote

import attrs

from woodpecker_async.engine.operation import Operation, QueryValue
from woodpecker_async.errors import CallError, ConfigError
from woodpecker_async.models.paging import ListBody
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import NUMBERED, OneAnswer, Position, shape_of
from woodpecker_async.resources.access import Access
from woodpecker_async.secret import Secret

T = TypeVar("T")
P = ParamSpec("P")

LONGEST_URL: Final = 4100  # characters, of a request


class Resource:
    """A family of endpoints, as one scope sees it."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @overload
    async def _call(
        self,
        method: str,
        path: str,
        response_type: type[T],
        *,
        params: Mapping[str, QueryValue] | None = ...,
        body: Any = ...,
        secrets: Iterable[Secret] = ...,
        idempotent: bool | None = ...,
        only_reads: bool = ...,
        about: int | None = ...,
        find_out: str = ...,
        deadline: float | None = ...,
        options: CallOptions | None = ...,
        **segments: int | str,
    ) -> T: ...
    @overload
    async def _call(
        self,
        method: str,
        path: str,
        response_type: None,
        *,
        params: Mapping[str, QueryValue] | None = ...,
        body: Any = ...,
        secrets: Iterable[Secret] = ...,
        idempotent: bool | None = ...,
        only_reads: bool = ...,
        about: int | None = ...,
        find_out: str = ...,
        deadline: float | None = ...,
        options: CallOptions | None = ...,
        **segments: int | str,
    ) -> None: ...
    async def _call(
        self,
        method: str,
        path: str,
        response_type: type[T] | None,
        *,
        params: Mapping[str, QueryValue] | None = None,
        body: Any = None,
        secrets: Iterable[Secret] = (),
        idempotent: bool | None = None,
        only_reads: bool = False,
        about: int | None = None,
        find_out: str = "",
        deadline: float | None = None,
        options: CallOptions | None = None,
        **segments: int | str,
    ) -> T | None:
        """Call an endpoint; the arguments are those of `Operation.of`."""
        self._check_url(path, params)
        operation = Operation.of(
            method,
            path,
            response_type,
            account=self._access.account,
            params=params,
            body=body,
            secrets=secrets,
            idempotent=idempotent,
            only_reads=only_reads,
            about=about,
            find_out=find_out,
            deadline=deadline,
            segments=segments,
        )
        return (await self._access.run(operation, options)).value

    def _list(
        self,
        path: str,
        item: type[T],
        style: OneAnswer = NUMBERED,
        *,
        key: Callable[[T], Hashable] | None = None,
        keys: Callable[[Iterable[T]], Iterable[Hashable]] | None = None,
        method: str = "GET",
        params: Mapping[str, QueryValue] | None = None,
        body: Mapping[str, Any] | None = None,
        options: CallOptions | None = None,
        **segments: int | str,
    ) -> Pager[T]:
        """List what an endpoint lists.

        Args:
            path: its template.
            item: the type of an item.
            style: how it turns pages.
            key: what an item is known by, to notice that it comes twice.
            keys: see `Pager`.
            method: GET, but for lists that are asked for by POST.
            params: the query, without the position of a page.
            body: the JSON body, without the position of a page.
            options: for each of the calls.
            segments: what to fill the placeholders of the path with.
        """
        self._check_url(path, params and (params if style.in_body else {**params, **style.ask(style.first)}))
        account = self._access.account
        shape: ListBody[T] = shape_of(style, item)  # type: ignore[arg-type]  # types are hashable

        def page(position: Position) -> "Operation[Any]":  # unquoted, it would be made for each list
            asked = style.ask(position)
            return Operation.of(
                method,
                path,
                shape,
                account=account,
                params=params if style.in_body or not asked else {**params, **asked} if params else asked,
                body={**(body or {}), **asked} if style.in_body else body,
                only_reads=True,
                segments=segments,
            )

        return Pager(self._access, page, style, key=key, keys=keys, options=options)

    def _check_url(self, path: str, params: Mapping[str, QueryValue] | None) -> None:
        """See that the URL is not longer than the API takes.

        Raises:
            ConfigError: it is.
        """
        if params and (length := self._url_length(path, params)) > LONGEST_URL:
            raise ConfigError(
                f"the URL would have {length} characters, and the API takes {LONGEST_URL}: ask for fewer at once "
                f"({', '.join(name for name, value in params.items() if isinstance(value, str))})"
            )

    def _url_length(self, path: str, params: Mapping[str, QueryValue]) -> int:
        """How many characters the URL of a request has, scheme and host included."""
        query = sum(
            len(quote(f"{name}{value}", safe="")) + len("&=") for name, value in params.items() if value is not None
        )
        return len(self._access.base_url) + len(path) + query

    @staticmethod
    def _parts(entries: Sequence[T], size: int) -> Iterator["Part[T]"]:
        """Entries that the API does not take at once, in parts of this size: make each call `with` its part."""
        for start in range(0, len(entries), size):
            yield Part(entries=entries[start : start + size], before=start)


@attrs.frozen(kw_only=True)
class Part(Generic[T]):
    """The entries of one of several calls. A call that fails is told how many entries went through before it."""

    entries: Sequence[T]
    before: int

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CallError):
            error.done = self.before


class Family(Generic[T]):
    """An attribute that is a family of endpoints, loaded when it is first used: few programs need all of them.

    Args:
        module: where it is, in this package.
        name: its class, which is made with the scope that it is an attribute of.

    Example:
        prospects: "Family[Prospects]" = Family("prospects", "Prospects")
    """

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def __set_name__(self, owner: type, attribute: str) -> None:
        self._attribute = attribute

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: "HasFamilies", owner: type) -> T: ...
    def __get__(self, instance: "HasFamilies | None", owner: type) -> Self | T:
        if instance is None:
            return self
        family = instance._family(getattr(import_module(f"{__package__}.{self._module}"), self._name))
        vars(instance)[self._attribute] = family  # found before this is, from now on
        return cast("T", family)


class HasFamilies(Protocol):
    """What a `Family` is an attribute of."""

    def _family(self, kind: Any) -> Any: ...


class CompanyResource:
    """A family of agency endpoints for one company: the same methods without their `company_id`."""

    _family: ClassVar[type[Resource]]  # whose methods they are

    def __init__(self, access: Access, company_id: int) -> None:
        self._resource: Any = self._family(access)
        self._company_id = company_id


def for_company(
    method: Callable[Concatenate[Any, int, P], T],
) -> Callable[Concatenate[CompanyResource, P], T]:
    """A method of an agency resource as a method of a company's view, which fills in the company."""

    @wraps(method)
    def bound(self: CompanyResource, *args: P.args, **kwargs: P.kwargs) -> T:
        return method(self._resource, self._company_id, *args, **kwargs)

    signature = inspect.signature(method)
    bound.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[parameter for name, parameter in signature.parameters.items() if name != "company_id"]
    )
    bound.__doc__ = _without_company(method.__doc__)
    bound.__qualname__ = f"Company{method.__qualname__}"
    return cast("Callable[Concatenate[CompanyResource, P], T]", bound)


def _without_company(doc: str | None) -> str | None:
    """The docstring without the lines about the argument `company_id`, and without a section that is then empty."""
    if doc is None:
        return None
    doc = re.sub(r"^( +)company_id: .*\n(?:\1 +.*\n)*", "", doc, flags=re.MULTILINE)
    return re.sub(r"^ *Args:\n(?=\s*$)", "", doc, flags=re.MULTILINE)
