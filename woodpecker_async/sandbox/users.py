"""The users of an account."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.pages import Page, paged
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.wire import Answer


class UsersQuery(Input):
    """Which page, numbered from 0, and in which order. An unencoded `+` arrives as a space."""

    page: Annotated[int, Meta(ge=0)] = 0
    sort: Literal["+id", "-id", " id"] = "+id"


class AccountUser(Struct, kw_only=True):
    """A user of an account."""

    id: int
    name: str
    email: str
    role: Literal["admin", "user"]


def list_users(call: Call, query: UsersQuery) -> Answer:
    """``GET /v2/users``: pages are requested from 0, but numbered from 1 in responses."""
    users = sorted((call.state.user, call.state.colleague), key=lambda user: user.id, reverse=query.sort == "-id")
    rows = [
        AccountUser(id=user.id, name=user.name, email=user.email, role="admin" if user is call.state.user else "user")
        for user in users
    ]
    return paged(call, rows, query.page + 1)


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v2/users", run=list_users, query=UsersQuery, answer=Page[AccountUser]),
)
