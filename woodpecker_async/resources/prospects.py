"""Prospects: of an account, and the removal of all those of a company."""

from woodpecker_async.resources.base import Resource


class AgencyProspects(Resource):
    """The prospects of client companies."""


class Prospects(Resource):
    """The prospects of an account."""
