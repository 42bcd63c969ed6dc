"""A session for tests with any number of event loops, and its cleanup."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from woodpecker_async import WoodpeckerSession
from woodpecker_async.engine.loop_resources import LoopBinding, LoopResources
from woodpecker_async.sandbox import Sandbox

# Seconds for an event loop on another thread to close its resources.
_PATIENCE = 10.0


class EachLoop(LoopBinding):
    """Separate resources for each event loop.

    A program's session belongs to one running loop. Tests have several: pytest-asyncio keeps one for each scope.
    """

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._by_loop: dict[asyncio.AbstractEventLoop, LoopResources] = {}

    @property
    def loops(self) -> list[asyncio.AbstractEventLoop]:
        """The event loops that have open resources."""
        return [loop for loop in self._by_loop if not loop.is_closed()]

    @property
    def in_use(self) -> bool:
        """Whether there are connections to close."""
        return bool(self.loops)

    def current(self) -> LoopResources | None:
        """The resources of the running loop, or `None` if they have not been created yet."""
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
    """A session with a sandbox, usable on any number of event loops. At the end it is closed on all that are left."""
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
