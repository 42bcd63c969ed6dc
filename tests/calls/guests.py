from tests.calls import COMPANY_ARG, Row

GUESTS = [{"name": "Monica Hall", "email": "monica@example.com", "permissions": ["mailboxes"]}]

ROWS: dict[str, Row] = {
    "agency.guests.invite": Row(
        "POST",
        "/v2/agency/companies/7/invite_guest",
        {},
        (COMPANY_ARG, GUESTS),
        body={"guests": [{"name": "Monica Hall", "email": "monica@example.com", "guest_permissions": ["mailboxes"]}]},
    ),
}
