"""Enumerations that stay open: a server may learn a word before this version of the SDK does."""

from enum import StrEnum
from typing import Self, cast


def respelt(word: str) -> tuple[str, str]:
    """A word with hyphens and with underscores: the v1 endpoints write the former where those of v2 write the latter.

    A sign in front of it is none.
    """
    return word[:1] + word[1:].replace("_", "-"), word[:1] + word[1:].replace("-", "_")


class OpenEnum(StrEnum):
    """An enumeration of strings that accepts a string it does not know, and keeps it.

    Its members are strings and compare as such. An unknown one has the name `"(unknown)"`. A word is the same with
    hyphens and with underscores.

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
