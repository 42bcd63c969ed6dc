"""Decoding the JSON of a response with msgspec, directly into the attrs classes of `models`.

msgspec is fast and strict about types, but says little about errors. So it only goes first: a body that it rejects is
decoded again by `codec` with cattrs, which decides and names the error. It must therefore never accept what `codec`
rejects, nor decode it differently; the tests compare the two.
"""

import operator
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from woodpecker_async.models.account import Fields
from woodpecker_async.models.paging import UNDOCUMENTED, ListBody, Single, envelope

# msgspec calls this with a class it does not know (`Secret`, and those of `models._loose`) and the JSON value.
_hook = operator.call

Read = Callable[[bytes], Any]


@cache
def reader(into: Any) -> Read | None:
    """Return a function that decodes a body as this type with msgspec; `None` if msgspec cannot.

    The function may raise anything for a body that it rejects. The body must be UTF-8: msgspec does not check what it
    skips.
    """
    if into is Any:
        return None
    try:
        if isinstance(into, ListBody):
            if into.items == UNDOCUMENTED:
                return None
            if _is_fields(into.item):  # msgspec would look for the class's one field in each item
                return None
            read_list = _decoder(envelope(into))
            return lambda body: into.listing(read_list(body))
        if _is_fields(into):
            read_fields = _decoder(dict[str, Any])
            return lambda body: into(fields=read_fields(body))
        if getattr(into, "__origin__", None) is Single:
            read_item = reader(into.__args__[0])
            if read_item is None:
                return None
            return lambda body: Single(item=read_item(body))  # an array of one is left to `codec`
        return _decoder(into)
    except TypeError:  # a field's type is not supported by msgspec
        return None


def _is_fields(into: Any) -> bool:
    return isinstance(into, type) and issubclass(into, Fields)


def _decoder(into: Any) -> Read:
    return msgspec.json.Decoder(into, dec_hook=_hook).decode
