"""Reading answers with msgspec, where it is installed (the extra `fast`).

msgspec reads JSON straight into the same attrs classes, and is strict about types. It is only a short cut:
whatever it does not accept is read again by `codec`, which decides, and says what is wrong. So it must never
accept what `codec` refuses, nor read it otherwise; the tests compare the two.
"""

import operator
from collections.abc import Callable
from typing import Any, get_args

from woodpecker_async.models.account import Me
from woodpecker_async.models.paging import ArrayListing, Listing, PaginationData, Single

# Read whole, or in more than one shape: msgspec would look for their only field in the answer.
_OTHERWISE = frozenset({Me, Single})

# A class that msgspec does not know it calls with the value: of all that is in answers, this is `Secret`.
_hook = operator.call

_Read = Callable[[bytes], Any]

_readers: dict[Any, _Read | None] = {}


def reader(into: Any) -> _Read | None:
    """How to read a body as this type; `None` where there is no short cut.

    What is returned raises anything at all for a body it does not accept, and wants one that is UTF-8: in what
    it skips, msgspec does not look.
    """
    try:
        return _readers[into]
    except KeyError:
        read = _readers[into] = _make(into)
        return read


def _make(into: Any) -> _Read | None:
    kind = getattr(into, "__origin__", into)
    if into is Any or not _OTHERWISE.isdisjoint((kind, *get_args(into))):
        return None
    try:
        import msgspec  # noqa: PLC0415 - not needed before there is something to read
    except ImportError:
        return None
    try:
        if isinstance(kind, type) and issubclass(kind, Listing):
            return _listing_reader(msgspec, kind, *get_args(into))
        return msgspec.json.Decoder(into, dec_hook=_hook).decode
    except TypeError:  # a field of a kind that msgspec does not know, such as a text or an enumeration's value
        return None


def _listing_reader(msgspec: Any, kind: type[Listing[Any]], item: Any) -> _Read:
    items = tuple.__class_getitem__((item, ...))
    if issubclass(kind, ArrayListing):
        read_array = msgspec.json.Decoder(items, dec_hook=_hook).decode
        return lambda body: kind(content=read_array(body))
    envelope = msgspec.defstruct("Envelope", [("content", items), ("pagination_data", PaginationData | None, None)])
    read_object = msgspec.json.Decoder(envelope, dec_hook=_hook).decode

    def read(body: bytes) -> Any:
        whole: Any = read_object(body)
        return kind(content=whole.content, pagination_data=whole.pagination_data)

    return read
