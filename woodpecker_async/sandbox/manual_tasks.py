"""Tasks that somebody is to do by hand."""

from typing import Final

from woodpecker_async.sandbox.endpoint import Endpoint

ENDPOINTS: Final[tuple[Endpoint, ...]] = ()
