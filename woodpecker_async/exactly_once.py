"""Creating exactly one key, although the request is not idempotent.

Creating a key is not idempotent, and the secret is in the response. If the response is lost, there may be a live key
that nobody knows of; sending again may create a second one. But a company's keys can be listed, so there is a way to
find out:

1. List the keys: they are the baseline.
2. Send the request.
3. A clear response ends the procedure: it contains the key, or the server refused and no key was created.
4. Otherwise list again. A key that is not in the baseline is ours, secret included. If there is none, no key was
   created, and it is safe to send again. If there are several, or if the label of the new key shows that someone else
   created it meanwhile, it is not clear which key is ours: that is an error which names the candidates.

When does the absence of a new key count as proof? At once, if the server is certain to have finished (a 500 with the
API's own body). After a lost connection, a timeout or a proxy's error page the server may still be processing the
request: then the list is read again for `settle` seconds before absence counts. The same applies if the list is seen to
lag: it lacks a key that this process received before. Only a list that was read to the end proves anything.

The decision rests on the difference of two sets, not on the label, because servers may trim or truncate labels. If the
key in the response was in the baseline, or was received before by this process for any company of the account, it is
not a new key, and the outcome is unknown. A list that contains a key created here for another company proves nothing.

The whole creation has one deadline, which covers the wait for the lock, every list, every request and every pause.

This rests on one lock per company, which serializes the creations of one account in one process, whatever their
session, event loop or thread (see `creation_lock`). It cannot detect another process that creates keys for the same
company at the same time with a label that could be ours, a server that commits after `settle`, or a list that lags
without any sign of it.

There is no HTTP here: listing, sending and time are passed in.

It is one long module so that you can read a creation from start to finish.
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

# Pauses between two lists: short at first, because when a response is lost, the work is mostly done.
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0
_YEARS: Final = 1e9


class KeyEndpoint(Protocol):
    """The requests about the keys of one company. Deadlines are times of the clock."""

    async def lock(self) -> CreationLock:
        """Return the lock of the company."""
        ...

    async def list_keys(self, deadline: float) -> Sequence[ApiKey]:
        """Return all keys of the company; raises if they could not be read to the end."""
        ...

    async def post(
        self, deadline: float, on_wire: Callable[[bool], None], before_send: Callable[[], object] | None
    ) -> Secret:
        """Request a key once, and return it.

        Args:
            deadline: when to give up.
            before_send: see `PostHooks`.
            on_wire: to be called with `True` as soon as the server may act on the request, and with `False` once it
                has said that it did not.
        """
        ...


@attrs.frozen(kw_only=True, repr=False)
class PostHooks:
    """Hooks that run before each request that may create a key. If one raises, the creation ends without sending it.

    Attributes:
        before_queueing: awaited before the request enters the lane. It may take a while, within the deadline.
        before_send: called right before the request is sent, after its wait in the lane. It must be quick.
    """

    before_queueing: Callable[[], Awaitable[object]] | None = None
    before_send: Callable[[], object] | None = None


@attrs.define(kw_only=True, eq=False, repr=False)
class KeyCreation:
    """The creation of one key, from the wait for the lock to the key or the error. Use it once.

    Attributes:
        company_id: the company.
        label: the requested label.
        endpoint: lists and creates the company's keys.
        clock: the clock.
        backoff: returns the seconds to wait before sending again, given how often it was sent.
        settle: seconds to wait before the absence of a new key counts as proof, while the server may still be
            processing the request.
        max_sends: the maximum number of times to send the request.
        deadline: seconds for the whole creation.
        hooks: run before each request that may create a key.
        id: identifies the creation, in this process and in its errors.
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
    # The fingerprints of the keys that existed before; `None` if they were not listed.
    _baseline: Collection[str] | None = attrs.field(init=False, default=None)
    # The failure of the latest request that may have created a key, if any.
    _unknown: OutcomeUnknownError | None = attrs.field(init=False, default=None)
    # How many requests failed like that, and when the latest did.
    _lost: int = attrs.field(init=False, default=0)
    _lost_at: float = attrs.field(init=False, default=0.0)
    # Whether the server may be acting on the latest request.
    _on_wire: bool = attrs.field(init=False, default=False)
    # The time from which the absence of a new key counts as proof.
    _settled_at: float = attrs.field(init=False, default=0.0)
    # When the latest list was read, which of the keys received before it lacks, and whether any list lacked some.
    _listed_at: float = attrs.field(init=False, default=0.0)
    _missing: frozenset[str] = attrs.field(init=False, default=frozenset())
    _list_lags: bool = attrs.field(init=False, default=False)

    # Procedures -------------------------------------------------------------------------------------------

    async def create(self, *, baseline: bool = True) -> IssuedKey:
        """Create a new key.

        Args:
            baseline: list the keys first. Without that, an unclear outcome stays unknown, because a later list cannot
                tell old keys from new ones.

        Raises:
            KeyOutcomeUnknownError: it is not known which key, if any, was created.
            WoodpeckerError: no key was created.
        """
        async with self._turn():
            if baseline:
                self._baseline = (await self._list_keys()).keys()
            return await self._make()

    async def ensure(self) -> IssuedKey:
        """Return the key with the label, creating it if there is none.

        Raises:
            KeyOutcomeUnknownError: several keys have the label, and nothing was sent; or as for `create`.
            WoodpeckerError: no key was created.
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
        """Create a new key with one request, without listing the keys.

        Raises:
            KeyOutcomeUnknownError: it is not known whether the key was created.
            WoodpeckerError: no key was created.
        """
        async with self._turn():
            outcome = await self._send()
            if isinstance(outcome, Secret):
                return await self._made(outcome)
            self._unknown = outcome
            raise self._unknown_outcome("the response was lost")

    async def resolve(self, error: KeyOutcomeUnknownError) -> IssuedKey | None:
        """Find the key of a creation that ended with this error; `None` if it created none.

        Raises:
            KeyOutcomeUnknownError: several keys qualify, or the outcome is still open.
            WoodpeckerError: the keys could not be listed.
        """
        self._unknown = error
        if error.settles_at is not None:
            self._settled_at = self.clock.now() + (error.settles_at - self.clock.utcnow()).total_seconds()
        try:
            # What the server may be working on is this very creation, so there is no reason to wait before listing.
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
        """Return the fingerprints of all keys, and the keys that have the label.

        If a key that this process created is missing, the list lags and is read again.
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
        """Send until it is known that there is exactly one new key, and which one."""
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
                # This request created nothing, but an earlier one may have, after it was given up on.
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
                raise self._unknown_outcome("the keys were not listed before")
            found = await self._settled_look()
            if found is not None:
                return await self._found(found)
        raise self._unknown_outcome(f"sent {self.max_sends} times, but no new key has appeared", kind="not_seen")

    async def _send(self) -> Secret | OutcomeUnknownError:
        """Send the request once.

        Returns:
            The key, or the error that says that the outcome is unknown.

        Raises:
            Exception: no key was created.
        """
        self._on_wire = False
        try:
            secret = await self._limit.run(
                self.endpoint.post(self._limit.deadline, self._tell_on_wire, self.hooks.before_send)
            )
        except OutcomeUnknownError as error:
            outcome = error.with_traceback(None)
        except ResponseDecodeError as error:
            # The server says that the key was created, and the list has it in full. A list without it came too early.
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
        """Record that the server may be working on the request for this many seconds from now."""
        now = self.clock.now()
        self._settled_at = now + seconds
        self._lock.mark_in_flight(self._settled_at, now)

    def _finished(self) -> None:
        self._settled_at = self.clock.now()
        self._lock.mark_finished()

    # Afterwards -------------------------------------------------------------------------------------------

    async def _made(self, secret: Secret) -> IssuedKey:
        """Check the key that the server returned as new, and issue it."""
        if secret.fingerprint in self._known() or self._lock.elsewhere([secret.fingerprint]):
            self._in_flight_for(self.settle)  # this was not the response to our request
            reason = f"the server returned the key {secret.fingerprint}, which is not new"
            raise self._unknown_outcome(reason, kind="not_new")
        if self._lost:
            await self._see_that_it_is_alone(secret)
        return self._issued(secret)

    async def _found(self, secret: Secret) -> IssuedKey:
        """Issue a new key that was found in the list after its response was lost."""
        if self._lost > 1:  # it is not known which request created it, and the others may still create one
            await self._see_that_it_is_alone(secret, self._lost_at + self.settle)
        lost = self._unknown
        assert lost is not None
        fields = {"company_id": self.company_id, "fingerprint": secret.fingerprint, "failure": lost.kind}
        _logger.warning(
            "the response to creating a key for company %s was lost (%s); its key %s was found in the list",
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
        """Return the one new key, or `None` once its absence counts as proof."""
        pause = _FIRST_PAUSE
        while True:
            if (found := await self._look()) is not None:
                return found
            if self._list_lags and self._settled_at < self._lost_at + self.settle:
                self._settled_at = self._lost_at + self.settle
                self._lock.mark_in_flight(self._settled_at, self.clock.now())
            if self._listed_at >= self._settled_at and not self._missing:
                self._finished()
                return None  # only a list read after everything has settled proves that there is no key
            pause = await self._pause(pause, self._settled_at)

    async def _look(self) -> Secret | None:
        """Return the one new key, if it is listed now."""
        return self._pick(await self._list_afterwards())

    async def _list_afterwards(self, candidates: Iterable[Secret] = ()) -> Mapping[str, ApiKey]:
        """List the company's keys after something has been sent."""
        try:
            return await self._list_keys()
        except Exception as error:
            reason = f"listing the keys afterwards failed: {_words_of(error)}"
        kind: UnknownKind = "deadline" if self._limit.passed else "look_failed"
        raise self._unknown_outcome(reason, candidates, kind=kind)

    def _pick(self, keys: Mapping[str, ApiKey]) -> Secret | None:
        """Return the key that is new since the baseline.

        Raises:
            KeyOutcomeUnknownError: several keys are new, or someone else created the new one.
        """
        known = self._known()
        new = [key for fingerprint, key in keys.items() if fingerprint not in known]
        if not new:
            return None
        candidates = [key.api_key for key in new]
        if any(not may_match(self.label, key.label) for key in new):
            reason = "someone else is creating keys for this company at the same time"
            raise self._unknown_outcome(reason, candidates, kind="other_writer")
        if len(new) > 1:
            raise self._unknown_outcome(f"{len(new)} new keys appeared", candidates, kind="several_keys")
        return candidates[0]

    async def _see_that_it_is_alone(self, secret: Secret, until: float = 0.0) -> None:
        """After sending again, check that no earlier request created a key after all.

        A list that lacks this key may lack the other one too, and is read again.

        Args:
            secret: the key that was created or found.
            until: keep checking until this time.
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
                reason = "an earlier request created a key after it was given up on"
                raise self._unknown_outcome(reason, [secret, *twins], kind="several_keys")
            if secret.fingerprint in keys and self._listed_at >= until:
                return
            if self._listed_at >= enough:
                reason = "the list does not show the key that was created, so it may lack another one too"
                raise self._unknown_outcome(reason, [secret], kind="not_seen")
            pause = await self._pause(pause, until)

    async def _look_for(self, error: KeyOutcomeUnknownError) -> IssuedKey | None:
        """List the keys until the creation's key is found, or its absence counts as proof."""
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

    # Shared -----------------------------------------------------------------------------------------------

    async def _list_keys(self) -> dict[str, ApiKey]:
        """List the company's keys, by fingerprint."""
        began = self.clock.now()
        keys = await self._limit.run(self.endpoint.list_keys(self._limit.deadline))
        by_fingerprint = {key.api_key.fingerprint: key for key in keys}
        if strangers := self._lock.elsewhere(by_fingerprint):
            reason = f"its list contains keys created here for another company: {', '.join(sorted(strangers))}"
            raise self._unknown_outcome(reason, kind="mixed_up")
        self._listed_at = began
        self._missing, deleted = self._lock.compare(by_fingerprint, began, self.settle)
        self._list_lags = self._list_lags or bool(self._missing)
        if deleted:
            _logger.warning(
                "company %s: keys created here have been missing from its list for %g s and count as deleted: %s",
                self.company_id,
                self.settle,
                ", ".join(sorted(deleted)),
                extra={"woodpecker_company_id": self.company_id},
            )
        return by_fingerprint

    def _known(self) -> set[str]:
        """Return the fingerprints of all keys that cannot be the new one."""
        handed_out = self._lock.handed_out()
        elsewhere = {fingerprint for fingerprint, key in handed_out.items() if key.creation_id != self.id}
        return elsewhere.union(self._baseline or ())

    def _too_late(self) -> DeadlineExceededError:
        return DeadlineExceededError(
            f"the deadline of {self.deadline:g} s for creating an API key passed", company_id=self.company_id
        )

    async def _pause(self, seconds: float, until: float | None = None) -> float:
        """Wait before the next list, and return the length of the next pause."""
        await self._limit.pause(seconds, until)
        return min(2 * seconds, _LONGEST_PAUSE)

    def _ambiguous(self, keys: list[Secret]) -> KeyOutcomeUnknownError:
        """Create the error for a label that several keys have; only a person can say which one is meant."""
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
        """Create the error that says what is known, and how to find out the rest."""
        candidates = tuple(candidates)
        lost = self._unknown
        named = ", ".join(key.fingerprint for key in candidates) or "none"
        story = f"; first: {lost.args[0]}" if lost is not None else ""
        open_for = self._settled_at - self.clock.now()
        # `settle` may exceed the range of datetime.
        settles_at = self.clock.utcnow() + timedelta(seconds=min(open_for, _YEARS)) if open_for > 0 else None
        still = f"; the server may still be working on it until {settles_at:%H:%M:%S} UTC" if settles_at else ""
        return KeyOutcomeUnknownError(
            f"it is not known which API key, if any, was made for company {self.company_id} with label "
            f"{self.label!r}: {reason}{story}{still}; candidates by fingerprint: {named}; "
            "`await session.agency.api_keys.resolve(error)` checks again",
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
    # The exception may come from foreign code, such as a key function, and its text may contain anything.
    return str(error) if isinstance(error, WoodpeckerError) else type(error).__name__
