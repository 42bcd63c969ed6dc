"""A session for tests of whatever event loops, and its end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from woodpecker_async import WoodpeckerSession
from woodpecker_async.engine.loop_resources import LoopBinding, LoopResources
from woodpecker_async.sandbox import Sandbox

# Seconds for an event loop of another thread to close what is open on it.
_PATIENCE = 10.0


class EachLoop(LoopBinding):
    """Resources for each event loop, side by side.

    A session of a program belongs to one living loop. Tests have several: pytest-asyncio keeps one for each scope.
    """

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._by_loop: dict[asyncio.AbstractEventLoop, LoopResources] = {}

    @property
    def loops(self) -> list[asyncio.AbstractEventLoop]:
        """Those that have something open."""
        return [loop for loop in self._by_loop if not loop.is_closed()]

    @property
    def in_use(self) -> bool:
        """Whether there are connections to close."""
        return bool(self.loops)

    def current(self) -> LoopResources | None:
        """The resources of the running loop, or `None` if they are yet to be created."""
        self._resources = self._by_loop.get(asyncio.get_running_loop())
        return super().current()

    async def bind(self) -> LoopResources:
        """Create the resources of the running loop."""
        self._resources = None
        self._by_loop = {loop: self._by_loop[loop] for loop in self.loops}
        resources = self._by_loop[asyncio.get_running_loop()] = await super().bind()
        return resources

    async def aclose(self) -> None:
        """Close the resources of the running loop, if there are any."""
        self._resources = self._by_loop.pop(asyncio.get_running_loop(), None)
        await super().aclose()


@contextmanager
def session_for(box: Sandbox) -> Iterator[WoodpeckerSession]:
    """A session with a sandbox, good on any number of event loops; closed at the end, on each that is left."""
    session = box.session()
    binding = session._engine._binding = EachLoop(session._engine.settings)
    try:
        yield session
    finally:
        for loop in binding.loops:
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(session.aclose(), loop).result(_PATIENCE)
            else:
                loop.run_until_complete(session.aclose())
