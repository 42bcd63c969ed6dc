"""`/v2/agency/companies/{company_id}/invite_guest`: people from outside who may look at a company."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError
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
            ConfigError: a guest is not usable, or there are too many; nothing was sent.
            OutcomeUnknownError: they may have been invited: look with `agency.users.list` before trying again.

        Document: "Invite guests", `POST /v2/agency/companies/{company_id}/invite_guest`.
        """
        return await self._call(
            "POST",
            "/v2/agency/companies/{company_id}/invite_guest",
            InvitedGuests,
            body={"guests": [guest.wire for guest in _checked(guests)]},
            options=options,
            company_id=checks.company_id(company_id),
        )


def _checked(guests: object) -> tuple[NewGuest, ...]:
    if isinstance(guests, str | Mapping | NewGuest) or not isinstance(guests, Iterable):
        raise ConfigError('guests must be a list, like [NewGuest(name="Monica Hall", email="monica@example.com")]')
    checked = tuple(map(_guest, guests))
    if not 1 <= len(checked) <= _MOST:
        raise ConfigError(f"1 to {_MOST} guests can be invited in one request, not {len(checked)}")
    return checked


def _guest(given: object) -> NewGuest:
    if isinstance(given, Mapping):
        if unknown := given.keys() - {"name", "email", "permissions"}:
            raise ConfigError(f"a guest has name, email and permissions; not {', '.join(sorted(map(repr, unknown)))}")
        given = NewGuest(
            name=given.get("name", ""), email=given.get("email", ""), permissions=given.get("permissions", ())
        )
    if not isinstance(given, NewGuest):
        raise ConfigError(f"a guest must be a NewGuest or a mapping, not {type(given).__name__}")
    return NewGuest(
        name=checks.text(given.name, "a guest's name"),
        email=checks.email(given.email, "a guest's email"),
        permissions=checks.choices("a guest's permissions", given.permissions, GuestPermission),
    )


class CompanyGuests(CompanyResource):
    """The guests of one company."""

    family = Guests

    invite = for_company(Guests.invite)
