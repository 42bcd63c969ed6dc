"""Making exactly one key at a server that cannot be asked twice.

Creating a key is not idempotent, and the secret is in the answer. If the answer is lost, there may be a live
key that nobody knows of; sending again may make a second one. But the keys of a company can be listed, so
there is a way to know:

1. Look: the keys that are there now are the baseline.
2. Send.
3. A clear answer ends it: the key is in it, or the server refused and nothing was made.
4. Otherwise look again. A key that is not in the baseline is ours, secret included. If there is none, nothing
   was made, and sending again is safe. If there are several, or one that by its label somebody else made in
   the meantime, nobody can say which is ours: that is an error which names the candidates.

When does the absence of a new key count? At once, if the server has surely finished (a 500 with the API's
own body). After a lost connection, a timeout or an error page of a proxy the server may still be at work:
then the look is repeated for `settle` seconds before absence counts.

The difference of two sets decides, not the label: servers may trim or cut labels. What this cannot see
through is another process that makes keys at the same company at the same moment with a label that could be
ours; inside one process a lock for each company keeps creations apart.

The whole creation has one deadline. Sending again waits a little longer each time.

No HTTP here: looking, sending and sleeping are handed in.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

import attrs

from woodpecker_async.errors import ApiError, KeyOutcomeUnknownError, OutcomeUnknownError, WoodpeckerError
from woodpecker_async.models.agency import ApiKey, IssuedKey
from woodpecker_async.secret import Secret

# Looks while the outcome settles: soon at first, for most answers are lost when the work is done.
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Creation:
    """The making of one key.

    Attributes:
        company_id: where.
        label: its label.
        look: lists the company's keys, within so many seconds.
        send: asks for the key once, within so many seconds; gives the key, or the error that says that the
            outcome is not known; raises where the server refused.
        sleep: waits.
        now: monotonic seconds.
        backoff: seconds to wait before sending again, by how often it was sent.
        settle: seconds until the absence of a new key counts, when the server may still be at work.
        sendings: how often the request may be sent at most.
        deadline: seconds for the whole creation.
    """

    company_id: int
    label: str
    look: Callable[[float], Awaitable[Sequence[ApiKey]]]
    send: Callable[[float], Awaitable[Secret | OutcomeUnknownError]]
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], float]
    backoff: Callable[[int], float]
    settle: float
    sendings: int
    deadline: float

    async def run(self, baseline: Sequence[ApiKey] | None) -> IssuedKey:
        """Make the key.

        Args:
            baseline: the company's keys just before; `None` if nobody looked, and then an unclear outcome is
                the end, because no look afterwards can tell old from new.

        Raises:
            KeyOutcomeUnknownError: it cannot be said which key, if any, was made.
            ApiError: the server refused; nothing was made.
        """
        known = None if baseline is None else frozenset(key.api_key.fingerprint for key in baseline)
        until = self.now() + self.deadline
        unclear: OutcomeUnknownError | None = None
        for sending in range(1, self.sendings + 1):
            if unclear is not None:
                await self.sleep(min(self.backoff(sending - 1), max(until - self.now(), 0.0)))
                if self.now() >= until:
                    raise self.unknown("the deadline is over", unclear, known=known, kind="deadline")
            try:
                outcome = await self.send(until - self.now())
            except ApiError:
                # Refused now; but an earlier request may have come to something after it had been given up.
                if unclear is None or known is None:
                    raise
                found = await self._look(known, unclear, until)
                if found is None:
                    raise
                return self._issued(found)
            if isinstance(outcome, Secret):
                if unclear is not None and known is not None:
                    await self._see_that_it_is_alone(outcome, known, unclear, until)
                return self._issued(outcome)
            unclear = outcome
            if known is None:
                raise self.unknown("nobody looked before", unclear)
            found = await self._settled_look(known, unclear, until)
            if found is not None:
                return self._issued(found)
        assert unclear is not None
        raise self.unknown(
            f"sent {self.sendings} times, and no new key is to be seen", unclear, known=known, kind="not_seen"
        )

    async def _settled_look(self, known: frozenset[str], unclear: OutcomeUnknownError, until: float) -> Secret | None:
        """The one new key, or `None` once its absence counts."""
        settled_at = self.now() + (0.0 if unclear.settled else self.settle)
        pause = _FIRST_PAUSE
        while True:
            began = self.now()
            if (found := await self._look(known, unclear, until)) is not None:
                return found
            if began >= settled_at:
                return None  # only a look that began when all was settled can tell that nothing is there
            now = self.now()
            if now >= until:
                raise self.unknown("the deadline is over", unclear, known=known, kind="deadline")
            await self.sleep(max(0.0, min(pause, settled_at - now, until - now)))
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _look(self, known: frozenset[str], unclear: OutcomeUnknownError, until: float) -> Secret | None:
        try:
            keys = await self.look(until - self.now())
        except WoodpeckerError as error:
            reason = f"and the look failed: {error}"
            kind = "deadline" if self.now() >= until else "look_failed"
            raise self.unknown(reason, unclear, known=known, kind=kind) from None
        return self.pick(keys, known, unclear)

    def pick(self, keys: Iterable[ApiKey], known: frozenset[str], unclear: OutcomeUnknownError | None) -> Secret | None:
        """The key that is new since the baseline.

        Raises:
            KeyOutcomeUnknownError: several are new, or the one that is new was made by somebody else.
        """
        new = [key for key in keys if key.api_key.fingerprint not in known]
        if not new:
            return None
        candidates = [key.api_key for key in new]
        if any(not could_be(self.label, key.label) for key in new):
            reason = "somebody else makes keys at this company at the same time"
            raise self.unknown(reason, unclear, candidates, known, "other_writer")
        if len(new) > 1:
            raise self.unknown(f"{len(new)} new keys appeared", unclear, candidates, known, "several_keys")
        return candidates[0]

    async def _see_that_it_is_alone(
        self, made: Secret, known: frozenset[str], unclear: OutcomeUnknownError, until: float
    ) -> None:
        """After a second sending: had the first one come to something after all?"""
        try:
            keys = await self.look(until - self.now())
        except WoodpeckerError:
            return  # the key is in hand; only that it is alone could not be confirmed
        twins = [
            key.api_key
            for key in keys
            if key.api_key.fingerprint not in known and key.api_key != made and could_be(self.label, key.label)
        ]
        if twins:
            reason = "an earlier request came to a key after it had been given up"
            raise self.unknown(reason, unclear, [made, *twins], known, "several_keys")

    def unknown(
        self,
        reason: str,
        unclear: OutcomeUnknownError | None,
        candidates: Iterable[Secret] = (),
        known: frozenset[str] | None = None,
        kind: str | None = None,
    ) -> KeyOutcomeUnknownError:
        """The error that says what is known."""
        return outcome_unknown(self.company_id, self.label, reason, unclear, candidates, known, kind)

    def _issued(self, secret: Secret) -> IssuedKey:
        return IssuedKey(company_id=self.company_id, label=self.label, api_key=secret)


def outcome_unknown(
    company_id: int,
    label: str,
    reason: str,
    unclear: OutcomeUnknownError | None,
    candidates: Iterable[Secret] = (),
    known: frozenset[str] | None = None,
    kind: str | None = None,
) -> KeyOutcomeUnknownError:
    """The error that says what is known, and how to find out the rest.

    Args:
        company_id: where.
        label: the label asked for.
        reason: why it is not known.
        unclear: the failure of the sending that started it, if one did: its story is carried on.
        candidates: the keys that may be the one.
        known: fingerprints of the keys that were there before.
        kind: the kind of the error; by default that of `unclear`.
    """
    candidates = tuple(candidates)
    named = ", ".join(key.fingerprint for key in candidates) or "none"
    story = f"; first: {unclear.args[0]}" if unclear is not None else ""
    return KeyOutcomeUnknownError(
        f"it is not known which API key, if any, was made at company {company_id} for label {label!r}: "
        f"{reason}{story}; candidates by fingerprint: {named}; "
        "`await session.agency.api_keys.resolve(error)` looks again",
        company_id=company_id,
        label=label,
        kind=kind or (unclear.kind if unclear is not None else "several_keys"),
        candidates=candidates,
        baseline=known,
        **_story_of(unclear),
    )


def _story_of(unclear: OutcomeUnknownError | None) -> dict[str, Any]:
    if unclear is None:
        return {}
    names = ("status", "settled", "method", "path", "call_id", "request_id", "attempts")
    return {name: getattr(unclear, name) for name in names}


def could_be(asked: str, stored: str | None) -> bool:
    """Whether a server that tidies up labels may have stored `asked` as `stored`."""
    if stored is None:
        return True
    return _tidy(asked).startswith(_tidy(stored))


def same_label(asked: str, stored: str | None) -> bool:
    """Whether the two are one label but for repeated blanks."""
    return stored is not None and asked.split() == stored.split()


def labelled_so(keys: Iterable[ApiKey], label: str, made: str | None) -> list[Secret]:
    """The keys that have this label, as far as a server that tidies labels up lets it be seen.

    Args:
        keys: the company's keys.
        label: the label.
        made: the fingerprint of the key that was made for this label before, if one was.
    """
    keys = list(keys)
    by_fingerprint = [key.api_key for key in keys if key.api_key.fingerprint == made]
    exact = [key.api_key for key in keys if same_label(label, key.label)]
    but_for_case = [key.api_key for key in keys if key.label is not None and _tidy(key.label) == _tidy(label)]
    return by_fingerprint or exact or but_for_case


def _tidy(label: str) -> str:
    return " ".join(label.split()).casefold()
