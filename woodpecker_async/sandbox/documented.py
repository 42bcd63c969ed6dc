"""Endpoints that are documented and that the sandbox does not serve."""

from typing import Final

from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.wire import Answer, error

# Below /rest; {} is one segment.
_PATHS: Final = """
GET,PATCH       /v2/mailboxes/{}
POST            /v2/mailboxes/manual_connection/bulk
GET             /v2/mailboxes/manual_connection/bulk/{}/summary
GET,POST        /v2/mailboxes/microsoft/credentials
PATCH,DELETE    /v2/mailboxes/microsoft/credentials/{}
POST            /v2/mailboxes/microsoft/bulk
POST            /v2/reports/campaigns
POST            /v2/reports/messages
POST            /v2/reports/open_rate
POST            /v2/reports/complete_statistics_for_each_level_of_campaign
GET             /v2/reports/{}
GET             /v2/webhooks
POST            /v1/webhooks/subscribe
POST            /v1/webhooks/unsubscribe
POST            /v2/domains/mailboxes/order
"""

# Methods and template, without /rest.
NOT_SERVED: Final = tuple(
    (methods.split(","), path.replace("{}", "{name}")) for methods, path in map(str.split, _PATHS.strip().splitlines())
)


def not_served(call: Call) -> Answer:
    """501: the endpoint exists, but not here."""
    info = call.info
    return error(
        501, "Not Implemented", f"The sandbox does not serve {info.method} {info.resource}, which is documented"
    )
