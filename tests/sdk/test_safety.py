"""What is retried after a lost response, and what never is: each write behaves as its docstring says."""

import re
from typing import Any

import pytest

from tests.calls import ROWS, method_at, methods_of_the_session
from woodpecker_async import RetryPolicy, WoodpeckerSession
from woodpecker_async.errors import ConnectionLostError, OutcomeUnknownError
from woodpecker_async.sandbox import Fault, Sandbox

NEVER = [
    "agency.companies.create",
    "agency.guests.invite",
    "agency.prospects.delete_all",
    "agency.linkedin.connect",
    "agency_v1.create_api_key",
    "agency_v1.create_company",
    "agency.api_keys.create_once",
    "account.prospects.add",
    "account.prospects.add_to_campaign",
    "account.campaigns.create",
    "account.campaigns.run",
    "account.campaigns.steps.add",
    "account.inbox.reply",
    "account.mailboxes.connect",
    "account.mailboxes.microsoft.connect",
    "account.lead_finder.leads",
    "account.lead_finder.enrichments.start",
    "account.lead_finder.prospect_enrichments.start",
    "account.domains.order",
]
BY_NATURE = [
    "agency.guests.set_permissions",
    "agency.blacklist.domains.add",
    "agency.blacklist.domains.remove",
    "agency.blacklist.emails.add",
    "account.prospects.delete",
    "account.campaigns.delete",
    "account.campaigns.pause",
    "account.campaigns.stop",
    "account.campaigns.steps.delete",
    "account.campaigns.bounce_shield.set",
    "account.campaigns.bounce_shield.clear",
    "account.mailboxes.set_footer",
    "account.mailboxes.microsoft.credentials.delete",
    "account.blacklist.domains.add",
    "account.blacklist.domains.remove",
    "account.blacklist.emails.add",
    "account.blacklist.emails.remove",
    "account.webhooks.unsubscribe",
    "account.domains.set_owner",
    "account.domains.set_redirect_url",
    "account.domains.set_email_forwarding",
]
READS = ["account.lead_finder.prospect_enrichments.statuses", "account.domains.check"]  # with POST
WRITES = [
    name
    for name, row in ROWS.items()
    if row.method != "GET" and name not in READS and (row.one_request or name in NEVER + BY_NATURE)
]
QUICK = RetryPolicy(attempts=3, initial_backoff=0.001, max_backoff=0.001)
SAYS_NEVER = r"\bnever (be )?(repeated|sent twice)"
SAYS_AGAIN = r"\b(is|are) repeated like a read|\bRepeated like a read|\brepeated like a read"


def docstring(name: str) -> str:
    method = methods_of_the_session(WoodpeckerSession("1.key"))[name]
    return " ".join((method.__doc__ or "").split())


async def sent(name: str, fault: Fault) -> tuple[int, BaseException | None]:
    """How many requests a call sends if the first one fails, and what it raises."""
    row = ROWS[name]
    async with Sandbox(companies=2, service_time=0) as box, box.session(retry=QUICK) as woodpecker:
        company = box.company_ids[0]
        if row.prepare is not None:
            for account in (box.state.hq, box.state.companies[company]):
                row.prepare(account, box.state.seed)
        box.faults.add(fault)
        error = None
        try:
            await row.call(method_at(woodpecker, name), company)
        except Exception as failed:
            error = failed
        path = row.path.partition("?")[0].replace("/7/", f"/{company}/")
        return sum(r.method == row.method and r.path == f"/rest{path}" for r in box.journal), error


def lost(name: str) -> Fault:
    return Fault.close(at="after_commit", method=ROWS[name].method)


def test_every_name_is_that_of_a_write() -> None:
    assert [name for name in NEVER + BY_NATURE if name not in WRITES] == []


@pytest.mark.parametrize("name", WRITES)
async def test_each_write_does_as_its_docstring_says(name: str) -> None:
    requests, error = await sent(name, lost(name))
    said: Any = docstring(name)
    if requests == 1:
        assert isinstance(error, OutcomeUnknownError), error
        assert re.search(SAYS_NEVER, said, re.IGNORECASE), said
        assert ";" in str(error), f"how to find out? {error}"
    else:
        assert requests == 2, error
        assert re.search(SAYS_AGAIN, said), said
    if name in NEVER:
        assert requests == 1
    if name in BY_NATURE:
        assert requests == 2


@pytest.mark.parametrize("name", READS)
async def test_what_only_reads_has_no_outcome_to_be_unknown(name: str) -> None:
    requests, error = await sent(name, lost(name))
    assert (requests, error) == (2, None)
    requests, error = await sent(name, Fault.down(method="POST"))
    assert requests == 3
    assert type(error) is ConnectionLostError, error


@pytest.mark.parametrize("name", NEVER)
async def test_what_is_never_repeated_is_not_repeated_after_a_500_but_after_a_refusal(name: str) -> None:
    requests, error = await sent(name, Fault.status(500, method=ROWS[name].method))
    assert requests == 1
    assert isinstance(error, OutcomeUnknownError), error
    requests, error = await sent(name, Fault.status(429, method=ROWS[name].method))
    assert (requests, error) == (2, None)
