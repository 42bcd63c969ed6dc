"""`/v2/lead_finder`: searching for leads, and enriching them."""

from woodpecker_async.resources.base import Resource


class LeadFinder(Resource):
    """Searching for leads."""
