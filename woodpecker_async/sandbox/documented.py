"""Documented endpoints that the sandbox does not serve."""

from typing import Final

from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.wire import Answer, error

# Below /rest; {} is one segment.
_PATHS: Final = """
POST            /v2/mailboxes/microsoft/credentials
PATCH           /v2/mailboxes/microsoft/credentials/{}
POST            /v2/domains/mailboxes/order
"""

# Methods and template, without /rest.
NOT_SERVED: Final = tuple(
    (methods.split(","), path.replace("{}", "{name}")) for methods, path in map(str.split, _PATHS.strip().splitlines())
)


def not_served(call: Call) -> Answer:
    """501: the endpoint exists, but not in the sandbox."""
    info = call.info
    return error(
        501, "Not Implemented", f"The sandbox does not serve {info.method} {info.resource}, although it is documented"
    )
