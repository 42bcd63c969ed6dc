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

No HTTP here: looking, sending and sleeping are handed in.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import attrs

from woodpecker_async.errors import CallError, KeyOutcomeUnknownError
from woodpecker_async.models.agency import ApiKey, IssuedKey
from woodpecker_async.secret import Secret

# Looks while the outcome settles: soon at first, for most answers are lost when the work is done.
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0


@attrs.frozen
class Unclear:
    """The outcome of a sending that is not known.

    Attributes:
        kind: how it got lost, as in `OutcomeUnknownError.kind`.
        settled: the server has surely finished with the request.
        reason: the story so far, in a line.
    """

    kind: str
    settled: bool
    reason: str


@attrs.frozen(kw_only=True)
class Creation:
    """The making of one key.

    Attributes:
        company_id: where.
        label: its label.
        look: lists the company's keys.
        send: asks for the key once; a key, or `Unclear`; raises where the server refused.
        sleep: waits.
        now: monotonic seconds.
        settle: seconds until the absence of a new key counts, when the server may still be at work.
        sendings: how often the request may be sent at most.
    """

    company_id: int
    label: str
    look: Callable[[], Awaitable[Sequence[ApiKey]]]
    send: Callable[[], Awaitable[Secret | Unclear]]
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], float]
    settle: float
    sendings: int

    async def run(self, baseline: Sequence[ApiKey] | None) -> IssuedKey:
        """Make the key.

        Args:
            baseline: the company's keys just before; `None` if nobody looked, and then an unclear outcome is
                the end, because no look afterwards can tell old from new.

        Raises:
            KeyOutcomeUnknownError: it cannot be said which key, if any, was made.
            CallError: the server refused; nothing was made.
        """
        known = None if baseline is None else frozenset(key.api_key.fingerprint for key in baseline)
        reason = ""
        for sending in range(1, self.sendings + 1):
            outcome = await self.send()
            if isinstance(outcome, Secret):
                if sending > 1:
                    await self._see_that_it_is_alone(outcome, known)
                return self._issued(outcome)
            if known is None:
                raise self.unknown(outcome.kind, outcome.reason, (), None)
            reason = outcome.reason
            found = await self._settled_look(known, outcome)
            if found is not None:
                return self._issued(found)
        raise self.unknown(
            "not_seen",
            f"sent {self.sendings} times, and no new key is to be seen: {reason}",
            (),
            known,
        )

    async def _settled_look(self, known: frozenset[str], outcome: Unclear) -> Secret | None:
        """The one new key, or `None` once its absence counts."""
        until = self.now() + (0.0 if outcome.settled else self.settle)
        pause = _FIRST_PAUSE
        while True:
            try:
                keys = await self.look()
            except CallError as error:
                raise self.unknown(
                    "look_failed", f"{outcome.reason}; and the look failed: {error}", (), known
                ) from None
            if (found := self.pick(keys, known, outcome.reason)) is not None:
                return found
            left = until - self.now()
            if left <= 0:
                return None
            await self.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def pick(self, keys: Iterable[ApiKey], known: frozenset[str], reason: str) -> Secret | None:
        """The key that is new since the baseline.

        Raises:
            KeyOutcomeUnknownError: several are new, or the one that is new was made by somebody else.
        """
        new = [key for key in keys if key.api_key.fingerprint not in known]
        if not new:
            return None
        candidates = [key.api_key for key in new]
        foreign = [key for key in new if not could_be(self.label, key.label)]
        if foreign:
            raise self.unknown(
                "other_writer",
                f"somebody else makes keys at this company at the same time: {reason}",
                candidates,
                known,
            )
        if len(new) > 1:
            raise self.unknown("several_keys", f"{len(new)} new keys appeared: {reason}", candidates, known)
        return new[0].api_key

    async def _see_that_it_is_alone(self, made: Secret, known: frozenset[str] | None) -> None:
        """After a second sending: had the first one come to something after all?"""
        if known is None:
            return
        try:
            keys = await self.look()
        except CallError:
            return  # the key is in hand; that it is alone could only not be confirmed
        twins = [
            key.api_key
            for key in keys
            if key.api_key.fingerprint not in known and key.api_key != made and could_be(self.label, key.label)
        ]
        if twins:
            raise self.unknown(
                "several_keys",
                "an earlier request came to a key after it had been given up",
                [made, *twins],
                known,
            )

    def unknown(
        self, kind: str, reason: str, candidates: Iterable[Secret], known: frozenset[str] | None
    ) -> KeyOutcomeUnknownError:
        """The error that says what is known."""
        return outcome_unknown(self.company_id, self.label, kind, reason, candidates, known)

    def _issued(self, secret: Secret) -> IssuedKey:
        return IssuedKey(company_id=self.company_id, label=self.label, api_key=secret)


def outcome_unknown(
    company_id: int,
    label: str,
    kind: str,
    reason: str,
    candidates: Iterable[Secret] = (),
    known: frozenset[str] | None = None,
) -> KeyOutcomeUnknownError:
    """The error that says what is known, and how to find out the rest."""
    candidates = tuple(candidates)
    named = ", ".join(key.fingerprint for key in candidates) or "none"
    return KeyOutcomeUnknownError(
        f"company {company_id}: it is not known which API key, if any, was made for label {label!r} ({reason}); "
        f"candidates by fingerprint: {named}; later, `await session.agency.api_keys.resolve(error)` looks again",
        company_id=company_id,
        label=label,
        kind=kind,
        candidates=candidates,
        baseline=known,
    )


def could_be(asked: str, stored: str | None) -> bool:
    """Whether a server that tidies up labels may have stored `asked` as `stored`."""
    if stored is None:
        return True
    return _tidy(asked).startswith(_tidy(stored))


def same_label(asked: str, stored: str | None) -> bool:
    """Whether the two are one label but for blanks and case."""
    return stored is not None and _tidy(asked) == _tidy(stored)


def _tidy(label: str) -> str:
    return " ".join(label.split()).casefold()
