"""Places that processes on several machines share, kept in a Redis: the only module that knows redis-py.

Each process says how many places of a lane it has been granted so far, how many it has asked for and how many
it has given back: counts since it began, never steps. The one script writes them down, forgets processes that
have not spoken for a lease, grants free places in the order in which they were asked for, and tells the count
granted: the one who called by its answer, the others by a message. So it does no harm if a message is lost, if
a call is made twice, or if the Redis forgets everything: the next call says it all again, and each process
makes one at least every fifth of a lease while it has or wants a place. All times are the Redis's own.
"""

import asyncio
import logging
import os
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from hashlib import sha1
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakSet

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from woodpecker_async.engine.shared import SlotsUnavailableError
from woodpecker_async.errors import ConfigError
from woodpecker_async.options import SharedOutage
from woodpecker_async.secret import Secret

_log = logging.getLogger("woodpecker_async")

# Seconds after which a process that says nothing is taken for dead.
LEASE: Final = 5.0
# Shares of a lease: how often a process speaks while it has something under way; how long Redis may take to
# connect or to answer; how long between two tries to reach it.
_TICK: Final = 0.2
_PATIENCE: Final = 0.4
_RETRY: Final = 0.05
# Without Redis, how long until each process goes on alone: what was under way is answered by then, mostly.
_GRACE: Final = 0.2
# With Redis back, how long until places are asked for again: all others have tried again by then, and said
# what they have under way.
_SETTLE: Final = 0.5
# Places of a process that is alone.
_ALONE: Final = 1

_PREFIX: Final = "woodpecker-async:1"

# A lane is a hash: to each process, by its name, "expires places granted returned ticket ticket ...", and to
# "" the last ticket drawn.
_SCRIPT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me, lease = ARGV[1], tonumber(ARGV[2])
local answers = {}
for n, key in ipairs(KEYS) do
  local places, granted, asked, returned =
    tonumber(ARGV[4 * n - 1]), tonumber(ARGV[4 * n]), tonumber(ARGV[4 * n + 1]), tonumber(ARGV[4 * n + 2])
  local all, stored = {}, redis.call('HGETALL', key)
  for i = 1, #stored, 2 do
    local name, said = stored[i], {}
    if name ~= '' then
      for number in string.gmatch(stored[i + 1], '%d+') do said[#said + 1] = tonumber(number) end
      if said[1] > now or name == me then
        all[name] = {places = said[2], granted = said[3], returned = said[4], tickets = {unpack(said, 5)}}
        all[name].expires = said[1]
      else
        redis.call('HDEL', key, name)
      end
    end
  end
  local known = all[me] and 1 or 0
  local mine = all[me] or {granted = granted, returned = returned, tickets = {}}
  all[me] = mine
  mine.expires, mine.places = now + lease, places
  mine.granted, mine.returned = math.max(mine.granted, granted), math.max(mine.returned, returned)
  while #mine.tickets < asked - mine.granted do
    mine.tickets[#mine.tickets + 1] = redis.call('HINCRBY', key, '', 1)
  end
  while #mine.tickets > 0 and #mine.tickets > asked - mine.granted do table.remove(mine.tickets) end
  local held, room = 0, places
  for _, process in pairs(all) do
    held = held + process.granted - process.returned
    room = math.min(room, process.places)
  end
  local changed = {[me] = true}
  while held < room do
    local first
    for name, process in pairs(all) do
      if process.tickets[1] and (not first or process.tickets[1] < all[first].tickets[1]) then first = name end
    end
    if not first then break end
    table.remove(all[first].tickets, 1)
    all[first].granted, held, changed[first] = all[first].granted + 1, held + 1, true
  end
  for name in pairs(changed) do
    local process = all[name]
    if process.granted == process.returned and #process.tickets == 0 then
      redis.call('HDEL', key, name)
    else
      redis.call('HSET', key, name, table.concat({process.expires, process.places, process.granted,
        process.returned, unpack(process.tickets)}, ' '))
    end
    if name ~= me then redis.call('PUBLISH', ARGV[#ARGV] .. name, process.granted .. ' ' .. key) end
  end
  redis.call('PEXPIRE', key, 2 * lease)
  answers[n] = {mine.granted, known}
end
return answers
"""
_DIGEST: Final = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()  # what Redis calls the script by


class RedisSlots:
    """The places of one lane. What they come to is for `RedisBackend` to say.

    Attributes:
        key: the lane's key in Redis.
        granted: places granted so far.
        returned: places given back so far.
        told: Redis should know of us.
    """

    def __init__(self, key: str, backend: "RedisBackend") -> None:
        self.key = key
        self.granted = 0
        self.returned = 0
        self.told = False
        self._backend = backend
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def held(self) -> int:
        """Places that we have."""
        return self.granted - self.returned

    @property
    def asked(self) -> int:
        """Places asked for so far, those taken back not counted."""
        return self.granted + sum(not turn.done() for turn in self._waiting)

    async def take(self) -> None:
        """Wait for a place and take it."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._backend.changed(self)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back()  # it had been granted just before
            else:
                self._backend.changed(self)
            raise

    def give_back(self, after: float = 0.0) -> None:
        """Give back a place."""
        if after > 0:
            # If the loop ends before, nobody renews the lease, and it ends as well.
            asyncio.get_running_loop().call_later(after, self.give_back)
        elif self.held:
            self.returned += 1
            self._backend.changed(self)

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

    def refuse(self, kind: type[Exception], message: str) -> None:
        """Nobody who waits gets a place; each gets an error."""
        while (turn := self._next()) is not None:
            turn.set_exception(kind(message))

    def _next(self) -> asyncio.Future[None] | None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                return turn
        return None


class RedisBackend:
    """The places of one account's lanes, on one event loop.

    A task speaks with Redis while anything is under way, and a second one listens while somebody waits. Both
    end when nothing is; the connections stay, and end with `aclose` or with the event loop.

    Args:
        url: of the Redis.
        outage: what to do without it.
        account: the same in all processes that share it; no secret.
        places: how many may be under way in a lane; among several processes the smallest number holds.
        lease: seconds; the same in all processes.
    """

    def __init__(
        self, url: Secret, outage: SharedOutage, account: str, places: Callable[[], int], lease: float | None = None
    ) -> None:
        self._url = url
        self._outage = outage
        self._account = account
        self._places = places
        self._lease = LEASE if lease is None else lease
        self._where = _where(url)
        self._name = secrets.token_hex(8)
        self._lanes: dict[str, RedisSlots] = {}  # those that have something under way or to say
        self._unsaid: set[RedisSlots] = set()
        self._something = asyncio.Event()
        self._speaker: asyncio.Task[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._connections: _Connections | None = None
        self._proved = False  # these connections have served
        self._ever_proved = False
        self._tick_at = 0.0
        # In an outage: since when each process goes on alone, and, once Redis is back, until when.
        self._alone_from: asyncio.TimerHandle | None = None
        self._settled_at: float | None = None
        self._why = ""
        self._closed = False
        _OPEN.add(self)

    def slots(self, lane: str) -> RedisSlots:
        """The places of a lane."""
        return RedisSlots(f"{_PREFIX}:{{{self._account}-{lane}}}", self)

    def changed(self, slots: RedisSlots) -> None:
        """There is something to say of these places."""
        if self._closed:
            slots.refuse(SlotsUnavailableError, "the session has been closed")
            return
        self._lanes[slots.key] = slots
        self._unsaid.add(slots)
        self._serve_alone(slots)
        if self._speaker is None or self._speaker.done():
            self._speaker = asyncio.get_running_loop().create_task(self._speak(), name="woodpecker_async shared lane")
        self._something.set()

    async def aclose(self) -> None:
        """Say what is left to say, and close the connections. What is held even then ends with its lease."""
        self._closed = True
        self._something.set()
        if (speaker := self._speaker) is not None:
            if self._alone_from is None:
                await asyncio.wait((speaker,), timeout=_PATIENCE * self._lease)
            await _ended(speaker)
        if self._alone_from is not None:
            self._alone_from.cancel()
        await self._disconnect()

    # Speaking and listening -------------------------------------------------------------------------------

    async def _speak(self) -> None:
        try:
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
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._something.wait()
                while through and not self._closed:  # what happens meanwhile does not make Redis come back sooner
                    self._something.clear()
                    await self._something.wait()

    def _until_next(self) -> float:
        until = self._tick_at if self._settled_at is None else min(self._tick_at, self._settled_at)
        return max(until - time.monotonic(), 0.0)

    async def _exchange(self) -> None:
        """Tell Redis where we stand, and hear where it does."""
        if self._listener is not None and self._listener.done():
            listener, self._listener = self._listener, None
            listener.result()
        if self._connections is None:
            self._connections = await _Connections.opened(self._url, self._channel, _PATIENCE * self._lease)
        now = time.monotonic()
        if self._settled_at is not None and now >= self._settled_at:
            self._recovered()
        all_of_it = not self._proved or now >= self._tick_at
        telling = list(self._lanes.values() if all_of_it else self._unsaid)
        if all_of_it:
            self._tick_at = now + _TICK * self._lease
        self._unsaid.clear()
        # Who has just connected says first what it has: if Redis has forgotten that, the others may have to be
        # heard as well before anybody is granted more.
        humble = not self._proved or self._settled_at is not None
        said = [(slots.granted, slots.granted if humble else slots.asked, slots.returned) for slots in telling]
        answers = await self._connections.say(
            [slots.key for slots in telling], self._name, self._lease, [(self._places(), *counts) for counts in said]
        )
        forgotten = False
        for slots, (_, asked, returned), (granted, known) in zip(telling, said, answers, strict=True):
            forgotten |= slots.told and not known
            slots.told = asked > granted or granted > returned
            slots.grant(granted)
        if not self._proved:
            self._prove(forgotten=forgotten)
        for slots in telling:
            if not slots.told and not slots.waiting and slots not in self._unsaid:
                self._lanes.pop(slots.key, None)
        if self._listener is None and any(slots.waiting for slots in self._lanes.values()):
            self._listener = asyncio.get_running_loop().create_task(self._listen(self._connections))

    def _prove(self, *, forgotten: bool) -> None:
        self._proved = self._ever_proved = True
        if forgotten:
            self._trouble("it has forgotten the places that were taken: was it restarted?")
        if self._alone_from is not None:
            self._settled_at = time.monotonic() + _SETTLE * self._lease
        for slots in self._lanes.values():
            if slots.waiting:  # now the rest may be said
                self._unsaid.add(slots)
                self._something.set()

    async def _listen(self, connections: "_Connections") -> None:
        try:
            while True:
                for granted, key in await connections.heard(_TICK * self._lease):
                    if (slots := self._lanes.get(key)) is not None:
                        slots.grant(granted)
        finally:
            self._something.set()

    @property
    def _channel(self) -> str:
        return f"{_PREFIX}:{self._name}"

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
        self._settled_at = None
        await self._disconnect()
        if not self._ever_proved and (reason := _refusal(error)) is not None:
            for slots in list(self._lanes.values()):
                slots.refuse(ConfigError, f"the Redis of Limits.shared, {self._where}, {reason}")
        elif not proved:
            self._trouble(_reason(error))
        if proved:
            return 0.0
        for slots in list(self._lanes.values()):
            if not slots.held and not slots.waiting:  # what is left to say, the end of the lease says as well
                slots.told = False
                self._unsaid.discard(slots)
                del self._lanes[slots.key]
        return _RETRY * self._lease

    def _trouble(self, reason: str) -> None:
        self._why = reason
        if self._alone_from is not None:
            return
        grace = _GRACE * self._lease
        self._alone_from = asyncio.get_running_loop().call_later(grace, self._serve_all_alone)
        meanwhile = {
            "local": f"from {grace:g} s on, this process sends one request at a time by itself",
            "wait": "calls wait",
            "fail": f"from {grace:g} s on, calls fail",
        }[self._outage]
        _log.warning("shared lane: Redis at %s: %s; until it is back, %s", self._where, reason, meanwhile)

    def _recovered(self) -> None:
        assert self._alone_from is not None
        self._alone_from.cancel()
        self._alone_from = self._settled_at = None
        self._unsaid.update(self._lanes.values())
        _log.info("shared lane: Redis at %s is back", self._where)

    def _serve_all_alone(self) -> None:
        for slots in list(self._lanes.values()):
            self._serve_alone(slots)

    def _serve_alone(self, slots: RedisSlots) -> None:
        if self._alone_from is None or asyncio.get_running_loop().time() < self._alone_from.when():
            return
        if self._outage == "local":
            slots.grant_alone(_ALONE)
        elif self._outage == "fail" and self._settled_at is None:
            message = f"the Redis of Limits.shared, {self._where}, is not there: {self._why}"
            slots.refuse(SlotsUnavailableError, message)


class _Connections:
    """One connection to speak and one to listen."""

    def __init__(self, redis: Any, channel: str) -> None:
        self._redis = redis
        self._channel = channel
        self._ears = redis.pubsub()
        self._life = self._live()

    @classmethod
    async def opened(cls, url: Secret, channel: str, patience: float) -> "_Connections":
        """Connect, and have the channel listened to."""
        # Versions of redis-py differ in what they do if these are not said.
        redis = Redis.from_url(
            url.reveal(),
            decode_responses=True,
            protocol=2,
            socket_timeout=patience,
            socket_connect_timeout=patience,
            health_check_interval=0,
            retry=Retry(NoBackoff(), 0),
        )
        self = cls(redis, channel)
        await anext(self._life)
        try:
            async with asyncio.timeout(patience):
                await self._ears.subscribe(channel)
                while await self._ears.get_message(timeout=patience) is None:
                    pass
        except BaseException:
            await self.aclose()
            raise
        return self

    async def _live(self) -> AsyncGenerator[None, None]:
        # An event loop ends the async generators that were begun on it before it closes, so these connections
        # never outlive their loop, whether or not anybody thought of `aclose`.
        try:
            yield
        finally:
            with suppress(RedisError, OSError, TimeoutError):
                await self._ears.aclose()
            with suppress(RedisError, OSError, TimeoutError):
                await self._redis.aclose(close_connection_pool=True)

    async def aclose(self) -> None:
        """Close them."""
        await self._life.aclose()

    async def say(
        self, keys: list[str], name: str, lease: float, counts: list[tuple[int, int, int, int]]
    ) -> list[tuple[int, int]]:
        """Run the script: for each lane, the places granted so far, and whether we were known there."""
        numbers = (count for of_lane in counts for count in of_lane)
        said = (len(keys), *keys, name, int(lease * 1000), *numbers, f"{_PREFIX}:")
        answers: list[tuple[int, int]]
        try:
            answers = await self._redis.execute_command("EVALSHA", _DIGEST, *said)
        except NoScriptError:
            answers = await self._redis.execute_command("EVAL", _SCRIPT, *said)
        return answers

    async def heard(self, seconds: float) -> list[tuple[int, str]]:
        """What comes within so many seconds: the places granted so far, and of which lane."""
        message = await self._ears.get_message(ignore_subscribe_messages=True, timeout=seconds)
        if message is None:
            return []
        granted, _, key = message["data"].partition(" ")
        return [(int(granted), key)]


async def _ended(task: "asyncio.Task[None]") -> None:
    """Cancel it, and wait until it has ended; how does not matter."""
    while not task.done():  # redis-py can swallow a cancellation on Python 3.11: it sends within `wait_for`
        task.cancel()
        await asyncio.wait((task,), timeout=0.1)
    if not task.cancelled():
        task.exception()


def _where(url: Secret) -> str:
    parts = urlsplit(url.reveal())
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"


def _refusal(error: Exception) -> str | None:
    """Why it will never do, whoever waits. Not in the words of the server: they may repeat what was said."""
    match error:
        case AuthenticationError() | AuthenticationWrongNumberOfArgsError():
            return "refuses the user or the password in the URL, or wants one"
        case NoPermissionError():
            return (
                f"does not let this user do what is needed: EVAL and EVALSHA on the keys {_PREFIX}:*, "
                f"SUBSCRIBE and PUBLISH on the channels {_PREFIX}:*"
            )
        case BusyLoadingError() | ReadOnlyError():
            return None
        case ResponseError():
            return (
                f"refuses with {str(error).partition(' ')[0][:20]}: check the number of the database, and its version"
            )
        case ValueError() | TypeError():
            return "cannot be reached with what the URL says after the question mark"
    return None


def _reason(error: Exception) -> str:
    match error:
        case RedisTimeoutError() | TimeoutError():
            return "no answer in time"
        case AuthenticationError() | ResponseError():
            return f"it refuses ({type(error).__name__})"
    cause = error.__cause__ or error.__context__ or error
    if isinstance(cause, OSError) and cause.strerror:
        return f"no connection: {cause.strerror}"
    return f"no connection ({type(error).__name__})"


# Connections inherited over a fork belong to the parent. Collecting them would disturb it, so they are kept.
_INHERITED: Final[list[object]] = []
_OPEN: Final[WeakSet[RedisBackend]] = WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _INHERITED.extend(_OPEN))
