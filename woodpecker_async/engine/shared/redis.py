"""Slots that processes on several machines share, kept in a Redis.

Each process reports how many slots of a lane it has been granted so far, how many it has requested and how many it has
released: totals since it started, never differences. A single script stores them, drops processes that have not
reported for a lease, grants free slots in the order in which they were requested, and reports the total granted: to the
caller by its result, to other processes by a message. So it does no harm if a message is lost, a call is repeated, or
Redis loses all its data: the next call reports everything again, and each process makes one at least every fifth of a
lease while it holds or wants a slot. All times are those of the Redis.

The protocol between the processes is in this one module, except for the script, which is in `redis_client`.
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

# Seconds without a report after which a process is taken for dead.
LEASE: Final = 5.0
# As shares of a lease: the interval between reports while something is in flight; how long Redis may take to connect or
# respond; the interval between two attempts in an outage.
_TICK: Final = 0.2
_PATIENCE: Final = 0.4
_RETRY: Final = 0.2
# The maximum number of seconds between two attempts; each may take two connections.
_LONGEST_RETRY: Final = 1.0
# This many consecutive connections that are cut right after they have worked count as an outage.
_CUTS: Final = 3

_CLOSED: Final = "the session has been closed"


class RedisSlots:
    """The slots of one lane, managed by `RedisBackend`.

    Attributes:
        key: the lane's key in Redis.
        granted: the total number of slots granted so far.
        returned: the total number of slots released so far.
        told: whether Redis should know about this process.

    Args:
        begin: the initial value of both totals.
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
        """Whether Redis has worked, and still does."""
        return self._backend.ready

    @property
    def trouble(self) -> str | None:
        """What is wrong with Redis."""
        return self._backend.trouble

    @property
    def held(self) -> int:
        """How many slots this process holds."""
        return self.granted - self.returned

    @property
    def asked(self) -> int:
        """The total number of slots requested so far, without requests that were withdrawn."""
        return self.granted + sum(not turn.done() for turn in self._waiting)

    async def take(self, *, optional: bool = False) -> None:
        """Wait for a slot and take it."""
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
        """Release a slot."""
        if after > 0:
            # If the loop ends before, nobody renews the lease, so it expires.
            asyncio.get_running_loop().call_later(after, self.give_back)
        elif self.held:
            self.returned += 1
            self._backend.changed(self)

    def hold(self, seconds: float) -> Callable[[], None]:  # noqa: ARG002 - kept as long as this process lives
        """Keep a slot."""
        return self.give_back

    def take_back(self, granted: int) -> None:
        """Decline the slots granted up to this total by a Redis that has lost track of who holds slots."""
        self.returned += max(granted - self.granted, 0)
        self.granted = max(granted, self.granted)

    def grant(self, granted: int) -> None:
        """Take the slots granted up to this total, and release those that nobody waits for any more."""
        while self.granted < granted:
            self.granted += 1
            turn = self._next()
            if turn is not None:
                turn.set_result(None)
            else:
                self.give_back()

    def grant_alone(self, places: int) -> None:
        """Without Redis, let waiters in as long as this process holds fewer slots than this."""
        while self.held < places and (turn := self._next()) is not None:
            self.granted += 1
            turn.set_result(None)

    @property
    def waiting(self) -> bool:
        """Whether anyone waits for a slot."""
        return any(not turn.done() for turn in self._waiting)

    def refuse(self, kind: type[Exception], message: str, *, optional: bool = False) -> None:
        """Fail all waiters with an error.

        Args:
            kind: the type of the error.
            message: its message.
            optional: fail only those that can do without a slot.
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
    """The slots of one account's lanes, on one event loop.

    One task reports to Redis while anything is in flight, and a second one listens while anyone waits. Both end when
    there is nothing to do; the connections stay open until `aclose` or the end of the event loop.

    Args:
        url: the URL of the Redis.
        outage: what to do in an outage.
        account: the account's name, the same in all processes that share it; not a secret.
        places: returns the number of slots of a lane; among several processes the smallest number applies.
        lease: the lease in seconds, the same in all processes.
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
        self._lanes: dict[str, RedisSlots] = {}  # those with something in flight or to report
        self._unsaid: set[RedisSlots] = set()
        self._counted = 0  # the highest total of any lane that is finished
        self._something = asyncio.Event()
        self._speaker: asyncio.Task[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._connections: redis_client.Connections | None = None
        self._run: str | None = None  # changes when Redis has lost its data
        self._proved = False  # whether the current connections have worked
        self._ever_proved = False
        self._tick_at = 0.0
        self._connected_at = -math.inf
        self._cuts = 0
        self._retry_at = -math.inf
        self._closed = False
        _OPEN.add(self)

    @property
    def ready(self) -> bool:
        """Whether Redis has worked, and still does."""
        return self._proved and not self._outage.begun

    @property
    def trouble(self) -> str | None:
        """What is wrong with Redis."""
        return self._outage.trouble

    def slots(self, lane: str) -> RedisSlots:
        """Return the slots of a lane."""
        key = redis_client.lane_key(self._account, lane)
        # Totals never decrease, because Redis may remember them longer than we do: a lane that is created again keeps
        # the totals that have not been fully reported yet, or starts above those of any lane of ours.
        return self._lanes.get(key) or RedisSlots(key, self, self._counted)

    def changed(self, slots: RedisSlots) -> None:
        """Report a change of these slots."""
        if self._closed:
            slots.refuse(SlotsUnavailableError, _CLOSED)
            return
        self._lanes[slots.key] = slots
        self._unsaid.add(slots)
        if self._speaker is None or self._speaker.done():  # a past outage may be over by now
            self._speaker = asyncio.get_running_loop().create_task(
                self._speak(),
                name="woodpecker_async shared lane",
                context=Context(),  # it serves all calls, and is not part of the first one's trace
            )
            if time.monotonic() < self._retry_at:  # the outage is not over
                slots.grant_alone(self._outage.places)
        else:
            self._serve_alone(slots)
        self._something.set()

    async def aclose(self) -> None:
        """Report what is left to report, and close the connections. Slots still held expire with the lease."""
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
                except Exception as error:  # whatever a library raises, no waiter may wait for ever
                    pause = await self._failed(error)
                    patient = pause > 0
                else:
                    pause, patient = self._until_next(), False
                if not self._lanes or (self._closed and (patient or not self._unsaid)):
                    return
                await self._pause(pause, through=patient)
        finally:
            self._speaker = None  # later changes start another one
            await self._deafen()

    async def _pause(self, seconds: float, *, through: bool) -> None:
        if seconds <= 0 and through:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._something.wait()
                while through and not self._closed:  # changes in the meantime do not bring Redis back sooner
                    self._something.clear()
                    await self._something.wait()

    def _until_next(self) -> float:
        return max(min(self._tick_at, self._outage.over_at) - time.monotonic(), 0.0)

    async def _exchange(self) -> None:
        """Report our totals to Redis, and process its response."""
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
        # After connecting, first report only what we hold: if Redis has lost that, the other processes may have to
        # report too before anyone is granted more.
        humble = not self._proved or self._outage.settling
        said = [(slots.granted, slots.granted if humble else slots.asked, slots.returned) for slots in telling]
        run, age, answers = await self._connections.say(
            [slots.key for slots in telling], [(self._places(), *counts) for counts in said]
        )
        # A process that holds nothing learns only from the run that others may have to report again what they hold.
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
            self._outage.begin("it was restarted, or has lost track of the slots in use", self._serve_all_alone)
        self._outage.settle()
        self._serve_all_alone()
        for slots in self._lanes.values():
            if slots.waiting:  # now slots may be requested as well
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
        """Handle a failure, and return the seconds until the next attempt."""
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
            slots.refuse(SlotsUnavailableError, "the Redis of Limits.shared does not work", optional=True)
            if not slots.held and not slots.waiting:  # no need to report: the lease expires
                slots.told = False
                self._unsaid.discard(slots)
                self._done_with(slots)
        self._retry_at = now + pause
        return pause

    def _cut(self, now: float, pause: float) -> int:
        """Count a working connection that was cut; return how many in a row were cut right after they had worked."""
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
    """Cancel a task and wait until it has ended, ignoring how."""
    while not task.done():  # on Python 3.11 redis-py can swallow a cancellation, because it uses `wait_for`
        task.cancel()
        await asyncio.wait((task,), timeout=0.1)
    if not task.cancelled():
        task.exception()


# Connections inherited through a fork belong to the parent. Garbage collection would disturb it, so they are kept.
_INHERITED: Final[list[object]] = []
_OPEN: Final[WeakSet[RedisBackend]] = WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _INHERITED.extend(_OPEN))
