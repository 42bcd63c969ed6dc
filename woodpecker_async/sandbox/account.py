"""Endpoints of one account: with a client's key, the HQ key, or the HQ key and ``x-company-id``."""

from typing import Final

from woodpecker_async.sandbox.endpoint import Endpoint
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.wire import Answer


def me(call: Call) -> Answer:
    """``GET /v1/me``.

    Its schema is documented nowhere, only that the answers to an HQ key, to a client's key and to the HQ
    key with ``x-company-id`` differ.
    """
    user = call.user
    return Answer.of(
        {
            "id": user.id,
            "name": user.name,
            "email": user.email,
            "company": {"id": call.account.id, "name": call.account.name},
            "hq": call.is_hq,
        }
    )


ENDPOINTS: Final = (Endpoint(method="GET", path="/v1/me", run=me),)
