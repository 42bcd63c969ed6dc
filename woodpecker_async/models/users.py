"""Users: of an account, of a company as the agency sees them, and guests."""

from collections.abc import Mapping
from typing import Any

import attrs

from woodpecker_async.models.account import Fields
from woodpecker_async.models.enums import OpenEnum


class CompanyRole(OpenEnum):
    """What a user may do in a company."""

    ADMIN = "admin"
    OWNER = "owner"
    AUTHORIZED_TEAM_MEMBER = "authorized_team_member"
    GUEST = "guest"


class GuestPermission(OpenEnum):
    """What a guest may do beyond looking: `MAILBOXES`, add and remove e-mail accounts of their own."""

    MAILBOXES = "mailboxes"


class UserRole(OpenEnum):
    """What a user may do in an account."""

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
        role: what the user may do.
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
        roles: all roles of the user; `admin` exists at the agency only, and sees all companies.
        guest_permissions: what a guest may do beyond looking.
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
        permissions: what the guest may do beyond looking.
    """

    name: str
    email: str
    permissions: tuple[GuestPermission, ...] = ()

    @property
    def wire(self) -> Mapping[str, Any]:
        """The entry as the API wants it."""
        return {"name": self.name, "email": self.email, "guest_permissions": list(self.permissions)}


@attrs.frozen(kw_only=True)
class GuestPermissions:
    """One entry of the request that sets the permissions of guests.

    Attributes:
        id: the guest's id.
        permissions: what the guest may do beyond looking. An invitation calls this `guest_permissions`.
    """

    id: int
    permissions: tuple[GuestPermission, ...]


@attrs.frozen(kw_only=True)
class SetGuestPermissions:
    """Request body (document "Guest permissions")."""

    guests: tuple[GuestPermissions, ...]


class InvitedGuests(Fields):
    """The answer to an invitation. Its fields are not documented, so they are given as they came."""
