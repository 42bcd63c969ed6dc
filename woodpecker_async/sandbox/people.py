"""The users and the guests of a company."""

from typing import Any, Final

from woodpecker_async.sandbox.endpoint import Endpoint
from woodpecker_async.sandbox.service import Call, company_in_path, field, paged
from woodpecker_async.sandbox.state import Company, Guest, User
from woodpecker_async.sandbox.wire import Answer, bad_request, bodyless, malformed, not_found

_MOST_GUESTS = 10
_ROLES = ("admin", "owner", "authorized_team_member", "guest")
_PERMISSIONS = frozenset({"mailboxes"})


def list_users(call: Call) -> Answer:
    """``GET /v2/agency/companies/{company_id}/users``."""
    company = company_in_path(call)
    if company is None:
        return not_found()
    role = call.info.query.get("role")
    if role not in (None, *_ROLES):
        return bad_request("Value of role is incorrect.")
    rows = [row for row in _users(call, company) if role is None or role in row["roles"]]
    return paged(call, rows, lambda row: row)


def invite_guests(call: Call) -> Answer:
    """``POST /v2/agency/companies/{company_id}/invite_guest``: all of them or none."""
    if not call.info.body:
        return bodyless(400)
    company = company_in_path(call)
    if company is None:
        return not_found()
    rows = field(call, "guests")
    if not isinstance(rows, list) or not 1 <= len(rows) <= _MOST_GUESTS or not all(map(_is_guest, rows)):
        return malformed()
    invited = [
        call.state.invite(company.id, row["name"], row["email"], row.get("guest_permissions") or ()) for row in rows
    ]
    # The names of its fields are not documented, only that the ids of the invitations come back.
    return Answer.of({"guests": [{"id": guest.id, "email": guest.email} for guest in invited]}, 201)


def _is_guest(row: Any) -> bool:
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) and row[name] for name in ("name", "email")):
        return False
    permissions = row.get("guest_permissions") or []
    return isinstance(permissions, list) and _PERMISSIONS.issuperset(permissions)


def _users(call: Call, company: Company) -> list[dict[str, Any]]:
    owner = call.state.user if company.owner == call.state.user.name else call.state.colleague
    roles = {call.state.user.id: ["admin"], call.state.colleague.id: ["authorized_team_member"]}
    roles[owner.id].append("owner")
    return [
        *(_user(user, roles[user.id]) for user in (call.state.user, call.state.colleague)),
        *(_guest(guest) for guest in company.guests),
    ]


def _user(user: User, roles: list[str]) -> dict[str, Any]:
    return {"id": user.id, "name": user.name, "email": user.email, "roles": roles, "guest_permissions": []}


def _guest(guest: Guest) -> dict[str, Any]:
    return {
        "id": guest.id,
        "name": guest.name,
        "email": guest.email,
        "roles": ["guest"],
        "guest_permissions": list(guest.permissions),
    }


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v2/agency/companies/{company_id:int}/users", run=list_users),
    Endpoint(method="POST", path="/v2/agency/companies/{company_id:int}/invite_guest", run=invite_guests),
)
