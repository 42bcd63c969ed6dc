"""Prospects."""

import attrs


@attrs.frozen(kw_only=True)
class ProspectDeletion:
    """The removal of all prospects of a company (document "Delete prospects of a company").

    Attributes:
        deletion_request_id: the id of the request to remove them. No document tells how to ask for its state.
        count: how many prospects are removed.
    """

    deletion_request_id: int
    count: int
