"""Making exactly one key at a server that cannot be asked twice.

Creating a key is not idempotent, and the secret is in the answer. If the answer is lost, there may be a live
key that nobody knows of; sending again may make a second one. But the keys of a company can be listed, so
there is a way to know:

1. List: the keys that are there now are the baseline.
2. Send.
3. A clear answer ends it: the key is in it, or the server refused and nothing was made.
4. Otherwise list again. A key that is not in the baseline is ours, secret included. If there is none, nothing
   was made, and sending again is safe. If there are several, or one that by its label somebody else made in
   the meantime, nobody can say which is ours: that is an error which names the candidates.

When does the absence of a new key count? At once, if the server has surely finished (a 500 with the API's
own body). After a lost connection, a timeout or an error page of a proxy the server may still be at work:
then the list is read again for `settle` seconds before absence counts. The same holds where the list is seen
to lag behind: it lacks a key that this process was handed before. Only a list that could be read to its end
decides anything.

The difference of two sets decides, not the label: servers may trim or cut labels. A key in the answer that
was in the baseline, or that this process was handed before, at whatever company of the account, is not a new key
but an unknown outcome; a list with a key in it that was made here at another company decides nothing.

The whole creation has one deadline: waiting for one's turn, every list, every request, every pause.

What this rests on: one lock for each company, which keeps apart the creations of one account in one process,
whatever their session, event loop or thread (see `creation_lock`). What it cannot see through: another process
that makes keys at the same company at the same moment with a label that could be ours; a server that commits
after `settle`; a list that lags and has given no sign of it.

No HTTP here: listing, sending and time are handed in.

It is one long module so that a creation can be read from its first look to its last.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, Protocol
from uuid import uuid4

import attrs

from woodpecker_async.creation_lock import CreationLock
from woodpecker_async.engine.clock import Clock
from woodpecker_async.errors import (
    ApiError,
    CallError,
    DeadlineExceededError,
    KeyOutcomeUnknownError,
    OutcomeUnknownError,
    ResponseDecodeError,
    UnknownKind,
    WoodpeckerError,
)
from woodpecker_async.labels import keys_with_label, may_match, same_label
from woodpecker_async.models.agency import ApiKey, IssuedKey
from woodpecker_async.secret import Secret
from woodpecker_async.time_limit import TimeLimit

_logger = logging.getLogger("woodpecker_async")

# Pauses between two lists: short at first, for most answers are lost when the work is done.
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0
_YEARS: Final = 1e9


class KeyEndpoint(Protocol):
    """The requests about the keys of one company. Deadlines are moments by the clock."""

    async def lock(self) -> CreationLock:
        """The lock of the company."""
        ...

    async def list_keys(self, deadline: float) -> Sequence[ApiKey]:
        """All keys of the company; raises where they could not be read to the end."""
        ...

    async def post(
        self, deadline: float, on_wire: Callable[[bool], None], before_send: Callable[[], object] | None
    ) -> Secret:
        """Request a key once, and return it.

        Args:
            deadline: when to give up.
            before_send: see `PostHooks`.
            on_wire: to be told `True` as soon as the server may act on the request, and `False` when it has
                said that it did not.
        """
        ...


@attrs.frozen(kw_only=True, repr=False)
class PostHooks:
    """What a caller does before each request that may make a key. What it raises ends the creation, nothing being sent.

    Attributes:
        before_queueing: awaited before the request queues in the lane. It may take long, as part of the creation.
        before_send: called when its turn in the lane has come and it is about to be sent. It must be quick.
    """

    before_queueing: Callable[[], Awaitable[object]] | None = None
    before_send: Callable[[], object] | None = None


@attrs.define(kw_only=True, eq=False, repr=False)
class KeyCreation:
    """The creation of one key, from waiting for one's turn to the key or the error. Use it once.

    Attributes:
        company_id: the company.
        label: the label asked for.
        endpoint: lists and makes the company's keys.
        clock: time.
        backoff: seconds to wait before sending again, by how often it was sent.
        settle: seconds until the absence of a new key counts, when the server may still be at work.
        max_sends: how often the request may be sent at most.
        deadline: seconds for the whole creation.
        hooks: what the caller does before each request that may make a key.
        id: names the creation, in this process and in its errors.
    """

    company_id: int
    label: str
    endpoint: KeyEndpoint
    clock: Clock
    backoff: Callable[[int], float]
    settle: float
    max_sends: int
    deadline: float
    hooks: PostHooks = PostHooks()
    id: str = attrs.field(factory=lambda: uuid4().hex)

    _limit: TimeLimit = attrs.field(init=False)
    _lock: CreationLock = attrs.field(init=False)
    # The fingerprints of the keys that were there before; `None` if nobody looked.
    _baseline: Collection[str] | None = attrs.field(init=False, default=None)
    # How the latest request that may have made a key failed, if one did.
    _unknown: OutcomeUnknownError | None = attrs.field(init=False, default=None)
    # How many requests failed so, and when the latest of them did.
    _lost: int = attrs.field(init=False, default=0)
    _lost_at: float = attrs.field(init=False, default=0.0)
    # Whether the latest request may be acted on by the server.
    _on_wire: bool = attrs.field(init=False, default=False)
    # The moment from which the absence of a new key counts.
    _settled_at: float = attrs.field(init=False, default=0.0)
    # When the latest list was read, the keys that were handed out before and that it lacks, and whether any list
    # lacked some.
    _listed_at: float = attrs.field(init=False, default=0.0)
    _missing: frozenset[str] = attrs.field(init=False, default=frozenset())
    _list_lags: bool = attrs.field(init=False, default=False)

    # The ways to a key ------------------------------------------------------------------------------------

    async def create(self, *, baseline: bool = True) -> IssuedKey:
        """Make a new key.

        Args:
            baseline: list the keys first. Without it an unclear answer is the end, because no list afterwards
                can tell old from new.

        Raises:
            KeyOutcomeUnknownError: it cannot be said which key, if any, was made.
            WoodpeckerError: nothing was made.
        """
        async with self._turn():
            if baseline:
                self._baseline = (await self._list_keys()).keys()
            return await self._make()

    async def ensure(self) -> IssuedKey:
        """The key that has the label, or else a new one.

        Raises:
            KeyOutcomeUnknownError: several keys have the label, and nothing was sent; or as for `create`.
            WoodpeckerError: nothing was made.
        """
        async with self._turn():
            keys, found = await self._find_label()
            if len(found) > 1:
                raise self._ambiguous(found)
            if found:
                return IssuedKey(company_id=self.company_id, label=self.label, api_key=found[0], created=False)
            self._baseline = keys
            return await self._make()

    async def create_once(self) -> IssuedKey:
        """Make a new key with one request, and without a look.

        Raises:
            KeyOutcomeUnknownError: it is not known whether the key was made.
            WoodpeckerError: nothing was made.
        """
        async with self._turn():
            outcome = await self._send()
            if isinstance(outcome, Secret):
                return await self._made(outcome)
            self._unknown = outcome
            raise self._unknown_outcome("the answer got lost")

    async def resolve(self, error: KeyOutcomeUnknownError) -> IssuedKey | None:
        """What a creation that ended with this error came to: its key, or `None` if it made none.

        Raises:
            KeyOutcomeUnknownError: several keys can be it, or it is still open.
            WoodpeckerError: the keys could not be listed.
        """
        self._unknown = error
        if error.settles_at is not None:
            self._settled_at = self.clock.now() + (error.settles_at - self.clock.utcnow()).total_seconds()
        try:
            # The server may be working on this very creation, so there is nothing to wait for before looking.
            async with self._turn(wait_until_finished=False):
                return await self._look_for(error)
        except CallError as failure:
            if isinstance(failure, KeyOutcomeUnknownError) or not self._limit.passed:
                raise
        reason = "the deadline passed before it could be settled"
        raise self._unknown_outcome(reason, error.candidates, kind="deadline")

    # Before anything is sent ------------------------------------------------------------------------------

    @asynccontextmanager
    async def _turn(self, *, wait_until_finished: bool = True) -> AsyncIterator[None]:
        self._limit = TimeLimit(self.clock, self.deadline, self._too_late)
        self._lock = await self._limit.run(self.endpoint.lock())
        async with self._lock.acquire(self.clock, self._limit.deadline, wait_until_finished=wait_until_finished):
            yield

    async def _find_label(self) -> tuple[Collection[str], list[Secret]]:
        """The fingerprints of all keys, and the keys that have the label.

        What this process made and does not find makes the list one that lags behind: it is read again.
        """
        pause = _FIRST_PAUSE
        while True:
            keys = await self._list_keys()
            handed_out = self._lock.handed_out()
            made_here = {fp for fp, key in handed_out.items() if same_label(self.label, key.label)}
            found = keys_with_label(keys.values(), self.label, made_here)
            if not self._missing or (found and not made_here & self._missing):
                return keys.keys(), found
            pause = await self._pause(pause)

    # Sending ----------------------------------------------------------------------------------------------

    async def _make(self) -> IssuedKey:
        """Send until it is known that there is one new key, and which."""
        for number in range(1, self.max_sends + 1):
            if number > 1:
                await self._limit.pause(self.backoff(number - 1))
                if self._limit.passed:
                    raise self._unknown_outcome("the deadline passed", kind="deadline")
            if self.hooks.before_queueing is not None:
                await self._limit.run(self.hooks.before_queueing())
            refusal: Exception | None = None
            try:
                outcome = await self._send()
            except Exception as error:
                # This request made nothing; but an earlier one may have, after it had been given up.
                if self._unknown is None or self._baseline is None:
                    raise
                refusal = error
            if refusal is not None:
                late = await self._look()
                if late is None:
                    raise refusal
                return await self._found(late)
            if isinstance(outcome, Secret):
                return await self._made(outcome)
            self._unknown = outcome
            self._lost += 1
            self._lost_at = self.clock.now()
            if self._baseline is None:
                raise self._unknown_outcome("nobody looked before")
            found = await self._settled_look()
            if found is not None:
                return await self._found(found)
        raise self._unknown_outcome(f"sent {self.max_sends} times, and no new key is to be seen", kind="not_seen")

    async def _send(self) -> Secret | OutcomeUnknownError:
        """Send the request once.

        Returns:
            The key, or the error that says that the outcome is not known.

        Raises:
            Exception: nothing was made.
        """
        self._on_wire = False
        try:
            secret = await self._limit.run(
                self.endpoint.post(self._limit.deadline, self._tell_on_wire, self.hooks.before_send)
            )
        except OutcomeUnknownError as error:
            outcome = error.with_traceback(None)
        except ResponseDecodeError as error:
            # The server says that it is made, and the list has it in full. A list without it came too early.
            outcome = error.as_unknown()
        except ApiError:
            raise
        except Exception as error:
            if not self._on_wire:
                raise
            kind: UnknownKind = "deadline" if isinstance(error, DeadlineExceededError) else "unreadable_answer"
            outcome = OutcomeUnknownError(f"it is not known whether this happened: {_words_of(error)}", kind=kind)
        except BaseException:
            if self._on_wire:
                self._in_flight_for(self.settle)
            raise
        else:
            self._finished()
            return secret
        if outcome.settled:
            self._finished()
        else:
            self._in_flight_for(self.settle)
        return outcome

    def _tell_on_wire(self, on_wire: bool) -> None:
        self._on_wire = on_wire
        if on_wire:
            self._in_flight_for(self.settle)
        else:
            self._finished()

    def _in_flight_for(self, seconds: float) -> None:
        """From now on the server may be at work for so long."""
        now = self.clock.now()
        self._settled_at = now + seconds
        self._lock.mark_in_flight(self._settled_at, now)

    def _finished(self) -> None:
        self._settled_at = self.clock.now()
        self._lock.mark_finished()

    # Afterwards -------------------------------------------------------------------------------------------

    async def _made(self, secret: Secret) -> IssuedKey:
        """The server says that this is the new key."""
        if secret.fingerprint in self._known() or self._lock.elsewhere([secret.fingerprint]):
            self._in_flight_for(self.settle)  # whatever it answered, it was not our request
            reason = f"the server handed out the key {secret.fingerprint}, which is not new"
            raise self._unknown_outcome(reason, kind="not_new")
        if self._lost:
            await self._see_that_it_is_alone(secret)
        return self._issued(secret)

    async def _found(self, secret: Secret) -> IssuedKey:
        """A list has the new key, whose answer was lost."""
        if self._lost > 1:  # which of them made it? the others may yet come to something
            await self._see_that_it_is_alone(secret, self._lost_at + self.settle)
        lost = self._unknown
        assert lost is not None
        fields = {"company_id": self.company_id, "fingerprint": secret.fingerprint, "failure": lost.kind}
        _logger.warning(
            "the answer to a creation at company %s got lost (%s); its key %s was found in the list",
            self.company_id,
            lost.kind,
            secret.fingerprint,
            extra={f"woodpecker_{name}": value for name, value in fields.items()},
        )
        self._finished()
        return self._issued(secret)

    def _issued(self, secret: Secret, *, created: bool = True) -> IssuedKey:
        self._lock.hand_out(secret.fingerprint, self.label, self.id)
        return IssuedKey(company_id=self.company_id, label=self.label, api_key=secret, created=created)

    async def _settled_look(self) -> Secret | None:
        """The one new key, or `None` once its absence counts."""
        pause = _FIRST_PAUSE
        while True:
            if (found := await self._look()) is not None:
                return found
            if self._list_lags and self._settled_at < self._lost_at + self.settle:
                self._settled_at = self._lost_at + self.settle
                self._lock.mark_in_flight(self._settled_at, self.clock.now())
            if self._listed_at >= self._settled_at and not self._missing:
                self._finished()
                return None  # only a list that was read when all was settled can tell that nothing is there
            pause = await self._pause(pause, self._settled_at)

    async def _look(self) -> Secret | None:
        """The one new key, if it is listed now."""
        return self._pick(await self._list_afterwards())

    async def _list_afterwards(self, candidates: Iterable[Secret] = ()) -> Mapping[str, ApiKey]:
        """The company's keys, after something has been sent."""
        try:
            return await self._list_keys()
        except Exception as error:
            reason = f"the look for it failed: {_words_of(error)}"
        kind: UnknownKind = "deadline" if self._limit.passed else "look_failed"
        raise self._unknown_outcome(reason, candidates, kind=kind)

    def _pick(self, keys: Mapping[str, ApiKey]) -> Secret | None:
        """The key that is new since the baseline.

        Raises:
            KeyOutcomeUnknownError: several are new, or somebody else made the one that is new.
        """
        known = self._known()
        new = [key for fingerprint, key in keys.items() if fingerprint not in known]
        if not new:
            return None
        candidates = [key.api_key for key in new]
        if any(not may_match(self.label, key.label) for key in new):
            reason = "somebody else makes keys at this company at the same time"
            raise self._unknown_outcome(reason, candidates, kind="other_writer")
        if len(new) > 1:
            raise self._unknown_outcome(f"{len(new)} new keys appeared", candidates, kind="several_keys")
        return candidates[0]

    async def _see_that_it_is_alone(self, secret: Secret, until: float = 0.0) -> None:
        """After sending again: did an earlier request come to something after all?

        A list that lacks this key may lack the other one too, and is read again.

        Args:
            secret: the key that was made or found.
            until: go on looking until then.
        """
        enough = max(until, self.clock.now() + self.settle)
        pause = _FIRST_PAUSE
        while True:
            keys = await self._list_afterwards([secret])
            known = self._known() | {secret.fingerprint}
            twins = [
                key.api_key
                for fingerprint, key in keys.items()
                if fingerprint not in known and may_match(self.label, key.label)
            ]
            if twins:
                reason = "an earlier request made a key after it had been given up"
                raise self._unknown_outcome(reason, [secret, *twins], kind="several_keys")
            if secret.fingerprint in keys and self._listed_at >= until:
                return
            if self._listed_at >= enough:
                reason = "the list does not show the key that was made, so it may hide another one too"
                raise self._unknown_outcome(reason, [secret], kind="not_seen")
            pause = await self._pause(pause, until)

    async def _look_for(self, error: KeyOutcomeUnknownError) -> IssuedKey | None:
        """Look until the creation's key is found, or its absence counts."""
        pause = _FIRST_PAUSE
        while True:
            keys = await self._list_keys()
            if error.baseline is not None:
                self._baseline = error.baseline
            else:
                self._baseline = {fp for fp, key in keys.items() if not same_label(self.label, key.label)}
            found = self._pick(keys)
            if found is not None:
                return self._issued(found, created=error.baseline is not None)
            if self._listed_at >= self._settled_at and not self._missing:
                return None
            pause = await self._pause(pause, self._settled_at)

    # What all of them use ---------------------------------------------------------------------------------

    async def _list_keys(self) -> dict[str, ApiKey]:
        """The company's keys by fingerprint."""
        began = self.clock.now()
        keys = await self._limit.run(self.endpoint.list_keys(self._limit.deadline))
        by_fingerprint = {key.api_key.fingerprint: key for key in keys}
        if strangers := self._lock.elsewhere(by_fingerprint):
            reason = f"its list holds keys that were made here at another company: {', '.join(sorted(strangers))}"
            raise self._unknown_outcome(reason, kind="mixed_up")
        self._listed_at = began
        self._missing, deleted = self._lock.compare(by_fingerprint, began, self.settle)
        self._list_lags = self._list_lags or bool(self._missing)
        if deleted:
            _logger.warning(
                "company %s: keys made here are missing from its list for %g s, and count as deleted: %s",
                self.company_id,
                self.settle,
                ", ".join(sorted(deleted)),
                extra={"woodpecker_company_id": self.company_id},
            )
        return by_fingerprint

    def _known(self) -> set[str]:
        """The fingerprints of all keys that are not the new one."""
        handed_out = self._lock.handed_out()
        elsewhere = {fingerprint for fingerprint, key in handed_out.items() if key.creation_id != self.id}
        return elsewhere.union(self._baseline or ())

    def _too_late(self) -> DeadlineExceededError:
        return DeadlineExceededError(
            f"the deadline of {self.deadline:g} s for creating an API key passed", company_id=self.company_id
        )

    async def _pause(self, seconds: float, until: float | None = None) -> float:
        """Wait before the next list; the pause after that."""
        await self._limit.pause(seconds, until)
        return min(2 * seconds, _LONGEST_PAUSE)

    def _ambiguous(self, keys: list[Secret]) -> KeyOutcomeUnknownError:
        """The error of a label that several keys have; only a person can say which of them is meant."""
        named = ", ".join(key.fingerprint for key in keys)
        return KeyOutcomeUnknownError(
            f"company {self.company_id} has {len(keys)} API keys with label {self.label!r} already, so it is not "
            "clear which one is meant; nothing was sent: delete or rename all but one in Woodpecker, or use another "
            f"label; fingerprints: {named}",
            company_id=self.company_id,
            label=self.label,
            kind="several_keys",
            candidates=keys,
            creation_id=self.id,
        )

    def _unknown_outcome(
        self, reason: str, candidates: Iterable[Secret] = (), kind: UnknownKind | None = None
    ) -> KeyOutcomeUnknownError:
        """The error that says what is known, and how to find out the rest."""
        candidates = tuple(candidates)
        lost = self._unknown
        named = ", ".join(key.fingerprint for key in candidates) or "none"
        story = f"; first: {lost.args[0]}" if lost is not None else ""
        open_for = self._settled_at - self.clock.now()
        # `settle` may be longer than calendars go.
        settles_at = self.clock.utcnow() + timedelta(seconds=min(open_for, _YEARS)) if open_for > 0 else None
        still = f"; the server may be at work on it until {settles_at:%H:%M:%S} UTC" if settles_at else ""
        return KeyOutcomeUnknownError(
            f"it is not known which API key, if any, was made at company {self.company_id} for label "
            f"{self.label!r}: {reason}{story}{still}; candidates by fingerprint: {named}; "
            "`await session.agency.api_keys.resolve(error)` looks again",
            company_id=self.company_id,
            label=self.label,
            kind=kind or (lost.kind if lost is not None else "several_keys"),
            candidates=candidates,
            baseline=self._baseline,
            settles_at=settles_at,
            creation_id=self.id,
            **_story_of(lost),
        )


def _story_of(lost: OutcomeUnknownError | None) -> dict[str, Any]:
    if lost is None:
        return {}
    names = ("status", "settled", "method", "path", "call_id", "request_id", "attempts")
    return {name: getattr(lost, name) for name in names}


def _words_of(error: Exception) -> str:
    # Anybody's exception may come by, from a function that gives the key, say; what it holds is not ours to show.
    return str(error) if isinstance(error, WoodpeckerError) else type(error).__name__
