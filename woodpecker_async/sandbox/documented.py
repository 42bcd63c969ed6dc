"""Endpoints that are documented and that the sandbox does not serve."""

import re
from typing import Final

from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.wire import Answer, error

# Below /rest; {} is one segment.
_PATHS: Final = """
PUT             /v2/agency/companies/{}/guests/permissions
POST            /v2/agency/companies/{}/prospects/delete
POST            /v2/agency/companies/{}/linkedin_accounts
POST            /v2/agency/companies/{}/linkedin_accounts/{}/generate-connect-link
GET             /v2/agency/deliverability
GET,POST        /v2/agency/blacklist/emails
GET             /v2/users
GET             /v1/campaign_list
POST            /v2/campaigns
GET,PATCH,DELETE /v2/campaigns/{}
POST            /v2/campaigns/{}/run
POST            /v2/campaigns/{}/pause
POST            /v2/campaigns/{}/stop
POST            /v2/campaigns/{}/make_editable
POST            /v2/campaigns/{}/steps
PATCH,DELETE    /v2/campaigns/{}/steps/{}
PATCH           /v2/campaigns/{}/steps/{}/versions/{}
GET,PUT,DELETE  /v2/campaigns/{}/bounce_shield/threshold
POST            /v2/inbox/messages/{}/reply
GET,PATCH       /v2/mailboxes/{}
POST            /v2/mailboxes/manual_connection/bulk
GET             /v2/mailboxes/manual_connection/bulk/{}/summary
GET,POST        /v2/mailboxes/microsoft/credentials
PATCH,DELETE    /v2/mailboxes/microsoft/credentials/{}
POST            /v2/mailboxes/microsoft/bulk
GET,POST,DELETE /v2/blacklist/domains
GET,POST,DELETE /v2/blacklist/emails
GET             /v2/linkedin_accounts
POST            /v2/reports/campaigns
POST            /v2/reports/messages
POST            /v2/reports/open_rate
POST            /v2/reports/complete_statistics_for_each_level_of_campaign
GET             /v2/reports/{}
GET             /v2/webhooks
POST            /v1/webhooks/subscribe
POST            /v1/webhooks/unsubscribe
GET             /v2/lead_finder/search_criteria
GET             /v2/lead_finder/search_criteria/{}/values
POST            /v2/lead_finder/leads
GET,POST        /v2/lead_finder/leads/enrichments
GET             /v2/lead_finder/leads/enrichments/{}
POST            /v2/lead_finder/prospects/enrichments
GET             /v2/lead_finder/prospects/enrichments/{}
POST            /v2/lead_finder/prospects/enrichments/statuses/query
GET             /v2/domains
GET,POST        /v2/domains/owner
GET,POST        /v2/domains/availability
POST            /v2/domains/order
POST            /v2/domains/mailboxes/order
GET             /v2/domains/{}
GET             /v2/domains/{}/mailboxes
PATCH           /v2/domains/{}/set_email_forwarding
PATCH           /v2/domains/{}/set_redirect_url
"""

# Methods and pattern, without /rest.
NOT_SERVED: Final = tuple(
    (methods.split(","), re.escape(path).replace(r"\{\}", "[^/]+"))
    for methods, path in map(str.split, _PATHS.strip().splitlines())
)


def not_served(call: Call) -> Answer:
    """501: the endpoint exists, but not here."""
    info = call.info
    return error(
        501, "Not Implemented", f"The sandbox does not serve {info.method} {info.resource}, which is documented"
    )
