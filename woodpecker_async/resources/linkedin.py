"""LinkedIn accounts: connecting one to a company, and those of an account."""

from woodpecker_async.resources.base import CompanyResource, Resource


class AgencyLinkedIn(Resource):
    """LinkedIn accounts of client companies."""


class CompanyLinkedIn(CompanyResource):
    """LinkedIn accounts of one company."""

    family = AgencyLinkedIn


class LinkedInAccounts(Resource):
    """The LinkedIn accounts of an account."""
