"""Whether a key has a label, as far as a server that tidies labels up lets it be seen."""

from collections.abc import Collection, Iterable
from unicodedata import normalize

from woodpecker_async.models.agency import ApiKey
from woodpecker_async.secret import Secret


def may_match(asked: str, stored: str | None) -> bool:
    """Whether a server that tidies labels up may have stored `asked` as `stored`."""
    return stored is None or _tidy(asked).startswith(_tidy(stored))


def same_label(asked: str, stored: str | None) -> bool:
    """Whether the two are one label but for the form of their characters (NFC) and repeated whitespace."""
    return stored is not None and normalize("NFC", asked).split() == normalize("NFC", stored).split()


def keys_with_label(keys: Iterable[ApiKey], label: str, made_here: Collection[str]) -> list[Secret]:
    """The keys that have this label, as far as a server that tidies labels up lets it be seen.

    Args:
        keys: the company's keys.
        label: the label.
        made_here: the fingerprints of the keys that this process made for the label: theirs is it, whatever
            the server made of it.
    """
    keys = list(keys)
    same = [key.api_key for key in keys if key.api_key.fingerprint in made_here or same_label(label, key.label)]
    but_for_case = [key.api_key for key in keys if key.label is not None and _tidy(key.label) == _tidy(label)]
    return same or but_for_case


def _tidy(label: str) -> str:
    # Decomposed, so that a label which was cut between a letter and its accent still begins the same.
    return normalize("NFD", " ".join(normalize("NFC", label).split()).casefold())
