"""Reading the JSON of an answer with msgspec, straight into the attrs classes of `models`.

msgspec is fast and strict about types, but says little about a fault. So it is the first reader and not the judge:
a body that it does not accept is read again by `codec` with cattrs, which decides and names the fault. It must
therefore never accept what `codec` refuses, nor read it differently; the tests compare the two.
"""

import operator
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from woodpecker_async.models.account import Me
from woodpecker_async.models.paging import Listing, PaginationData

# msgspec calls this with a class that it does not know and the JSON value: of all that is in answers, `Secret`.
_hook = operator.call

Read = Callable[[bytes], Any]


def reader(into: Any) -> Read | None:
    """How msgspec reads a body as this type; `None` where it cannot.

    The function returned raises anything at all for a body that it does not accept. The body must be UTF-8: msgspec
    does not check what it skips.
    """
    return _reader(into)


@cache
def _reader(into: Any) -> Read | None:
    if into is Any:
        return None
    try:
        if into is Me:
            return _me_reader()
        if getattr(into, "__origin__", None) is Listing:
            return _listing_reader(*into.__args__)
        return msgspec.json.Decoder(into, dec_hook=_hook).decode
    except TypeError:  # a field of a kind that msgspec does not know
        return None


def _me_reader() -> Read:
    read = msgspec.json.Decoder(dict[str, Any]).decode
    return lambda body: Me(fields=read(body))


def _listing_reader(item: Any) -> Read:
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
