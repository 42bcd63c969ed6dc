"""A session's resources on one event loop in one process: its connections and lanes."""

import asyncio
import os
from urllib.parse import urlsplit

from woodpecker_async.engine.account import account_name
from woodpecker_async.engine.account_lanes import AccountLanes, shared_lanes
from woodpecker_async.engine.clock import timers_of
from woodpecker_async.engine.settings import Settings
from woodpecker_async.engine.transport import Transport
from woodpecker_async.errors import SetupError, WrongLoopError
from woodpecker_async.secret import Secret


class LoopResources:
    """The connections and lanes of one session on the running loop."""

    def __init__(self, settings: Settings) -> None:
        self.loop = asyncio.get_running_loop()
        self.process = os.getpid()
        parts = urlsplit(settings.base_url)
        self.transport = Transport(
            origin=f"{parts.scheme}://{parts.netloc}",
            borrowed=settings.http_session,
            proxy=settings.proxy,
            trust_env=settings.trust_env,
            ssl_context=settings.ssl_context,
            connect_timeout=settings.timeouts.connect,
            max_body=settings.limits.max_body,
            timers=timers_of(settings.clock),
        )
        self._settings = settings
        self._lanes: AccountLanes | None = None

    @property
    def is_current(self) -> bool:
        """Whether these belong to the running loop and to this process."""
        return self.loop is asyncio.get_running_loop() and self.process == os.getpid()

    def lanes_of(self, key: Secret) -> AccountLanes:
        """Return the lanes shared by all sessions with this key on this loop."""
        # Determined once: a key that is rotated later still belongs to the same account.
        if self._lanes is None:
            account = account_name(self._settings.base_url, key.fingerprint)
            lanes = shared_lanes(self.loop, account, timers_of(self._settings.clock))
            lanes.join(self, self._settings.limits)
            self._lanes = lanes
        return self._lanes

    def release(self) -> None:
        """Give up these resources before others are created.

        Raises:
            WrongLoopError: requests may still be in flight in them.
        """
        if self.process != os.getpid():
            self.transport.leave_to_parent()
        elif not self.loop.is_closed():
            raise WrongLoopError(
                "this session is open on another event loop that is still alive: use one session per loop, or "
                "`await session.aclose()` there first"
            )

    async def aclose(self) -> None:
        """Close the connections, if they can be closed from here."""
        if self.process != os.getpid():
            self.transport.leave_to_parent()
        elif self.is_current:
            if self._lanes is not None:
                self._lanes.leave(self)
            try:
                await asyncio.sleep(0)  # let interrupted calls end before their connections close
            finally:  # even if closing itself is cancelled
                await self.transport.aclose()
                if self._lanes is not None:
                    await self._lanes.aclose()
        # Otherwise its loop is closed, and its connections with it; or it is alive, and closes them when it ends.


class LoopBinding:
    """A session's current resources: created when first needed, and again on another loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._resources: LoopResources | None = None

    @property
    def in_use(self) -> bool:
        """Whether there are connections to close."""
        return self._resources is not None and not self._resources.loop.is_closed()

    def current(self) -> LoopResources | None:
        """Return the resources of the running loop, or `None` if they have yet to be created."""
        resources = self._resources
        if resources is None or not resources.is_current:
            return None
        if resources.transport.lost:
            raise SetupError("the http_session passed in has been closed: it must outlive this session")
        return resources

    async def bind(self) -> LoopResources:
        """Create the resources of the running loop, replacing those of an earlier one."""
        if self._resources is not None:
            self._resources.release()
        self._resources = resources = LoopResources(self._settings)
        await resources.transport.open()
        return resources

    async def aclose(self) -> None:
        """Close the resources, if there are any."""
        resources, self._resources = self._resources, None
        if resources is not None:
            await resources.aclose()
