"""`/v2/agency/companies/{company_id}/invite_guest`: people from outside who may look at a company."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from woodpecker_async import checks
from woodpecker_async.models.users import GuestPermission, InvitedGuests, NewGuest
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

        Raises:
            ConfigError: a guest is not usable, or there are none or too many; nothing was sent.
            OutcomeUnknownError: they may have been invited: look with `agency.users.list` before trying again.

        Document: "Invite guests", `POST /v2/agency/companies/{company_id}/invite_guest`.
        """
        return await self._call(
            "POST",
            "/v2/agency/companies/{company_id}/invite_guest",
            InvitedGuests,
            body={"guests": [guest.wire for guest in _checked(guests)]},
            find_out="look with agency.users.list before trying again",
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


class CompanyGuests(CompanyResource):
    """The guests of one company."""

    family = Guests

    invite = for_company(Guests.invite)
