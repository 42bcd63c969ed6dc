"""`/v2/agency/companies/{company_id}/...guest...`: people from outside who may look at a company."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.users import (
    GuestPermission,
    GuestPermissions,
    InvitedGuests,
    NewGuest,
    SetGuestPermissions,
)
from woodpecker_async.options import CallOptions
from woodpecker_async.resources.base import CompanyResource, Resource, for_company

_MOST: Final = 10


class Guests(Resource):
    """The guests of client companies."""

    async def invite(
        self,
        company_id: int,
        guests: Iterable[NewGuest | Mapping[str, Any]],
        *,
        options: CallOptions | None = None,
    ) -> InvitedGuests:
        """Invite guests, all or none. The server sends each of them an e-mail.

        It is never repeated, unless the request measurably never left or was refused with 429. Who was invited before
        and has not accepted gets the invitation again; who has accepted gets no e-mail.

        Args:
            company_id: the company.
            guests: 1 to 10, each a `NewGuest` or a mapping of its fields.
            options: for this call.

        Returns:
            The answer as it came, for no document tells its fields. If it is no object, it is the field `guests`.

        Raises:
            ConfigError: a guest is not usable, or there are none or too many; nothing was sent.
            OutcomeUnknownError: they may have been invited: look with `agency.users.list` before trying again.

        Document: "Invite guests", `POST /v2/agency/companies/{company_id}/invite_guest`.
        """
        anything: Any = Any
        answer = await self._call(
            "POST",
            "/v2/agency/companies/{company_id}/invite_guest",
            anything,
            body={"guests": [guest.wire for guest in _checked(guests)]},
            find_out=f"look with agency.users.list({company_id}) before trying again",
            options=options,
            company_id=checks.company_id(company_id),
        )
        if isinstance(answer, dict):
            return InvitedGuests(fields=answer)
        return InvitedGuests(fields={} if answer is None else {"guests": answer})

    async def set_permissions(
        self,
        company_id: int,
        permissions: Mapping[int, Iterable[GuestPermission | str]],
        *,
        options: CallOptions | None = None,
    ) -> None:
        """Set what guests may do, in place of what they might before. Repeated like a read.

        Args:
            company_id: the company.
            permissions: for the id of each guest, what the guest may do; none takes all permissions away.
            options: for this call.

        Raises:
            ConfigError: an id or a permission is not usable, or there are none; nothing was sent.

        Example:
            await client.guests.set_permissions({456: ["mailboxes"], 789: []})

        Document: "Guest permissions", `PUT /v2/agency/companies/{company_id}/guests/permissions`.
        """
        await self._call(
            "PUT",
            "/v2/agency/companies/{company_id}/guests/permissions",
            None,
            body=SetGuestPermissions(guests=_permissions(permissions)),
            idempotent=True,
            options=options,
            company_id=checks.company_id(company_id),
        )


def _checked(guests: object) -> list[NewGuest]:
    return [
        NewGuest(
            name=checks.text(guest.name, f"guests[{index}].name"),
            email=checks.email(guest.email, f"guests[{index}].email"),
            permissions=checks.choices(f"guests[{index}].permissions", guest.permissions, GuestPermission),
        )
        for index, guest in enumerate(checks.models("guests", guests, NewGuest, most=_MOST))
    ]


def _permissions(given: object) -> tuple[GuestPermissions, ...]:
    if not isinstance(given, Mapping) or not given:
        raise ConfigError('permissions must be a mapping with the ids of guests, like {456: ["mailboxes"]}')
    return tuple(
        GuestPermissions(
            id=checks.integer(guest, "a guest's id", 1),
            permissions=checks.choices(f"permissions[{guest}]", wanted, GuestPermission),
        )
        for guest, wanted in given.items()
    )


class CompanyGuests(CompanyResource):
    """The guests of one company."""

    _family = Guests

    invite = for_company(Guests.invite)
    set_permissions = for_company(Guests.set_permissions)
