"""Users of an account, users of a company as the agency sees them, and guests."""

from collections.abc import Mapping
from typing import Any

import attrs

from woodpecker_async.models.account import Fields
from woodpecker_async.models.enums import OpenEnum


class CompanyRole(OpenEnum):
    """The role of a user in a company."""

    ADMIN = "admin"
    OWNER = "owner"
    AUTHORIZED_TEAM_MEMBER = "authorized_team_member"
    GUEST = "guest"


class GuestPermission(OpenEnum):
    """What a guest may do in addition to viewing: `MAILBOXES`, add and remove their own e-mail accounts."""

    MAILBOXES = "mailboxes"


class UserRole(OpenEnum):
    """The role of a user in an account."""

    ADMIN = "admin"
    USER = "user"


class UserSort(OpenEnum):
    """The order of a list of users."""

    ID_ASCENDING = "+id"
    ID_DESCENDING = "-id"


@attrs.frozen(kw_only=True)
class User:
    """A user of an account (document "Users").

    Attributes:
        id: the user's id.
        name: the full name.
        email: the address the user logs in with.
        role: the user's role.
    """

    id: int
    name: str | None = None
    email: str | None = None
    role: UserRole | None = None


@attrs.frozen(kw_only=True)
class CompanyUser:
    """A user of a company (document "List of company users").

    Attributes:
        id: the user's id.
        name: the full name.
        email: the address the user logs in with.
        roles: all roles of the user; `admin` exists only at the agency, and has access to all companies.
        guest_permissions: what a guest may do in addition to viewing.
    """

    id: int
    name: str
    email: str
    roles: tuple[CompanyRole, ...] = ()
    guest_permissions: tuple[GuestPermission, ...] | None = None


@attrs.frozen(kw_only=True)
class NewGuest:
    """One entry of the request that invites guests.

    Attributes:
        name: the full name.
        email: the address the guest will log in with.
        permissions: what the guest may do in addition to viewing.
    """

    name: str
    email: str
    permissions: tuple[GuestPermission, ...] = ()

    @property
    def wire(self) -> Mapping[str, Any]:
        """The entry in the API's format."""
        return {"name": self.name, "email": self.email, "guest_permissions": list(self.permissions)}


@attrs.frozen(kw_only=True)
class GuestPermissions:
    """One entry of the request that sets the permissions of guests.

    Attributes:
        id: the guest's id.
        permissions: what the guest may do in addition to viewing. In an invitation, the API calls this field
            `guest_permissions`.
    """

    id: int
    permissions: tuple[GuestPermission, ...]


@attrs.frozen(kw_only=True)
class SetGuestPermissions:
    """Request body (document "Guest permissions")."""

    guests: tuple[GuestPermissions, ...]


class InvitedGuests(Fields):
    """The response to an invitation. Its fields are not documented, so they are returned as received."""
