"""The first key of a run is found again by its label before a second one is made.

A server that stores another label than it was sent would make every run create one more key at each company.

Until that is known one creation is let through at a time. One that hangs holds up the others for `settle`
seconds (but at least five), then one more is let through.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakKeyDictionary

from woodpecker_async.bulk.failures import fails_everywhere
from woodpecker_async.errors import LabelNotKeptError, WoodpeckerError
from woodpecker_async.labels import keys_with_label
from woodpecker_async.models import IssuedKey
from woodpecker_async.options import CallOptions
from woodpecker_async.session import WoodpeckerSession
from woodpecker_async.settled import read_settled

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
_PATIENCE: Final = 5.0  # seconds, at least, that others wait for the first creation


class LabelCheck:
    """Lets one creation at a time through until a key was found again by its label; from then on, all.

    Attributes:
        loop: the event loop it belongs to.
        failed: why no further key may be made; `None` as long as none is known.
    """

    def __init__(self, session: WoodpeckerSession, label: str, options: CallOptions) -> None:
        self.loop = asyncio.get_running_loop()
        self.failed: LabelNotKeptError | None = None
        self._clock = session.clock
        self._list = session.agency.api_keys.list
        self._label = label
        self._options = options
        self._verified = False
        self._unverified: IssuedKey | None = None
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def creation(self, settle: float) -> AsyncIterator["Creation"]:
        """One company's creation, from before its first POST to the end of the block."""
        creation = Creation(self, settle)
        try:
            yield creation
        finally:
            creation.end()

    async def acquire(self, settle: float) -> asyncio.Lock | None:
        """Wait until a key may be made; the lock that is held from then on, if it is still to be found out.

        Raises:
            LabelNotKeptError: none may be made.
            WoodpeckerError: the latest key could not be looked for.
        """
        while not self._verified:
            lock = self._lock
            try:
                async with asyncio.timeout(max(settle, _PATIENCE)):
                    await lock.acquire()
            except TimeoutError:
                if lock is self._lock:  # whoever has it hangs: let one other try
                    self._lock = asyncio.Lock()
                continue
            try:
                if lock is self._lock and not self._verified:
                    if self._unverified is not None and self.failed is None:
                        await self._verify(self._unverified, settle)
                    if self.failed is not None:
                        raise self.failed
                    if not self._verified:
                        return lock
            except BaseException:
                lock.release()
                raise
            lock.release()
        return None

    async def made(self, issued: IssuedKey, settle: float) -> None:
        """A key was made while the lock was held: look for it."""
        self._unverified = issued
        try:
            await self._verify(issued, settle)
        except WoodpeckerError as error:
            if fails_everywhere(error):
                raise
            # The key is there and stored. Whoever is next looks for it before making another.

    async def _verify(self, issued: IssuedKey, settle: float) -> None:
        until, pause = self._clock.now() + settle, _FIRST_PAUSE
        while True:
            keys = (await read_settled(self._list(issued.company_id, options=self._options))).items
            if any(key.api_key == issued.api_key for key in keys):
                break
            if (left := until - self._clock.now()) <= 0:
                self._fail(issued, f"the server's list does not show it within {settle:g} s")
                return
            await self._clock.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)
        if issued.api_key in keys_with_label(keys, self._label, ()):
            self._verified = True
            return
        [stored, *_] = [key.label for key in keys if key.api_key == issued.api_key]
        self._fail(issued, f"the server stored it as {stored!r}")

    def _fail(self, issued: IssuedKey, why: str) -> None:
        self.failed = LabelNotKeptError(
            f"company {issued.company_id} has a new API key {self._label!r} (fingerprint "
            f"{issued.api_key.fingerprint}), but it cannot be found again by this label: {why}. Each run would make "
            "another key at each company, so no more are made: use a label that the server keeps",
            company_id=issued.company_id,
            label=self._label,
            api_key=issued.api_key,
        )


class Creation:
    """What one company's creation has to do with the check."""

    def __init__(self, check: LabelCheck, settle: float) -> None:
        self._check = check
        self._settle = settle
        self._lock: asyncio.Lock | None = None

    async def before(self) -> None:
        """To be awaited before each POST."""
        if self._lock is None:
            self._lock = await self._check.acquire(self._settle)

    async def after(self, issued: IssuedKey) -> None:
        """To be awaited when the key is stored."""
        if self._lock is not None and issued.created:
            await self._check.made(issued, self._settle)

    def end(self) -> None:
        """Let others go on."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


# Runs of one session at the same time, such as the jobs of a worker, share a check for each label.
_checks: WeakKeyDictionary[WoodpeckerSession, dict[str, LabelCheck]] = WeakKeyDictionary()


def label_check(session: WoodpeckerSession, label: str, options: CallOptions) -> LabelCheck:
    """The check of this label, in this session, on the running loop."""
    known = _checks.setdefault(session, {})
    check = known.get(label)
    if check is None or check.loop is not asyncio.get_running_loop():
        check = known[label] = LabelCheck(session, label, options)
    return check
