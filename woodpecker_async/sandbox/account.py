"""Endpoints of one account: with a client's key, the HQ key, or the HQ key and ``x-company-id``."""

from typing import Final

from msgspec import Struct

from woodpecker_async.sandbox.endpoint import Endpoint
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.wire import Answer


class MyCompany(Struct, kw_only=True):
    """The account."""

    id: int
    name: str


class Me(Struct, kw_only=True):
    """The caller. The fields are not documented."""

    id: int
    name: str
    email: str
    company: MyCompany
    hq: bool


def me(call: Call) -> Answer:
    """``GET /v1/me``.

    Its schema is not documented, only that the responses to an HQ key, to a client's key and to the HQ key with
    ``x-company-id`` differ.
    """
    user, company = call.user, MyCompany(id=call.account.id, name=call.account.name)
    return Answer.of(Me(id=user.id, name=user.name, email=user.email, company=company, hq=call.is_hq))


ENDPOINTS: Final = (Endpoint(method="GET", path="/v1/me", run=me, answer=Me),)
