"""`/v2/domains`: domains, bought or brought along."""

from woodpecker_async.resources.base import Resource


class Domains(Resource):
    """The domains of an account."""
