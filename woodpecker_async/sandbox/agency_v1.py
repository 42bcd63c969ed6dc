"""The older agency endpoints: responses without an envelope, a label called ``name``, and their own error envelope.

Which code and status belong to which error is only partly documented; where it is not, the sandbox follows the older
convention of 400 for everything.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Company, NameTakenError
from woodpecker_async.sandbox.wire import Answer, v1_error

Name = Annotated[str, Meta(min_length=1)]


class NewKey(Input):
    """A key to create."""

    company_id: int
    name: Name


class NewCompany(Input):
    """A company to create."""

    name: Name


class LegacyKey(Struct, kw_only=True):
    """A key of a company.

    A key without a label has no name here either: the documentation says "string", but these are the keys that v2
    lists with null.
    """

    api_key: str
    name: str | None


class LegacyCompany(Struct, kw_only=True):
    """A company with its keys."""

    id: int
    name: str
    campaigns: int
    owner: str
    api_keys: list[LegacyKey]


class MadeKey(Struct, kw_only=True):
    """The key that was created."""

    api_key: str


def list_companies(call: Call) -> Answer:
    """``GET /v1/agency/companies``: every company with its keys, in one bare array."""
    return Answer.of([_company(call, company) for company in call.state.companies.values()])


def add_api_key(call: Call, body: NewKey) -> Answer:
    """``POST /v1/agency/companies/api/add``."""
    company = call.state.company(body.company_id)
    if company is None or not company.active:
        return v1_error("E_RECORD_NOT_FOUND", "Company not found")
    key = call.state.add_key(company.id, call.rules.label(body.name), created_by=call.user.id)
    return Answer.of(MadeKey(api_key=key.secret))


def add_company(call: Call, body: NewCompany) -> Answer:
    """``POST /v1/agency/companies/add``: one company with one key that has its name."""
    try:
        (company,) = call.state.add_companies([body.name], by=call.user, key_label=body.name)
    except NameTakenError:
        return v1_error("E_DUPLICATE", "Company with this name already exists")
    return Answer.of(_company(call, company))


def _refused(place: str, fault: str) -> Answer:
    """A missing value, null and "" count as missing elements; so does a body that is not an object."""
    if place and ", got `" in fault and "got `null`" not in fault:
        return v1_error("E_WRONG_PARAM", "Wrong parameter type")
    return v1_error("E_REQUIRED_ELEMENT", f"Required element is missing: {place or 'body'}")


def _company(call: Call, company: Company) -> LegacyCompany:
    return LegacyCompany(
        id=company.id,
        name=company.name,
        campaigns=company.running_campaigns,
        owner=company.owner,
        api_keys=[LegacyKey(api_key=key.secret, name=key.label) for key in company.keys_of(call.user.id)],
    )


_COMPANIES: Final = "/v1/agency/companies"
ENDPOINTS: Final = (
    Endpoint(method="GET", path=_COMPANIES, run=list_companies, answer=list[LegacyCompany]),
    Endpoint(
        method="POST", path=f"{_COMPANIES}/api/add", run=add_api_key, body=NewKey, answer=MadeKey, refuse=_refused
    ),
    Endpoint(
        method="POST", path=f"{_COMPANIES}/add", run=add_company, body=NewCompany, answer=LegacyCompany, refuse=_refused
    ),
)
