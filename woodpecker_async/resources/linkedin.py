"""LinkedIn accounts: connecting one to a company, and listing those of an account."""

from operator import attrgetter
from typing import Final

from woodpecker_async import checks
from woodpecker_async.errors import ResponseDecodeError
from woodpecker_async.models.linkedin import LinkedInAccount, LinkedInConnection, LinkedInStatus
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import LINKEDIN_ACCOUNTS
from woodpecker_async.resources.base import CompanyResource, Resource, for_company

_NEW_LINK: Final = "/v2/agency/companies/{company_id}/linkedin_accounts/{account_id}/generate-connect-link"


class AgencyLinkedIn(Resource):
    """LinkedIn accounts of client companies."""

    async def connect(
        self, company_id: int, *, timezone: str, options: CallOptions | None = None
    ) -> LinkedInConnection:
        """Add a LinkedIn account, which its owner then has to authorize. Takes a free LinkedIn slot of the company.

        Never retried, unless the request was provably not sent or was refused with 429.

        Args:
            company_id: the company.
            timezone: the account's time zone, an IANA name like "Europe/Warsaw". The API accepts only some of them, and
                the full list is not documented.
            options: for this call.

        Returns:
            The link to authorize it with. The response is not documented, so a field may be `None`.

        Raises:
            ConfigError: `timezone` is not the name of a time zone.
            OutcomeUnknownError: it may have been added: check with `session.company(id).linkedin_accounts.list`
                before trying again.

        Document: "Connect a LinkedIn account", `POST /v2/agency/companies/{company_id}/linkedin_accounts`.
        """
        return await self._call(
            "POST",
            "/v2/agency/companies/{company_id}/linkedin_accounts",
            LinkedInConnection,
            body={"timezone": checks.time_zone(timezone, "timezone")},
            find_out=f"check with session.company({company_id}).linkedin_accounts.list() before trying again",
            options=options,
            company_id=checks.company_id(company_id),
        )

    async def new_link(
        self, company_id: int, account_id: int, *, options: CallOptions | None = None
    ) -> LinkedInConnection:
        """Create a new link to authorize a LinkedIn account with, valid for 48 hours.

        Retried like a read: all a second request does is create another link.

        Args:
            company_id: the company.
            account_id: the LinkedIn account.
            options: for this call.

        Document: "New link", `POST /v2/agency/companies/{company_id}/linkedin_accounts/{account_id}/generate-connect-link`.
        """  # noqa: E501
        made = await self._call(
            "POST",
            _NEW_LINK,
            LinkedInConnection,
            idempotent=True,
            options=options,
            company_id=checks.company_id(company_id),
            account_id=checks.integer(account_id, "account_id", 1),
        )
        if made.connect_account_link is None:  # unlike that of `connect`, this response is documented
            what = "$.connect_account_link: expected a non-empty string, got none"
            raise ResponseDecodeError(
                f"the server reported a new link, but did not send it: {what}",
                paths=[what],
                status=201,
                method="POST",
                path=_NEW_LINK,
                company_id=company_id,
            )
        return made


class CompanyLinkedIn(CompanyResource):
    """LinkedIn accounts of one company."""

    _family = AgencyLinkedIn

    connect = for_company(AgencyLinkedIn.connect)
    new_link = for_company(AgencyLinkedIn.new_link)


class LinkedInAccounts(Resource):
    """The LinkedIn accounts of an account."""

    def list(
        self, *, status: LinkedInStatus | str | None = None, options: CallOptions | None = None
    ) -> Pager[LinkedInAccount]:
        """List all LinkedIn accounts, in one response.

        Args:
            status: only accounts with this connection status.
            options: for the request.

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
