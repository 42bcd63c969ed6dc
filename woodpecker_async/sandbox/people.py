"""The users and the guests of a company."""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.pages import Page, PageQuery, paged
from woodpecker_async.sandbox.service import Call, company_in_path
from woodpecker_async.sandbox.state import Company, User
from woodpecker_async.sandbox.wire import Answer, bodyless, not_found

Name = Annotated[str, Meta(min_length=1)]
Permission = Literal["mailboxes"]
Role = Literal["admin", "owner", "authorized_team_member", "guest"]


class UsersQuery(PageQuery):
    """Which users to list."""

    role: Role | UnsetType = UNSET


class CompanyUser(Struct, kw_only=True):
    """A user of a company."""

    id: int
    name: str
    email: str
    roles: list[Role]
    guest_permissions: list[Permission]


class NewGuest(Input):
    """A guest to invite."""

    name: Name
    email: Name
    guest_permissions: list[Permission] | None = None


class NewGuests(Input):
    """The guests to invite."""

    guests: Annotated[list[NewGuest], Meta(min_length=1, max_length=10)]


class InvitedGuest(Struct, kw_only=True):
    """A guest who was invited. The field names are not documented, only that the ids are returned."""

    id: int
    email: str


class InvitedGuests(Struct, kw_only=True):
    """The guests who were invited."""

    guests: list[InvitedGuest]


class GuestPermissions(Input):
    """The new permissions of a guest."""

    id: int
    permissions: list[Permission]


class PermissionsOfGuests(Input):
    """The new permissions of guests."""

    guests: Annotated[list[GuestPermissions], Meta(min_length=1)]


def list_users(call: Call, query: UsersQuery) -> Answer:
    """``GET /v2/agency/companies/{company_id}/users``."""
    company = company_in_path(call)
    if company is None:
        return not_found()
    rows = [row for row in _users(call, company) if query.role is UNSET or query.role in row.roles]
    return paged(call, rows, query.page)


def invite_guests(call: Call, body: NewGuests) -> Answer:
    """``POST /v2/agency/companies/{company_id}/invite_guest``: all of them or none."""
    company = company_in_path(call)
    if company is None:
        return not_found()
    invited = [
        call.state.invite(company.id, guest.name, guest.email, guest.guest_permissions or ()) for guest in body.guests
    ]
    return Answer.of(InvitedGuests(guests=[InvitedGuest(id=guest.id, email=guest.email) for guest in invited]), 201)


def set_permissions(call: Call, body: PermissionsOfGuests) -> Answer:
    """``PUT /v2/agency/companies/{company_id}/guests/permissions``: 200 without a body; all of them or none."""
    company = company_in_path(call)
    # The response for a guest that does not exist is not documented.
    if company is None or not call.state.permit(company.id, {row.id: row.permissions for row in body.guests}):
        return not_found()
    return bodyless(200)


def _users(call: Call, company: Company) -> list[CompanyUser]:
    owner = call.state.user if company.owner == call.state.user.name else call.state.colleague
    roles: dict[int, list[Role]] = {
        call.state.user.id: ["admin"],
        call.state.colleague.id: ["authorized_team_member"],
    }
    roles[owner.id].append("owner")
    return [
        *(_user(user, roles[user.id]) for user in (call.state.user, call.state.colleague)),
        *(
            CompanyUser(
                id=guest.id,
                name=guest.name,
                email=guest.email,
                roles=["guest"],
                guest_permissions=[*guest.permissions],  # type: ignore[list-item]  # validated on input
            )
            for guest in company.guests
        ),
    ]


def _user(user: User, roles: list[Role]) -> CompanyUser:
    return CompanyUser(id=user.id, name=user.name, email=user.email, roles=roles, guest_permissions=[])


_COMPANY: Final = "/v2/agency/companies/{company_id:int}"
ENDPOINTS: Final = (
    Endpoint(method="GET", path=f"{_COMPANY}/users", run=list_users, query=UsersQuery, answer=Page[CompanyUser]),
    Endpoint(
        method="POST",
        path=f"{_COMPANY}/invite_guest",
        run=invite_guests,
        body=NewGuests,
        answer=InvitedGuests,
        status=201,
    ),
    Endpoint(method="PUT", path=f"{_COMPANY}/guests/permissions/?", run=set_permissions, body=PermissionsOfGuests),
)
