"""`Secret`: an API key that cannot be printed by accident."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, Final, Self, final

from woodpecker_async.errors import ConfigError, SecretNotCarriedError

_FINGERPRINT_DIGITS: Final = 12
_SHOWN: Final = 4


@final
class Secret:
    """An API key or password. Only `reveal()` returns its text.

    `repr`, `str`, `format` and `attrs.asdict` show a mask. Serializing it to JSON raises `TypeError`. A copy is the
    same object. A pickle carries the mask and the fingerprint, not the text: a secret that has gone through a job
    queue or a process pool still compares equal to the original (by fingerprint), but its `reveal()` raises
    `SecretNotCarriedError`.

    Example:
        >>> key = Secret("123456.abcdefg123456hijk987")
        >>> key
        Secret('123456.****k987')
        >>> key.fingerprint
        '3cb8512f6d56'
        >>> key.reveal()
        '123456.abcdefg123456hijk987'
    """

    # Lists create many of these, so only the value is set eagerly; the mask is set only if there is no value.
    __slots__ = ("_fingerprint", "_mask", "_value")

    _value: str | None
    _fingerprint: str
    _mask: str

    def __init__(self, value: str) -> None:
        if not isinstance(value, str) or not value:
            kind = type(value).__name__
            del value  # this frame and this object may end up in a traceback
            self._value, self._mask = None, "****"
            raise ConfigError(f"a secret must be a non-empty str, not {kind}")
        self._value = value

    def reveal(self) -> str:
        """Return the text.

        Raises:
            SecretNotCarriedError: this object was unpickled, and a pickle does not carry the text.
        """
        if self._value is None:
            raise SecretNotCarriedError(
                f"the key {self._mask} is not available: a pickled Secret carries its mask and its fingerprint "
                f"({self._fingerprint}) only; call reveal() in the process that created it, and store it there"
            )
        return self._value

    @property
    def fingerprint(self) -> str:
        """The first 12 hex digits of the key's SHA-256, which identify the key without revealing it."""
        if not hasattr(self, "_fingerprint"):
            digest = hashlib.sha256(self.reveal().encode("utf-8", "surrogatepass"))
            self._fingerprint = digest.hexdigest()[:_FINGERPRINT_DIGITS]
        return self._fingerprint

    @property
    def masked(self) -> str:
        """The account number, if the key begins with one, and the last four characters of a key that is long enough."""
        return self._mask if self._value is None else _mask(self._value)

    def __repr__(self) -> str:
        return f"Secret({self.masked!r})"

    def __str__(self) -> str:
        return self.masked

    def __format__(self, spec: str) -> str:
        return format(self.masked, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        if self._value is not None and other._value is not None:
            return hmac.compare_digest(
                self._value.encode("utf-8", "surrogatepass"), other._value.encode("utf-8", "surrogatepass")
            )
        return hmac.compare_digest(self.fingerprint, other.fingerprint)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __bool__(self) -> bool:
        return True

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _hollow, (self.masked, self.fingerprint)


def hashes(secrets: Iterable[Secret]) -> Iterable[int]:
    """Return hashes that tell the secrets of one process apart, much cheaper than fingerprints. They reveal nothing."""
    return [hash(secret._value) for secret in secrets]


def _mask(value: str) -> str:
    head, dot, tail = value.partition(".")
    shown_head = head + dot if dot and head.isdigit() else ""
    rest = tail if shown_head else value
    # Four characters would reveal too much of a short key, so then none are shown.
    end = rest[-_SHOWN:] if len(rest) >= 4 * _SHOWN else ""
    return f"{shown_head}****{end}"


def _hollow(mask: str, fingerprint: str) -> Secret:
    secret = object.__new__(Secret)
    secret._value = None
    secret._mask = mask
    secret._fingerprint = fingerprint
    return secret
