"""`woodpecker.agency`: the families of `/v2/agency`. Needs an HQ key."""

from typing import Final

from woodpecker_async.resources.access import Access
from woodpecker_async.resources.api_keys import ApiKeys
from woodpecker_async.resources.blacklist import AgencyBlacklist
from woodpecker_async.resources.companies import Companies
from woodpecker_async.resources.email_accounts import EmailAccounts
from woodpecker_async.resources.guests import Guests
from woodpecker_async.resources.users import CompanyUsers


class Agency:
    """`woodpecker.agency`.

    Attributes:
        companies: the client companies.
        api_keys: their API keys.
        email_accounts: their e-mail accounts.
        users: their users.
        guests: invitations to look at a company.
        blacklist: domains that no company of the agency writes to.
    """

    def __init__(self, access: Access) -> None:
        self.companies: Final = Companies(access)
        self.api_keys: Final = ApiKeys(access)
        self.email_accounts: Final = EmailAccounts(access)
        self.users: Final = CompanyUsers(access)
        self.guests: Final = Guests(access)
        self.blacklist: Final = AgencyBlacklist(access)
