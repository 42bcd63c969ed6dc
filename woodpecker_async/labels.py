"""Whether a key has a label, on a server that may normalize labels."""

from collections.abc import Collection, Iterable
from unicodedata import normalize

from woodpecker_async.models.agency import ApiKey
from woodpecker_async.secret import Secret


def may_match(asked: str, stored: str | None) -> bool:
    """Whether a server that normalizes or truncates labels may have stored `asked` as `stored`."""
    return stored is None or _tidy(asked).startswith(_tidy(stored))


def same_label(asked: str, stored: str | None) -> bool:
    """Whether two labels are equal, ignoring the Unicode form (NFC) and repeated whitespace."""
    return stored is not None and normalize("NFC", asked).split() == normalize("NFC", stored).split()


def keys_with_label(keys: Iterable[ApiKey], label: str, made_here: Collection[str]) -> list[Secret]:
    """Return the keys with this label, on a server that may normalize labels.

    Args:
        keys: the company's keys.
        label: the label.
        made_here: the fingerprints of the keys that this process created for the label; they count whatever label the
            server stored.
    """
    keys = list(keys)
    same = [key.api_key for key in keys if key.api_key.fingerprint in made_here or same_label(label, key.label)]
    but_for_case = [key.api_key for key in keys if key.label is not None and _tidy(key.label) == _tidy(label)]
    return same or but_for_case


def _tidy(label: str) -> str:
    # Decomposed (NFD), so that a label truncated between a letter and its accent is still a prefix.
    return normalize("NFD", " ".join(normalize("NFC", label).split()).casefold())
