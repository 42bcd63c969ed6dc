"""Enumerations that stay open: a server may learn a word before this version of the SDK does."""

from enum import StrEnum
from typing import Self


class OpenEnum(StrEnum):
    """An enumeration of strings that accepts a string it does not know, and keeps it.

    Its members are strings and compare as such. An unknown one has the name `"(unknown)"`.

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
        member = str.__new__(cls, value)
        member._name_, member._value_ = "(unknown)", value
        return member
