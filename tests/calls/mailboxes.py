from tests.calls import COMPANY_ARG, Row

ROWS: dict[str, Row] = {
    "agency.email_accounts.list": Row("GET", "/v2/agency/companies/7/email_accounts", {"content": []}, (COMPANY_ARG,)),
    "account.mailboxes.list": Row("GET", "/v2/mailboxes", []),
}
