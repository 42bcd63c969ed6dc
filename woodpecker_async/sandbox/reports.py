"""Reports, which take a while to be made."""

from typing import Final

from woodpecker_async.sandbox.endpoint import Endpoint

ENDPOINTS: Final[tuple[Endpoint, ...]] = ()
