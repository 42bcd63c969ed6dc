"""LinkedIn accounts, of an account and of a company of the agency."""

from typing import Final

from woodpecker_async.sandbox.endpoint import Endpoint

ENDPOINTS: Final[tuple[Endpoint, ...]] = ()
