"""Searching for leads, and enriching them."""

from typing import Final

from woodpecker_async.sandbox.endpoint import Endpoint

ENDPOINTS: Final[tuple[Endpoint, ...]] = ()
