from tests.calls import COMPANY_ARG, Row
from woodpecker_async.sandbox.state import Company, Guest

GUESTS = [{"name": "Monica Hall", "email": "monica@example.com", "permissions": ["mailboxes"]}]


def _invited(account: Company, seed: int) -> None:
    account.guests.append(Guest(id=5, name="Monica Hall", email="monica@example.com"))


ROWS: dict[str, Row] = {
    "agency.guests.invite": Row(
        "POST",
        "/v2/agency/companies/7/invite_guest",
        {},
        (COMPANY_ARG, GUESTS),
        body={"guests": [{"name": "Monica Hall", "email": "monica@example.com", "guest_permissions": ["mailboxes"]}]},
    ),
    "agency.guests.set_permissions": Row(
        "PUT",
        "/v2/agency/companies/7/guests/permissions",
        None,
        (COMPANY_ARG, {5: ["mailboxes"]}),
        body={"guests": [{"id": 5, "permissions": ["mailboxes"]}]},
        prepare=_invited,
    ),
}
