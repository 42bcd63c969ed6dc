"""`/v2/agency/companies/{company_id}/email_accounts`: the e-mail accounts of a company, as the agency sees them."""

from woodpecker_async import checks, models
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import ONE_ANSWER
from woodpecker_async.resources.base import CompanyResource, Resource, for_company
from woodpecker_async.resources.mailboxes import mailbox_key


class EmailAccounts(Resource):
    """The e-mail accounts of client companies."""

    def list(self, company_id: int, *, options: CallOptions | None = None) -> "Pager[models.EmailAccount]":
        """List all e-mail accounts of a company, in one response.

        Args:
            company_id: the company.
            options: for the request.

        Document: "List of email accounts", `GET /v2/agency/companies/{company_id}/email_accounts`.
        """
        return self._list(
            "/v2/agency/companies/{company_id}/email_accounts",
            models.EmailAccount,
            ONE_ANSWER,
            key=mailbox_key,
            options=options,
            company_id=checks.company_id(company_id),
        )


class CompanyEmailAccounts(CompanyResource):
    """The e-mail accounts of one company."""

    _family = EmailAccounts

    list = for_company(EmailAccounts.list)
