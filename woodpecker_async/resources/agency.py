"""`woodpecker.agency`: the families of `/v2/agency`. Needs an HQ key."""

from typing import TYPE_CHECKING, Any

from woodpecker_async._elsewhere import Elsewhere
from woodpecker_async.resources.access import Access
from woodpecker_async.resources.base import Family

if TYPE_CHECKING:
    from woodpecker_async.resources.api_keys import ApiKeys
    from woodpecker_async.resources.blacklist import AgencyBlacklist
    from woodpecker_async.resources.companies import Companies
    from woodpecker_async.resources.deliverability import Deliverability
    from woodpecker_async.resources.email_accounts import EmailAccounts
    from woodpecker_async.resources.guests import Guests
    from woodpecker_async.resources.linkedin import AgencyLinkedIn
    from woodpecker_async.resources.prospects import AgencyProspects
    from woodpecker_async.resources.users import CompanyUsers


class Agency(Elsewhere):
    """`woodpecker.agency`.

    Attributes:
        companies: the client companies.
        api_keys: their API keys.
        email_accounts: their e-mail accounts.
        users: their users.
        guests: invitations to look at a company.
        linkedin: connecting LinkedIn accounts to a company.
        prospects: the removal of all prospects of a company.
        deliverability: what became of the e-mails of each company.
        blacklist: domains and addresses that no company of the agency writes to.
    """

    companies: "Family[Companies]" = Family("companies", "Companies")
    api_keys: "Family[ApiKeys]" = Family("api_keys", "ApiKeys")
    email_accounts: "Family[EmailAccounts]" = Family("email_accounts", "EmailAccounts")
    users: "Family[CompanyUsers]" = Family("users", "CompanyUsers")
    guests: "Family[Guests]" = Family("guests", "Guests")
    linkedin: "Family[AgencyLinkedIn]" = Family("linkedin", "AgencyLinkedIn")
    prospects: "Family[AgencyProspects]" = Family("prospects", "AgencyProspects")
    deliverability: "Family[Deliverability]" = Family("deliverability", "Deliverability")
    blacklist: "Family[AgencyBlacklist]" = Family("blacklist", "AgencyBlacklist")

    def __init__(self, access: Access) -> None:
        self._access = access

    def _family(self, kind: Any) -> Any:
        return kind(self._access)
