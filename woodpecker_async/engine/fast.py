"""Reading answers with msgspec, where it is installed (the extra `fast`).

msgspec reads JSON straight into the same attrs classes, and is strict about types. It is only a short cut:
whatever it does not accept is read again by `codec`, which decides, and says what is wrong. So it must never
accept what `codec` refuses, nor read it otherwise; the tests compare the two.
"""

import operator
from collections.abc import Callable
from typing import Any, get_args

from woodpecker_async.models.account import Me
from woodpecker_async.models.paging import Listing, PaginationData

# Read whole, as the fields of one mapping: msgspec would look for that mapping in the answer.
_OTHERWISE = frozenset({Me})

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
    if into is Any or not _OTHERWISE.isdisjoint((into, *get_args(into))):
        return None
    try:
        import msgspec  # noqa: PLC0415 - not needed before there is something to read
    except ImportError:
        return None
    try:
        if getattr(into, "__origin__", None) is Listing:
            return _listing_reader(msgspec, *get_args(into))
        return msgspec.json.Decoder(into, dec_hook=_hook).decode
    except TypeError:  # a field of a kind that msgspec does not know, such as a text or an enumeration's value
        return None


def _listing_reader(msgspec: Any, item: Any) -> _Read:
    items = tuple.__class_getitem__((item, ...))
    envelope = msgspec.defstruct("Envelope", [("content", items), ("pagination_data", PaginationData | None, None)])
    read_whole = msgspec.json.Decoder(envelope, dec_hook=_hook).decode
    read_bare = msgspec.json.Decoder(items, dec_hook=_hook).decode

    def read(body: bytes) -> Any:
        if body.startswith(b"["):
            return Listing(content=read_bare(body))
        whole: Any = read_whole(body)
        return Listing(content=whole.content, pagination_data=whole.pagination_data)

    return read
