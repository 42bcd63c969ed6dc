"""`/v2/campaigns`: campaigns, their steps, and the bounce shield."""

from woodpecker_async.resources.base import Resource


class Campaigns(Resource):
    """The campaigns of an account."""
