"""One row for each public method that sends a request: how it is called, and what is sent.

`tests/test_surface.py` finds the methods by reflection and fails where one has no row; there is one module for each family. The rows serve the tests of the
request's shape, of the scope and of the sandbox's routes.
"""

import inspect
from collections.abc import Callable, Iterator
from functools import reduce
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import attrs

from woodpecker_async import Pager, WoodpeckerSession
from woodpecker_async.resources.base import CompanyResource, Resource
from woodpecker_async.sandbox.state import Company
from woodpecker_async.scope import Scope

COMPANY = 7
COMPANY_ARG: Any = object()  # stands for a company's id among the arguments


@attrs.frozen
class Row:
    """How a method is called, and the one request it sends.

    Attributes:
        args: positional arguments.
        path: the path with its query, as sent.
        answer: a possible JSON response; `None` for no body.
        one_request: whether that is all; procedures with several requests have their own tests.
        prepare: puts into the sandbox what the call is about, such as the campaign of its id; called with an account
            and the seed.
    """

    method: str
    path: str
    answer: Any = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = attrs.field(factory=dict)
    body: Any = None
    one_request: bool = True
    prepare: Callable[[Company, int], object] | None = None

    async def call(self, method: Any, company: int = COMPANY, *, without_company: bool = False) -> Any:
        """Call it; a list is read to the end."""
        args = [company if arg is COMPANY_ARG else arg for arg in self.args]
        kwargs = {name: company if arg is COMPANY_ARG else arg for name, arg in self.kwargs.items()}
        result = method(*(args[1:] if without_company else args), **kwargs)
        return await (result.collect() if isinstance(result, Pager) else result)


def page(*content: object) -> dict[str, object]:
    """A page of a list with `pagination_data`."""
    return {
        "content": content,
        "pagination_data": {"total_elements": 1, "total_pages": 1, "current_page_number": 1, "page_size": 50},
    }


ROWS: dict[str, Row] = {}
for _family in iter_modules(__path__):
    ROWS |= import_module(f"{__name__}.{_family.name}").ROWS

# Methods that send the same as another one that has a row.
LIKE = {"agency.api_keys.resolve": "agency.api_keys.list", "company.api_keys.resolve": "company.api_keys.list"}
LIKE |= {"account.raw": "account.request", "company.raw": "company.request"}


def method_at(root: Any, name: str) -> Any:
    """The method with this dotted name."""
    return reduce(getattr, name.split("."), root)


def methods_of(root: Any) -> Iterator[str]:
    """The dotted names of all public methods of an object's resources."""
    for name, value in inspect.getmembers(root):
        if name.startswith("_"):
            continue
        if inspect.ismethod(value) and isinstance(root, Resource | CompanyResource):
            yield name
        elif type(value).__module__.startswith("woodpecker_async.") and not isinstance(value, Scope):
            yield from (f"{name}.{inner}" for inner in methods_of(value))


def _roots(woodpecker: WoodpeckerSession, company: int) -> dict[str, Any]:
    return {
        "agency": woodpecker.agency,
        "agency_v1": woodpecker.agency_v1,
        "account": woodpecker.account,
        "company": woodpecker.company(company),
    }


def methods_of_the_session(woodpecker: WoodpeckerSession, company: int = COMPANY) -> dict[str, Any]:
    """By dotted name, the public methods of a session and of a company's view, which is called `company`."""
    roots = _roots(woodpecker, company)
    return {f"{at}.{name}": method_at(root, name) for at, root in roots.items() for name in methods_of(root)}


def method_of_the_session(woodpecker: WoodpeckerSession, name: str, company: int = COMPANY) -> Any:
    """One of them, without looking at the others."""
    at, _, rest = name.partition(".")
    return method_at(_roots(woodpecker, company)[at], rest)


def row_of(name: str) -> tuple[Row, bool]:
    """The row of a method, and whether it is one of the agency that a company's view fills the company in for."""
    name = LIKE.get(name, name)
    rest = name.removeprefix("company.")
    if rest == name:
        return ROWS[name], False
    return (ROWS[f"account.{rest}"], False) if f"account.{rest}" in ROWS else (ROWS[f"agency.{rest}"], True)
