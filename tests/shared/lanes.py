"""A look inside the engine, at what no caller sees: the lanes that a session shares with others."""

from woodpecker_async import WoodpeckerSession
from woodpecker_async.engine.account_lanes import AccountLanes


async def lanes_of(woodpecker: WoodpeckerSession) -> AccountLanes:
    """The lanes of the running loop; the session joins them, as with its first request."""
    engine = woodpecker._engine
    resources = engine._current_resources() or await engine._binding.bind()
    return resources.lanes_of(await engine._key())
