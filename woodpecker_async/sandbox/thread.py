"""A sandbox on its own thread, for programs without an event loop."""

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from woodpecker_async.sandbox import Sandbox


class ServerThread:
    """Runs a sandbox on its own thread and event loop."""

    def __init__(self, box: "Sandbox") -> None:
        self._box = box
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="woodpecker-sandbox", daemon=True)

    def start(self) -> None:
        """Start it, and wait until it is listening or has failed."""
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error

    def stop(self) -> None:
        """Stop it, and wait for the thread to end."""
        if self._loop is not None and self._end is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        async with self._box:
            self._started.set()
            await self._end.wait()
