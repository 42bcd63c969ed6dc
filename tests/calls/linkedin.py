from tests.calls import COMPANY_ARG, Row
from woodpecker_async.sandbox.linkedin import LinkedIn, LinkedInAccount
from woodpecker_async.sandbox.state import Company

_ACCOUNTS = "/v2/agency/companies/7/linkedin_accounts"
_LINK = {"account_id": 1, "connect_account_link": "https://connect.example/?token=a"}


def _waits(account: Company, seed: int) -> None:
    account.linkedin_slots = 5
    waiting = LinkedInAccount(id=1, session_status="WAITING_FOR_CONNECTION")
    account.of_family(LinkedIn, seed).accounts = [waiting]


ROWS: dict[str, Row] = {
    "agency.linkedin.connect": Row(
        "POST",
        _ACCOUNTS,
        _LINK,
        (COMPANY_ARG,),
        {"timezone": "Europe/Warsaw"},
        body={"timezone": "Europe/Warsaw"},
        prepare=_waits,
    ),
    "agency.linkedin.new_link": Row(
        "POST", f"{_ACCOUNTS}/1/generate-connect-link", _LINK, (COMPANY_ARG, 1), prepare=_waits
    ),
}
