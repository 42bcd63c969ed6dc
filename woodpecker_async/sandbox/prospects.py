"""The prospects of an account."""

from typing import Final

from woodpecker_async.sandbox.endpoint import Endpoint
from woodpecker_async.sandbox.state import Company


def delete_all(account: Company, seed: int) -> int:  # noqa: ARG001 - none are kept yet
    """Delete all prospects of an account; returns how many there were."""
    return 0


ENDPOINTS: Final[tuple[Endpoint, ...]] = ()
