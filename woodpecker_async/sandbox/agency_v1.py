"""The older agency endpoints: bare answers, a label called ``name``, and their own error envelope.

Which code belongs to which mistake, and with which status, is only partly documented; where it is not,
the older habit of 400 for everything is kept.
"""

from typing import Any, Final

from woodpecker_async.sandbox.endpoint import Endpoint
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.state import Company, NameTakenError
from woodpecker_async.sandbox.wire import Answer, v1_error


def list_companies(call: Call) -> Answer:
    """``GET /v1/agency/companies``: every company with its keys, in one bare array."""
    return Answer.of([_company(call, company) for company in call.state.companies.values()])


def add_api_key(call: Call) -> Answer:
    """``POST /v1/agency/companies/api/add``."""
    data = _object(call)
    missing = [name for name in ("company_id", "name") if data.get(name) in (None, "")] if data else ["body"]
    if data is None or missing:
        return v1_error("E_REQUIRED_ELEMENT", f"Required element is missing: {missing[0]}")
    company_id, name = data["company_id"], data["name"]
    if type(company_id) is not int or not isinstance(name, str):
        return v1_error("E_WRONG_PARAM", "Wrong parameter type")
    company = call.state.company(company_id)
    if company is None or not company.active:
        return v1_error("E_RECORD_NOT_FOUND", "Company not found")
    key = call.state.add_key(company.id, call.rules.label(name), created_by=call.user.id)
    return Answer.of({"api_key": key.secret})


def add_company(call: Call) -> Answer:
    """``POST /v1/agency/companies/add``: one company with one key that bears its name."""
    data = _object(call)
    if not data or data.get("name") in (None, ""):
        return v1_error("E_REQUIRED_ELEMENT", "Required element is missing: name")
    name = data["name"]
    if not isinstance(name, str):
        return v1_error("E_WRONG_PARAM", "Wrong parameter type")
    try:
        (company,) = call.state.add_companies([name], by=call.user, key_label=name)
    except NameTakenError:
        return v1_error("E_DUPLICATE", "Company with this name already exists")
    return Answer.of(_company(call, company))


def _object(call: Call) -> dict[str, Any] | None:
    try:
        data = call.info.json()
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _company(call: Call, company: Company) -> dict[str, Any]:
    return {
        "id": company.id,
        "name": company.name,
        "campaigns": company.running_campaigns,
        "owner": company.owner,
        # A key without a label has none here either: the documentation says "string", but the keys
        # are the same ones which v2 lists with null.
        "api_keys": [{"api_key": key.secret, "name": key.label} for key in company.keys_of(call.user.id)],
    }


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v1/agency/companies", run=list_companies),
    Endpoint(method="POST", path="/v1/agency/companies/api/add", run=add_api_key),
    Endpoint(method="POST", path="/v1/agency/companies/add", run=add_company),
)
