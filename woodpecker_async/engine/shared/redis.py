"""Places that processes on several machines share, kept in a Redis.

Each process says how many places of a lane it has been granted so far, how many it has asked for and how many
it has given back: counts since it began, never steps. The one script writes them down, forgets processes that
have not spoken for a lease, grants free places in the order in which they were asked for, and tells the count
granted: the one who called by its answer, the others by a message. So it does no harm if a message is lost, if
a call is made twice, or if the Redis forgets everything: the next call says it all again, and each process
makes one at least every fifth of a lease while it has or wants a place. All times are the Redis's own.

The protocol between the processes is told in this one module, its script beside the code that calls it.
"""

import asyncio
import math
import os
import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Final
from weakref import WeakSet

from woodpecker_async import redis_url
from woodpecker_async.engine.shared import SlotsUnavailableError, redis_client
from woodpecker_async.engine.shared.outage import Outage
from woodpecker_async.errors import ConfigError
from woodpecker_async.options import SharedOutage
from woodpecker_async.secret import Secret

# Seconds after which a process that says nothing is taken for dead.
LEASE: Final = 5.0
# Shares of a lease: how often a process speaks while it has something in flight; how long Redis may take to
# connect or to answer; how long between two tries in an outage.
_TICK: Final = 0.2
_PATIENCE: Final = 0.4
_RETRY: Final = 0.2
# Seconds between two tries at most; each may take two connections.
_LONGEST_RETRY: Final = 1.0
# So many connections in a row that were cut as soon as they had served are an outage.
_CUTS: Final = 3

_CLOSED: Final = "the session has been closed"


class RedisSlots:
    """The places of one lane. What they come to is for `RedisBackend` to say.

    Attributes:
        key: the lane's key in Redis.
        granted: places granted so far.
        returned: places given back so far.
        told: Redis should know of us.

    Args:
        begin: where both counts begin.
    """

    def __init__(self, key: str, backend: "RedisBackend", begin: int) -> None:
        self.key = key
        self.granted = begin
        self.returned = begin
        self.told = False
        self._backend = backend
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._optional: set[asyncio.Future[None]] = set()

    @property
    def ready(self) -> bool:
        """Redis has served, and still does."""
        return self._backend.ready

    @property
    def trouble(self) -> str | None:
        """What is wrong with Redis."""
        return self._backend.trouble

    @property
    def held(self) -> int:
        """Places that we have."""
        return self.granted - self.returned

    @property
    def asked(self) -> int:
        """Places asked for so far, those taken back not counted."""
        return self.granted + sum(not turn.done() for turn in self._waiting)

    async def take(self, *, optional: bool = False) -> None:
        """Wait for a place and take it."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if optional:
            self._optional.add(turn)
        try:
            self._backend.changed(self)
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back()  # it had been granted just before
            else:
                self._backend.changed(self)
            raise
        finally:
            self._optional.discard(turn)

    def give_back(self, after: float = 0.0) -> None:
        """Give back a place."""
        if after > 0:
            # If the loop ends before, nobody renews the lease, and it ends as well.
            asyncio.get_running_loop().call_later(after, self.give_back)
        elif self.held:
            self.returned += 1
            self._backend.changed(self)

    def hold(self, seconds: float) -> Callable[[], None]:  # noqa: ARG002 - as long as this process lives
        """Keep a place that was taken."""
        return self.give_back

    def take_back(self, granted: int) -> None:
        """So many places have been granted so far, by a Redis that has forgotten whose they are: take none."""
        self.returned += max(granted - self.granted, 0)
        self.granted = max(granted, self.granted)

    def grant(self, granted: int) -> None:
        """So many places have been granted so far. What nobody waits for any more goes back."""
        while self.granted < granted:
            self.granted += 1
            turn = self._next()
            if turn is not None:
                turn.set_result(None)
            else:
                self.give_back()

    def grant_alone(self, places: int) -> None:
        """Without Redis: let in who waits, as long as we have less than so many places."""
        while self.held < places and (turn := self._next()) is not None:
            self.granted += 1
            turn.set_result(None)

    @property
    def waiting(self) -> bool:
        """Somebody waits for a place."""
        return any(not turn.done() for turn in self._waiting)

    def refuse(self, kind: type[Exception], message: str, *, optional: bool = False) -> None:
        """Nobody who waits gets a place; each gets an error.

        Args:
            kind: of the error.
            message: of the error.
            optional: only those who can do without.
        """
        for turn in tuple(self._optional if optional else self._waiting):
            if not turn.done():
                turn.set_exception(kind(message))

    def _next(self) -> asyncio.Future[None] | None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                return turn
        return None


class RedisBackend:
    """The places of one account's lanes, on one event loop.

    A task speaks with Redis while anything is in flight, and a second one listens while somebody waits. Both
    end when nothing is; the connections stay, and end with `aclose` or with the event loop.

    Args:
        url: of the Redis.
        outage: what to do without it.
        account: the same in all processes that share it; no secret.
        places: how many may be in flight in a lane; among several processes the smallest number holds.
        lease: seconds; the same in all processes.
    """

    def __init__(
        self, url: Secret, outage: SharedOutage, account: str, places: Callable[[], int], lease: float | None = None
    ) -> None:
        self._url = url
        self._account = account
        self._places = places
        self._lease = LEASE if lease is None else lease
        self._where = redis_url.address(url)
        self._outage = Outage(outage, self._where, self._lease)
        self._name = secrets.token_hex(8)
        self._lanes: dict[str, RedisSlots] = {}  # those that have something in flight or to say
        self._unsaid: set[RedisSlots] = set()
        self._counted = 0  # no lane that is done with has counted further
        self._something = asyncio.Event()
        self._speaker: asyncio.Task[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._connections: redis_client.Connections | None = None
        self._run: str | None = None  # since when the Redis has forgotten nothing
        self._proved = False  # these connections have served
        self._ever_proved = False
        self._tick_at = 0.0
        self._connected_at = -math.inf
        self._cuts = 0
        self._retry_at = -math.inf
        self._closed = False
        _OPEN.add(self)

    @property
    def ready(self) -> bool:
        """Redis has served, and still does."""
        return self._proved and not self._outage.begun

    @property
    def trouble(self) -> str | None:
        """What is wrong with Redis."""
        return self._outage.trouble

    def slots(self, lane: str) -> RedisSlots:
        """The places of a lane."""
        key = redis_client.lane_key(self._account, lane)
        # Counts never go back, for Redis may remember them longer than we do: a lane that is made anew goes on
        # with those that are not all said yet, or begins where no lane of ours has been.
        return self._lanes.get(key) or RedisSlots(key, self, self._counted)

    def changed(self, slots: RedisSlots) -> None:
        """There is something to say of these places."""
        if self._closed:
            slots.refuse(SlotsUnavailableError, _CLOSED)
            return
        self._lanes[slots.key] = slots
        self._unsaid.add(slots)
        if self._speaker is None or self._speaker.done():  # if there was an outage, it may be over long since
            self._speaker = asyncio.get_running_loop().create_task(
                self._speak(),
                name="woodpecker_async shared lane",
                context=Context(),  # it serves all calls, and is no part of the first one's trace
            )
            if time.monotonic() < self._retry_at:  # it is not
                slots.grant_alone(self._outage.places)
        else:
            self._serve_alone(slots)
        self._something.set()

    async def aclose(self) -> None:
        """Say what is left to say, and close the connections. What is held even then ends with its lease."""
        self._closed = True
        for slots in self._lanes.values():
            slots.refuse(SlotsUnavailableError, _CLOSED)
            self._unsaid.add(slots)
        self._something.set()
        if (speaker := self._speaker) is not None:
            if not self._outage.begun:
                await asyncio.wait((speaker,), timeout=_PATIENCE * self._lease)
            await _ended(speaker)
        self._outage.cancel()
        await self._disconnect()

    # Speaking and listening -------------------------------------------------------------------------------

    async def _speak(self) -> None:
        try:
            await self._pause(self._retry_at - time.monotonic(), through=True)
            while self._lanes:
                self._something.clear()
                try:
                    await self._exchange()
                except Exception as error:  # whatever a library raises, nobody may be left waiting for ever
                    pause = await self._failed(error)
                    patient = pause > 0
                else:
                    pause, patient = self._until_next(), False
                if not self._lanes or (self._closed and (patient or not self._unsaid)):
                    return
                await self._pause(pause, through=patient)
        finally:
            self._speaker = None  # what happens from here on is for another one
            await self._deafen()

    async def _pause(self, seconds: float, *, through: bool) -> None:
        if seconds <= 0 and through:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._something.wait()
                while through and not self._closed:  # what happens meanwhile does not make Redis come back sooner
                    self._something.clear()
                    await self._something.wait()

    def _until_next(self) -> float:
        return max(min(self._tick_at, self._outage.over_at) - time.monotonic(), 0.0)

    async def _exchange(self) -> None:
        """Tell Redis where we stand, and hear where it does."""
        if self._listener is not None and self._listener.done():
            listener, self._listener = self._listener, None
            listener.result()
        if self._connections is None:
            self._connected_at = time.monotonic()
            self._connections = await redis_client.Connections.opened(
                self._url,
                account=self._account,
                name=self._name,
                lease=self._lease,
                patience=_PATIENCE * self._lease,
            )
        if not self._proved:
            await self._connections.prove()
        now = time.monotonic()
        if now >= self._outage.over_at:
            self._outage.end()
            self._unsaid.update(self._lanes.values())
        all_of_it = not self._proved or now >= self._tick_at
        telling = list(self._lanes.values() if all_of_it else self._unsaid)
        if all_of_it:
            self._tick_at = now + _TICK * self._lease
        self._unsaid.clear()
        # Who has just connected says first what it has: if Redis has forgotten that, the others may have to be
        # heard as well before anybody is granted more.
        humble = not self._proved or self._outage.settling
        said = [(slots.granted, slots.granted if humble else slots.asked, slots.returned) for slots in telling]
        run, age, answers = await self._connections.say(
            [slots.key for slots in telling], [(self._places(), *counts) for counts in said]
        )
        # Who has nothing there sees by the run only that others may have to say again what they have.
        forgotten = self._run not in (None, run) and age < self._lease
        self._run = run
        for slots, (_, asked, returned), (granted, known) in zip(telling, said, answers, strict=True):
            forgotten |= slots.told and not known
            slots.told = asked > granted or granted > returned
            if forgotten:
                slots.take_back(granted)
                self._unsaid.add(slots)
            else:
                slots.grant(granted)
        if forgotten or not self._proved:
            self._prove(forgotten=forgotten)
        for slots in telling:
            if not slots.told and not slots.waiting and slots not in self._unsaid:
                self._done_with(slots)
        if self._listener is None and any(slots.waiting for slots in self._lanes.values()):
            self._listener = asyncio.get_running_loop().create_task(self._listen(self._connections))

    def _prove(self, *, forgotten: bool) -> None:
        self._proved = self._ever_proved = True
        if forgotten:
            self._outage.begin("it was restarted, or has forgotten the places that were taken", self._serve_all_alone)
        self._outage.settle()
        self._serve_all_alone()
        for slots in self._lanes.values():
            if slots.waiting:  # now the rest may be said
                self._unsaid.add(slots)
                self._something.set()

    def _done_with(self, slots: RedisSlots) -> None:
        self._counted = max(self._counted, slots.granted)
        self._lanes.pop(slots.key, None)

    async def _listen(self, connections: redis_client.Connections) -> None:
        try:
            while True:
                for granted, key in await connections.heard(_TICK * self._lease):
                    if (slots := self._lanes.get(key)) is not None:
                        slots.grant(granted)
        finally:
            self._something.set()

    async def _deafen(self) -> None:
        if self._listener is not None:
            listener, self._listener = self._listener, None
            await _ended(listener)

    async def _disconnect(self) -> None:
        await self._deafen()
        if self._connections is not None:
            connections, self._connections = self._connections, None
            await connections.aclose()

    # Without Redis ----------------------------------------------------------------------------------------

    async def _failed(self, error: Exception) -> float:
        """Seconds until it is worth while to try again."""
        proved, self._proved = self._proved, False
        answered = redis_client.has_answered(error)
        self._outage.unsettle()
        if not answered:
            await self._disconnect()
        now, pause = time.monotonic(), min(_RETRY * self._lease, _LONGEST_RETRY)
        if not self._ever_proved and (reason := redis_client.refusal(error)) is not None:
            for slots in list(self._lanes.values()):
                slots.refuse(ConfigError, f"the Redis of Limits.shared, {self._where}, {reason}")
        elif proved and not answered and self._cut(now, pause) < _CUTS:
            return max(self._connected_at + pause - now, 0.0)
        else:
            self._outage.begin(redis_client.reason(error), self._serve_all_alone)
            self._serve_all_alone()
        for slots in list(self._lanes.values()):
            slots.refuse(SlotsUnavailableError, "the Redis of Limits.shared does not serve", optional=True)
            if not slots.held and not slots.waiting:  # what is left to say, the end of the lease says as well
                slots.told = False
                self._unsaid.discard(slots)
                self._done_with(slots)
        self._retry_at = now + pause
        return pause

    def _cut(self, now: float, pause: float) -> int:
        """A connection that had served was cut: how many in a row were, as soon as they had."""
        self._cuts = 1 if now - self._connected_at > 2 * pause else self._cuts + 1
        return self._cuts

    def _serve_all_alone(self) -> None:
        for slots in list(self._lanes.values()):
            self._serve_alone(slots)

    def _serve_alone(self, slots: RedisSlots) -> None:
        slots.grant_alone(self._outage.places)
        if (refusal := self._outage.refusal) is not None:
            slots.refuse(SlotsUnavailableError, refusal)


async def _ended(task: "asyncio.Task[None]") -> None:
    """Cancel it, and wait until it has ended; how does not matter."""
    while not task.done():  # redis-py can swallow a cancellation on Python 3.11: it sends within `wait_for`
        task.cancel()
        await asyncio.wait((task,), timeout=0.1)
    if not task.cancelled():
        task.exception()


# Connections inherited over a fork belong to the parent. Collecting them would disturb it, so they are kept.
_INHERITED: Final[list[object]] = []
_OPEN: Final[WeakSet[RedisBackend]] = WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _INHERITED.extend(_OPEN))
