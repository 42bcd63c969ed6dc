"""Before a run creates a second key, it checks that the first one can be found again by its label.

If a server stored a different label from the one it was sent, every run would create one more key for each company.

Until the check has passed, only one creation at a time is let through. One that hangs holds up the others for `settle`
seconds (but at least five); then one more is let through.
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
    """Lets one creation at a time through until a key has been found again by its label, and then all of them.

    Attributes:
        loop: the event loop it belongs to.
        failed: why no further key may be created; `None` if there is no such reason.
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
        """Wrap one company's creation, from before its first POST to the end of the block."""
        creation = Creation(self, settle)
        try:
            yield creation
        finally:
            creation.end()

    async def acquire(self, settle: float) -> asyncio.Lock | None:
        """Wait until a key may be created; return the lock, now held, if the check has not passed yet.

        Raises:
            LabelNotKeptError: no key may be created.
            WoodpeckerError: checking for the latest key failed.
        """
        while not self._verified:
            lock = self._lock
            try:
                async with asyncio.timeout(max(settle, _PATIENCE)):
                    await lock.acquire()
            except TimeoutError:
                if lock is self._lock:  # its holder hangs: let one other try
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
        """Check for a key that was created while the lock was held."""
        self._unverified = issued
        try:
            await self._verify(issued, settle)
        except WoodpeckerError as error:
            if fails_everywhere(error):
                raise
            # The key exists and is stored. The next holder checks for it before creating another.

    async def _verify(self, issued: IssuedKey, settle: float) -> None:
        until, pause = self._clock.now() + settle, _FIRST_PAUSE
        while True:
            keys = (await read_settled(self._list(issued.company_id, options=self._options))).items
            if any(key.api_key == issued.api_key for key in keys):
                break
            if (left := until - self._clock.now()) <= 0:
                self._fail(issued, f"it did not appear in the server's list within {settle:g} s")
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
            f"{issued.api_key.fingerprint}), but it cannot be found again by this label: {why}. Every run would create "
            "another key for each company, so no more are created: use a label that the server keeps unchanged",
            company_id=issued.company_id,
            label=self._label,
            api_key=issued.api_key,
        )


class Creation:
    """One company's creation, as seen by the check."""

    def __init__(self, check: LabelCheck, settle: float) -> None:
        self._check = check
        self._settle = settle
        self._lock: asyncio.Lock | None = None

    async def before(self) -> None:
        """Await this before each POST."""
        if self._lock is None:
            self._lock = await self._check.acquire(self._settle)

    async def after(self, issued: IssuedKey) -> None:
        """Await this once the key is stored."""
        if self._lock is not None and issued.created:
            await self._check.made(issued, self._settle)

    def end(self) -> None:
        """Let the next creation through."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


# Concurrent runs of one session, such as the jobs of a worker, share one check per label.
_checks: WeakKeyDictionary[WoodpeckerSession, dict[str, LabelCheck]] = WeakKeyDictionary()


def label_check(session: WoodpeckerSession, label: str, options: CallOptions) -> LabelCheck:
    """Return the check of this label for this session on the running loop."""
    known = _checks.setdefault(session, {})
    check = known.get(label)
    if check is None or check.loop is not asyncio.get_running_loop():
        check = known[label] = LabelCheck(session, label, options)
    return check
