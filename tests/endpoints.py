"""The endpoints in the API documentation, what it leaves open, and how the SDK behaves there.

`tests/test_coverage.py` makes `docs/coverage.md` of it, and of the code.
"""

from typing import Final

import attrs


@attrs.frozen
class Documented:
    """An endpoint.

    Attributes:
        method: the HTTP method.
        path: its template.
        left_open: what the documentation leaves open, and how the SDK behaves there.
        missing: why the SDK has no method for it.
    """

    method: str
    path: str
    left_open: str = ""
    missing: str = ""


_C: Final = "/v2/agency/companies/{company_id}"
_NO_BODY: Final = "Its body is not in the documents that the SDK was built from; use `request()`"
_BILLED: Final = "No way to make it idempotent is documented: never sent twice"
_THIRD_PARTY: Final = "Known from third parties that cite the documents"

FAMILIES: Final[dict[str, tuple[Documented, ...]]] = {
    "Agency: companies": (
        Documented(
            "GET",
            "/v2/agency/companies",
            "`total_pages` of an empty list, and the answer to a page past the end: a page without items ends the list",
        ),
        Documented(
            "POST",
            "/v2/agency/companies",
            f"The status for a name that is taken: whatever 4xx comes is the error of that status. {_BILLED}",
        ),
    ),
    "Agency: users and guests": (
        Documented("GET", f"{_C}/users", "Errors: read as those of the API keys"),
        Documented("POST", f"{_C}/invite_guest", "The fields of the answer: given as they came"),
        Documented("PUT", f"{_C}/guests/permissions", "Whether the path ends in a slash: sent without"),
    ),
    "Agency: API keys": (
        Documented(
            "GET",
            f"{_C}/api_keys",
            "Whether an inactive company lists its keys: either is understood. Only keys of the caller are listed",
        ),
        Documented(
            "POST",
            f"{_C}/api_keys",
            "Idempotency, length and uniqueness of labels: `create` looks before and after, see [Creating keys](creating-keys.md)",
        ),
    ),
    "Agency: e-mail accounts and LinkedIn": (
        Documented(
            "GET",
            f"{_C}/email_accounts",
            "Whether the path ends in a slash: sent without. Details of IMAP accounts may be null or absent",
        ),
        Documented(
            "POST",
            f"{_C}/linkedin_accounts",
            "Status and fields of the answer: read as those of the next call, all optional. The closed list of time zones: the server decides",
        ),
        Documented(
            "POST", f"{_C}/linkedin_accounts/{{account_id}}/generate-connect-link", "Errors. The link is a `Secret`"
        ),
    ),
    "Agency: prospects and deliverability": (
        Documented(
            "POST",
            f"{_C}/prospects/delete",
            "The status (202 in a sample) and how to follow the deletion: any 2xx counts as accepted",
        ),
        Documented(
            "GET",
            "/v2/agency/deliverability",
            "Two documents name the fields of `pagination_data` differently: both are read",
        ),
    ),
    "Agency: blacklist": (
        Documented("GET", "/v2/agency/blacklist/domains"),
        Documented("POST", "/v2/agency/blacklist/domains"),
        Documented("DELETE", "/v2/agency/blacklist/domains"),
        Documented("GET", "/v2/agency/blacklist/emails"),
        Documented("POST", "/v2/agency/blacklist/emails"),
        Documented(
            "DELETE",
            "/v2/agency/blacklist/emails",
            missing="Not documented, only to be guessed from its neighbours; use `request()`",
        ),
    ),
    "Agency, legacy v1": (
        Documented(
            "GET",
            "/v1/agency/companies",
            "Statuses and errors, and whether it still works: all v1 and v2 errors are understood",
        ),
        Documented("POST", "/v1/agency/companies/api/add", "Statuses and errors. Never sent twice"),
        Documented("POST", "/v1/agency/companies/add", "Statuses and errors. Never sent twice"),
    ),
    "Account": (
        Documented("GET", "/v1/me", "The fields of the answer: given as they came. Both forms of a 401 are understood"),
        Documented("GET", "/v2/users", "Pages are asked for from 0 and answered from 1"),
    ),
    "Prospects": (
        Documented(
            "GET",
            "/v1/prospects",
            "No prospects: an empty array, 204 and an object with a message are all read as none. Whether a `+` in `sort` may come as a space: sent as `%2B`",
        ),
        Documented("DELETE", "/v1/prospects"),
        Documented(
            "POST",
            "/v1/add_prospects_list",
            "The answer is known from a third party: rows are matched by e-mail, and `None` where nothing is said",
        ),
        Documented("POST", "/v1/add_prospects_campaign", "As above"),
        Documented(
            "GET", "/v2/prospects/{prospect_id}/responses", "The time zone of `delivered`: it stays without one"
        ),
    ),
    "Campaigns": (
        Documented("GET", "/v1/campaign_list", "Documents differ on whether DELETED is a status: it is one"),
        Documented(
            "GET",
            "/v2/campaigns/{campaign_id}",
            "Campaigns with features that the API does not cover answer 409, with one of several codes: an `UnsupportedCampaignError`",
        ),
        Documented("POST", "/v2/campaigns", f"The answer is known from third parties. {_BILLED}"),
        Documented("PATCH", "/v2/campaigns/{campaign_id}", "The answer is known from third parties"),
        Documented("DELETE", "/v2/campaigns/{campaign_id}"),
        Documented("POST", "/v2/campaigns/{campaign_id}/run", "Starts to send e-mail: never sent twice"),
        Documented("POST", "/v2/campaigns/{campaign_id}/pause"),
        Documented("POST", "/v2/campaigns/{campaign_id}/stop"),
        Documented("POST", "/v2/campaigns/{campaign_id}/make_editable", "The method is known from a third party"),
        Documented("POST", "/v2/campaigns/{campaign_id}/steps", _THIRD_PARTY),
        Documented("PATCH", "/v2/campaigns/{campaign_id}/steps/{step_id}", "Replaces all delivery times"),
        Documented("DELETE", "/v2/campaigns/{campaign_id}/steps/{step_id}", _THIRD_PARTY),
        Documented("PATCH", "/v2/campaigns/{campaign_id}/steps/{step_id}/versions/{version_id}"),
        Documented("GET", "/v2/campaigns/{campaign_id}/bounce_shield/threshold"),
        Documented("PUT", "/v2/campaigns/{campaign_id}/bounce_shield/threshold"),
        Documented("DELETE", "/v2/campaigns/{campaign_id}/bounce_shield/threshold", "The status: any 2xx will do"),
    ),
    "Inbox": (
        Documented(
            "GET",
            "/v2/inbox/messages",
            "The fields of a message are known from a third party: all but `id` are optional. With an HQ key only mailboxes of the key's owner are seen",
        ),
        Documented("POST", "/v2/inbox/messages/{message_id}/reply", "Sends a real e-mail: never sent twice"),
    ),
    "Mailboxes": (
        Documented("GET", "/v2/mailboxes", "Which details an IMAP mailbox has: all are optional"),
        Documented("GET", "/v2/mailboxes/{mailbox_id}", "As above"),
        Documented("PATCH", "/v2/mailboxes/{smtp_id}", "The answer: any 2xx will do"),
        Documented("POST", "/v2/mailboxes/manual_connection/bulk", "Never sent twice"),
        Documented(
            "GET",
            "/v2/mailboxes/manual_connection/bulk/{batch_id}/summary",
            "What the lists of mailboxes hold: given as they came",
        ),
        Documented("GET", "/v2/mailboxes/microsoft/credentials"),
        Documented("POST", "/v2/mailboxes/microsoft/credentials", missing=_NO_BODY),
        Documented("PATCH", "/v2/mailboxes/microsoft/credentials/{credential_id}", missing=_NO_BODY),
        Documented("DELETE", "/v2/mailboxes/microsoft/credentials/{credential_id}"),
        Documented("POST", "/v2/mailboxes/microsoft/bulk", "Never sent twice"),
    ),
    "Blacklist": (
        Documented("GET", "/v2/blacklist/domains", "Documents differ on the largest page, 500 or 1,000: 500"),
        Documented("POST", "/v2/blacklist/domains", "The answer: any 2xx will do, its body is not read"),
        Documented("DELETE", "/v2/blacklist/domains", _THIRD_PARTY),
        Documented("GET", "/v2/blacklist/emails", "As for domains"),
        Documented("POST", "/v2/blacklist/emails", "As for domains"),
        Documented("DELETE", "/v2/blacklist/emails"),
    ),
    "Manual tasks": (
        Documented(
            "GET",
            "/v2/manual_tasks",
            "The answer when there are none has a shape of its own, which is not documented: an empty array, 204 and an object with a message are read as none. There are no pages: at most 500",
        ),
    ),
    "LinkedIn accounts": (Documented("GET", "/v2/linkedin_accounts", "Documents differ on the statuses: any is kept"),),
    "Reports": (
        Documented("POST", "/v2/reports/campaigns"),
        Documented("POST", "/v2/reports/messages"),
        Documented("POST", "/v2/reports/open_rate"),
        Documented("POST", "/v2/reports/complete_statistics_for_each_level_of_campaign"),
        Documented("GET", "/v2/reports/{hash}", 'Statuses other than READY: all mean "not ready"'),
    ),
    "Webhooks": (
        Documented(
            "GET",
            "/v2/webhooks",
            "Event names come in upper case, and are read as the lower-case ones that are subscribed",
        ),
        Documented(
            "POST",
            "/v1/webhooks/subscribe",
            "Documents differ on how many URLs an event may have, 3 or 5: the server decides",
        ),
        Documented("POST", "/v1/webhooks/unsubscribe"),
    ),
    "Lead Finder": (
        Documented("GET", "/v2/lead_finder/search_criteria", "The fields of a criterion: given as they came"),
        Documented(
            "GET",
            "/v2/lead_finder/search_criteria/{criterion_name}/values",
            "The form of the values: given as they came. All pages are read where the answer says how many values there are; else it is taken for all of them",
        ),
        Documented(
            "POST",
            "/v2/lead_finder/leads",
            "Costs a credit for each lead: never sent twice, and never asks for more than the limit",
        ),
        Documented("POST", "/v2/lead_finder/leads/enrichments", "Costs credits: never sent twice"),
        Documented("GET", "/v2/lead_finder/leads/enrichments", "The fields of the answer: given as they came"),
        Documented("GET", "/v2/lead_finder/leads/enrichments/{uuid}", "The fields of the answer: given as they came"),
        Documented("POST", "/v2/lead_finder/prospects/enrichments", "Costs credits: never sent twice"),
        Documented(
            "POST",
            "/v2/lead_finder/prospects/enrichments/statuses/query",
            "Known from a third party that called it; how it names the enrichments is not documented",
        ),
        Documented("GET", "/v2/lead_finder/prospects/enrichments/{uuid}", "Known from a third party that called it"),
    ),
    "Domains": (
        Documented("GET", "/v2/domains"),
        Documented("GET", "/v2/domains/{name}", "The fields of the answer: given as they came"),
        Documented("GET", "/v2/domains/{name}/mailboxes"),
        Documented("GET", "/v2/domains/owner"),
        Documented("POST", "/v2/domains/owner", "Replaces the whole owner"),
        Documented("GET", "/v2/domains/availability"),
        Documented("POST", "/v2/domains/availability", "Asks only, and changes nothing: repeated like a read"),
        Documented("POST", "/v2/domains/order", "Paid: never sent twice. The answer: given as it came"),
        Documented("POST", "/v2/domains/mailboxes/order", missing=_NO_BODY),
        Documented("PATCH", "/v2/domains/{name}/set_email_forwarding"),
        Documented("PATCH", "/v2/domains/{name}/set_redirect_url"),
    ),
}

ENDPOINTS: Final = tuple(endpoint for family in FAMILIES.values() for endpoint in family)
UNKNOWN_PATHS: Final = (
    "the providers of domains, one mailbox of a domain, the profile of a mailbox, the list of enrichments of prospects, "
    "and the collection of LinkedIn profiles"
)
