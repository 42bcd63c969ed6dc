"""LinkedIn accounts, of an account and of the agency's companies."""

from typing import Annotated, Final, Literal, Self

from msgspec import UNSET, Meta, Struct, UnsetType, field

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.service import Call, company_in_path
from woodpecker_async.sandbox.state import Company
from woodpecker_async.sandbox.wire import Answer, error, not_found


class LinkedInAccount(Struct, kw_only=True):
    """A LinkedIn account, as in an account's list."""

    id: int
    session_status: str
    username: str | None = None
    full_name: str | None = None
    linkedin_url: str | None = None
    level: str | None = None


class LinkedIn(Struct, kw_only=True):
    """The LinkedIn accounts of an account, and the links created to connect them."""

    accounts: list[LinkedInAccount]
    links: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, seed: int, account: Company) -> Self:
        """If there are two slots, one connected account and one free slot."""
        if account.linkedin_slots < 2:
            return cls(accounts=[])
        slug = draw.pick(("maja-lindqvist", "tomasz-wrobel", "pedro-salgado"), seed, "linkedin", account.id)
        return cls(
            accounts=[
                LinkedInAccount(
                    id=account.id * 10 + 1,
                    session_status="CONNECTED",
                    full_name=slug.replace("-", " ").title(),
                    linkedin_url=f"https://www.linkedin.com/in/{slug}",
                    level="CLASSIC",
                )
            ]
        )


class NewAccount(Input):
    """The account to connect. The accepted time zones are a closed list that is not fully documented."""

    timezone: Annotated[str, Meta(min_length=1)]


class Connection(Struct, kw_only=True):
    """The account, and the URL where its owner authorizes it."""

    account_id: int
    connect_account_link: str


def connect(call: Call, body: NewAccount) -> Answer:  # noqa: ARG001 - the time zone has no effect
    """``POST /v2/agency/companies/{company_id}/linkedin_accounts``: takes a slot."""
    company = company_in_path(call)
    if company is None:
        return not_found()
    kept = company.of_family(LinkedIn, call.state.seed)
    if len(kept.accounts) >= company.linkedin_slots:
        # The response in this case is not documented.
        return error(409, "Conflict", "No free LinkedIn slot")
    account = LinkedInAccount(
        id=max((account.id for account in kept.accounts), default=company.id * 10) + 1,
        session_status="WAITING_FOR_CONNECTION",
    )
    kept.accounts.append(account)
    return _link(call, kept, account)


def new_link(call: Call) -> Answer:
    """``POST /v2/agency/companies/{company_id}/linkedin_accounts/{account_id}/generate-connect-link``: no body."""
    company = company_in_path(call)
    kept = None if company is None else company.of_family(LinkedIn, call.state.seed)
    account = next((account for account in kept.accounts if str(account.id) == call.parts[1]), None) if kept else None
    return not_found() if kept is None or account is None else _link(call, kept, account)


def _link(call: Call, kept: LinkedIn, account: LinkedInAccount) -> Answer:
    token = draw.letters(32, call.state.seed, "linkedin link", account.id, len(kept.links))
    kept.links.append(f"https://connect.example/authorize?token={token}")
    call.changed(company_in_path(call))
    return Answer.of(Connection(account_id=account.id, connect_account_link=kept.links[-1]), 201)


class Filter(Input):
    """Which accounts to list."""

    status: Literal["CONNECTED", "DISCONNECTED", "WAITING_FOR_CONNECTION", "REQUIRES_CHECKPOINT"] | UnsetType = UNSET


class Accounts(Struct, kw_only=True):
    """LinkedIn accounts."""

    linkedin_accounts: list[LinkedInAccount]


def list_accounts(call: Call, query: Filter) -> Answer:
    """``GET /v2/linkedin_accounts``."""
    accounts = call.kept(LinkedIn).accounts
    return Answer.of(
        Accounts(linkedin_accounts=[row for row in accounts if query.status in (UNSET, row.session_status)])
    )


_ACCOUNTS: Final = "/v2/agency/companies/{company_id:int}/linkedin_accounts"
ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v2/linkedin_accounts", run=list_accounts, query=Filter, answer=Accounts),
    Endpoint(method="POST", path=_ACCOUNTS, run=connect, body=NewAccount, answer=Connection, status=201),
    Endpoint(
        method="POST",
        path=f"{_ACCOUNTS}/{{account_id:int}}/generate-connect-link",
        run=new_link,
        answer=Connection,
        status=201,
    ),
)
