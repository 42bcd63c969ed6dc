"""What all resources are built on: an endpoint is described where it is called, and nowhere else.

A method of a resource is one `_call` or one `_list`. A company's view gets it with one line, see `for_company`.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from woodpecker_async.engine.operation import Operation, QueryValue
from woodpecker_async.options import CallOptions
from woodpecker_async.resources.access import Access

T = TypeVar("T")
P = ParamSpec("P")


class Resource:
    """A family of endpoints, as one scope sees it."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @overload
    async def _call(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        params: Mapping[str, QueryValue] | None = ...,
        body: Any = ...,
        repeatable: bool | None = ...,
        options: CallOptions | None = ...,
        **segments: int | str,
    ) -> T: ...
    @overload
    async def _call(
        self,
        method: str,
        path: str,
        answer: None,
        *,
        params: Mapping[str, QueryValue] | None = ...,
        body: Any = ...,
        repeatable: bool | None = ...,
        options: CallOptions | None = ...,
        **segments: int | str,
    ) -> None: ...
    async def _call(
        self,
        method: str,
        path: str,
        answer: type[T] | None,
        *,
        params: Mapping[str, QueryValue] | None = None,
        body: Any = None,
        repeatable: bool | None = None,
        options: CallOptions | None = None,
        **segments: int | str,
    ) -> T | None:
        """Call an endpoint; the arguments are those of `Operation.of`."""
        operation = Operation.of(
            method,
            path,
            answer,
            account=self._access.account,
            params=params,
            body=body,
            repeatable=repeatable,
            **segments,
        )
        return (await self._access.run(operation, options)).value


class CompanyResource:
    """A family of agency endpoints for one company: the same methods without their `company_id`."""

    def __init__(self, resource: Resource, company_id: int) -> None:
        self._resource = resource
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
    return bound


def _without_company(doc: str | None) -> str | None:
    """The docstring without the lines about the argument `company_id`, and without a section that is then empty."""
    if doc is None:
        return None
    doc = re.sub(r"^( +)company_id: .*\n(?:\1 +.*\n)*", "", doc, flags=re.MULTILINE)
    return re.sub(r"^ +Args:\n(?=\s*$)", "", doc, flags=re.MULTILINE)
