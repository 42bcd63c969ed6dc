"""Communication with Redis: the connections, the script, and messages about a Redis that does not work.

This is the engine's only use of redis-py. The protocol is described in `redis`.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import suppress
from hashlib import sha1
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from woodpecker_async.secret import Secret

_PREFIX: Final = "woodpecker-async:1"

# A lane is a hash that maps the name of each process to "expires places granted returned ticket ticket ...", and "" to
# the last ticket issued. Another hash, the last of the keys, has the id of this run: a process that has seen another id
# before knows that all data was lost since.
_SCRIPT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me, lease = ARGV[1], tonumber(ARGV[2])
local runs = KEYS[#KEYS]
local run = redis.call('HGETALL', runs)[2]
if not run then
  run = me .. ' ' .. now
  redis.call('HSET', runs, 'run', run)
end
local answers = {run, now - string.match(run, '%d+$')}
for n = 1, #KEYS - 1 do
  local key = KEYS[n]
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
  answers[n + 2] = {mine.granted, known}
end
-- At the end: behind a command that takes no memory, a full Redis would let a script write on.
redis.call('PEXPIRE', runs, 1000 * lease)
return answers
"""
_DIGEST: Final = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()  # what Redis calls the script by


_NEEDED: Final = (
    f"EVAL, EVALSHA, TIME, HGETALL, HSET, HDEL, HINCRBY and PEXPIRE on the keys {_PREFIX}:*, SUBSCRIBE and PUBLISH "
    f"on the channels {_PREFIX}:*"
)

# Errors of a Redis that responds but does not do what is requested. Not in its own words, which may quote our commands.
_REFUSALS: Final = {
    "OOM": "its memory is full (maxmemory)",
    "READONLY": "it is a read-only replica",
    "NOREPLICAS": "it has too few replicas and accepts no writes",
    "MASTERDOWN": "it is a replica that has lost its master",
    "MISCONF": "it cannot save to disk and accepts no writes",
    "BUSY": "it is busy running a script",
    "WRONGTYPE": f"one of the keys {_PREFIX}:* has a value of another type",
    "CLUSTERDOWN": "it is part of a cluster that is down",
    "TRYAGAIN": "it is part of a cluster that is being reconfigured",
}


def lane_key(account: str, lane: str) -> str:
    """Return the key of an account's lane."""
    return f"{_PREFIX}:{{{account}-{lane}}}"


def run_key(account: str) -> str:
    """Return the key of the run's id."""
    return f"{_PREFIX}:{{{account}}}"


class Told(NamedTuple):
    """The result of the script.

    Attributes:
        run: the id of the run, which changes when Redis has lost its data.
        age: the age of the run in seconds.
        lanes: for each lane, the total number of slots granted to this process, and whether it was known there.
    """

    run: str
    age: float
    lanes: list[tuple[int, int]]


class Connections:
    """The two connections of a process: one to send commands and one to listen for messages."""

    def __init__(self, redis: Any, account: str, name: str, lease: float) -> None:
        self._redis = redis
        self._run_key = run_key(account)
        self._name = name
        self._lease = lease
        self._ears = redis.pubsub()
        self._life = self._live()

    @classmethod
    async def opened(cls, url: Secret, *, account: str, name: str, lease: float, patience: float) -> "Connections":
        """Connect, and listen for messages to this process.

        Args:
            url: the URL of the Redis.
            account: the account's name.
            name: the name of this process.
            lease: seconds without a report after which a process is dropped.
            patience: seconds that connecting and each response may take.
        """
        # All set explicitly, because the defaults differ between versions of redis-py.
        redis = Redis.from_url(
            url.reveal(),
            decode_responses=True,
            protocol=2,
            socket_timeout=patience,
            socket_connect_timeout=patience,
            health_check_interval=0,
            retry=Retry(NoBackoff(), 0),
            single_connection_client=True,  # otherwise it reconnects by itself, and a restart goes unnoticed
        )
        self = cls(redis, account, name, lease)
        await anext(self._life)
        try:
            async with asyncio.timeout(patience):
                await self._ears.subscribe(f"{_PREFIX}:{name}")
                while await self._ears.get_message(timeout=patience) is None:
                    pass
        except BaseException:
            await self.aclose()
            raise
        return self

    async def _live(self) -> AsyncGenerator[None, None]:
        # Before an event loop closes, it ends the async generators that were started on it, so these connections never
        # outlive their loop, even if nobody calls `aclose`.
        try:
            yield
        finally:
            with suppress(RedisError, OSError, TimeoutError):
                await self._ears.aclose()
            with suppress(RedisError, OSError, TimeoutError):
                await self._redis.aclose(close_connection_pool=True)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._life.aclose()

    async def prove(self) -> None:
        """Try everything that will be needed on a private lane, so that any rejection happens now."""
        lane = [f"{_PREFIX}:{self._name}"]
        await self.say(lane, [(1, 0, 1, 0)])  # a slot is requested and granted
        await self.say(lane, [(1, 1, 1, 1)])  # and released
        await self._redis.execute_command("PUBLISH", *lane, "0 ")

    async def say(self, keys: list[str], counts: list[tuple[int, int, int, int]]) -> "Told":
        """Run the script.

        Args:
            keys: the keys of the lanes.
            counts: for each lane its number of slots, and our totals of slots granted, requested and released.
        """
        numbers = (count for of_lane in counts for count in of_lane)
        said = (len(keys) + 1, *keys, self._run_key, self._name, int(self._lease * 1000), *numbers, f"{_PREFIX}:")
        try:
            run, age, *answers = await self._redis.execute_command("EVALSHA", _DIGEST, *said)
        except NoScriptError:
            run, age, *answers = await self._redis.execute_command("EVAL", _SCRIPT, *said)
        return Told(run, age / 1000, answers)

    async def heard(self, seconds: float) -> list[tuple[int, str]]:
        """Wait this many seconds for a message; it has the total number of slots granted, and the key of the lane."""
        message = await self._ears.get_message(ignore_subscribe_messages=True, timeout=seconds)
        if message is None:
            return []
        granted, _, key = message["data"].partition(" ")
        return [(int(granted), key)]


def has_answered(error: Exception) -> bool:
    """Whether Redis responded with an error, so that reconnecting would not help."""
    return isinstance(error, ResponseError) and not isinstance(error, AuthenticationError)


def refusal(error: Exception) -> str | None:
    """Return why it cannot work without a change of the setup, and what to do about it; `None` if it may recover."""
    match error:
        case AuthenticationError() | AuthenticationWrongNumberOfArgsError():
            return "rejects the user or password in the URL, or requires one"
        case ResponseError() if _lacks_a_right(error):
            return f"does not grant this user the permissions needed: {_NEEDED}"
        case ResponseError() if _code(error) is None:
            return (
                f"responds with {str(error).partition(' ')[0][:20]}: check the number of the database, and its version"
            )
        case ValueError() | TypeError():
            return "cannot be reached: the parameters after the question mark in the URL are invalid"
    if _is_untrusted(error):
        return (
            "has a certificate that is not trusted here: for a private authority add "
            "?ssl_ca_certs=/path/to/ca.pem to the URL"
        )
    return None


def reason(error: Exception) -> str:
    """Return why it does not work now. Not in the server's words, which may quote our commands."""
    match error:
        case RedisTimeoutError() | TimeoutError():
            return "no answer in time"
        case BusyLoadingError():
            return "it is loading its data"
        case AuthenticationError():
            return "it rejects the user or password in the URL"
        case ResponseError() if _lacks_a_right(error):
            return f"it does not grant this user the permissions needed: {_NEEDED}"
        case ResponseError():
            return _REFUSALS.get(_code(error) or "", f"it responds with an error ({type(error).__name__})")
    if _is_untrusted(error):
        return "its certificate is not trusted"
    cause = error.__cause__ or error.__context__ or error
    if isinstance(cause, OSError) and cause.strerror:
        return f"no connection: {cause.strerror}"
    return f"no connection ({type(error).__name__})"


def _lacks_a_right(error: ResponseError) -> bool:
    return isinstance(error, NoPermissionError) or "user executing the script" in str(error)


def _code(error: ResponseError) -> str | None:
    """Return the code of an error that may pass. For some, redis-py keeps the code only in the class."""
    if isinstance(error, OutOfMemoryError):
        return "OOM"
    if isinstance(error, ReadOnlyError):
        return "READONLY"
    if isinstance(error, MasterDownError):
        return "MASTERDOWN"
    if isinstance(error, ClusterDownError):
        return "CLUSTERDOWN"
    words = str(error).split()  # older servers append the error that a script met
    return next((code for code in _REFUSALS if code in words), None)


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
