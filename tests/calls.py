"""One row for each public method that sends a request: how it is called, and what goes over the wire.

`tests/test_surface.py` finds the methods by reflection and fails where one has no row. The rows serve the tests of the
request's shape, of the scope and of the sandbox's routes.
"""

import inspect
from collections.abc import Iterator
from functools import reduce
from typing import Any

import attrs

from woodpecker_async import Pager, WoodpeckerSession
from woodpecker_async.resources.base import CompanyResource, Resource
from woodpecker_async.scope import Scope

COMPANY = 7
COMPANY_ARG: Any = object()  # stands for a company's id among the arguments


@attrs.frozen
class Row:
    """How a method is called, and the one request that it sends.

    Attributes:
        args: positional arguments.
        path: with its query, as sent.
        answer: JSON that the server may answer; `None` for no body.
        one_request: whether that is all; a procedure of several has tests of its own.
    """

    method: str
    path: str
    answer: Any = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = attrs.field(factory=dict)
    body: Any = None
    one_request: bool = True

    async def call(self, method: Any, company: int = COMPANY, *, without_company: bool = False) -> Any:
        """Call it; a list is read to its end."""
        args = [company if arg is COMPANY_ARG else arg for arg in self.args]
        result = method(*(args[1:] if without_company else args), **self.kwargs)
        return await (result.collect() if isinstance(result, Pager) else result)


def _page(*content: object) -> dict[str, object]:
    return {
        "content": content,
        "pagination_data": {"total_elements": 1, "total_pages": 1, "current_page_number": 1, "page_size": 50},
    }


_KEYS = "/v2/agency/companies/7/api_keys"
_CREATION = Row("POST", _KEYS, {"api_key": "1.a"}, (COMPANY_ARG, "crm"), body={"label": "crm"}, one_request=False)
GUESTS = [{"name": "Monica Hall", "email": "monica@example.com", "permissions": ["mailboxes"]}]

ROWS: dict[str, Row] = {
    "agency.companies.list": Row(
        "GET",
        "/v2/agency/companies?active=false&page=1",
        _page({"id": 1, "name": "Aviato"}),
        kwargs={"active": False},
    ),
    "agency.companies.create": Row(
        "POST",
        "/v2/agency/companies",
        {"companies": [{"id": 1, "name": "Aviato"}]},
        (["Aviato"],),
        body={"companies": [{"name": "Aviato"}]},
    ),
    "agency.api_keys.list": Row("GET", f"{_KEYS}?page=1", _page({"api_key": "1.a", "label": None}), (COMPANY_ARG,)),
    "agency.api_keys.create": _CREATION,
    "agency.api_keys.ensure": _CREATION,
    "agency.api_keys.create_once": attrs.evolve(_CREATION, one_request=True),
    "agency.email_accounts.list": Row("GET", "/v2/agency/companies/7/email_accounts", {"content": []}, (COMPANY_ARG,)),
    "agency.users.list": Row(
        "GET",
        "/v2/agency/companies/7/users?role=owner&page=1",
        _page({"id": 1, "name": "n", "email": "e"}),
        (COMPANY_ARG,),
        {"role": "owner"},
    ),
    "agency.guests.invite": Row(
        "POST",
        "/v2/agency/companies/7/invite_guest",
        {},
        (COMPANY_ARG, GUESTS),
        body={"guests": [{"name": "Monica Hall", "email": "monica@example.com", "guest_permissions": ["mailboxes"]}]},
    ),
    "agency.blacklist.domains.list": Row(
        "GET",
        "/v2/agency/blacklist/domains?domain_filter=a.com%2Cb.com&per_page=10&page=0",
        {"domains": ["a.com"], "total": 1},
        kwargs={"filter": ["a.com", "b.com"], "per_page": 10},
    ),
    "agency.blacklist.domains.add": Row(
        "POST", "/v2/agency/blacklist/domains", None, (["a.com"],), body={"domains": ["a.com"]}
    ),
    "agency.blacklist.domains.remove": Row(
        "DELETE", "/v2/agency/blacklist/domains", None, (["a.com"],), body={"domains": ["a.com"]}
    ),
    "agency_v1.companies": Row("GET", "/v1/agency/companies", []),
    "agency_v1.create_api_key": Row(
        "POST",
        "/v1/agency/companies/api/add",
        {"api_key": "1.a"},
        (COMPANY_ARG, "key's label"),
        body={"company_id": COMPANY, "name": "key's label"},
    ),
    "agency_v1.create_company": Row(
        "POST",
        "/v1/agency/companies/add",
        {"id": 1, "name": "B", "api_keys": []},
        ("Bachmanity Infinite",),
        body={"name": "Bachmanity Infinite"},
    ),
    "account.me": Row("GET", "/v1/me", {}),
    "account.request": Row("GET", "/v2/mailboxes", [], ("GET", "/v2/mailboxes")),
    "account.inbox.list": Row(
        "GET",
        "/v2/inbox/messages?prospect_interest_level=INTERESTED&campaign_ids=1%2C2&search_phrases=call%20me&read=false",
        {"content": [{"id": 1}], "pagination": {"next_page_cursor": None}},
        kwargs={"interest": "INTERESTED", "campaign_ids": [1, 2], "search": ["call me"], "read": False},
    ),
    "account.mailboxes.list": Row("GET", "/v2/mailboxes", []),
}

# Methods that send what another one has a row for.
LIKE = {"agency.api_keys.resolve": "agency.api_keys.list", "company.api_keys.resolve": "company.api_keys.list"}
LIKE |= {"account.raw": "account.request", "company.raw": "company.request"}


def method_at(root: Any, name: str) -> Any:
    """The method of this dotted name."""
    return reduce(getattr, name.split("."), root)


def methods_of(root: Any) -> Iterator[str]:
    """The dotted names of all public methods of the resources that hang on an object."""
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
    """One of them, without a look at the others."""
    at, _, rest = name.partition(".")
    return method_at(_roots(woodpecker, company)[at], rest)


def row_of(name: str) -> tuple[Row, bool]:
    """The row of a method, and whether it is one of the agency that a company's view fills the company in for."""
    name = LIKE.get(name, name)
    rest = name.removeprefix("company.")
    if rest == name:
        return ROWS[name], False
    return (ROWS[f"account.{rest}"], False) if f"account.{rest}" in ROWS else (ROWS[f"agency.{rest}"], True)
