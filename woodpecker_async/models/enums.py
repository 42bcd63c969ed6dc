"""Open enums: a server may use a value that this version of the SDK does not know yet."""

from enum import StrEnum
from typing import Self, cast


def respelt(word: str) -> tuple[str, str]:
    """Return a value spelled with hyphens, as in the v1 endpoints, and with underscores, as in v2.

    A leading sign is left alone.
    """
    return word[:1] + word[1:].replace("_", "-"), word[:1] + word[1:].replace("-", "_")


class OpenEnum(StrEnum):
    """An enum of strings that also accepts and keeps strings it does not know.

    Its members are strings and compare as strings. An unknown one has the name `"(unknown)"`. Hyphens and underscores
    are interchangeable.

    Example:
        >>> from woodpecker_async.models import MailboxType
        >>> MailboxType("IMAP") is MailboxType.IMAP
        True
        >>> MailboxType("EXCHANGE") == "EXCHANGE"
        True
        >>> MailboxType("EXCHANGE")
        <MailboxType.(unknown): 'EXCHANGE'>
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        known = cls._value2member_map_
        for spelling in respelt(value):
            if spelling in known:
                return cast("Self", known[spelling])
        member = str.__new__(cls, value)
        member._name_, member._value_ = "(unknown)", value
        return member
