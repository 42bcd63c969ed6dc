"""Companies, their keys and their e-mail accounts."""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from woodpecker_async.sandbox import prospects
from woodpecker_async.sandbox.endpoint import Endpoint, Input
from woodpecker_async.sandbox.pages import Page, PageQuery, paged
from woodpecker_async.sandbox.service import Call, company_in_path
from woodpecker_async.sandbox.state import Company, Mailbox, NameTakenError
from woodpecker_async.sandbox.wire import Answer, bad_request, not_found

_NO_ACTIVE_COMPANY = "No active company found"

Name = Annotated[str, Meta(min_length=1)]


class CompaniesQuery(PageQuery):
    """Which companies to list."""

    active: Literal["true", "false"] | UnsetType = UNSET


class ListedCompany(Struct, kw_only=True):
    """A company in a list."""

    id: int
    name: str
    owner: str
    active: bool
    running_campaigns: int
    email_slots: int
    linkedin_slots: int


class NewCompany(Input):
    """A company to create."""

    name: Name


class NewCompanies(Input):
    """The companies to create."""

    companies: Annotated[list[NewCompany], Meta(min_length=1, max_length=10)]


class MadeCompany(Struct, kw_only=True):
    """A company that was created."""

    id: int
    name: str
    owner: str
    active: bool


class MadeCompanies(Struct, kw_only=True):
    """The companies that were created."""

    companies: list[MadeCompany]


class ListedKey(Struct, kw_only=True):
    """A key in a list."""

    api_key: str
    label: str | None


class NewKey(Input):
    """A key to create."""

    label: Name


class MadeKey(Struct, kw_only=True):
    """The key that was created."""

    api_key: str


class EmailAccountDetails(Struct, kw_only=True):
    """One side of a mailbox; the receiving side has only the first three fields."""

    email: str
    provider: str
    error: str | None
    from_name: str | UnsetType = UNSET
    imap_id: int | UnsetType = UNSET
    running_campaigns: int | UnsetType = UNSET


class EmailAccount(Struct, kw_only=True):
    """An e-mail account of a company."""

    id: int
    type: Literal["SMTP", "IMAP"]
    details: EmailAccountDetails


class EmailAccounts(Struct, kw_only=True):
    """The e-mail accounts of a company."""

    content: list[EmailAccount]


class Deletion(Input):
    """Which prospects to delete; no other value is documented."""

    type: Literal["ALL"]


class Deleted(Struct, kw_only=True):
    """How many prospects are deleted, and the id of the deletion request."""

    deletion_request_id: int
    count: int


def list_companies(call: Call, query: CompaniesQuery) -> Answer:
    """``GET /v2/agency/companies``."""
    wanted = query.active
    rows = [
        _company(company)
        for company in call.state.companies.values()
        if wanted is UNSET or company.active == (wanted == "true")
    ]
    return paged(call, rows, query.page)


def create_companies(call: Call, body: NewCompanies) -> Answer:
    """``POST /v2/agency/companies``: all of them or none."""
    try:
        made = call.state.add_companies([company.name for company in body.companies], by=call.user)
    except NameTakenError as error:
        # The status for a taken name is not documented; nothing says that it is 409.
        return bad_request(f"Company name is already taken: {error}")
    rows = [MadeCompany(id=row.id, name=row.name, owner=row.owner, active=row.active) for row in made]
    return Answer.of(MadeCompanies(companies=rows), 201)


def list_api_keys(call: Call, query: PageQuery) -> Answer:
    """``GET /v2/agency/companies/{company_id}/api_keys``: the caller's own keys only."""
    company = company_in_path(call)
    if company is None:
        return not_found()
    if not company.active and not call.rules.inactive_lists:
        return not_found(_NO_ACTIVE_COMPANY)
    keys = [ListedKey(api_key=key.secret, label=key.label) for key in company.keys_of(call.user.id)]
    return paged(call, keys, query.page)


def create_api_key(call: Call, body: NewKey) -> Answer:
    """``POST /v2/agency/companies/{company_id}/api_keys``."""
    company = company_in_path(call)
    if company is None or not company.active:
        return not_found(_NO_ACTIVE_COMPANY)
    key = call.state.add_key(company.id, call.rules.label(body.label), created_by=call.user.id)
    return Answer.of(MadeKey(api_key=key.secret), 201)


def list_email_accounts(call: Call) -> Answer:
    """``GET /v2/agency/companies/{company_id}/email_accounts``: all in one response, no pages."""
    company = company_in_path(call)
    if company is None:
        return not_found()
    return Answer.of(EmailAccounts(content=[row for mailbox in company.mailboxes for row in _email_accounts(mailbox)]))


def delete_prospects(call: Call, body: Deletion) -> Answer:  # noqa: ARG001 - always all of them
    """``POST /v2/agency/companies/{company_id}/prospects/delete``."""
    company = company_in_path(call)
    if company is None:
        return not_found()
    count = prospects.delete_all(company, call.state.seed)
    call.changed(company)
    return Answer.of(Deleted(deletion_request_id=call.state.version, count=count), 202)


def _company(company: Company) -> ListedCompany:
    return ListedCompany(
        id=company.id,
        name=company.name,
        owner=company.owner,
        active=company.active,
        running_campaigns=company.running_campaigns,
        email_slots=company.email_slots,
        linkedin_slots=company.linkedin_slots,
    )


def _email_accounts(mailbox: Mailbox) -> tuple[EmailAccount, EmailAccount]:
    sending = EmailAccountDetails(
        email=mailbox.email,
        provider=mailbox.provider,
        error=mailbox.error,
        from_name=mailbox.from_name,
        imap_id=mailbox.imap_id,
        running_campaigns=mailbox.running_campaigns,
    )
    receiving = EmailAccountDetails(email=mailbox.email, provider=mailbox.provider, error=mailbox.error)
    return (
        EmailAccount(id=mailbox.smtp_id, type="SMTP", details=sending),
        EmailAccount(id=mailbox.imap_id, type="IMAP", details=receiving),
    )


_COMPANIES: Final = "/v2/agency/companies"
_KEYS: Final = "/v2/agency/companies/{company_id:int}/api_keys"
ENDPOINTS: Final = (
    Endpoint(method="GET", path=_COMPANIES, run=list_companies, query=CompaniesQuery, answer=Page[ListedCompany]),
    Endpoint(method="POST", path=_COMPANIES, run=create_companies, body=NewCompanies, answer=MadeCompanies, status=201),
    Endpoint(method="GET", path=_KEYS, run=list_api_keys, query=PageQuery, answer=Page[ListedKey]),
    Endpoint(method="POST", path=_KEYS, run=create_api_key, body=NewKey, answer=MadeKey, status=201),
    Endpoint(
        method="GET",
        path="/v2/agency/companies/{company_id:int}/email_accounts/?",
        run=list_email_accounts,
        answer=EmailAccounts,
    ),
    Endpoint(
        method="POST",
        path="/v2/agency/companies/{company_id:int}/prospects/delete",
        run=delete_prospects,
        body=Deletion,
        answer=Deleted,
        status=202,
    ),
)
