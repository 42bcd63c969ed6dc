"""Domains, bought or brought along."""

from typing import Final

from woodpecker_async.sandbox.endpoint import Endpoint

ENDPOINTS: Final[tuple[Endpoint, ...]] = ()
