"""LinkedIn accounts: connecting one to a company, and those of an account."""

from operator import attrgetter

from woodpecker_async import checks
from woodpecker_async.models.linkedin import LinkedInAccount, LinkedInStatus
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import LINKEDIN_ACCOUNTS
from woodpecker_async.resources.base import CompanyResource, Resource


class AgencyLinkedIn(Resource):
    """LinkedIn accounts of client companies."""


class CompanyLinkedIn(CompanyResource):
    """LinkedIn accounts of one company."""

    family = AgencyLinkedIn


class LinkedInAccounts(Resource):
    """The LinkedIn accounts of an account."""

    def list(
        self, *, status: LinkedInStatus | str | None = None, options: CallOptions | None = None
    ) -> Pager[LinkedInAccount]:
        """All LinkedIn accounts, in one answer.

        Args:
            status: only those that are connected like this.
            options: for the call of this list.

        Document: "Get a list of LinkedIn accounts", `GET /v2/linkedin_accounts`.
        """
        return self._list(
            "/v2/linkedin_accounts",
            LinkedInAccount,
            LINKEDIN_ACCOUNTS,
            key=attrgetter("id"),
            params={"status": checks.choice_or_none("status", status, LinkedInStatus)},
            options=options,
        )
