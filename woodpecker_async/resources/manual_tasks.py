"""`/v2/manual_tasks`: what somebody is to do by hand."""

from woodpecker_async.resources.base import Resource


class ManualTasks(Resource):
    """The manual tasks of an account."""
