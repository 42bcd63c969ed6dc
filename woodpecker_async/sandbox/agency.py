"""The v2 agency endpoints."""

from typing import Any, Final

from woodpecker_async.sandbox.endpoint import Endpoint
from woodpecker_async.sandbox.service import Call, company_in_path, field, paged
from woodpecker_async.sandbox.state import ApiKey, Company, Mailbox, NameTakenError
from woodpecker_async.sandbox.wire import Answer, bad_request, bodyless, malformed, not_found

_MOST_AT_ONCE = 10
_NO_ACTIVE_COMPANY = "No active company found"


def list_companies(call: Call) -> Answer:
    """``GET /v2/agency/companies``."""
    wanted = call.info.query.get("active")
    if wanted not in {None, "true", "false"}:
        return bad_request("Value of active is incorrect.")
    rows = [
        company for company in call.state.companies.values() if wanted is None or company.active == (wanted == "true")
    ]
    return paged(call, rows, _company)


def create_companies(call: Call) -> Answer:
    """``POST /v2/agency/companies``: all of them or none."""
    if not call.info.body:
        return bodyless(400)
    names = _names(call)
    if names is None:
        return malformed()
    try:
        made = call.state.add_companies(names, by=call.user)
    except NameTakenError as error:
        # The status for a taken name is not documented; nothing says that it is a 409.
        return bad_request(f"Company name is already taken: {error}")
    rows = [{"id": row.id, "name": row.name, "owner": row.owner, "active": row.active} for row in made]
    return Answer.of({"companies": rows}, 201)


def list_api_keys(call: Call) -> Answer:
    """``GET /v2/agency/companies/{company_id}/api_keys``: the caller's own keys only."""
    company = company_in_path(call)
    if company is None:
        return not_found()
    if not company.active and not call.rules.inactive_lists:
        return not_found(_NO_ACTIVE_COMPANY)
    return paged(call, company.keys_of(call.user.id), _api_key)


def create_api_key(call: Call) -> Answer:
    """``POST /v2/agency/companies/{company_id}/api_keys``."""
    if not call.info.body:
        return bodyless(400)
    label = field(call, "label")
    if not isinstance(label, str) or not label:
        return malformed()
    company = company_in_path(call)
    if company is None or not company.active:
        return not_found(_NO_ACTIVE_COMPANY)
    key = call.state.add_key(company.id, call.rules.label(label), created_by=call.user.id)
    return Answer.of({"api_key": key.secret}, 201)


def list_email_accounts(call: Call) -> Answer:
    """``GET /v2/agency/companies/{company_id}/email_accounts``: all in one answer, no pages."""
    company = company_in_path(call)
    if company is None:
        return not_found()
    rows = [row for mailbox in company.mailboxes for row in _email_accounts(mailbox)]
    return Answer.of({"content": rows})


def _names(call: Call) -> list[str] | None:
    rows = field(call, "companies")
    if not isinstance(rows, list) or not 1 <= len(rows) <= _MOST_AT_ONCE:
        return None
    names = [row.get("name") if isinstance(row, dict) else None for row in rows]
    return [str(name) for name in names] if all(isinstance(name, str) and name for name in names) else None


def _company(company: Company) -> dict[str, Any]:
    return {
        "id": company.id,
        "name": company.name,
        "owner": company.owner,
        "active": company.active,
        "running_campaigns": company.running_campaigns,
        "email_slots": company.email_slots,
        "linkedin_slots": company.linkedin_slots,
    }


def _api_key(key: ApiKey) -> dict[str, Any]:
    return {"api_key": key.secret, "label": key.label}


def _email_accounts(mailbox: Mailbox) -> list[dict[str, Any]]:
    common = {"email": mailbox.email, "provider": mailbox.provider, "error": mailbox.error}
    sending = {
        **common,
        "from_name": mailbox.from_name,
        "imap_id": mailbox.imap_id,
        "running_campaigns": mailbox.running_campaigns,
    }
    return [
        {"id": mailbox.smtp_id, "type": "SMTP", "details": sending},
        {"id": mailbox.imap_id, "type": "IMAP", "details": common},
    ]


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v2/agency/companies", run=list_companies),
    Endpoint(method="POST", path="/v2/agency/companies", run=create_companies),
    Endpoint(method="GET", path="/v2/agency/companies/{company_id:int}/api_keys", run=list_api_keys),
    Endpoint(method="POST", path="/v2/agency/companies/{company_id:int}/api_keys", run=create_api_key),
    Endpoint(method="GET", path="/v2/agency/companies/{company_id:int}/email_accounts/?", run=list_email_accounts),
)
