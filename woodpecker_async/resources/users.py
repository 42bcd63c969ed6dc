"""`/v2/users` and `/v2/agency/companies/{company_id}/users`: the users of an account, and the guests of a company."""

from operator import attrgetter

from woodpecker_async import checks
from woodpecker_async.models.users import CompanyRole, CompanyUser, User, UserSort
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import NUMBERED_FROM_0
from woodpecker_async.resources.base import Resource


class CompanyUsers(Resource):
    """The users of client companies."""

    def list(
        self, company_id: int, *, role: CompanyRole | str | None = None, options: CallOptions | None = None
    ) -> Pager[CompanyUser]:
        """List all users of a company, 50 per page.

        Args:
            company_id: the company.
            role: only users with this role.
            options: for each request.

        Document: "List of company users", `GET /v2/agency/companies/{company_id}/users`.
        """
        return self._list(
            "/v2/agency/companies/{company_id}/users",
            CompanyUser,
            key=attrgetter("id"),
            params={"role": checks.choice_or_none("role", role, CompanyRole)},
            options=options,
            company_id=checks.company_id(company_id),
        )


class Users(Resource):
    """The users of an account."""

    def list(self, *, sort: UserSort | str | None = None, options: CallOptions | None = None) -> Pager[User]:
        """List all confirmed, active users of the account, 50 per page.

        Args:
            sort: `"+id"` (the default) or `"-id"`.
            options: for each request.

        Document: "Users", `GET /v2/users`.
        """
        return self._list(
            "/v2/users",
            User,
            NUMBERED_FROM_0,
            key=attrgetter("id"),
            params={"sort": checks.choice_or_none("sort", sort, UserSort)},
            options=options,
        )
