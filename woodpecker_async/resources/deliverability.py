"""`/v2/agency/deliverability`: what became of the e-mails of each company."""

from woodpecker_async.resources.base import Resource


class Deliverability(Resource):
    """Deliverability figures of the agency's companies."""
