"""`/v2/webhooks`: who is told of events."""

from woodpecker_async.resources.base import Resource


class Webhooks(Resource):
    """The webhook subscriptions of an account."""
