"""`/v2/reports`: statistics that take a while to be made."""

from woodpecker_async.resources.base import Resource


class Reports(Resource):
    """Reports about an account."""
